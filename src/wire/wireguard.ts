/**
 * WireGuard message headers (whitepaper section 5.4). Integers are little-endian;
 * three reserved zero bytes follow the type.
 *
 *   1 initiation: | type | sender | ephemeral 32 | static 48 | timestamp 28 | mac1 16 | mac2 16 |
 *   2 response:   | type | sender | receiver | ephemeral 32 | empty 16 | mac1 16 | mac2 16 |
 *   3 cookie:     | type | receiver | nonce 24 | cookie 32 |
 *   4 data:       | type | receiver | counter 8 | encrypted packet and 16-byte tag |
 */
import { Drop } from '../drop.ts';
import { type Bytes, u32le } from './bytes.ts';
import { layout } from './layout.ts';

export const initiation = layout({
  type: 'u32le',
  sender: 'u32le',
  ephemeral: 32,
  encryptedStatic: 48,
  encryptedTimestamp: 28,
  mac1: 16,
  mac2: 16,
});
export const response = layout({
  type: 'u32le',
  sender: 'u32le',
  receiver: 'u32le',
  ephemeral: 32,
  encryptedNothing: 16,
  mac1: 16,
  mac2: 16,
});
export const cookieReply = layout({ type: 'u32le', receiver: 'u32le', nonce: 24, cookie: 32 });
export const data = layout({
  type: 'u32le',
  receiver: 'u32le',
  counterLow: 'u32le',
  counterHigh: 'u32le',
});

export const INITIATION = 1;
export const RESPONSE = 2;
export const COOKIE_REPLY = 3;
export const DATA = 4;
export const TAG_LEN = 16;
/** TOS of handshake messages: AF41 (the kernel's HANDSHAKE_DSCP). */
export const HANDSHAKE_TOS = 0x88;
/** Calico's default listen port. */
export const PORT = 51820;

/** The first four bytes: a type above 255 means reserved bits are set. */
export const type = (b: Bytes, at: number): number => u32le(b, at);
/** Initiation and response. */
export const sender = (b: Bytes, at: number): number => u32le(b, at + initiation.sender);
/** Response; in cookie reply and data the receiver stands where others have the sender. */
export const receiver = (b: Bytes, at: number): number =>
  u32le(b, at + (type(b, at) === RESPONSE ? response.receiver : data.receiver));
export const counter = (b: Bytes, at: number): bigint =>
  (BigInt(u32le(b, at + data.counterHigh)) << 32n) | BigInt(u32le(b, at + data.counterLow));

/** Known type and the length that type must have; nothing is decrypted. */
export function check(b: Bytes, at: number, end: number): Drop {
  const length = end - at;
  if (length < 4) return Drop.WireguardLength;
  const sizes = [initiation.size, response.size, cookieReply.size];
  const kind = type(b, at);
  if (kind < INITIATION || kind > DATA) return Drop.WireguardType;
  if (kind === DATA) return length < data.size + TAG_LEN ? Drop.WireguardLength : Drop.None;
  return length === sizes[kind - 1] ? Drop.None : Drop.WireguardLength;
}
