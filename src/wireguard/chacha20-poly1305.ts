/**
 * ChaCha20-Poly1305 (RFC 8439), with WireGuard's nonce: four zero bytes, then the
 * counter, 64 bits little-endian. What fails to authenticate leaves no trace in
 * the caller's buffer.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Bytes } from '../wire/bytes.ts';
import { TAG_LEN } from '../wire/wireguard.ts';

const NAME = 'chacha20-poly1305';
const OPTIONS = { authTagLength: TAG_LEN } as const;
const ZERO_NONCE = Buffer.alloc(12);
const nonce = Buffer.alloc(12);

function nonceOf(high: number, low: number): Buffer {
  nonce.writeUInt32LE(low, 4);
  nonce.writeUInt32LE(high, 8);
  return nonce;
}

/** Encrypts b[start, end) in place and writes the tag behind it. */
export function sealInPlace(
  key: Buffer,
  high: number,
  low: number,
  b: Bytes,
  start: number,
  end: number,
): void {
  const cipher = createCipheriv(NAME, key, nonceOf(high, low), OPTIONS);
  if (end > start) cipher.update(b.subarray(start, end)).copy(b, start);
  cipher.final();
  cipher.getAuthTag().copy(b, end);
}

/** Decrypts b[start, end), which ends with its tag, in place. False, and nothing written, where it is forged. */
export function openInPlace(
  key: Buffer,
  high: number,
  low: number,
  b: Bytes,
  start: number,
  end: number,
): boolean {
  const tag = end - TAG_LEN;
  const cipher = createDecipheriv(NAME, key, nonceOf(high, low), OPTIONS);
  cipher.setAuthTag(b.subarray(tag, end));
  const plain = cipher.update(b.subarray(start, tag));
  try {
    cipher.final();
  } catch {
    return false;
  }
  plain.copy(b, start);
  return true;
}

/** With counter 0 and associated data: ciphertext and tag. */
export function seal(key: Buffer, plain: Uint8Array, associated: Buffer): Buffer {
  const cipher = createCipheriv(NAME, key, ZERO_NONCE, OPTIONS);
  cipher.setAAD(associated, { plaintextLength: plain.length });
  const body = cipher.update(plain);
  return Buffer.concat([body, cipher.final(), cipher.getAuthTag()]);
}

/** The reverse; `undefined` where the tag is wrong. */
export function open(key: Buffer, sealed: Uint8Array, associated: Buffer): Buffer | undefined {
  const length = sealed.length - TAG_LEN;
  const cipher = createDecipheriv(NAME, key, ZERO_NONCE, OPTIONS);
  cipher.setAuthTag(sealed.subarray(length));
  cipher.setAAD(associated, { plaintextLength: length });
  const body = cipher.update(sealed.subarray(0, length));
  try {
    return Buffer.concat([body, cipher.final()]);
  } catch {
    return undefined;
  }
}
