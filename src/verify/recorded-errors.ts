/** When a recorded namespace sent which ICMP errors. */
import { isLimited } from '../node/icmp-limit.ts';
import type { Node } from '../node/node.ts';
import { type Bytes, u16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { innermost } from './inner-packet.ts';
import { type Lab, vxlanPorts } from './lab.ts';
import { fingerprint } from './pod-packets.ts';

/** Times are milliseconds since the epoch. */
export class RecordedErrors {
  private readonly byQuote = new Map<string, number[]>();
  private readonly byPacket = new Map<string, number[]>();
  /** Those that count against the limit of all together; each once, though several devices show it. */
  private readonly counted = new Map<string, number>();

  constructor(lab: Lab, node: Node) {
    const own = new Set(node.devices.flatMap(({ addresses }) => addresses));
    const ports = vxlanPorts(lab);
    for (const device of node.devices) {
      const outer = device.ethernet ? ethernet.HEADER_LEN : 0;
      for (const { bytes: b, seconds, nanoseconds } of lab.frames(node.name, device.name) ?? []) {
        // What the recording of a tunnel lost is on the wire all the same.
        const at = innermost(b, outer, b.length, ports);
        if (isOwnError(b, at, own)) this.learn(b, at, seconds * 1000 + nanoseconds / 1e6);
      }
    }
    for (const times of this.byQuote.values()) times.sort((a, b) => a - b);
    for (const times of this.byPacket.values()) times.sort((a, b) => a - b);
  }

  private learn(b: Buffer, at: number, time: number): void {
    const l4 = at + ipv4.headerLength(b, at);
    const type = icmp.type(b, l4);
    const quote = l4 + icmp.HEADER_LEN;
    const key = packetKey(type, b.subarray(quote));
    keep(this.byQuote, quoteKey(type, b, quote), time);
    keep(this.byPacket, key, time);
    const id = ipv4.identification(b, at);
    if (isLimited(type, icmp.code(b, l4))) this.counted.set(`${id} ${key}`, time);
  }

  /** Of errors that count against the limit of all together, in any order. */
  get limited(): number[] {
    return [...this.counted.values()];
  }

  /** Of a type, about a packet or one of its fragments, which starts at `at`. */
  about(type: number, b: Bytes, at: number): readonly number[] | undefined {
    return this.byQuote.get(quoteKey(type, b, at));
  }

  /** Of a type, about this very packet, as far as an error quotes it. */
  aboutThis(type: number, packet: Buffer): readonly number[] | undefined {
    return this.byPacket.get(packetKey(type, packet));
  }
}

function keep(map: Map<string, number[]>, key: string, time: number): void {
  const times = map.get(key);
  if (times === undefined) map.set(key, [time]);
  else times.push(time);
}

function isOwnError(b: Buffer, at: number, own: ReadonlySet<number>): boolean {
  if (ipv4.check(b, at, b.length) !== 0 || ipv4.protocol(b, at) !== ipv4.PROTO_ICMP) return false;
  const l4 = at + ipv4.headerLength(b, at);
  const quote = l4 + icmp.HEADER_LEN;
  if (ipv4.isFragment(b, at) || b.length < quote + ipv4.HEADER_LEN) return false;
  return own.has(ipv4.source(b, at)) && icmp.isError(icmp.type(b, l4));
}

/** What NAT leaves alone of the quoted header. */
const quoteKey = (type: number, b: Bytes, at: number): string =>
  `${type} ${ipv4.protocol(b, at)} ${u16(b, at + ipv4.field.identification)}`;

/** Datagrams of one socket may all have the identification 0. */
const packetKey = (type: number, packet: Buffer): string => `${type} ${fingerprint(packet, 0)}`;
