/**
 * TCP, RFC 9293 section 3.1.
 *
 *    0 |      source port       |    destination port    |
 *    4 |                 sequence number                 |
 *    8 |              acknowledgement number             |
 *   12 | offset | rsv | C E U A P R S F |     window      |
 *   16 |       checksum         |     urgent pointer     |
 *   20 |   options, up to 40 bytes (data offset > 5)     |
 */
import { Drop } from '../drop.ts';
import { type Bytes, i32, putI32, putU16, u16 } from './bytes.ts';
import { add, finish, fold, pseudoHeader } from './checksum.ts';
import { PROTO_TCP } from './ipv4.ts';
import { layout } from './layout.ts';

export const field = layout({
  sourcePort: 'u16',
  destinationPort: 'u16',
  sequence: 'u32',
  acknowledgement: 'u32',
  offset: 'u8',
  flags: 'u8',
  window: 'u16',
  checksum: 'u16',
  urgent: 'u16',
});

/** Bytes of a header without options. */
export const HEADER_LEN: number = field.size;
export const MAX_OPTIONS_LEN = 40;

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const URG = 0x20;
export const ECE = 0x40;
export const CWR = 0x80;

export const OPTION_END = 0;
export const OPTION_NOP = 1;
export const OPTION_MSS = 2;
export const OPTION_WINDOW_SCALE = 3;
export const OPTION_SACK_PERMITTED = 4;
export const OPTION_SACK = 5;
export const OPTION_TIMESTAMPS = 8;

export const sourcePort = (b: Bytes, at: number): number => u16(b, at + field.sourcePort);
export const destinationPort = (b: Bytes, at: number): number => u16(b, at + field.destinationPort);
export const sequence = (b: Bytes, at: number): number => i32(b, at + field.sequence);
export const acknowledgement = (b: Bytes, at: number): number => i32(b, at + field.acknowledgement);
/** Bytes of the header with its options. */
export const headerLength = (b: Bytes, at: number): number => (b[at + field.offset]! >>> 4) << 2;
export const flags = (b: Bytes, at: number): number => b[at + field.flags]!;
export const window = (b: Bytes, at: number): number => u16(b, at + field.window);
export const checksum = (b: Bytes, at: number): number => u16(b, at + field.checksum);
export const urgent = (b: Bytes, at: number): number => u16(b, at + field.urgent);

/** Once this returns `Drop.None`, every accessor and all options are in bounds. */
export function check(b: Bytes, at: number, end: number): Drop {
  if (end - at < HEADER_LEN) return Drop.TcpShort;
  const header = headerLength(b, at);
  return header < HEADER_LEN || header > end - at ? Drop.TcpHeaderLength : Drop.None;
}

/** `bytes` counts header and data; `addressesAt` is where the IPv4 source address stands. */
export const checksumOk = (b: Bytes, at: number, bytes: number, addressesAt: number): boolean =>
  fold(add(pseudoHeader(b, addressesAt, PROTO_TCP, bytes), b, at, bytes)) === 0xffff;

export function fillChecksum(b: Bytes, at: number, bytes: number, addressesAt: number): void {
  putU16(b, at + field.checksum, 0);
  putU16(
    b,
    at + field.checksum,
    finish(add(pseudoHeader(b, addressesAt, PROTO_TCP, bytes), b, at, bytes)),
  );
}

/** Writes the 20 fixed bytes with a zero checksum; `optionsLength` must be a multiple of 4. */
export function emit(
  b: Bytes,
  at: number,
  from: number,
  to: number,
  seq: number,
  ack: number,
  optionsLength: number,
  flagBits: number,
  windowSize: number,
): void {
  putU16(b, at + field.sourcePort, from);
  putU16(b, at + field.destinationPort, to);
  putI32(b, at + field.sequence, seq);
  putI32(b, at + field.acknowledgement, ack);
  b[at + field.offset] = ((HEADER_LEN + optionsLength) >>> 2) << 4;
  b[at + field.flags] = flagBits;
  putU16(b, at + field.window, windowSize);
  putU16(b, at + field.checksum, 0);
  putU16(b, at + field.urgent, 0);
}
