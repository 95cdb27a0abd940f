/**
 * A slow twin of the handshake, written from the WireGuard whitepaper's section 5.4
 * line by line. It shares nothing with the library: BLAKE2s, HMAC and ChaCha20-Poly1305
 * are those of noble, Curve25519 is RFC 7748's ladder in bigints.
 */
import { chacha20poly1305 } from '@noble/ciphers/chacha';
import { blake2s } from '@noble/hashes/blake2s';
import { hmac } from '@noble/hashes/hmac';

const P = 2n ** 255n - 19n;
const mod = (n: bigint): bigint => ((n % P) + P) % P;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = mod(base);
  for (let e = exponent; e > 0n; e >>= 1n) {
    if (e & 1n) result = mod(result * square);
    square = mod(square * square);
  }
  return result;
}

const number = (b: Uint8Array): bigint => BigInt(`0x${Buffer.from(b).reverse().toString('hex')}`);
const bytes = (n: bigint): Buffer => Buffer.from(n.toString(16).padStart(64, '0'), 'hex').reverse();

/** RFC 7748 section 5, with its names. */
export function x25519(scalar: Uint8Array, point: Uint8Array): Buffer {
  const clamped = Buffer.from(scalar);
  clamped[0]! &= 248;
  clamped[31] = (clamped[31]! & 127) | 64;
  const k = number(clamped);
  const x1 = number(point) & (2n ** 255n - 1n);
  let [x2, z2, x3, z3, swap] = [1n, 0n, x1, 1n, 0n];
  for (let t = 254n; t >= 0n; t--) {
    const bit = (k >> t) & 1n;
    if (swap !== bit) [x2, z2, x3, z3] = [x3, z3, x2, z2];
    swap = bit;
    const [a, b, c, d] = [x2 + z2, x2 - z2, x3 + z3, x3 - z3];
    const [aa, bb, da, cb] = [mod(a * a), mod(b * b), mod(d * a), mod(c * b)];
    const e = aa - bb;
    x3 = mod((da + cb) ** 2n);
    z3 = mod(x1 * mod((da - cb) ** 2n));
    x2 = mod(aa * bb);
    z2 = mod(e * (aa + 121665n * e));
  }
  if (swap === 1n) [x2, z2] = [x3, z3];
  return bytes(mod(x2 * power(z2, P - 2n)));
}

const BASE = Buffer.from([9, ...new Array<number>(31).fill(0)]);
export const publicOf = (scalar: Uint8Array): Buffer => x25519(scalar, BASE);

const text = (s: string): Buffer => Buffer.from(s, 'latin1');
const join = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts);
const HASH = (...parts: Uint8Array[]): Buffer => Buffer.from(blake2s(join(...parts)));
export const MAC = (key: Uint8Array, ...parts: Uint8Array[]): Buffer =>
  Buffer.from(blake2s(join(...parts), { key, dkLen: 16 }));
const HMAC = (key: Uint8Array, ...parts: Uint8Array[]): Buffer =>
  Buffer.from(hmac(blake2s, key, join(...parts)));

export function KDF(key: Uint8Array, input: Uint8Array): [Buffer, Buffer, Buffer] {
  const t0 = HMAC(key, input);
  const t1 = HMAC(t0, Buffer.of(1));
  const t2 = HMAC(t0, t1, Buffer.of(2));
  return [t1, t2, HMAC(t0, t2, Buffer.of(3))];
}

export function AEAD(key: Uint8Array, counter: bigint, plain: Uint8Array, ad: Uint8Array): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(counter, 4);
  return Buffer.from(chacha20poly1305(key, nonce, ad).encrypt(plain));
}

const u32 = (n: number): Buffer => {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(n);
  return b;
};

export interface SlowHandshake {
  readonly initiatorStatic: Uint8Array;
  readonly responderStatic: Uint8Array;
  readonly initiatorEphemeral: Uint8Array;
  readonly responderEphemeral: Uint8Array;
  readonly presharedKey: Uint8Array;
  readonly initiatorIndex: number;
  readonly responderIndex: number;
  /** 12 bytes. */
  readonly timestamp: Uint8Array;
}

export interface SlowResult {
  readonly initiation: Buffer;
  readonly response: Buffer;
  readonly initiatorSends: Buffer;
  readonly responderSends: Buffer;
}

/** Both messages, mac2 zero, and both transport keys. */
export function slowHandshake(h: SlowHandshake): SlowResult {
  const si = publicOf(h.initiatorStatic);
  const sr = publicOf(h.responderStatic);
  const ei = publicOf(h.initiatorEphemeral);
  const er = publicOf(h.responderEphemeral);

  // 5.4.2 First message
  let C = HASH(text('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s'));
  let H = HASH(C, text('WireGuard v1 zx2c4 Jason@zx2c4.com'));
  H = HASH(H, sr);
  [C] = KDF(C, ei);
  H = HASH(H, ei);
  let k: Buffer;
  [C, k] = KDF(C, x25519(h.initiatorEphemeral, sr));
  const sealedStatic = AEAD(k, 0n, si, H);
  H = HASH(H, sealedStatic);
  [C, k] = KDF(C, x25519(h.initiatorStatic, sr));
  const sealedTime = AEAD(k, 0n, h.timestamp, H);
  H = HASH(H, sealedTime);
  const alpha = join(Buffer.of(1, 0, 0, 0), u32(h.initiatorIndex), ei, sealedStatic, sealedTime);
  const mac1 = MAC(HASH(text('mac1----'), sr), alpha);

  // 5.4.3 Second message
  [C] = KDF(C, er);
  H = HASH(H, er);
  [C] = KDF(C, x25519(h.responderEphemeral, ei));
  [C] = KDF(C, x25519(h.responderEphemeral, si));
  const [last, t, key] = KDF(C, h.presharedKey);
  H = HASH(H, t);
  const sealedNothing = AEAD(key, 0n, Buffer.alloc(0), H);
  const indices = join(u32(h.responderIndex), u32(h.initiatorIndex));
  const beta = join(Buffer.of(2, 0, 0, 0), indices, er, sealedNothing);
  const mac1Back = MAC(HASH(text('mac1----'), si), beta);

  // 5.4.5 Transport data key derivation
  const [initiatorSends, responderSends] = KDF(last, Buffer.alloc(0));
  const mac2 = Buffer.alloc(16);
  return {
    initiation: join(alpha, mac1, mac2),
    response: join(beta, mac1Back, mac2),
    initiatorSends,
    responderSends,
  };
}

/** A data message, padded to 16. */
export function slowData(
  key: Uint8Array,
  receiver: number,
  counter: bigint,
  packet: Buffer,
): Buffer {
  const header = join(Buffer.of(4, 0, 0, 0), u32(receiver), Buffer.alloc(8));
  header.writeBigUInt64LE(counter, 8);
  const padded = join(packet, Buffer.alloc((16 - (packet.length % 16)) % 16));
  return join(header, AEAD(key, counter, padded, Buffer.alloc(0)));
}
