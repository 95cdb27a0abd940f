/**
 * The checksum of a VXLAN header around a packet whose own is left to hardware (lco_csum):
 * it is computed as it will be right once the inner one is finished, so that it is wrong by
 * the bytes as they were captured.
 */
import { u16 } from '../wire/bytes.ts';
import * as checksum from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';

/** Whether the sum of the UDP header at `l4`, of the packet at `at`, will be right. */
export function isLocalSum(b: Buffer, at: number, l4: number): boolean {
  const l3 = l4 + udp.HEADER_LEN + vxlan.HEADER_LEN + ethernet.HEADER_LEN;
  if (ipv4.check(b, l3, b.length) !== 0 || ipv4.isFragment(b, l3)) return false;
  const inner = l3 + ipv4.headerLength(b, l3);
  const protocol = ipv4.protocol(b, l3);
  const isTcp = protocol === ipv4.PROTO_TCP;
  if (!isTcp && protocol !== ipv4.PROTO_UDP) return false;
  const end = inner + (isTcp ? tcp.HEADER_LEN : udp.HEADER_LEN);
  if (end > b.length) return false;
  // From the inner header on, finished bytes sum up to the complement of what stands there.
  const left = ~u16(b, inner + (isTcp ? tcp.field.checksum : udp.field.checksum)) & 0xffff;
  const addresses = at + ipv4.field.source;
  const pseudo = checksum.pseudoHeader(b, addresses, ipv4.PROTO_UDP, udp.length(b, l4));
  return checksum.fold(checksum.add(checksum.fold(pseudo) + left, b, l4, inner - l4)) === 0xffff;
}
