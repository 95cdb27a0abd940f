/**
 * TCP segments that left together. A socket hands its device one long packet (GSO);
 * where the device cannot cut it, the kernel does so before any capture
 * (validate_xmit_skb), and the receiver may join what arrives in one batch. So the
 * segments must be sent again in one batch as well: as the long packet they were.
 */
import type { Moment } from '../packet/moment.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';

/** An IPv4 packet of a socket. */
export interface Sent extends Moment {
  readonly packet: Buffer;
}

/** `longest` is the length of its segments; 0 for a packet by itself. */
export interface Train extends Sent {
  readonly longest: number;
}

/** Nanoseconds between segments of one packet; the next packet's come later. */
const GAP = 100_000;

/** Flags that only a last segment has (tcp_gso_segment). */
const LAST = tcp.FIN | tcp.PSH;

/** Packets of one device in the order of their times; what is no segment of a train stays as it is. */
export function joinTrains(sent: readonly Sent[]): Train[] {
  const trains: Train[] = [];
  let group: Sent[] = [];
  const close = (): void => {
    const [first] = group;
    if (first !== undefined) trains.push({ ...first, ...joined(group) });
    group = [];
  };
  for (const one of sent) {
    if (!continues(group, one)) close();
    group.push(one);
  }
  close();
  return trains;
}

function joined(group: readonly Sent[]): { packet: Buffer; longest: number } {
  const packets = group.map(({ packet }) => packet);
  if (packets.length === 1) return { packet: packets[0]!, longest: 0 };
  return { packet: joinSegments(packets), longest: packets[0]!.length };
}

/** The packet that the segments are of, in every sum complete. At least one. */
export function joinSegments(segments: readonly Buffer[]): Buffer {
  const [first, ...rest] = segments;
  const packet = Buffer.concat([first!, ...rest.map((p) => p.subarray(dataAt(p)))]);
  const l4 = ipv4.headerLength(packet, 0);
  packet.writeUInt16BE(packet.length, ipv4.field.totalLength);
  packet[l4 + tcp.field.flags]! |= tcp.flags(segments.at(-1)!, l4) & LAST;
  ipv4.fillChecksum(packet, 0);
  tcp.fillChecksum(packet, l4, packet.length - l4, ipv4.field.source);
  return packet;
}

const dataAt = (p: Buffer): number => {
  const l4 = ipv4.headerLength(p, 0);
  return l4 + tcp.headerLength(p, l4);
};

const dataLength = (p: Buffer): number => p.length - dataAt(p);

/** Whether the packet is the segment after those of the group. */
function continues(group: readonly Sent[], next: Sent): boolean {
  const before = group.at(-1);
  if (before === undefined || nanosecondsBetween(before, next) > GAP) return false;
  return followsIn(
    group.map(({ packet }) => packet),
    next.packet,
  );
}

/** Whether packet `b` is what comes behind the segments in one train. */
export function followsIn(segments: readonly Buffer[], b: Buffer): boolean {
  const a = segments.at(-1);
  if (a === undefined || !isSegment(a) || !isSegment(b)) return false;
  const l4 = ipv4.headerLength(a, 0);
  const step = ipv4.identification(b, 0) - ipv4.identification(a, 0);
  return (
    dataLength(a) === dataLength(segments[0]!) &&
    dataLength(b) <= dataLength(a) &&
    (tcp.flags(a, l4) & LAST) === 0 &&
    (step & 0xffff) === 1 &&
    ((tcp.sequence(a, l4) + dataLength(a)) | 0) === tcp.sequence(b, l4) &&
    shared(a) === shared(b)
  );
}

const nanosecondsBetween = (a: Moment, b: Moment): number =>
  (b.seconds - a.seconds) * 1e9 + b.nanoseconds - a.nanoseconds;

function isSegment(p: Buffer): boolean {
  const l4 = ipv4.headerLength(p, 0);
  if (ipv4.protocol(p, 0) !== ipv4.PROTO_TCP || ipv4.isFragment(p, 0)) return false;
  return tcp.check(p, l4, p.length) === 0 && dataLength(p) > 0;
}

/** What every segment of a train repeats: addresses, ports, acknowledgement, window, options. */
function shared(p: Buffer): string {
  const header = Buffer.from(p.subarray(0, dataAt(p)));
  const l4 = ipv4.headerLength(p, 0);
  header.fill(0, ipv4.field.totalLength, ipv4.field.flagsOffset);
  header.writeUInt16BE(0, ipv4.field.checksum);
  header.writeUInt32BE(0, l4 + tcp.field.sequence);
  header.writeUInt16BE(0, l4 + tcp.field.checksum);
  header[l4 + tcp.field.flags]! &= ~(LAST | tcp.CWR);
  return header.toString('hex');
}
