/**
 * Addresses and ports changed in place, checksums kept right: nf_nat_proto.c. A
 * partial checksum holds the pseudo-header sum and follows the addresses only.
 */
import { bytes } from '../packet/arena.ts';
import { i32, putI32, putU16, u16 } from '../wire/bytes.ts';
import { replaceWord } from '../wire/checksum.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as sctp from '../wire/sctp.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import { hasPorts, isQuery } from './tuple.ts';

/** Which end of a packet is changed. */
export const Manip = { Source: 0, Destination: 1 } as const;
export type Manip = (typeof Manip)[keyof typeof Manip];

/**
 * Sets one end of the packet at `l3` to an address and a port (or echo id). A
 * quoted packet may be cut: what is not there is left.
 */
export function rewrite(
  l3: number,
  end: number,
  manip: Manip,
  address: number,
  port: number,
  partial: boolean,
): void {
  const at = l3 + (manip === Manip.Source ? ipv4.field.source : ipv4.field.destination);
  const before = i32(bytes, at);
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  const protocol = ipv4.protocol(bytes, l3);
  const field = checksumField(protocol, l4, end);
  putI32(bytes, at, address);
  replaceAddress(l3 + ipv4.field.checksum, before, address);
  if (field >= 0 && protocol !== ipv4.PROTO_ICMP) {
    if (partial) complementReplace(field, before, address);
    else replaceAddress(field, before, address);
  }
  rewritePort(protocol, l4, end, manip, port, partial ? -1 : field);
  // Not in a quote that ends before it: sctp_manip_pkt.
  if (protocol === ipv4.PROTO_SCTP && end - l4 >= sctp.HEADER_LEN) {
    sctp.fillChecksum(bytes, l4, end);
  }
  if (protocol === ipv4.PROTO_UDP && field >= 0 && !partial && u16(bytes, field) === 0) {
    putU16(bytes, field, 0xffff);
  }
}

/** Where the L4 checksum stands, or -1: none, not there, or switched off. */
function checksumField(protocol: number, l4: number, end: number): number {
  let at = -1;
  if (protocol === ipv4.PROTO_TCP) at = l4 + tcp.field.checksum;
  if (protocol === ipv4.PROTO_UDP) at = l4 + udp.field.checksum;
  if (protocol === ipv4.PROTO_ICMP) at = l4 + icmp.field.checksum;
  if (at < 0 || at + 2 > end) return -1;
  return protocol === ipv4.PROTO_UDP && u16(bytes, at) === 0 ? -1 : at;
}

function rewritePort(
  protocol: number,
  l4: number,
  end: number,
  manip: Manip,
  port: number,
  field: number,
): void {
  let at = -1;
  if (hasPorts(protocol)) {
    at = l4 + (manip === Manip.Source ? udp.field.sourcePort : udp.field.destinationPort);
  } else if (protocol === ipv4.PROTO_ICMP && hasIdentifier(l4, end)) at = l4 + icmp.field.rest;
  if (at < 0 || at + 2 > end) return;
  const before = u16(bytes, at);
  if (before === port) return;
  putU16(bytes, at, port);
  if (field >= 0) replaceWord(bytes, field, before, port);
}

const hasIdentifier = (l4: number, end: number): boolean =>
  l4 + icmp.HEADER_LEN <= end && isQuery(icmp.type(bytes, l4));

function replaceAddress(field: number, before: number, after: number): void {
  replaceWord(bytes, field, before >>> 16, after >>> 16);
  replaceWord(bytes, field, before & 0xffff, after & 0xffff);
}

/** The pseudo-header sum is not complemented. */
function complementReplace(field: number, before: number, after: number): void {
  putU16(bytes, field, ~u16(bytes, field));
  replaceAddress(field, before, after);
  putU16(bytes, field, ~u16(bytes, field));
}
