/**
 * How many segments the packets of TCP connections stood for. A connected socket counts its
 * segments in its identifications (ip_select_ident_segs), so the next packet tells of the one
 * before, unless a capture lost something between them.
 */
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import { byTime, type CapturedFrame, type Recording } from './recording.ts';

/** By frame; `at`: where its IPv4 header stands. What has no number is the last of its connection, or no TCP. */
export function segmentCounts(frames: Recording, at: number): ReadonlyMap<CapturedFrame, number> {
  const counts = new Map<CapturedFrame, number>();
  const before = new Map<string, CapturedFrame>();
  for (const frame of [...frames].sort(byTime)) {
    const { bytes: b } = frame;
    if (ipv4.check(b, at, b.length) !== 0 || ipv4.protocol(b, at) !== ipv4.PROTO_TCP) continue;
    const l4 = at + ipv4.headerLength(b, at);
    if (ipv4.isFragment(b, at) || tcp.check(b, l4, b.length) !== 0) continue;
    const flow = b.toString('hex', at + ipv4.field.source, at + ipv4.HEADER_LEN);
    const connection = `${flow} ${b.toString('hex', l4, l4 + 4)}`;
    const last = before.get(connection);
    before.set(connection, frame);
    if (last === undefined) continue;
    const step = ipv4.identification(b, at) - ipv4.identification(last.bytes, at);
    counts.set(last, step & 0xffff);
  }
  return counts;
}
