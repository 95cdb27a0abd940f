/**
 * What a tunnel device joined on arrival (GRO). Which segments came in one batch is a
 * matter of timing, and no table tells it: where the recording has in one packet what
 * the emulation has one by one, that is joined as it was recorded.
 */
import * as checksum from '../wire/checksum.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import type { MadeFrame, RecordedFrame } from './compare.ts';
import { followsIn, joinSegments } from './trains.ts';

/** Made frames whose IPv4 packets begin at `at`, some of them joined. */
export function gatherAsRecorded(
  recorded: readonly RecordedFrame[],
  made: readonly MadeFrame[],
  at = 0,
): MadeFrame[] {
  if (at === 0) return gatherPackets(recorded, made);
  const headers = new Map<MadeFrame, Buffer>();
  const packets = made.map((frame) => {
    const packet = { ...frame, bytes: frame.bytes.subarray(at) };
    headers.set(packet, frame.bytes.subarray(0, at));
    return packet;
  });
  const bare = recorded.map((frame) => ({ ...frame, bytes: frame.bytes.subarray(at) }));
  return gatherPackets(bare, packets).map((packet) => {
    const header = headers.get(packet) ?? headers.get(packet.first ?? packet)!;
    return { ...packet, bytes: Buffer.concat([header, packet.bytes]) };
  });
}

interface Gathered extends MadeFrame {
  /** The segment that it began with. */
  readonly first?: MadeFrame;
}

function gatherPackets(recorded: readonly RecordedFrame[], made: readonly MadeFrame[]): Gathered[] {
  const places = new Map(made.map(({ bytes }, i) => [place(bytes), i]));
  const wholes = new Map<MadeFrame, Gathered>();
  const inside = new Set<MadeFrame>();
  for (const { bytes } of recorded) {
    const from = places.get(place(bytes));
    if (from === undefined || ipv4.check(bytes, 0, bytes.length) !== 0) continue;
    if (made[from]!.bytes.length >= bytes.length) continue;
    const segments = firstSegments(made, from, bytes.length);
    if (segments.length < 2) continue;
    const packet = joinSegments(segments.map((s) => s.bytes));
    if (packet.length !== bytes.length) continue;
    const first = segments[0]!;
    wholes.set(first, { ...first, first, bytes: leaveUnfinished(packet) });
    for (const segment of segments.slice(1)) inside.add(segment);
  }
  return made.flatMap((frame) => (inside.has(frame) ? [] : [wholes.get(frame) ?? frame]));
}

/** A TCP packet's identification, addresses, ports and number in its stream; a packet sent again has another. */
const place = (p: Buffer): string =>
  p.toString('hex', ipv4.field.identification, ipv4.field.flagsOffset) +
  p.toString('hex', ipv4.field.source, ipv4.HEADER_LEN + tcp.field.acknowledgement);

/** The train that frame number `from` starts, up to a packet of `length`. */
function firstSegments(frames: readonly MadeFrame[], from: number, length: number): MadeFrame[] {
  const segments = frames.slice(from, from + 1);
  let whole = segments[0]!.bytes.length;
  for (let i = from + 1; i < frames.length && whole < length; i++) {
    const next = frames[i]!;
    const packets = segments.map(({ bytes }) => bytes);
    if (!followsIn(packets, next.bytes)) continue;
    segments.push(next);
    whole = joinSegments([...packets, next.bytes]).length;
  }
  return segments;
}

/** As tcp_gro_complete leaves it: the pseudo-header sum alone. */
function leaveUnfinished(packet: Buffer): Buffer {
  const l4 = ipv4.headerLength(packet, 0);
  const length = packet.length - l4;
  const sum = checksum.pseudoHeader(packet, ipv4.field.source, ipv4.PROTO_TCP, length);
  packet.writeUInt16BE(checksum.fold(sum), l4 + tcp.field.checksum);
  return packet;
}
