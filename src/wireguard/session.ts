/**
 * A pair of transport keys (the kernel's struct noise_keypair): one to send with,
 * one to receive with, each with its counter. A counter is two unsigned halves.
 */
import { type Bytes, putU32le, u32le } from '../wire/bytes.ts';
import * as wireguard from '../wire/wireguard.ts';
import { openInPlace, sealInPlace } from './chacha20-poly1305.ts';
import type { SessionKeys } from './handshake.ts';
import { below, REJECT_HIGH, REJECT_LOW, ReplayWindow } from './replay-window.ts';

/** Bytes in front of the encrypted packet. */
export const HEADER_LEN = wireguard.data.size;
/** Bytes of a message around its padded packet. */
export const OVERHEAD = HEADER_LEN + wireguard.TAG_LEN;
/** Padding makes lengths multiples of this (MESSAGE_PADDING_MULTIPLE). */
const MULTIPLE = 16;
/** REKEY_AFTER_MESSAGES, 2^60: its upper half. */
const REKEY_HIGH = 2 ** 28;

export class Session {
  readonly initiator: boolean;
  readonly localIndex: number;
  readonly remoteIndex: number;
  /** Microseconds. */
  readonly born: number;
  /** False once the key is too old or used up; it never comes back. */
  sendable = true;
  receivable = true;
  private counterHigh = 0;
  private counterLow = 0;
  private readonly window = new ReplayWindow();
  readonly #send: Buffer;
  readonly #receive: Buffer;

  constructor(keys: SessionKeys, born: number) {
    this.initiator = keys.initiator;
    this.localIndex = keys.localIndex;
    this.remoteIndex = keys.remoteIndex;
    this.born = born;
    this.#send = keys.send;
    this.#receive = keys.receive;
  }

  /** Every counter that may be used was used. */
  get spent(): boolean {
    return !below(this.counterHigh, this.counterLow, REJECT_HIGH, REJECT_LOW);
  }

  /** More than REKEY_AFTER_MESSAGES were sent. */
  get worn(): boolean {
    return below(REKEY_HIGH, 0, this.counterHigh, this.counterLow);
  }

  /** No greater counter can be received any more. */
  get heard(): boolean {
    return this.window.exhausted;
  }

  /**
   * Makes b[start, end) a message in place: header in the 16 bytes before `start`,
   * `padding` zeros and the tag behind `end`. Returns its end. Not to be called
   * when `spent` or not `sendable`.
   */
  seal(b: Bytes, start: number, end: number, padding: number): number {
    const tag = end + padding;
    b.fill(0, end, tag);
    const { counterHigh, counterLow } = this;
    const at = start - HEADER_LEN;
    putU32le(b, at, wireguard.DATA);
    putU32le(b, at + wireguard.data.receiver, this.remoteIndex);
    putU32le(b, at + wireguard.data.counterLow, counterLow);
    putU32le(b, at + wireguard.data.counterHigh, counterHigh);
    sealInPlace(this.#send, counterHigh, counterLow, b, start, tag);
    this.counterLow = (counterLow + 1) >>> 0;
    if (this.counterLow === 0) this.counterHigh++;
    return tag + wireguard.TAG_LEN;
  }

  /** Decrypts the message in b[start, end) in place; false where it is forged. */
  open(b: Bytes, start: number, end: number): boolean {
    const low = u32le(b, start + wireguard.data.counterLow);
    const high = u32le(b, start + wireguard.data.counterHigh);
    return openInPlace(this.#receive, high, low, b, start + HEADER_LEN, end);
  }

  /** Whether the counter of a message that authenticated is new; it is seen from now on. */
  accept(b: Bytes, start: number): boolean {
    const low = u32le(b, start + wireguard.data.counterLow);
    return this.window.accept(u32le(b, start + wireguard.data.counterHigh), low);
  }

  /** Zeroes the keys. */
  forget(): void {
    this.sendable = false;
    this.receivable = false;
    this.#send.fill(0);
    this.#receive.fill(0);
  }
}

/**
 * Zeros to add to a packet of `length`: up to a multiple of 16, but never beyond the
 * MTU (calculate_skb_padding; a packet longer than the MTU is judged by what is over).
 */
export function paddingOf(length: number, mtu: number): number {
  const last = mtu > 0 && length > mtu ? length % mtu : length;
  const padded = Math.ceil(last / MULTIPLE) * MULTIPLE;
  return (mtu > 0 ? Math.min(mtu, padded) : padded) - last;
}
