/** Next hop and device are known: ip_output, the loop guards of the tunnels, ip_finish_output. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { dropped } from './drop-packet.ts';
import { fragment } from './fragment.ts';
import { completeChecksum, isLoneReset, leaveChecksum } from './l4-checksum.ts';
import type { Node } from './node.ts';
import { pathMtu } from './path-mtu.ts';
import { type Next, Room } from './room.ts';
import { longestPiece, noteSegments, segmentPacket } from './segment.ts';

/**
 * Bytes an IP packet may have on this packet's way: learned, by its route's metric, or by the
 * device; what was put on a device has no route, and a socket that probes asks the device alone.
 */
export const routeMtu = (node: Node, p: Packet): number =>
  p.route < 0 || p.probes
    ? node.devices[p.output]!.mtu
    : pathMtu(node, p.route, ipv4.destination(bytes, p.l3), p.input >= 0);

/** Notes: A the next hop, B the MTU. */
export function output(node: Node, p: Packet): Next {
  const device = node.devices[p.output]!;
  p.noteA = p.nextHop;
  p.noteB = routeMtu(node, p);
  if (!device.up) return dropped(p, Drop.DeviceDown);
  // A tunnel whose own packets are routed back into it (ip_tunnel_xmit: collisions; vxlan: -ELOOP).
  return p.tunnel === p.output ? dropped(p, Drop.TunnelLoop) : Room.Postrouting;
}

/** ip_finish_output: sizes last, since the hooks before see whole packets. Notes: B the MTU. */
export function finish(node: Node, p: Packet): Next {
  const device = node.devices[p.output]!;
  const mtu = routeMtu(node, p);
  p.noteB = mtu;
  const next = device.ethernet ? Room.Neighbour : Room.Transmit;
  const offload = device.checksumOffload && p.input < 0 && p.wraps === 0;
  if (offload && p.segment === 0 && p.length > mtu) noteSegments(p, p.l3, mtu);
  if (longestPiece(p) > mtu || p.fragMax > 0) {
    // ip_finish_output_gso asks no segment for its length: with DF the short last one goes, too.
    if (p.fragMax === 0 && ipv4.dontFragment(bytes, p.l3)) return dropped(p, Drop.PacketTooBig);
    if (p.segment > 0) return segmentPacket(node, p, Room.Finish);
    if (p.partial) completeChecksum(p);
    return fragment(node, p, p.fragMax > 0 ? Math.min(mtu, p.fragMax) : mtu, next);
  }
  // Born here, and the hardware is to finish the checksum: it leaves unfinished.
  if (offload && !isLoneReset(p)) leaveChecksum(p);
  return next;
}
