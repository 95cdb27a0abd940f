/**
 * BLAKE2s (RFC 7693) in the three ways of the WireGuard whitepaper, section 5.4:
 * HASH, keyed MAC of 16 bytes, and the KDF, which is HKDF over HMAC-BLAKE2s.
 */
import { createHash, createHmac } from 'node:crypto';
import { blake2s } from '@noble/hashes/blake2s';

export const HASH_LEN = 32;
export const MAC_LEN = 16;

/** HASH over the parts in a row. */
export function hash(...parts: readonly Uint8Array[]): Buffer {
  const state = createHash('blake2s256');
  for (const part of parts) state.update(part);
  return state.digest();
}

/** HMAC-BLAKE2s with its block of 64 bytes; not the keyed mode. */
function hmac(key: Buffer, ...parts: readonly Uint8Array[]): Buffer {
  const state = createHmac('blake2s256', key);
  for (const part of parts) state.update(part);
  return state.digest();
}

/** MAC: BLAKE2s in keyed mode, 16 bytes; node:crypto has no keyed mode. */
export const mac = (key: Uint8Array, message: Uint8Array): Uint8Array =>
  blake2s(message, { key, dkLen: MAC_LEN });

/** KDF_n: `count` keys of 32 bytes, each from the one before. */
export function derive(key: Buffer, input: Uint8Array, count: 1 | 2 | 3): Buffer[] {
  const secret = hmac(key, input);
  const keys: Buffer[] = [];
  let last: Buffer = Buffer.alloc(0);
  for (let n = 1; n <= count; n++) {
    last = hmac(secret, last, Uint8Array.of(n));
    keys.push(last);
  }
  secret.fill(0);
  return keys;
}
