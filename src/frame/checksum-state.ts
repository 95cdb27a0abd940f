/**
 * What a checksum field says. A sender that leaves TCP and UDP checksums to the
 * hardware (CHECKSUM_PARTIAL in include/linux/skbuff.h) puts the folded sum of
 * the pseudo-header there, not complemented: damage it is not.
 */
import { type Bytes, u16 } from '../wire/bytes.ts';
import { fold, pseudoHeader } from '../wire/checksum.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import type { ChecksumState } from './layer.ts';

/** Of a header that is here with all its options. */
export const ipv4State = (b: Bytes, at: number): ChecksumState =>
  ipv4.checksumOk(b, at) ? 'valid' : 'wrong';

/** `whole`: all `bytes` are here. */
export function icmpState(b: Bytes, at: number, bytes: number, whole: boolean): ChecksumState {
  if (!whole) return 'unverifiable';
  return icmp.checksumOk(b, at, bytes) ? 'valid' : 'wrong';
}

/** `ipAt`: where the IPv4 header starts. */
export function udpState(b: Bytes, at: number, ipAt: number, whole: boolean): ChecksumState {
  if (udp.checksum(b, at) === 0) return 'absent';
  if (!whole) return 'unverifiable';
  const addressesAt = ipAt + ipv4.field.source;
  if (udp.checksumOk(b, at, addressesAt)) return 'valid';
  const pseudo = pseudoHeader(b, addressesAt, ipv4.PROTO_UDP, udp.length(b, at));
  return fold(pseudo) === u16(b, at + udp.field.checksum) ? 'partial' : 'wrong';
}

/** `bytes` counts header and data. */
export function tcpState(
  b: Bytes,
  at: number,
  bytes: number,
  ipAt: number,
  whole: boolean,
): ChecksumState {
  if (!whole) return 'unverifiable';
  const addressesAt = ipAt + ipv4.field.source;
  if (tcp.checksumOk(b, at, bytes, addressesAt)) return 'valid';
  const pseudo = pseudoHeader(b, addressesAt, ipv4.PROTO_TCP, bytes);
  return fold(pseudo) === u16(b, at + tcp.field.checksum) ? 'partial' : 'wrong';
}
