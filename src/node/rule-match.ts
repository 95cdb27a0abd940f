/** The matches of a rule against a packet, one function each: ip_tables.c and xt_*.c. */
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import type { IcmpMatch, NumberMatch, PortsMatch, RecentMatch } from '../plan/netfilter.ts';
import { RouteKind } from '../tables/routes.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import type { CompiledRule } from './compiled-rule.ts';
import { DESTINATION_CHANGED, SOURCE_CHANGED } from './connection.ts';
import { statusOf } from './nat.ts';
import type { Node } from './node.ts';
import type { RecentTable } from './recent-table.ts';
import { checkSource, Source } from './source-check.ts';

export const within = ({ from, to, not }: NumberMatch, value: number): boolean =>
  (value >= from && value <= to) !== not;

export const deviceName = (node: Node, position: number): string =>
  node.devices[position]?.name ?? '';

/** conntrack_mt: the state of the packet, or that an end of its connection is translated. */
export function inState(node: Node, p: Packet, states: number): boolean {
  node.world.audit?.asked(node, p);
  if ((p.ctState & states) !== 0) return true;
  if ((states & (SOURCE_CHANGED | DESTINATION_CHANGED)) === 0 || p.ct < 0) return false;
  const connection = node.netfilter!.conntrack.connection(p.ct);
  return (statusOf(connection) & states) !== 0;
}

/** `cali+` is a prefix. Letter by letter: a cut-off `+` would be a new string a packet. */
export function named(pattern: string, name: string): boolean {
  const last = pattern.length - 1;
  if (last < 0 || pattern.charCodeAt(last) !== PLUS) return name === pattern;
  if (name.length < last) return false;
  for (let i = 0; i < last; i++) if (name.charCodeAt(i) !== pattern.charCodeAt(i)) return false;
  return true;
}

const PLUS = 0x2b;

export function portsMatch(
  { sourcePort, destinationPort }: CompiledRule['matches'],
  p: Packet,
): boolean {
  const l4 = portsAt(p);
  if (l4 < 0) return false;
  if (sourcePort !== undefined && !within(sourcePort, udp.sourcePort(bytes, l4))) return false;
  return destinationPort === undefined || within(destinationPort, udp.destinationPort(bytes, l4));
}

/** Where the ports of a packet stand, all these protocols keep them in one place; -1 without. */
function portsAt(p: Packet): number {
  const protocol = ipv4.protocol(bytes, p.l3);
  const known =
    protocol === ipv4.PROTO_TCP ||
    protocol === ipv4.PROTO_UDP ||
    protocol === ipv4.PROTO_SCTP ||
    protocol === ipv4.PROTO_UDPLITE;
  const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
  if (!known || ipv4.fragmentOffset(bytes, p.l3) !== 0 || p.tail - l4 < 4) return -1;
  return l4;
}

/** Bytes that a match reads of the header: tcp_mt, udp_mt, sctp_mt, icmp_match. */
const HEADER_LENGTHS: ReadonlyMap<number, number> = new Map([
  [ipv4.PROTO_TCP, tcp.HEADER_LEN],
  [ipv4.PROTO_UDP, udp.HEADER_LEN],
  [ipv4.PROTO_UDPLITE, udp.HEADER_LEN],
  [ipv4.PROTO_SCTP, 12],
  [ipv4.PROTO_ICMP, icmp.HEADER_LEN],
]);

/**
 * Whether a match that asks for more than addresses drops the packet, whatever its rule
 * says (hotdrop): one without all of its header, or the piece of one behind its first bytes.
 */
export function isEvil({ matches }: CompiledRule, p: Packet): boolean {
  const protocol = ipv4.protocol(bytes, p.l3);
  const length = HEADER_LENGTHS.get(protocol);
  if (length === undefined) return false;
  const onlyPorts = matches.ports !== undefined && !asksHeader(matches);
  const offset = ipv4.fragmentOffset(bytes, p.l3);
  if (offset !== 0) return offset === 1 && protocol === ipv4.PROTO_TCP && !onlyPorts;
  const held = p.tail - p.l3 - ipv4.headerLength(bytes, p.l3);
  return held < (onlyPorts ? PORTS_LENGTH : length);
}

/** xt_multiport reads no more. */
const PORTS_LENGTH = 4;

const asksHeader = (m: CompiledRule['matches']): boolean =>
  m.sourcePort !== undefined ||
  m.destinationPort !== undefined ||
  m.icmp !== undefined ||
  m.tcpFlags !== undefined;

/** xt_multiport: a packet without ports matches neither way. */
export function allPortsMatch(matches: readonly PortsMatch[], p: Packet): boolean {
  const l4 = portsAt(p);
  if (l4 < 0) return false;
  for (let i = 0; i < matches.length; i++) {
    const { side, ranges, not } = matches[i]!;
    const port = side === 'src' ? udp.sourcePort(bytes, l4) : udp.destinationPort(bytes, l4);
    let inside = false;
    for (let k = 0; k < ranges.length && !inside; k++) {
      inside = port >= ranges[k]!.from && port <= ranges[k]!.to;
    }
    if (inside === not) return false;
  }
  return true;
}

export function icmpMatches(matches: readonly IcmpMatch[], p: Packet): boolean {
  const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
  if (ipv4.protocol(bytes, p.l3) !== ipv4.PROTO_ICMP || p.tail - l4 < 2) return false;
  for (let i = 0; i < matches.length; i++) {
    const { type, code, not } = matches[i]!;
    const is =
      icmp.type(bytes, l4) === type && (code === undefined || icmp.code(bytes, l4) === code);
    if (is === not) return false;
  }
  return true;
}

export function flagsMatch({ mask, set }: { mask: number; set: number }, p: Packet): boolean {
  const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
  if (ipv4.protocol(bytes, p.l3) !== ipv4.PROTO_TCP || p.tail - l4 < tcp.HEADER_LEN) return false;
  return (tcp.flags(bytes, l4) & mask) === set;
}

/** addrtype LOCAL, anywhere or on the device in question only. */
export function isLocal(
  node: Node,
  p: Packet,
  address: number,
  limit: 'in' | 'out' | undefined,
): boolean {
  const route = node.local.find(address);
  if (route < 0 || node.routes.kind(route) !== RouteKind.Local) return false;
  if (limit === undefined) return true;
  return node.routes.device(route) === (limit === 'out' ? p.output : p.input);
}

export function passesReversePath(node: Node, p: Packet, from: number, loose: boolean): boolean {
  const device = node.devices[p.input]!;
  const tos = ipv4.tos(bytes, p.l3);
  if (checkSource(node, device, from, 0, tos) === Source.Refused) return false;
  const back = node.lookup(from, 0, 0, -1, tos);
  if (back < 0 || node.routes.kind(back) !== RouteKind.Unicast) return false;
  return loose || node.routes.device(back) === p.input;
}

/** recent_mt: what the list knows of the address, and what it is told. */
export function seenBefore(m: RecentMatch, list: RecentTable, p: Packet, now: number): boolean {
  const address = m.side === 'src' ? ipv4.source(bytes, p.l3) : ipv4.destination(bytes, p.l3);
  const ms = m.seconds * 1000;
  let found = true;
  if (m.verb === 'set') list.set(address, now);
  else if (m.verb === 'remove') found = list.remove(address);
  else {
    found = list.check(address, now, ms, m.hits);
    if (m.reap && list.has(address)) list.reap(now, ms);
    if (m.verb === 'update' && found) list.set(address, now);
  }
  return found !== m.not;
}
