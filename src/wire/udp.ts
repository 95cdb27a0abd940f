/**
 * UDP, RFC 768.
 *
 *   0 |  source port  | destination port |
 *   4 |    length     |     checksum     |   checksum 0: none was computed
 */
import { Drop } from '../drop.ts';
import { type Bytes, putU16, u16 } from './bytes.ts';
import { add, finish, fold, pseudoHeader } from './checksum.ts';
import { PROTO_UDP } from './ipv4.ts';
import { layout } from './layout.ts';

export const field = layout({
  sourcePort: 'u16',
  destinationPort: 'u16',
  length: 'u16',
  checksum: 'u16',
});

export const HEADER_LEN: number = field.size;

export const sourcePort = (b: Bytes, at: number): number => u16(b, at + field.sourcePort);
export const destinationPort = (b: Bytes, at: number): number => u16(b, at + field.destinationPort);
export const length = (b: Bytes, at: number): number => u16(b, at + field.length);
export const checksum = (b: Bytes, at: number): number => u16(b, at + field.checksum);

/** Once this returns `Drop.None`, every accessor and `length` bytes are in bounds. */
export function check(b: Bytes, at: number, end: number): Drop {
  if (end - at < HEADER_LEN) return Drop.UdpShort;
  return length(b, at) < HEADER_LEN || length(b, at) > end - at ? Drop.UdpLength : Drop.None;
}

/** `addressesAt`: where the source address of the IPv4 header stands. Zero counts as right. */
export const checksumOk = (b: Bytes, at: number, addressesAt: number): boolean =>
  checksum(b, at) === 0 ||
  fold(add(pseudoHeader(b, addressesAt, PROTO_UDP, length(b, at)), b, at, length(b, at))) ===
    0xffff;

/** Computes the checksum over `length` bytes; a computed zero is sent as ffff. */
export function fillChecksum(b: Bytes, at: number, addressesAt: number): void {
  putU16(b, at + field.checksum, 0);
  const bytes = length(b, at);
  const sum = finish(add(pseudoHeader(b, addressesAt, PROTO_UDP, bytes), b, at, bytes));
  putU16(b, at + field.checksum, sum === 0 ? 0xffff : sum);
}

/** Writes all eight bytes with a zero checksum; `bytes` counts header and data. */
export function emit(b: Bytes, at: number, from: number, to: number, bytes: number): void {
  putU16(b, at + field.sourcePort, from);
  putU16(b, at + field.destinationPort, to);
  putU16(b, at + field.length, bytes);
  putU16(b, at + field.checksum, 0);
}
