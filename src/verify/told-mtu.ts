/**
 * The path MTUs that a TCP sender was told of, as its own capture has them (ICMP
 * "fragmentation needed", RFC 1191). From then on it cuts its trains to that; no
 * later packet says so. Errors about other protocols do not count: a stack heeds
 * them only where the sender was a socket (udp_err), which no capture shows.
 */
import { isBefore, type Moment } from '../packet/moment.ts';
import { type Bytes, u16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import type { Recording } from './recording.ts';

/** ip_rt_min_pmtu: what is told below it counts as this. */
const MIN_PMTU = 552;

interface Told extends Moment {
  readonly mtu: number;
}

export class ToldMtus {
  /** By the addresses of the packet that was too big, in the order of their times. */
  private readonly told = new Map<string, Told[]>();
  /** The packets that were too big, and for what. */
  private readonly refused = new Map<string, number>();

  /** `framed`: the device has Ethernet headers. */
  constructor(recording: Recording, framed: boolean) {
    for (const { bytes, seconds, nanoseconds } of recording) {
      const l4 = tooBigAt(bytes, framed);
      if (l4 < 0) continue;
      const mtu = Math.max(u16(bytes, l4 + icmp.field.rest + 2), MIN_PMTU);
      const key = path(bytes, l4 + icmp.HEADER_LEN);
      this.told.set(key, [...(this.told.get(key) ?? []), { seconds, nanoseconds, mtu }]);
      this.refused.set(packetKey(bytes, l4 + icmp.HEADER_LEN), mtu);
    }
  }

  /**
   * How long the segments of the packet at `at` are that its sender would cut to `most`, had
   * it not been told. One that was refused was longer than its refusal says: cut before.
   * `count`: how many segments it had, where that is known; 0 otherwise.
   */
  segments(b: Bytes, at: number, when: Moment, most: number, count = 0): number {
    const limit = this.known(b, at, when, this.refused.get(packetKey(b, at)));
    const mtu = Math.min(most, limit);
    if (count === 0 || segmentCount(b, at, mtu) === count) return mtu;
    // It was told, but cut this one before: a refusal may be lost by the capture, too.
    const others = this.told.get(path(b, at))?.filter((one) => isBefore(one, when)) ?? [];
    const known = [most, ...others.map((one) => Math.min(most, one.mtu))];
    return known.find((one) => segmentCount(b, at, one) === count) ?? mtu;
  }

  /** Whether the packet at `at` was refused for its length. */
  wasRefused(b: Bytes, at: number): boolean {
    return this.refused.size > 0 && this.refused.has(packetKey(b, at));
  }

  /** The path MTU above some other that the sender of the packet at `at` knew at the time; infinity for none. */
  private known(b: Bytes, at: number, when: Moment, above = 0): number {
    if (this.told.size === 0 || ipv4.check(b, at, b.length) !== 0) return Number.POSITIVE_INFINITY;
    const known = this.told
      .get(path(b, at))
      ?.filter((one) => one.mtu > above && isBefore(one, when));
    return known?.at(-1)?.mtu ?? Number.POSITIVE_INFINITY;
  }
}

/** Segments of a TCP packet whose sender counts on this MTU. */
function segmentCount(b: Bytes, at: number, mtu: number): number {
  const l4 = at + ipv4.headerLength(b, at);
  const from = l4 + tcp.headerLength(b, l4);
  const data = at + ipv4.totalLength(b, at) - from;
  return Math.max(1, Math.ceil(data / (mtu - (from - at))));
}

const packetKey = (b: Bytes, at: number): string => `${path(b, at)} ${ipv4.identification(b, at)}`;

const path = (b: Bytes, at: number): string => `${ipv4.source(b, at)} ${ipv4.destination(b, at)}`;

/** Where the error starts that tells a packet's sender of an MTU; -1 for anything else. */
function tooBigAt(b: Bytes, framed: boolean): number {
  const at = framed ? ethernet.HEADER_LEN : 0;
  if (ipv4.check(b, at, b.length) !== 0 || ipv4.protocol(b, at) !== ipv4.PROTO_ICMP) return -1;
  const l4 = at + ipv4.headerLength(b, at);
  const quote = l4 + icmp.HEADER_LEN;
  if (ipv4.isFragment(b, at) || b.length < quote + ipv4.HEADER_LEN) return -1;
  if (icmp.type(b, l4) !== icmp.UNREACHABLE || icmp.code(b, l4) !== icmp.CODE_FRAG_NEEDED)
    return -1;
  if (ipv4.protocol(b, quote) !== ipv4.PROTO_TCP) return -1;
  return ipv4.source(b, quote) === ipv4.destination(b, at) ? l4 : -1;
}
