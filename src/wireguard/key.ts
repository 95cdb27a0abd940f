/**
 * Curve25519 keys (RFC 7748), as `wg genkey` and `wg pubkey` make them. A private
 * key shows itself to nobody: JSON, `inspect` and string conversion say `(hidden)`.
 */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import { inspect } from 'node:util';
import { type Place, PodwireError } from '../errors.ts';
import { hash } from './blake2s.ts';

export const KEY_LEN = 32;

/** RFC 8410: what stands before the 32 bytes in PKCS #8 and in SubjectPublicKeyInfo. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI_HEAD = Buffer.from('302a300506032b656e032100', 'hex');

const BASE64 = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
const HIDDEN = '(hidden)';
const ZERO = Buffer.alloc(KEY_LEN);

/** The 32 bytes of a key in base64, or `undefined`. Only the canonical 44 characters count. */
export const tryKey = (text: string): Buffer | undefined =>
  BASE64.test(text) ? Buffer.from(text, 'base64') : undefined;

/** As `tryKey`; throws ERR_CONFIG_VALUE, which never repeats the text: it may be secret. */
export function parseKey(text: string, place: Place = {}): Buffer {
  const key = tryKey(text);
  if (key !== undefined) return key;
  const message = `expected a key of 32 bytes in base64, found ${text.length} characters that are none`;
  throw new PodwireError('ERR_CONFIG_VALUE', message, place);
}

/** Base64, 44 characters. */
export const formatKey = (key: Uint8Array): string => Buffer.from(key).toString('base64');

/** Equal in the same time whatever differs. */
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b);

/** Sets the bits that every scalar has, in place (RFC 7748 section 5, decodeScalar25519). */
export function clamp(scalar: Buffer): Buffer {
  scalar[0] = scalar[0]! & 248;
  scalar[31] = (scalar[31]! & 127) | 64;
  return scalar;
}

/** A private key with its public one. Its 32 bytes are zero after `forget`. */
export class PrivateKey {
  readonly publicKey: Buffer;
  /** Made from a seed, so that whoever knows the seed has it. */
  readonly derived: boolean;
  readonly #scalar: Buffer;
  #handle: KeyObject | null;

  /** `scalar` is copied and clamped. Throws ERR_CONFIG_VALUE unless it is 32 bytes, not all zero. */
  constructor(scalar: Uint8Array, derived = false) {
    if (scalar.length !== KEY_LEN || sameBytes(scalar, ZERO)) {
      const found = scalar.length === KEY_LEN ? 'only zeros' : `${scalar.length} bytes`;
      throw new PodwireError('ERR_CONFIG_VALUE', `expected a key of 32 bytes, found ${found}`);
    }
    this.#scalar = clamp(Buffer.from(scalar));
    this.#handle = createPrivateKey({
      key: Buffer.concat([PKCS8_HEAD, this.#scalar]),
      format: 'der',
      type: 'pkcs8',
    });
    const spki = createPublicKey(this.#handle).export({ format: 'der', type: 'spki' });
    this.publicKey = Buffer.from(spki.subarray(SPKI_HEAD.length));
    this.derived = derived;
  }

  static parse(text: string, place: Place = {}): PrivateKey {
    const key = parseKey(text, place);
    if (sameBytes(key, ZERO)) {
      throw new PodwireError('ERR_CONFIG_VALUE', 'expected a key, found only zeros', place);
    }
    return new PrivateKey(key);
  }

  /**
   * The shared secret, or `undefined` where it is all zero: the public key is a
   * point of low order, and the secret would be one that everybody knows
   * (RFC 7748 section 6.1; the kernel's curve25519() returns false).
   */
  agree(publicKey: Uint8Array): Buffer | undefined {
    if (this.#handle === null) return undefined;
    const key = Buffer.concat([SPKI_HEAD, publicKey]);
    try {
      const theirs = createPublicKey({ key, format: 'der', type: 'spki' });
      const shared = diffieHellman({ privateKey: this.#handle, publicKey: theirs });
      return sameBytes(shared, ZERO) ? undefined : shared;
    } catch {
      // OpenSSL refuses the zero result itself.
      return undefined;
    }
  }

  /** The 32 bytes, for a key log or a file of secrets. The only way out. */
  reveal(): Buffer {
    return Buffer.from(this.#scalar);
  }

  /** Zeroes the bytes; the key agrees on nothing from now on. */
  forget(): void {
    this.#scalar.fill(0);
    this.#handle = null;
  }

  toJSON(): string {
    return HIDDEN;
  }

  toString(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return `PrivateKey ${HIDDEN}`;
  }
}

/** The key of a node whose key nobody states: a function of the seed and its name. NOT secret. */
export function deriveKey(seed: number, name: string): PrivateKey {
  const label = `podwire unsafe wireguard key ${seed} ${name}`;
  return new PrivateKey(hash(Buffer.from(label)), true);
}
