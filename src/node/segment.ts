/**
 * TCP packets longer than an MTU, which stand for a train of segments (GSO): how
 * long those are, and the cutting where a device cannot do it itself, as
 * tcp_gso_segment, inet_gso_segment and skb_udp_tunnel_segment do.
 *
 *   | tunnel headers | IPv4 | TCP | data . . . . . . . . . . . . . . |
 *                                  ^ segmentFrom
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { i32, putI32, putU16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import type { Device } from './device.ts';
import { dropped } from './drop-packet.ts';
import { inherit } from './fragment.ts';
import { isUnfinished } from './l4-checksum.ts';
import type { Node } from './node.ts';
import { End, type Next, type Room } from './room.ts';

/**
 * A frame from outside, on the device it enters by: what its sender left to
 * hardware shows in its bytes. A TCP packet over `mtu` can be nothing but a train.
 */
export function recognise(node: Node, p: Packet, device: Device, mtu: number): void {
  const outer = p.data + (device.ethernet ? ethernet.HEADER_LEN : 0);
  if (!device.checksumOffload && p.tail - outer <= mtu) return;
  if (device.ethernet) {
    if (ethernet.check(bytes, p.data, p.tail) !== Drop.None) return;
    if (ethernet.type(bytes, p.data) !== ethernet.TYPE_IPV4) return;
  }
  if (ipv4.check(bytes, outer, p.tail) !== Drop.None) return;
  const end = outer + ipv4.totalLength(bytes, outer);
  const l3 = end - outer > mtu ? insideTunnels(node, outer, end) : outer;
  if (device.checksumOffload && isUnfinished(l3, end)) {
    p.partial = true;
    p.partialAt = l3;
  }
  if (end - outer > mtu) noteSegments(p, l3, mtu - (l3 - outer));
}

/** A train may come in a tunnel: where its packet stands, inside all tunnels of the node. */
function insideTunnels(node: Node, outer: number, end: number): number {
  for (let l3 = outer; ; ) {
    const l4 = l3 + ipv4.headerLength(bytes, l3);
    let next = l4;
    if (ipv4.isFragment(bytes, l3)) return l3;
    if (ipv4.protocol(bytes, l3) === ipv4.PROTO_UDP) {
      const header = l4 + udp.HEADER_LEN;
      next = header + vxlan.HEADER_LEN + ethernet.HEADER_LEN;
      if (next > end) return l3;
      if (node.vxlanOf(udp.destinationPort(bytes, l4), vxlan.vni(bytes, header)) === null)
        return l3;
    } else if (ipv4.protocol(bytes, l3) !== ipv4.PROTO_IPIP) return l3;
    if (ipv4.check(bytes, next, end) !== Drop.None) return l3;
    l3 = next;
  }
}

/** Takes the packet at `l3` for a train whose segments fill `mtu`, if it is TCP. */
export function noteSegments(p: Packet, l3: number, mtu: number): void {
  if (ipv4.protocol(bytes, l3) !== ipv4.PROTO_TCP || ipv4.isFragment(bytes, l3)) return;
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  const end = l3 + ipv4.totalLength(bytes, l3);
  if (tcp.check(bytes, l4, end) !== Drop.None) return;
  const from = l4 + tcp.headerLength(bytes, l4);
  const room = mtu - (from - l3);
  if (room < 1 || end - from <= room) return;
  p.segment = room;
  p.segmentFrom = from;
  p.segmentStep = 1;
}

/** Bytes of one segment from the header at `at` on: skb_gso_validate_network_len. */
export const segmentLength = (p: Packet, at: number): number => p.segmentFrom - at + p.segment;

/** What an MTU has to carry at once. */
export const longestPiece = (p: Packet): number =>
  p.segment > 0 ? segmentLength(p, p.l3) : p.length;

/** Sends the segments on to `room`, complete in every sum; the packet itself ends here. */
export function segmentPacket(node: Node, p: Packet, room: Room): Next {
  const { data, segmentFrom: from, segment } = p;
  const header = from - data;
  // Each goes before all others, so the last one first.
  for (let nth = Math.ceil((p.tail - from) / segment) - 1; nth >= 0; nth--) {
    const at = from + nth * segment;
    const length = Math.min(segment, p.tail - at);
    const piece = node.world.create(header + length);
    if (piece === null) return dropped(p, Drop.SlotsExhausted);
    bytes.copyWithin(piece.data, data, from);
    bytes.copyWithin(piece.data + header, at, at + length);
    inherit(piece, p);
    piece.l3 = piece.data + p.l3 - data;
    mend(piece.l3, piece.tail, nth, p.segmentStep, at - from, at + length === p.tail);
    node.world.proceed(node, piece, room);
  }
  return End.Consumed;
}

/** Lengths, identification and sums of the headers from `l3` on, tunnels first. */
function mend(
  l3: number,
  end: number,
  nth: number,
  step: number,
  offset: number,
  last: boolean,
): void {
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  const protocol = ipv4.protocol(bytes, l3);
  const addresses = l3 + ipv4.field.source;
  const innermost = protocol === ipv4.PROTO_TCP;
  putU16(bytes, l3 + ipv4.field.totalLength, end - l3);
  const id = ipv4.identification(bytes, l3) + nth * (innermost ? step : 1);
  putU16(bytes, l3 + ipv4.field.identification, id & 0xffff);
  ipv4.fillChecksum(bytes, l3);
  if (innermost) {
    mendTcp(l4, nth, offset, last);
    tcp.fillChecksum(bytes, l4, end - l4, addresses);
  } else if (protocol === ipv4.PROTO_IPIP) mend(l4, end, nth, step, offset, last);
  else if (protocol === ipv4.PROTO_UDP) {
    const frame = l4 + udp.HEADER_LEN + vxlan.HEADER_LEN;
    mend(frame + ethernet.HEADER_LEN, end, nth, step, offset, last);
    putU16(bytes, l4 + udp.field.length, end - l4);
    // A sum of a pseudo-header is never 0: that is a tunnel without checksums.
    if (udp.checksum(bytes, l4) !== 0) udp.fillChecksum(bytes, l4, addresses);
  }
}

/** The stream goes on; CWR is said once, at the start, FIN and PSH at the end. */
function mendTcp(l4: number, nth: number, offset: number, last: boolean): void {
  const at = l4 + tcp.field.flags;
  putI32(bytes, l4 + tcp.field.sequence, (i32(bytes, l4 + tcp.field.sequence) + offset) | 0);
  if (!last) bytes[at] = bytes[at]! & ~(tcp.FIN | tcp.PSH);
  if (nth > 0) bytes[at] = bytes[at]! & ~tcp.CWR;
}
