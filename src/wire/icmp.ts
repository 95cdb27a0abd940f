/**
 * ICMPv4, RFC 792; next-hop MTU per RFC 1191.
 *
 *   0 | type | code |       checksum        |
 *   4 | rest: echo id and sequence, or for type 3 code 4 zero and next-hop MTU |
 */
import { Drop } from '../drop.ts';
import { type Bytes, putI32, putU16, u16 } from './bytes.ts';
import { add, finish, fold } from './checksum.ts';
import { layout } from './layout.ts';

export const field = layout({ type: 'u8', code: 'u8', checksum: 'u16', rest: 'u32' });

export const HEADER_LEN: number = field.size;

export const ECHO_REPLY = 0;
export const UNREACHABLE = 3;
export const REDIRECT = 5;
export const ECHO_REQUEST = 8;
export const TIME_EXCEEDED = 11;
export const PARAMETER_PROBLEM = 12;

/** Codes of UNREACHABLE (RFC 792, RFC 1812 section 5.2.7.1). */
export const CODE_NET = 0;
export const CODE_HOST = 1;
export const CODE_PROTOCOL = 2;
export const CODE_PORT = 3;
export const CODE_FRAG_NEEDED = 4;
export const CODE_NET_PROHIBITED = 9;
export const CODE_HOST_PROHIBITED = 10;
export const CODE_FILTERED = 13;
/** Code of TIME_EXCEEDED. */
export const CODE_REASSEMBLY = 1;
/** Code of REDIRECT. */
export const CODE_REDIRECT_HOST = 1;

/** Types that report an error; no error is sent about one (RFC 1122 section 3.2.2). */
export const isError = (icmpType: number): boolean =>
  icmpType === UNREACHABLE ||
  icmpType === 4 ||
  icmpType === REDIRECT ||
  icmpType === TIME_EXCEEDED ||
  icmpType === PARAMETER_PROBLEM;

/** Highest type Linux knows: NR_ICMP_TYPES. */
export const MAX_TYPE = 18;

export const type = (b: Bytes, at: number): number => b[at + field.type]!;
export const code = (b: Bytes, at: number): number => b[at + field.code]!;
export const checksum = (b: Bytes, at: number): number => u16(b, at + field.checksum);
/** Echo identifier. */
export const identifier = (b: Bytes, at: number): number => u16(b, at + field.rest);
/** Echo sequence number; in "fragmentation needed" the next-hop MTU. */
export const sequence = (b: Bytes, at: number): number => u16(b, at + field.rest + 2);

export const check = (_b: Bytes, at: number, end: number): Drop =>
  end - at < HEADER_LEN ? Drop.IcmpShort : Drop.None;

export const checksumOk = (b: Bytes, at: number, bytes: number): boolean =>
  fold(add(0, b, at, bytes)) === 0xffff;

/** Writes the eight bytes and the checksum over `bytes`, which must already hold the data. */
export function emit(
  b: Bytes,
  at: number,
  icmpType: number,
  icmpCode: number,
  rest: number,
  bytes: number,
): void {
  b[at + field.type] = icmpType;
  b[at + field.code] = icmpCode;
  putU16(b, at + field.checksum, 0);
  putI32(b, at + field.rest, rest);
  putU16(b, at + field.checksum, finish(add(0, b, at, bytes)));
}
