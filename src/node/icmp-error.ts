/**
 * ICMP errors: __icmp_send of net/ipv4/icmp.c. The offending packet is quoted as
 * it is at this moment, up to 576 bytes in all; the source is chosen by the route
 * back to the offender.
 */
import type { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import { RouteKind } from '../tables/routes.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { dropped } from './drop-packet.ts';
import { echoLength, emitEcho } from './echoed-options.ts';
import type { Node } from './node.ts';
import { type End, Room } from './room.ts';
import { routeSource } from './source.ts';
import { LIMITED_BROADCAST } from './source-check.ts';

/** RFC 1812 section 4.3.2.3. */
const MAX_LEN = 576;
const TTL = 64;
/** IPTOS_TOS_MASK and IPTOS_PREC_INTERNETCONTROL. */
const TOS_KEPT = 0x1e;
const TOS_CONTROL = 0xc0;
/** INADDR_DUMMY, 192.0.0.8 of RFC 7600: the source where the node has no address to give. */
const DUMMY = 0xc0000008 | 0;

/** Drops a transit packet and tells its sender why. `rest`: second word of the ICMP header. */
export function refuse(
  node: Node,
  p: Packet,
  why: Drop,
  type: number,
  code: number,
  rest = 0,
): typeof End.Dropped {
  sendError(node, p, type, code, rest);
  return dropped(p, why);
}

/** As `refuse`, for errors the routing makes, which have a limit of their own: ip_error. */
export function refuseRoute(node: Node, p: Packet, why: Drop, code: number): typeof End.Dropped {
  const to = ipv4.source(bytes, p.l3);
  node.world.audit?.shared(node, 'the limit of ICMP errors');
  if (node.icmpLimit.allowRouteError(to, node.world.milliseconds())) {
    sendError(node, p, icmp.UNREACHABLE, code, 0);
  }
  return dropped(p, why);
}

/** Whether the error was sent; many packets deserve none. */
export function sendError(
  node: Node,
  p: Packet,
  type: number,
  code: number,
  rest: number,
): boolean {
  // The node's own packets come back as an errno to the socket, not as a packet.
  if (p.input < 0 || p.frameType !== FrameType.Host || !deserves(node, p)) return false;
  const to = ipv4.source(bytes, p.l3);
  const tos = (ipv4.tos(bytes, p.l3) & TOS_KEPT) | TOS_CONTROL;
  const back = node.lookup(to, 0, 0, -1, tos);
  if (back < 0) return false;
  // A masqueraded packet that waited has an address of this node: its connection tells whose it was.
  const own = node.routes.kind(back) === RouteKind.Local;
  if (own ? p.ct < 0 : node.routes.kind(back) !== RouteKind.Unicast) return false;
  const now = node.world.milliseconds();
  node.world.audit?.shared(node, 'the limit of ICMP errors');
  const told = node.lateness?.error(node, p, type) ?? null;
  if (!node.icmpLimit.allow(own ? null : to, type, code, now, told)) return false;

  // A fault in the options: those before it are given back.
  const stop = type === icmp.PARAMETER_PROBLEM ? rest >>> 24 : ipv4.headerLength(bytes, p.l3);
  const options = echoLength(p, stop);
  if (options < 0) return false;
  const head = ipv4.HEADER_LEN + options + icmp.HEADER_LEN;
  const most = Math.min(
    MAX_LEN,
    node.routes.mtu(back) || node.devices[node.routes.device(back)]!.mtu,
  );
  const quoted = Math.min(p.tail - p.l3, most - head);
  const length = head + quoted;
  const e = node.world.create(length);
  if (e === null) return false;
  const l4 = e.data + ipv4.HEADER_LEN + options;
  bytes.copyWithin(l4 + icmp.HEADER_LEN, p.l3, p.l3 + quoted);
  icmp.emit(bytes, l4, type, code, rest, icmp.HEADER_LEN + quoted);
  const local = p.route >= 0 && node.routes.kind(p.route) === RouteKind.Local;
  const from = local ? ipv4.destination(bytes, p.l3) : routeSource(node, back, to) || DUMMY;
  const id = node.identify(from, to, ipv4.PROTO_ICMP);
  ipv4.emit(bytes, e.data, tos, length, id, 0, TTL, ipv4.PROTO_ICMP, from, to);
  if (options > 0) {
    emitEcho(node, p, stop, e.data + ipv4.HEADER_LEN, from);
    ipv4.setHeaderLength(bytes, e.data, ipv4.HEADER_LEN + options);
  }
  e.l3 = e.data;
  // What waited for a neighbour may have outlived its connection.
  if (node.netfilter?.conntrack.remembers(p)) {
    e.ct = p.ct;
    e.ctSerial = p.ctSerial;
  }
  e.ctDirection = p.ctDirection ^ 1;
  if (p.traced !== 0) e.traced = p.traced + 1;
  p.answer = ((type << 8) | code) + 1;
  p.answerTo = to;
  node.world.enqueue(node, e, Room.Route);
  return true;
}

/**
 * ICMP types an error may be sent about: echo and timestamps, information and mask requests
 * with their replies. Of the others Linux thinks as of errors (icmp_pointers[].error).
 */
const ANSWERABLE = new Set([icmp.ECHO_REPLY, icmp.ECHO_REQUEST, 13, 14, 15, 16, 17, 18]);

/** No error about fragments but the first, about ICMP errors, about broadcasts, or to nobody in particular. */
function deserves(node: Node, p: Packet): boolean {
  const { l3 } = p;
  const to = ipv4.destination(bytes, l3);
  if (to >>> 28 === 14 || to === LIMITED_BROADCAST) return false;
  if (p.route >= 0 && node.routes.kind(p.route) === RouteKind.Broadcast) return false;
  if (ipv4.fragmentOffset(bytes, l3) !== 0) return false;
  const from = ipv4.source(bytes, l3);
  if (from >>> 28 >= 14 || from >>> 24 === 127 || from === 0) return false;
  if (ipv4.protocol(bytes, l3) !== ipv4.PROTO_ICMP) return true;
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  if (l4 >= p.tail) return false;
  return ANSWERABLE.has(icmp.type(bytes, l4));
}
