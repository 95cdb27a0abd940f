import { execFileSync } from 'node:child_process';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clamp,
  deriveKey,
  formatKey,
  PrivateKey,
  parseKey,
  tryKey,
} from '../../src/wireguard/key.ts';
import { installed } from '../judge.ts';
import { LOW_ORDER } from './low-order.ts';
import { publicOf, x25519 } from './slow-noise.ts';

const hex = (s: string): Buffer => Buffer.from(s, 'hex');
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b));
const scalars = bytes32.filter((b) => b.some((byte) => byte !== 0));

const wg = installed('wg', 'so no key was compared with its own');

describe('keys', () => {
  it('read and print base64, canonical only', () => {
    fc.assert(
      fc.property(bytes32, (key) => {
        expect(parseKey(formatKey(key))).toEqual(key);
      }),
    );
    const key = formatKey(Buffer.alloc(32, 0xff));
    for (const bad of [
      '',
      key.slice(1),
      `${key}=`,
      key.replace('8=', '9='),
      `${key} `,
      `-${key.slice(1)}`,
    ]) {
      expect(tryKey(bad), bad).toBe(undefined);
    }
  });

  it('a bad key is refused without its text, which may be secret', () => {
    const secret = 'c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I';
    expect(() => parseKey(secret, { source: 'a.yaml', line: 3 })).toThrow(
      'a.yaml:3: expected a key of 32 bytes in base64, found 43 characters that are none',
    );
    expect(() => PrivateKey.parse(formatKey(Buffer.alloc(32)))).toThrow('found only zeros');
    expect(() => new PrivateKey(Buffer.alloc(31))).toThrow('found 31 bytes');
  });

  it('public keys and agreements are those of the slow ladder', () => {
    fc.assert(
      fc.property(scalars, bytes32, (scalar, point) => {
        const key = new PrivateKey(scalar);
        expect(key.publicKey).toEqual(publicOf(scalar));
        const shared = x25519(scalar, point);
        const zero = shared.every((byte) => byte === 0);
        expect(key.agree(point)).toEqual(zero ? undefined : shared);
      }),
      { numRuns: 20 },
    );
  });

  it.skipIf(!wg)('public keys are those of wg pubkey', () => {
    fc.assert(
      fc.property(scalars, (scalar) => {
        const input = formatKey(scalar);
        const said = execFileSync('wg', ['pubkey'], { input, encoding: 'utf8' });
        expect(formatKey(PrivateKey.parse(input).publicKey)).toBe(said.trim());
      }),
      { numRuns: 10 },
    );
  });

  it.each(LOW_ORDER)('agrees on nothing with a point of low order: %s', (point) => {
    const scalar = deriveKey(1, 'x').reveal();
    expect(x25519(scalar, hex(point))).toEqual(Buffer.alloc(32));
    expect(new PrivateKey(scalar).agree(hex(point))).toBe(undefined);
  });

  it('are clamped as RFC 7748 says', () => {
    fc.assert(
      fc.property(bytes32, (scalar) => {
        const b = clamp(Buffer.from(scalar));
        expect([b[0]! & 7, b[31]! & 0xc0]).toEqual([0, 0x40]);
        expect(b.subarray(1, 31)).toEqual(scalar.subarray(1, 31));
      }),
    );
  });

  it('derived from a seed are the same each time, and differ by seed and name', () => {
    const names = ['n1', 'n2', 'k8s-node1', 'ü'];
    const keys = [1, 2].flatMap((seed) => names.map((name) => deriveKey(seed, name)));
    expect(new Set(keys.map((key) => formatKey(key.publicKey))).size).toBe(8);
    expect(deriveKey(1, 'n1').reveal()).toEqual(keys[0]!.reveal());
    expect(keys.every(({ derived }) => derived)).toBe(true);
  });

  it('private ones do not show themselves', () => {
    const key = deriveKey(1, 'x');
    const said = [
      inspect(key, { depth: 9, showHidden: true }),
      JSON.stringify({ key }),
      `${key}`,
      String(Object.entries(key)),
    ].join(' ');
    const secret = key.reveal();
    for (const form of [
      secret.toString('hex'),
      secret.toString('base64'),
      secret.toString('latin1'),
    ]) {
      expect(said).not.toContain(form);
    }
    expect(said).toContain('(hidden)');
    // The first four bytes as inspect prints a Buffer.
    expect(said).not.toContain(
      [...secret.subarray(0, 4)].map((b) => b.toString(16).padStart(2, '0')).join(' '),
    );
  });

  it('forgotten ones agree on nothing', () => {
    const key = deriveKey(1, 'x');
    key.forget();
    expect(key.agree(deriveKey(1, 'y').publicKey)).toBe(undefined);
    expect(key.reveal()).toEqual(Buffer.alloc(32));
  });
});
