/**
 * ICMP types by name, and the second word of the header, which each type uses
 * in its own way (RFC 792; next-hop MTU per RFC 1191 section 4).
 */
import { formatIp4 } from '../wire/address.ts';
import * as icmp from '../wire/icmp.ts';
import { integer, ip4, type Spot, wrong } from './field-value.ts';
import type { IcmpLayer, IcmpName } from './layer.ts';

const names: { readonly [N in IcmpName]: number } = {
  'echo-reply': icmp.ECHO_REPLY,
  unreachable: icmp.UNREACHABLE,
  redirect: icmp.REDIRECT,
  'echo-request': icmp.ECHO_REQUEST,
  'time-exceeded': icmp.TIME_EXCEEDED,
  'parameter-problem': icmp.PARAMETER_PROBLEM,
};
const byType = new Map(Object.entries(names).map(([name, type]) => [type, name as IcmpName]));

const SOURCE_QUENCH = 4;
const CODE_FRAGMENTATION_NEEDED = 4;

/** The messages that quote the packet they are about (RFC 1122 section 3.2.2). */
export const isIcmpError = (type: number): boolean =>
  type === icmp.UNREACHABLE ||
  type === SOURCE_QUENCH ||
  type === icmp.REDIRECT ||
  type === icmp.TIME_EXCEEDED ||
  type === icmp.PARAMETER_PROBLEM;

/** The name of a type, or the number where podwire has no name for it. */
export const icmpTypeName = (type: number): IcmpName | number => byType.get(type) ?? type;

export function icmpTypeNumber(layer: IcmpLayer, spot: Spot): number {
  const { type } = layer;
  if (typeof type === 'number') return integer(spot, 'type', type, 255);
  if (typeof type !== 'string' || !Object.hasOwn(names, type)) {
    throw wrong(spot, 'type', `a number or one of ${Object.keys(names).join(', ')}`, type);
  }
  return names[type];
}

/** The second word, unsigned, from whichever fields are given. */
export function icmpRest(layer: IcmpLayer, spot: Spot): number {
  if (layer.rest !== undefined) return integer(spot, 'rest', layer.rest, 0xffffffff);
  if (layer.gateway !== undefined) return ip4(spot, 'gateway', layer.gateway) >>> 0;
  if (layer.pointer !== undefined) return integer(spot, 'pointer', layer.pointer, 255) * 2 ** 24;
  if (layer.mtu !== undefined) return integer(spot, 'mtu', layer.mtu, 0xffff);
  const id = integer(spot, 'id', layer.id, 0xffff, 0);
  return id * 65536 + integer(spot, 'seq', layer.seq, 0xffff, 0);
}

/** The second word as the fields of its type; `rest` where these would lose bits. */
export function icmpRestFields(type: number, code: number, rest: number): Partial<IcmpLayer> {
  const word = rest >>> 0;
  if (type === icmp.ECHO_REQUEST || type === icmp.ECHO_REPLY) {
    return { id: word >>> 16, seq: word & 0xffff };
  }
  if (type === icmp.REDIRECT) return { gateway: formatIp4(rest) };
  if (type === icmp.UNREACHABLE && code === CODE_FRAGMENTATION_NEEDED && word < 0x10000) {
    return { mtu: word };
  }
  if (type === icmp.PARAMETER_PROBLEM && (word & 0xffffff) === 0) return { pointer: word >>> 24 };
  return { rest: word };
}
