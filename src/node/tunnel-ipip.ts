/**
 * tunl0, both directions: ip_tunnel_xmit and ip_tunnel_rcv. The device has no
 * remote address, so the outer destination is the route's next hop; TTL and DF
 * are inherited from the inner packet (no DF where the way's MTU is locked), of its
 * TOS only the ECN bits.
 *
 *   before:            | IPv4 | ...          after: | IPv4, protocol 4 | IPv4 | ...
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import { RouteKind } from '../tables/routes.ts';
import * as icmp from '../wire/icmp.ts';
import { innerEcn, OVERHEAD, outerTos } from '../wire/ipip.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { dropped } from './drop-packet.ts';
import { refuse } from './icmp-error.ts';
import { enterTunnel, leaveTunnel, MAX_WRAPS } from './nesting.ts';
import type { Node } from './node.ts';
import { learnPathMtu, pathMtu, tunnelsMayFragment } from './path-mtu.ts';
import { type Next, Room } from './room.ts';
import { routeSource } from './source.ts';
import { tap } from './tap.ts';

/** Notes: A outer source, B outer destination. */
export function ipipOut(node: Node, p: Packet): Next {
  const outer = p.nextHop;
  p.noteB = outer;
  if (p.wraps >= MAX_WRAPS || p.headroom < ipv4.HEADER_LEN * 2) return dropped(p, Drop.TunnelLoop);
  const way = node.lookup(outer);
  if (way < 0) return dropped(p, Drop.RouteMissing);
  const kind = node.routes.kind(way);
  if (kind !== RouteKind.Unicast && kind !== RouteKind.Local) return dropped(p, Drop.RouteMissing);
  const room = learnWay(node, p, p.route, outer);
  if (p.segment === 0 && ipv4.dontFragment(bytes, p.l3) && p.length > room) {
    return refuse(node, p, Drop.PacketTooBig, icmp.UNREACHABLE, icmp.CODE_FRAG_NEEDED, room);
  }

  const from = kind === RouteKind.Local ? outer : routeSource(node, way, outer);
  p.noteA = from;
  p.l3 = wrap(node, p, from, outer);
  enterTunnel(p, p.output);
  return Room.Route;
}

/**
 * tnl_update_pmtu: the inner packet's DF counts against what the underlay carries; so
 * much is known from now on of `route`, its way into the tunnel. Bytes inside the tunnel.
 */
export function learnWay(node: Node, p: Packet, route: number, outer: number): number {
  const room = pathMtu(node, node.lookup(outer), outer, false) - OVERHEAD;
  if (ipv4.dontFragment(bytes, p.l3)) {
    learnPathMtu(node, route, ipv4.destination(bytes, p.l3), room);
  }
  return room;
}

/** Writes the outer header in front of the packet at `l3`; where it stands. */
export function wrap(node: Node, p: Packet, from: number, outer: number): number {
  const inner = p.l3;
  const length = p.length + ipv4.HEADER_LEN;
  const at = p.push(ipv4.HEADER_LEN);
  const df = ipv4.dontFragment(bytes, inner) && !tunnelsMayFragment(node, outer);
  ipv4.emit(
    bytes,
    at,
    outerTos(ipv4.tos(bytes, inner)),
    length,
    node.identify(from, outer, ipv4.PROTO_IPIP),
    df ? ipv4.FLAG_DF : 0,
    ipv4.ttl(bytes, inner),
    ipv4.PROTO_IPIP,
    from,
    outer,
  );
  return at;
}

/** Notes: A the outer source. */
export function ipipIn(node: Node, p: Packet): Next {
  const outer = p.l3;
  p.noteA = ipv4.source(bytes, outer);
  p.pull(ipv4.headerLength(bytes, outer));
  // pskb_inet_may_pull asks for a header's length only; the rest is for IpInput to judge.
  if (p.length < ipv4.HEADER_LEN) return dropped(p, Drop.Ipv4Short);
  if (ipv4.version(bytes, p.data) === 4 && !acceptEcn(outer, p.data))
    return dropped(p, Drop.EcnCorrupt);
  p.input = node.ipip;
  p.frameType = FrameType.Host;
  p.output = -1;
  leaveTunnel(p);
  if (node.devices[p.input]!.receiveOffload) return Room.Gather;
  tap(node, node.devices[p.input]!, p, false);
  return Room.IpInput;
}

/** Carries the outer congestion mark inside, or refuses: false means drop. */
export function acceptEcn(outer: number, inner: number): boolean {
  const before = ipv4.tos(bytes, inner);
  const ecn = innerEcn(ipv4.tos(bytes, outer), before);
  if (ecn < 0) return false;
  if (ecn !== (before & ipv4.ECN_MASK)) ipv4.setEcn(bytes, inner, ecn);
  return true;
}
