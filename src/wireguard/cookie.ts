/**
 * The two MACs of handshake messages and the cookies of a device under load
 * (whitepaper sections 5.4.4 and 5.4.7; the kernel's cookie.c).
 *
 *   message | … | mac1: MAC(HASH("mac1----" ‖ recipient's key), all before) | mac2: MAC(cookie, all before) |
 *
 * mac2 is zero until the recipient, under load, has sent a cookie: MAC(its secret of
 * two minutes, the sender's address and port), encrypted with XChaCha20-Poly1305.
 */
import { xchacha20poly1305 } from '@noble/ciphers/chacha';
import { type Bytes, putI32, putU16, putU32le } from '../wire/bytes.ts';
import * as wireguard from '../wire/wireguard.ts';
import { HASH_LEN, hash, MAC_LEN, mac } from './blake2s.ts';
import { sameBytes } from './key.ts';
import type { RandomSource } from './random.ts';
import { COOKIE_LIFETIME, COOKIE_MARGIN } from './timers.ts';

const LABEL_MAC1 = Buffer.from('mac1----');
const LABEL_COOKIE = Buffer.from('cookie--');
const { cookieReply } = wireguard;
const NONCE_LEN = cookieReply.cookie - cookieReply.nonce;

/** Offset of mac1; mac2 stands 16 bytes behind it, at the end of the message. */
const macAt = (b: Bytes, at: number): number =>
  at +
  (wireguard.type(b, at) === wireguard.INITIATION
    ? wireguard.initiation.mac1
    : wireguard.response.mac1);

export const MacState = { Invalid: 0, NoCookie: 1, Cookie: 2 } as const;
export type MacState = (typeof MacState)[keyof typeof MacState];

/** The recipient's side: one a device. */
export class CookieChecker {
  private readonly macKey: Buffer;
  private readonly cookieKey: Buffer;
  private readonly random: RandomSource;
  readonly #secret = Buffer.alloc(HASH_LEN);
  private renewed = Number.NEGATIVE_INFINITY;
  private readonly origin = Buffer.alloc(6);
  private readonly nonce = Buffer.alloc(NONCE_LEN);

  constructor(publicKey: Buffer, random: RandomSource) {
    this.macKey = hash(LABEL_MAC1, publicKey);
    this.cookieKey = hash(LABEL_COOKIE, publicKey);
    this.random = random;
  }

  /** Whether mac1 is right and, when asked for, mac2 too. Times in microseconds. */
  check(
    b: Bytes,
    at: number,
    address: number,
    port: number,
    underLoad: boolean,
    now: number,
  ): MacState {
    const mac1 = macAt(b, at);
    if (!holds(this.macKey, b, at, mac1)) return MacState.Invalid;
    if (!underLoad) return MacState.NoCookie;
    const cookie = this.cookieFor(address, port, now);
    return holds(cookie, b, at, mac1 + MAC_LEN) ? MacState.Cookie : MacState.NoCookie;
  }

  /** Writes the cookie reply to a message; 64 bytes. */
  reply(
    b: Bytes,
    at: number,
    message: Bytes,
    messageAt: number,
    address: number,
    port: number,
    now: number,
  ): void {
    const mac1 = macAt(message, messageAt);
    this.random.fill(this.nonce);
    putU32le(b, at, wireguard.COOKIE_REPLY);
    putU32le(b, at + cookieReply.receiver, wireguard.sender(message, messageAt));
    this.nonce.copy(b, at + cookieReply.nonce);
    const associated = message.subarray(mac1, mac1 + MAC_LEN);
    const cipher = xchacha20poly1305(this.cookieKey, this.nonce, associated);
    b.set(cipher.encrypt(this.cookieFor(address, port, now)), at + cookieReply.cookie);
  }

  private cookieFor(address: number, port: number, now: number): Uint8Array {
    if (now >= this.renewed + COOKIE_LIFETIME) {
      this.random.fill(this.#secret);
      this.renewed = now;
    }
    putI32(this.origin, 0, address);
    putU16(this.origin, 4, port);
    return mac(this.#secret, this.origin);
  }
}

/** The sender's side: one a peer. */
export class CookieJar {
  private readonly macKey: Buffer;
  private readonly cookieKey: Buffer;
  private readonly cookie = Buffer.alloc(MAC_LEN);
  private born = Number.NEGATIVE_INFINITY;
  /** mac1 of the message sent last, while a cookie reply may still answer it. */
  private readonly lastMac1 = Buffer.alloc(MAC_LEN);
  private awaiting = false;

  /** `publicKey` is the peer's. */
  constructor(publicKey: Buffer) {
    this.macKey = hash(LABEL_MAC1, publicKey);
    this.cookieKey = hash(LABEL_COOKIE, publicKey);
  }

  /** Completes an initiation or response with both MACs. */
  stamp(b: Bytes, at: number, now: number): void {
    const mac1 = macAt(b, at);
    const mac2 = mac1 + MAC_LEN;
    b.set(mac(this.macKey, b.subarray(at, mac1)), mac1);
    b.copy(this.lastMac1, 0, mac1, mac2);
    this.awaiting = true;
    if (now >= this.born + COOKIE_LIFETIME - COOKIE_MARGIN) b.fill(0, mac2, mac2 + MAC_LEN);
    else b.set(mac(this.cookie, b.subarray(at, mac2)), mac2);
  }

  /** Takes the cookie of a reply; false where it answers nothing sent, or is forged. */
  take(b: Bytes, at: number, now: number): boolean {
    if (!this.awaiting) return false;
    const nonce = b.subarray(at + cookieReply.nonce, at + cookieReply.cookie);
    const sealed = b.subarray(at + cookieReply.cookie, at + cookieReply.size);
    try {
      this.cookie.set(xchacha20poly1305(this.cookieKey, nonce, this.lastMac1).decrypt(sealed));
    } catch {
      return false;
    }
    this.born = now;
    this.awaiting = false;
    return true;
  }
}

/** Whether the 16 bytes at `end` are the MAC of the message before them. */
const holds = (key: Uint8Array, b: Bytes, at: number, end: number): boolean =>
  sameBytes(mac(key, b.subarray(at, end)), b.subarray(end, end + MAC_LEN));
