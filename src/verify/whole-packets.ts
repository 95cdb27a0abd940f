/** What is in fragments: the packets they were before, where all pieces are at hand. */
import * as ipv4 from '../wire/ipv4.ts';

/** Pieces of one packet by their offset in bytes; -1 for a length not known yet. */
interface Pieces {
  readonly at: Map<number, Buffer>;
  length: number;
}

/** Of these IPv4 packets those that are fragments, put together; what lacks a piece is left out. */
export function wholePackets(packets: readonly Buffer[]): Buffer[] {
  const begun = new Map<string, Pieces>();
  return packets.flatMap((packet) => {
    if (ipv4.check(packet, 0, packet.length) !== 0 || !ipv4.isFragment(packet, 0)) return [];
    const key = datagram(packet);
    const pieces = begun.get(key) ?? { at: new Map<number, Buffer>(), length: -1 };
    begun.set(key, pieces);
    const offset = ipv4.fragmentOffset(packet, 0) * 8;
    const piece = packet.subarray(0, ipv4.totalLength(packet, 0));
    pieces.at.set(offset, piece);
    if (!ipv4.moreFragments(packet, 0)) pieces.length = offset + dataOf(piece).length;
    const whole = join(pieces);
    if (whole === undefined) return [];
    begun.delete(key);
    return [whole];
  });
}

const datagram = (p: Buffer): string =>
  `${ipv4.identification(p, 0)} ${ipv4.protocol(p, 0)} ${ipv4.source(p, 0)} ${ipv4.destination(p, 0)}`;

const dataOf = (p: Buffer): Buffer => p.subarray(ipv4.headerLength(p, 0));

function join({ at, length }: Pieces): Buffer | undefined {
  const first = at.get(0);
  if (first === undefined || length < 0) return undefined;
  const parts: Buffer[] = [];
  for (let offset = 0; offset < length; ) {
    const piece = at.get(offset);
    const data = piece && dataOf(piece);
    if (data === undefined || data.length === 0) return undefined;
    parts.push(data);
    offset += data.length;
  }
  const header = first.subarray(0, ipv4.headerLength(first, 0));
  const whole = Buffer.concat([header, ...parts]);
  if (whole.length > 0xffff) return undefined;
  whole.writeUInt16BE(whole.length, ipv4.field.totalLength);
  whole.writeUInt16BE(0, ipv4.field.flagsOffset);
  ipv4.fillChecksum(whole, 0);
  return whole;
}
