/** Fragments of packets put together: as they were, or not at all. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { wholePackets } from '../../src/verify/whole-packets.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';

const packetOf = (id: number, data: Buffer): Buffer =>
  buildFrame([
    { layer: 'ipv4', src: '10.0.0.1', dst: '10.0.0.2', protocol: 200, id },
    { layer: 'payload', bytes: data },
  ]);

/** The packet in pieces of so many times 8 bytes, the last of what is left. */
function cut(packet: Buffer, sizes: readonly number[]): Buffer[] {
  const data = packet.subarray(ipv4.HEADER_LEN);
  const pieces: Buffer[] = [];
  for (let from = 0, i = 0; from < data.length; i++) {
    const to = from + 8 * sizes[i % sizes.length]!;
    const piece = Buffer.concat([packet.subarray(0, ipv4.HEADER_LEN), data.subarray(from, to)]);
    piece.writeUInt16BE(piece.length, ipv4.field.totalLength);
    piece.writeUInt16BE((to < data.length ? ipv4.FLAG_MF : 0) | (from / 8), ipv4.field.flagsOffset);
    ipv4.fillChecksum(piece, 0);
    pieces.push(piece);
    from = to;
  }
  return pieces;
}

const data = fc.uint8Array({ minLength: 200, maxLength: 900 }).map((b) => Buffer.from(b));
const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 });

describe('fragments', () => {
  it('of several packets, in any order and among others, give the packets', () => {
    const cutUp = fc.array(fc.tuple(data, sizes), { minLength: 1, maxLength: 4 }).chain((parts) => {
      const packets = parts.map(([bytes], id) => packetOf(id, bytes));
      const pieces = packets.flatMap((packet, i) => cut(packet, parts[i]![1]));
      const others = [packetOf(9, Buffer.alloc(40)), Buffer.alloc(3), Buffer.alloc(60, 1)];
      const all = [...pieces, ...others];
      return fc.tuple(
        fc.constant(packets),
        fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }),
      );
    });
    fc.assert(
      fc.property(cutUp, ([packets, frames]) => {
        const hex = (list: readonly Buffer[]): string[] =>
          list.map((b) => b.toString('hex')).sort();
        expect(hex(wholePackets(frames))).toEqual(hex(packets));
      }),
    );
  });

  it('give nothing where one is not there, or has nothing in it', () => {
    const pieces = cut(packetOf(1, Buffer.alloc(100, 7)), [3]);
    expect(wholePackets(pieces)).toHaveLength(1);
    for (const [i] of pieces.entries()) {
      expect(wholePackets(pieces.filter((_, j) => j !== i))).toEqual([]);
    }
    const [first] = pieces;
    const empty = Buffer.from(first!.subarray(0, ipv4.HEADER_LEN));
    empty.writeUInt16BE(empty.length, ipv4.field.totalLength);
    ipv4.fillChecksum(empty, 0);
    expect(wholePackets([empty, ...pieces.slice(1)])).toEqual([]);
  });

  it('give no packet longer than IPv4 has', () => {
    const length = 65_000;
    const pieces = cut(packetOf(1, Buffer.alloc(length)), [length / 8 - 1, 1]);
    const beyond = Buffer.concat([pieces[1]!, Buffer.alloc(1000)]);
    beyond.writeUInt16BE(beyond.length, ipv4.field.totalLength);
    ipv4.fillChecksum(beyond, 0);
    expect(wholePackets([pieces[0]!, pieces[1]!])).toHaveLength(1);
    expect(wholePackets([pieces[0]!, beyond])).toEqual([]);
  });
});
