import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytes as arena, slotStart } from '../../src/packet/arena.ts';
import { add, finish, fold, pseudoHeader, replaceWord } from '../../src/wire/checksum.ts';

/** The sum of 16-bit words modulo 65535, by long division: the slow twin. */
function slowSum(bytes: Buffer): number {
  const padded = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
  if (padded.every((byte) => byte === 0)) return 0;
  return Number(BigInt(`0x${padded.toString('hex')}`) % 65535n) || 65535;
}

describe('checksum', () => {
  it('is RFC 1071’s own example', () => {
    const bytes = Buffer.from('0001f203f4f5f6f7', 'hex');
    expect(add(0, bytes, 0, 8)).toBe(0x2ddf0);
    expect(fold(add(0, bytes, 0, 8))).toBe(0xddf2);
    expect(finish(add(0, bytes, 0, 8))).toBe(0x220d);
  });

  it('equals the slow twin for any bytes, odd lengths too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 99 }), fc.nat(5), (drawn, at) => {
        const bytes = Buffer.concat([
          Buffer.alloc(at, 0xaa),
          Buffer.from(drawn),
          Buffer.from('ff'),
        ]);
        const sum = add(0, bytes, at, drawn.length);
        expect(fold(sum)).toBe(slowSum(Buffer.from(drawn)));
        expect(finish(sum)).toBe(0xffff - slowSum(Buffer.from(drawn)));
      }),
    );
  });

  it('equals the slow twin where a kernel takes it: in the memory of packets', () => {
    const long = fc.uint8Array({ minLength: 60, maxLength: 1600 });
    fc.assert(
      fc.property(long, fc.nat(17), fc.nat(0xffff), (drawn, at, before) => {
        const start = slotStart(3) + at;
        arena.fill(0x5a, start, start + drawn.length + 20);
        arena.set(drawn, start);
        const sum = fold(add(before, arena, start, drawn.length));
        const first = Buffer.from([before >>> 8, before & 0xff]);
        expect(sum).toBe(slowSum(Buffer.concat([first, drawn])));
      }),
      { numRuns: 1000 },
    );
  });

  it('may be taken in pieces of even length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(32), (drawn, half) => {
        const bytes = Buffer.from(drawn);
        const first = Math.min(2 * half, bytes.length & ~1);
        const pieces = add(fold(add(0, bytes, 0, first)), bytes, first, bytes.length - first);
        expect(fold(pieces)).toBe(slowSum(bytes));
      }),
    );
  });

  it('holds the sum of 64 KiB', () => {
    const bytes = Buffer.alloc(65535, 0xff);
    expect(fold(add(0xffff, bytes, 0, bytes.length))).toBe(
      slowSum(Buffer.concat([Buffer.alloc(2, 0xff), bytes])),
    );
  });

  it('sums the pseudo-header that tcpdump saw in calico-bgp.pcap', () => {
    const addresses = Buffer.from('0a02a9880a022447', 'hex');
    expect(fold(pseudoHeader(addresses, 0, 6, 40))).toBe(0xe201);
    expect(fold(pseudoHeader(addresses, 0, 6, 32))).toBe(0xe1f9);
  });

  it('is updated as in RFC 1624 section 4', () => {
    const field = Buffer.from('dd2f', 'hex');
    replaceWord(field, 0, 0x5555, 0x3285);
    expect(field.toString('hex')).toBe('0000');
  });

  it('is updated to what recomputing gives', () => {
    const words = fc.uint8Array({ minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(words, fc.nat(8), fc.nat(0xffff), (drawn, index, after) => {
        const bytes = Buffer.from(drawn);
        bytes.writeUInt16BE(0, 18);
        bytes.writeUInt16BE(finish(add(0, bytes, 0, 20)), 18);
        replaceWord(bytes, 18, bytes.readUInt16BE(2 * index), after);
        bytes.writeUInt16BE(after, 2 * index);
        // The two zeros of one's complement are the same sum: RFC 1624 section 3.
        const rest = bytes.subarray(0, 18);
        if (rest.every((byte) => byte === 0)) return;
        expect(bytes.readUInt16BE(18)).toBe(finish(add(0, rest, 0, 18)));
      }),
      { numRuns: 2000 },
    );
  });
});
