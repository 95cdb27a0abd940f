/** TCP and UDP checksums left to the hardware, and finished where there is none. */
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import * as checksum from '../wire/checksum.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';

/** Writes the sum the hardware would have: skb_checksum_help. */
export function completeChecksum(p: Packet): void {
  p.partial = false;
  const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
  const addresses = p.l3 + ipv4.field.source;
  const protocol = ipv4.protocol(bytes, p.l3);
  if (protocol === ipv4.PROTO_TCP) tcp.fillChecksum(bytes, l4, p.tail - l4, addresses);
  else if (protocol === ipv4.PROTO_UDP) udp.fillChecksum(bytes, l4, addresses);
}

/** Leaves only the pseudo-header sum, folded and not complemented: CHECKSUM_PARTIAL. */
export function leaveChecksum(p: Packet): void {
  const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
  const addresses = p.l3 + ipv4.field.source;
  const protocol = ipv4.protocol(bytes, p.l3);
  if (protocol !== ipv4.PROTO_TCP && protocol !== ipv4.PROTO_UDP) return;
  const header = protocol === ipv4.PROTO_TCP ? tcp.HEADER_LEN : udp.HEADER_LEN;
  if (ipv4.isFragment(bytes, p.l3) || p.tail - l4 < header) return;
  const sum = checksum.fold(checksum.pseudoHeader(bytes, addresses, protocol, p.tail - l4));
  const at = l4 + (protocol === ipv4.PROTO_TCP ? tcp.field.checksum : udp.field.checksum);
  bytes[at] = sum >>> 8;
  bytes[at + 1] = sum;
  p.partial = true;
}
