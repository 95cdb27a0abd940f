import { chacha20poly1305 } from '@noble/ciphers/chacha';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { open, openInPlace, seal, sealInPlace } from '../../src/wireguard/chacha20-poly1305.ts';

const bytes = (minLength: number, maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength, maxLength }).map((b) => Buffer.from(b));
const key = bytes(32, 32);
const half = fc.oneof(fc.nat(3), fc.constant(0xffffffff), fc.integer({ min: 0, max: 0xffffffff }));

describe('ChaCha20-Poly1305', () => {
  it('in place is noble’s, and opens again', () => {
    fc.assert(
      fc.property(key, half, half, bytes(0, 100), fc.nat(5), (k, high, low, plain, start) => {
        const end = start + plain.length;
        const b = Buffer.alloc(end + 16 + 3, 0xee);
        plain.copy(b, start);
        sealInPlace(k, high, low, b, start, end);
        const nonce = Buffer.alloc(12);
        nonce.writeBigUInt64LE((BigInt(high) << 32n) | BigInt(low), 4);
        const expected = chacha20poly1305(k, nonce).encrypt(plain);
        expect(b.subarray(start, end + 16)).toEqual(Buffer.from(expected));
        expect([b.subarray(0, start), b.subarray(end + 16)]).toEqual([
          Buffer.alloc(start, 0xee),
          Buffer.alloc(3, 0xee),
        ]);
        expect(openInPlace(k, high, low, b, start, end + 16)).toBe(true);
        expect(b.subarray(start, end)).toEqual(plain);
      }),
    );
  });

  it('leaves what is forged as it was', () => {
    fc.assert(
      fc.property(key, bytes(0, 60), fc.nat(), fc.nat(7), (k, plain, at, bit) => {
        const b = Buffer.concat([plain, Buffer.alloc(16)]);
        sealInPlace(k, 0, 7, b, 0, plain.length);
        b[at % b.length]! ^= 1 << bit;
        const forged = Buffer.from(b);
        expect(openInPlace(k, 0, 7, b, 0, b.length)).toBe(false);
        expect(b).toEqual(forged);
      }),
    );
  });

  it('with associated data is noble’s, and refuses other data', () => {
    fc.assert(
      fc.property(key, bytes(0, 60), bytes(0, 40), (k, plain, associated) => {
        const sealed = seal(k, plain, associated);
        const twin = chacha20poly1305(k, Buffer.alloc(12), associated);
        expect(sealed).toEqual(Buffer.from(twin.encrypt(plain)));
        expect(open(k, sealed, associated)).toEqual(plain);
        expect(open(k, sealed, Buffer.concat([associated, Buffer.of(0)]))).toBe(undefined);
      }),
    );
  });
});
