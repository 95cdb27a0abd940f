/** Whether connection tracking takes a packet's L4 header for sound: tcp_error, udp_error, icmp_error, sctp_error. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { add, fold, pseudoHeader } from '../wire/checksum.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as sctp from '../wire/sctp.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import { isUnfinished } from './l4-checksum.ts';

/** Flags that say nothing about the state: any packet may have them. */
const INDIFFERENT = tcp.PSH | tcp.ECE | tcp.CWR;

/** The combinations of the others that occur in TCP. */
const KNOWN: readonly number[] = [
  tcp.SYN,
  tcp.SYN | tcp.URG,
  tcp.SYN | tcp.ACK,
  tcp.RST,
  tcp.RST | tcp.ACK,
  tcp.FIN | tcp.ACK,
  tcp.FIN | tcp.ACK | tcp.URG,
  tcp.ACK,
  tcp.ACK | tcp.URG,
];

/** By the flag byte. */
const VALID = Uint8Array.from({ length: 256 }, (_, flags) =>
  KNOWN.includes(flags & ~INDIFFERENT) ? 1 : 0,
);

/** A sum that hardware was to finish: recorded so, it stands for one that is right. */
export const isUnsummed = (p: Packet): boolean =>
  (p.partial && p.partialAt === p.l3) || isUnfinished(p.l3, p.tail);

/** `received`: from outside, so that the checksum counts (nf_conntrack_checksum 1). */
export function isL4Sound(p: Packet, received: boolean): boolean {
  const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
  const addresses = p.l3 + ipv4.field.source;
  const unsummed = !received || isUnsummed(p);
  switch (ipv4.protocol(bytes, p.l3)) {
    case ipv4.PROTO_TCP:
      if (tcp.check(bytes, l4, p.tail) !== Drop.None) return false;
      if (VALID[tcp.flags(bytes, l4)] === 0) return false;
      return unsummed || tcp.checksumOk(bytes, l4, p.tail - l4, addresses);
    case ipv4.PROTO_UDP:
      if (udp.check(bytes, l4, p.tail) !== Drop.None) return false;
      // The kernel sums the whole IP packet, also where the UDP length says less (nf_ip_checksum).
      return unsummed || udp.checksum(bytes, l4) === 0 || isSummed(p, l4, addresses);
    case ipv4.PROTO_ICMP:
      if (icmp.check(bytes, l4, p.tail) !== Drop.None) return false;
      if (icmp.type(bytes, l4) > icmp.MAX_TYPE) return false;
      return unsummed || icmp.checksumOk(bytes, l4, p.tail - l4);
    case ipv4.PROTO_SCTP:
      if (p.tail - l4 < sctp.HEADER_LEN || !sctp.chunksOk(bytes, l4, p.tail)) return false;
      return !received || sctp.checksumOk(bytes, l4, p.tail);
    default:
      return true;
  }
}

function isSummed(p: Packet, l4: number, addresses: number): boolean {
  const length = p.tail - l4;
  return (
    fold(add(pseudoHeader(bytes, addresses, ipv4.PROTO_UDP, length), bytes, l4, length)) === 0xffff
  );
}
