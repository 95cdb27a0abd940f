/**
 * "Fragmentation needed" from a tunnel that is the port of a bridge, which has no route
 * back: iptunnel_pmtud_build_icmp of net/ipv4/ip_tunnel_core.c. It comes in by the tunnel,
 * as if the destination had said so.
 */
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Device } from './device.ts';
import type { Node } from './node.ts';
import { Room } from './room.ts';
import { LIMITED_BROADCAST } from './source-check.ts';

/** IPv4's least for reassembly (RFC 791): below it nobody is told. */
const LEAST_MTU = 576;
const HEAD = ipv4.HEADER_LEN + icmp.HEADER_LEN;

/** Tells the sender of a bridged frame what the tunnel carries; false where nobody is told. */
export function tellTooBig(node: Node, p: Packet, device: Device, mtu: number): boolean {
  const l3 = p.data + ethernet.HEADER_LEN;
  if (mtu < LEAST_MTU || !deserves(p, l3)) return false;
  const quoted = Math.min(p.tail - l3, LEAST_MTU - HEAD);
  const e = node.world.create(ethernet.HEADER_LEN + HEAD + quoted);
  if (e === null) return false;
  const at = e.data + ethernet.HEADER_LEN;
  const l4 = at + ipv4.HEADER_LEN;
  const [from, to] = [ipv4.destination(bytes, l3), ipv4.source(bytes, l3)];
  bytes.copyWithin(l4 + icmp.HEADER_LEN, l3, l3 + quoted);
  icmp.emit(bytes, l4, icmp.UNREACHABLE, icmp.CODE_FRAG_NEEDED, mtu, icmp.HEADER_LEN + quoted);
  const length = HEAD + quoted;
  const ttl = ipv4.ttl(bytes, l3);
  ipv4.emit(bytes, at, 0, length, 0, ipv4.FLAG_DF, ttl, ipv4.PROTO_ICMP, from, to);
  ethernet.emit(
    bytes,
    e.data,
    ethernet.sourceHigh(bytes, p.data),
    ethernet.sourceLow(bytes, p.data),
    ethernet.destinationHigh(bytes, p.data),
    ethernet.destinationLow(bytes, p.data),
    ethernet.TYPE_IPV4,
  );
  e.input = device.position;
  if (p.traced !== 0) e.traced = p.traced + 1;
  p.answer = ((icmp.UNREACHABLE << 8) | icmp.CODE_FRAG_NEEDED) + 1;
  p.answerTo = to;
  node.world.enqueue(node, e, Room.Ingress);
  return true;
}

/** iptunnel_pmtud_check_icmp: whole packets with DF, of hosts, that are no errors. */
function deserves(p: Packet, l3: number): boolean {
  if (!ipv4.dontFragment(bytes, l3) || ipv4.isFragment(bytes, l3)) return false;
  const [from, to] = [ipv4.source(bytes, l3), ipv4.destination(bytes, l3)];
  if (to >>> 28 === 14 || to === LIMITED_BROADCAST) return false;
  if (from >>> 28 >= 14 || from >>> 24 === 127 || from === 0) return false;
  if (ipv4.protocol(bytes, l3) !== ipv4.PROTO_ICMP) return true;
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  return l4 < p.tail && !icmp.isError(icmp.type(bytes, l4));
}
