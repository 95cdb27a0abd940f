/**
 * wireguard.cali, both directions: wg_xmit of device.c, wg_packet_consume_data_done of
 * receive.c. The peer follows from the inner destination, by longest prefix over the
 * allowed IPs; of the inner TOS only the ECN bits go outside.
 *
 *   before:                        | IPv4 | ...
 *   after:   | IPv4 | UDP | header | encrypted: IPv4 | ... | zeros | tag |
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import { u32le } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import { outerTos } from '../wire/ipip.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import * as wireguard from '../wire/wireguard.ts';
import { CONSUMED, STAGED } from '../wireguard/device.ts';
import { dropped } from './drop-packet.ts';
import { refuse } from './icmp-error.ts';
import { completeChecksum } from './l4-checksum.ts';
import { leaveTunnel, MAX_WRAPS } from './nesting.ts';
import type { Node } from './node.ts';
import { routeMtu } from './output.ts';
import { End, type Next, Room } from './room.ts';
import { segmentPacket } from './segment.ts';
import { tap } from './tap.ts';
import { acceptEcn } from './tunnel-ipip.ts';
import { OUTER_LEN } from './wireguard-tunnel.ts';

const HEADER_LEN = wireguard.data.size;
const HEADROOM = HEADER_LEN + OUTER_LEN + ethernet.HEADER_LEN;
/** Padding, and the tag. */
const TAILROOM = 15 + wireguard.TAG_LEN;

/** Notes: A the inner destination, B the counter or -1, C the key's index at the peer. */
export function wireguardOut(node: Node, p: Packet): Next {
  const tunnel = node.wireguard?.of(p.output);
  const to = ipv4.destination(bytes, p.l3);
  noteNothing(p, to);
  // One that waited in vain, or that nobody can be sent.
  if (p.drop !== Drop.None) return dropped(p, p.drop);
  if (tunnel === undefined) return dropped(p, Drop.TunnelUnsupported);
  if (p.wraps >= MAX_WRAPS || p.headroom < HEADROOM || p.end - p.tail < TAILROOM) {
    return dropped(p, Drop.TunnelLoop);
  }
  // What has no peer is refused whole.
  if (p.segment > 0 && tunnel.protocol.lookup(to) !== null) {
    return segmentPacket(node, p, Room.WireguardOut);
  }
  if (p.partial) completeChecksum(p);
  const tos = outerTos(ipv4.tos(bytes, p.l3));
  const end = tunnel.seal(p, routeMtu(node, p));
  if (end === STAGED) return End.Parked;
  // -ENOKEY and -EDESTADDRREQ: icmp_ndo_send.
  if (end < 0) return refuse(node, p, -end as Drop, icmp.UNREACHABLE, icmp.CODE_HOST);
  p.push(HEADER_LEN);
  p.tail = end;
  noteMessage(p, p.data);
  return tunnel.wrapFor(tunnel.protocol.target!, p, tos) ? Room.Route : dropped(p, p.drop);
}

/** Notes: A the inner source, B the counter or -1, C the key's own index. */
export function wireguardIn(node: Node, p: Packet): Next {
  const outer = p.l3;
  const udpAt = outer + ipv4.headerLength(bytes, outer);
  noteNothing(p, 0);
  if (!p.partial && !udp.checksumOk(bytes, udpAt, outer + ipv4.field.source)) {
    return dropped(p, Drop.UdpChecksum);
  }
  const position = node.listener(udp.destinationPort(bytes, udpAt));
  const device = node.devices[position]!;
  const start = udpAt + udp.HEADER_LEN;
  const end = node.wireguard!.of(position)!.receive(outer, start, udpAt + udp.length(bytes, udpAt));
  if (end < 0) return dropped(p, -end as Drop);
  if (end === CONSUMED) return End.Consumed;

  noteMessage(p, start);
  p.data = start + HEADER_LEN;
  p.tail = end;
  p.noteA = ipv4.source(bytes, p.data);
  // A mark that must not be is no reason to drop, here: INET_ECN_decapsulate goes unheard.
  acceptEcn(outer, p.data);
  p.partial = false;
  p.mark = 0;
  p.input = position;
  p.frameType = FrameType.Host;
  p.output = -1;
  leaveTunnel(p);
  if (device.receiveOffload) return Room.Gather;
  tap(node, device, p, false);
  return Room.IpInput;
}

function noteNothing(p: Packet, address: number): void {
  p.noteA = address;
  p.noteB = -1;
  p.noteC = 0;
}

/** Counters beyond 2^31 are shown by their lower half. */
function noteMessage(p: Packet, at: number): void {
  p.noteB = u32le(bytes, at + wireguard.data.counterLow) & 0x7fffffff;
  p.noteC = u32le(bytes, at + wireguard.data.receiver) | 0;
}
