/**
 * IPv4, RFC 791 section 3.1; ECN bits per RFC 3168.
 *
 *    0 |version| IHL |  DSCP | ECN |         total length          |
 *    4 |        identification      |res DF MF|  fragment offset   |
 *    8 |     TTL     |  protocol   |        header checksum        |
 *   12 |                    source address                         |
 *   16 |                  destination address                      |
 *   20 |            options, up to 40 bytes (IHL > 5)              |
 */
import { Drop } from '../drop.ts';
import { type Bytes, i32, putI32, putU16, u16 } from './bytes.ts';
import { add, finish, fold } from './checksum.ts';
import { layout } from './layout.ts';

export const field = layout({
  versionIhl: 'u8',
  tos: 'u8',
  totalLength: 'u16',
  identification: 'u16',
  flagsOffset: 'u16',
  ttl: 'u8',
  protocol: 'u8',
  checksum: 'u16',
  source: 'u32',
  destination: 'u32',
});

/** Bytes of a header without options. */
export const HEADER_LEN: number = field.size;

export const PROTO_ICMP = 1;
export const PROTO_IGMP = 2;
/** IP in IP: `ipencap` in /etc/protocols. */
export const PROTO_IPIP = 4;
export const PROTO_TCP = 6;
export const PROTO_UDP = 17;
export const PROTO_IPV6 = 41;
export const PROTO_SCTP = 132;
export const PROTO_UDPLITE = 136;

export const FLAG_DF = 0x4000;
export const FLAG_MF = 0x2000;
const OFFSET_MASK = 0x1fff;

export const ECN_MASK = 3;
export const ECN_CE = 3;
export const ECN_ECT0 = 2;

export const version = (b: Bytes, at: number): number => b[at + field.versionIhl]! >>> 4;
/** Bytes of the header with its options. */
export const headerLength = (b: Bytes, at: number): number => (b[at + field.versionIhl]! & 15) << 2;
export const tos = (b: Bytes, at: number): number => b[at + field.tos]!;
export const totalLength = (b: Bytes, at: number): number => u16(b, at + field.totalLength);
export const identification = (b: Bytes, at: number): number => u16(b, at + field.identification);
export const flags = (b: Bytes, at: number): number =>
  u16(b, at + field.flagsOffset) & ~OFFSET_MASK;
export const dontFragment = (b: Bytes, at: number): boolean =>
  (b[at + field.flagsOffset]! & (FLAG_DF >>> 8)) !== 0;
export const moreFragments = (b: Bytes, at: number): boolean =>
  (b[at + field.flagsOffset]! & (FLAG_MF >>> 8)) !== 0;
/** In units of 8 bytes, as on the wire. */
export const fragmentOffset = (b: Bytes, at: number): number =>
  u16(b, at + field.flagsOffset) & OFFSET_MASK;
/** Any fragment, the first one included. */
export const isFragment = (b: Bytes, at: number): boolean =>
  (u16(b, at + field.flagsOffset) & (FLAG_MF | OFFSET_MASK)) !== 0;
export const ttl = (b: Bytes, at: number): number => b[at + field.ttl]!;
export const protocol = (b: Bytes, at: number): number => b[at + field.protocol]!;
export const checksum = (b: Bytes, at: number): number => u16(b, at + field.checksum);
export const source = (b: Bytes, at: number): number => i32(b, at + field.source);
export const destination = (b: Bytes, at: number): number => i32(b, at + field.destination);

export const checksumOk = (b: Bytes, at: number): boolean =>
  fold(add(0, b, at, headerLength(b, at))) === 0xffff;

/**
 * Structure only, in the order of Linux ip_rcv_core. Once this returns
 * `Drop.None`, every accessor is in bounds and header and total length fit.
 */
export function check(b: Bytes, at: number, end: number): Drop {
  if (end - at < HEADER_LEN) return Drop.Ipv4Short;
  if (version(b, at) !== 4) return Drop.Ipv4Version;
  const header = headerLength(b, at);
  if (header < HEADER_LEN || header > end - at) return Drop.Ipv4HeaderLength;
  const total = totalLength(b, at);
  if (total < header || total > end - at) return Drop.Ipv4TotalLength;
  return Drop.None;
}

/**
 * TTL minus one with the checksum kept right: the wire form of Linux
 * ip_decrease_ttl (add 0x0100 with end-around carry).
 */
export function decrementTtl(b: Bytes, at: number): void {
  b[at + field.ttl] = b[at + field.ttl]! - 1;
  const sum = checksum(b, at) + 0x0100;
  putU16(b, at + field.checksum, (sum + (sum >= 0xffff ? 1 : 0)) & 0xffff);
}

/** For a header with options behind it: its length in bytes, a multiple of 4, and the checksum anew. */
export function setHeaderLength(b: Bytes, at: number, length: number): void {
  b[at + field.versionIhl] = 0x40 | (length >>> 2);
  fillChecksum(b, at);
}

/** Sets the two ECN bits, and corrects the checksum. */
export function setEcn(b: Bytes, at: number, ecn: number): void {
  b[at + field.tos] = (b[at + field.tos]! & ~ECN_MASK) | ecn;
  fillChecksum(b, at);
}

export function fillChecksum(b: Bytes, at: number): void {
  putU16(b, at + field.checksum, 0);
  putU16(b, at + field.checksum, finish(add(0, b, at, headerLength(b, at))));
}

/**
 * Writes a header without options, all 20 bytes, checksum included.
 * `flagsOffset` is the 16-bit word of flags and fragment offset.
 */
export function emit(
  b: Bytes,
  at: number,
  typeOfService: number,
  length: number,
  id: number,
  flagsOffset: number,
  timeToLive: number,
  proto: number,
  from: number,
  to: number,
): void {
  b[at + field.versionIhl] = 0x45;
  b[at + field.tos] = typeOfService;
  putU16(b, at + field.totalLength, length);
  putU16(b, at + field.identification, id);
  putU16(b, at + field.flagsOffset, flagsOffset);
  b[at + field.ttl] = timeToLive;
  b[at + field.protocol] = proto;
  putI32(b, at + field.source, from);
  putI32(b, at + field.destination, to);
  fillChecksum(b, at);
}
