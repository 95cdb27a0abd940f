/**
 * The segment sizes that TCP ends asked for, as the recorded handshakes tell them.
 * A sender cuts its trains to what its peer announced, even where its own device
 * has the larger MTU; no later packet says so.
 */
import { type Bytes, u16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import type { Lab } from './lab.ts';

/** Headers without options, which an announced size does not count (RFC 9293 section 3.7.1). */
const HEADERS = ipv4.HEADER_LEN + tcp.HEADER_LEN;

export class AnnouncedMss {
  /** By the address and port of who announced; the smallest, where several differ. */
  private readonly sizes = new Map<string, number>();

  constructor(lab: Lab) {
    for (const recording of lab.recordings) {
      for (const { bytes } of recording) {
        for (const at of [0, ethernet.HEADER_LEN]) this.learn(bytes, at);
      }
    }
  }

  private learn(b: Bytes, at: number): void {
    const l4 = tcpAt(b, at);
    if (l4 < 0 || (tcp.flags(b, l4) & tcp.SYN) === 0) return;
    const size = mssOption(b, l4);
    if (size === 0) return;
    const key = `${ipv4.source(b, at)} ${tcp.sourcePort(b, l4)}`;
    this.sizes.set(key, Math.min(size, this.sizes.get(key) ?? size));
  }

  /** Bytes of the longest IPv4 packet the receiver of the packet at `at` takes; 0: it never said. */
  longest(b: Bytes, at: number): number {
    const l4 = tcpAt(b, at);
    if (l4 < 0) return 0;
    const key = `${ipv4.destination(b, at)} ${tcp.destinationPort(b, l4)}`;
    const size = this.sizes.get(key);
    return size === undefined ? 0 : size + HEADERS;
  }
}

function tcpAt(b: Bytes, at: number): number {
  if (ipv4.check(b, at, b.length) !== 0 || ipv4.protocol(b, at) !== ipv4.PROTO_TCP) return -1;
  const l4 = at + ipv4.headerLength(b, at);
  if (ipv4.isFragment(b, at)) return -1;
  return tcp.check(b, l4, at + ipv4.totalLength(b, at)) === 0 ? l4 : -1;
}

function mssOption(b: Bytes, l4: number): number {
  const end = l4 + tcp.headerLength(b, l4);
  for (let o = l4 + tcp.HEADER_LEN; o < end; ) {
    const kind = b[o]!;
    if (kind === tcp.OPTION_END) return 0;
    if (kind === tcp.OPTION_NOP) {
      o++;
      continue;
    }
    const length = o + 1 < end ? b[o + 1]! : 0;
    if (length < 2 || o + length > end) return 0;
    if (kind === tcp.OPTION_MSS && length === 4) return u16(b, o + 2);
    o += length;
  }
  return 0;
}
