/** TCP and UDP checksums left to the hardware, and finished where there is none. */
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { putU16, u16 } from '../wire/bytes.ts';
import * as checksum from '../wire/checksum.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';

/** Writes the sum the hardware would have: skb_checksum_help. */
export function completeChecksum(p: Packet): void {
  p.partial = false;
  const l3 = p.partialAt;
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  const addresses = l3 + ipv4.field.source;
  const protocol = ipv4.protocol(bytes, l3);
  if (protocol === ipv4.PROTO_TCP) tcp.fillChecksum(bytes, l4, p.tail - l4, addresses);
  else if (protocol === ipv4.PROTO_UDP) udp.fillChecksum(bytes, l4, addresses);
}

/** Leaves only the pseudo-header sum, folded and not complemented: CHECKSUM_PARTIAL. */
export function leaveChecksum(p: Packet): void {
  const field = checksumField(p.l3, p.tail);
  if (field < 0) return;
  putU16(bytes, field, pseudoSum(p.l3, p.tail));
  p.partial = true;
  p.partialAt = p.l3;
}

/** Whether the packet is a reset that comes from no socket: ip_send_unicast_reply sums it itself, for any device. */
export function isLoneReset(p: Packet): boolean {
  if (ipv4.protocol(bytes, p.l3) !== ipv4.PROTO_TCP || ipv4.identification(bytes, p.l3) !== 0)
    return false;
  const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
  return p.tail - l4 >= tcp.HEADER_LEN && (tcp.flags(bytes, l4) & tcp.RST) !== 0;
}

/**
 * The checksum of a tunnel's UDP header at `l4` (udp_set_csum). Where the packet
 * inside is complete it is left to the hardware; otherwise it must be computed
 * here, as it will be once the inner one is finished (lco_csum): from the inner
 * L4 header on the bytes will then sum up to the complement of what stands there.
 */
export function leaveOuterChecksum(p: Packet, l3: number, l4: number): void {
  const field = l4 + udp.field.checksum;
  putU16(bytes, field, 0);
  if (!p.partial || p.segment > 0) {
    putU16(bytes, field, pseudoSum(l3, p.tail));
    // A train of segments gets its outer sums when it is cut; the inner one stays the unfinished one.
    if (p.partial) return;
    p.partial = true;
    p.partialAt = l3;
    return;
  }
  const inner = p.partialAt + ipv4.headerLength(bytes, p.partialAt);
  const left = ~u16(bytes, checksumField(p.partialAt, p.tail)) & 0xffff;
  const sum = checksum.add(pseudoSum(l3, p.tail) + left, bytes, l4, inner - l4);
  putU16(bytes, field, checksum.finish(sum) || 0xffff);
}

/** Whether the checksum of the packet at `l3` is the pseudo-header sum that hardware would complete. */
export function isUnfinished(l3: number, end: number): boolean {
  const field = checksumField(l3, end);
  return field >= 0 && u16(bytes, field) === pseudoSum(l3, end);
}

/** Where the L4 checksum of the packet at `l3` stands; -1 where there is none to leave to anybody. */
export function checksumField(l3: number, end: number): number {
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  const protocol = ipv4.protocol(bytes, l3);
  if (protocol !== ipv4.PROTO_TCP && protocol !== ipv4.PROTO_UDP) return -1;
  const header = protocol === ipv4.PROTO_TCP ? tcp.HEADER_LEN : udp.HEADER_LEN;
  if (ipv4.isFragment(bytes, l3) || end - l4 < header) return -1;
  return l4 + (protocol === ipv4.PROTO_TCP ? tcp.field.checksum : udp.field.checksum);
}

function pseudoSum(l3: number, end: number): number {
  const length = end - l3 - ipv4.headerLength(bytes, l3);
  const addresses = l3 + ipv4.field.source;
  return checksum.fold(checksum.pseudoHeader(bytes, addresses, ipv4.protocol(bytes, l3), length));
}
