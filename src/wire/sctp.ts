/**
 * SCTP, RFC 9260: what connection tracking reads of it.
 *
 *   0 |  source port  | destination port |
 *   4 |        verification tag          |
 *   8 |       CRC32c, little-endian      |   then chunks: type, flags, length, padded to 4
 */
import { type Bytes, i32, putI32, u16 } from './bytes.ts';

export const HEADER_LEN = 12;
const TAG = 4;
const CHECKSUM = 8;
const CHUNK_HEADER_LEN = 4;
/** Tag, window, streams and first TSN of an INIT. */
const INIT_LEN = 16;

/** Chunk types, RFC 9260 section 3.2. */
const INIT = 1;
const INIT_ACK = 2;
const HEARTBEAT = 4;
const HEARTBEAT_ACK = 5;
const SHUTDOWN = 7;
const SHUTDOWN_ACK = 8;
const ERROR = 9;
const COOKIE_ECHO = 10;
const COOKIE_ACK = 11;
const SHUTDOWN_COMPLETE = 14;

/** Those that a packet out of the blue may have; the second list whatever its tag. */
const OPENING = [INIT, INIT_ACK, HEARTBEAT, HEARTBEAT_ACK, SHUTDOWN, SHUTDOWN_ACK, ERROR];
const UNTAGGED = [INIT, HEARTBEAT, HEARTBEAT_ACK, SHUTDOWN_ACK];
/** Those that must come first, and those that must be alone. */
const FIRST = [COOKIE_ACK, COOKIE_ECHO];
const ALONE = [INIT, INIT_ACK, SHUTDOWN_COMPLETE];

/** The reflected polynomial of RFC 9260 appendix A, for one byte each. */
const CRC = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : 0x82f63b78);
  return crc;
});

/** CRC32c of a packet as its field has it, read big-endian; the field itself counts as zero. */
function checksum(b: Bytes, at: number, end: number): number {
  let crc = -1;
  for (let i = at; i < end; i++) {
    const byte = i >= at + CHECKSUM && i < at + HEADER_LEN ? 0 : b[i]!;
    crc = (crc >>> 8) ^ CRC[(crc ^ byte) & 0xff]!;
  }
  crc = ~crc;
  const swapped = (crc << 24) | ((crc & 0xff00) << 8) | ((crc >>> 8) & 0xff00) | (crc >>> 24);
  return swapped | 0;
}

export const checksumOk = (b: Bytes, at: number, end: number): boolean =>
  i32(b, at + CHECKSUM) === checksum(b, at, end);

export const fillChecksum = (b: Bytes, at: number, end: number): void =>
  putI32(b, at + CHECKSUM, checksum(b, at, end));

const next = (b: Bytes, chunk: number): number => chunk + ((u16(b, chunk + 2) + 3) & ~3);

/** Whether there are chunks, in an order that RFC 9260 allows: do_basic_checks. */
export function chunksOk(b: Bytes, at: number, end: number): boolean {
  let alone = false;
  let chunk = at + HEADER_LEN;
  if (chunk + CHUNK_HEADER_LEN > end) return false;
  for (let first = true; chunk + CHUNK_HEADER_LEN <= end; chunk = next(b, chunk), first = false) {
    const type = b[chunk]!;
    alone ||= ALONE.includes(type);
    if (!first && (alone || FIRST.includes(type))) return false;
    if (u16(b, chunk + 2) === 0) return false;
  }
  return true;
}

/** Whether a packet whose chunks are in order may begin a connection: sctp_new, and the tag it then needs. */
export function mayBegin(b: Bytes, at: number, end: number): boolean {
  const tag = i32(b, at + TAG);
  let untagged = false;
  for (let chunk = at + HEADER_LEN; chunk + CHUNK_HEADER_LEN <= end; chunk = next(b, chunk)) {
    const type = b[chunk]!;
    if (type === INIT && (tag !== 0 || end - chunk < CHUNK_HEADER_LEN + INIT_LEN)) return false;
    if (type === COOKIE_ECHO && tag !== 0) return false;
    if (type !== COOKIE_ECHO && !OPENING.includes(type)) return false;
    untagged ||= UNTAGGED.includes(type);
  }
  return untagged || tag === 0;
}
