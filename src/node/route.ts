/** The routing decision: ip_route_input_slow, ip_error and ip_route_output_key of net/ipv4/route.c. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { RouteKind } from '../tables/routes.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { dropped } from './drop-packet.ts';
import { mix } from './flow-hash.ts';
import { refuse, refuseRoute } from './icmp-error.ts';
import { compileOptions, MILLISECONDS_A_DAY, Options } from './ip-options.ts';
import type { Node } from './node.ts';
import { gatewayOf } from './path-mtu.ts';
import { type Next, Room } from './room.ts';
import {
  checkAddresses,
  checkSource,
  isMulticast,
  LIMITED_BROADCAST,
  Source,
} from './source-check.ts';

/** Notes: A the route that won, or -1. B the gateway that a redirect put in the place of its own, or 0. */
export function route(node: Node, p: Packet): Next {
  const to = ipv4.destination(bytes, p.l3);
  p.noteA = -1;
  p.noteB = 0;
  return p.input < 0 ? routeBorn(node, p, to) : routeReceived(node, p, to);
}

/** A packet of this namespace, or the outer half of one it encapsulated. */
function routeBorn(node: Node, p: Packet, to: number): Next {
  if (isMulticast(to)) return dropped(p, Drop.GroupDestination);
  const id = find(node, p, to);
  if (id < 0) return dropped(p, Drop.RouteMissing);
  const kind = node.routes.kind(id);
  // An error about a masqueraded packet goes to this node, until the hook turns it to whom it is for.
  if (kind === RouteKind.Local) return p.ct >= 0 && !p.localOut ? Room.LocalOut : Room.Local;
  if (kind !== RouteKind.Unicast && kind !== RouteKind.Broadcast) return dropped(p, dropOf(kind));
  choose(node, p, to);
  return Room.LocalOut;
}

/** The order of the checks is ip_route_input_slow's: it decides which drop is named. */
function routeReceived(node: Node, p: Packet, to: number): Next {
  const from = ipv4.source(bytes, p.l3);
  const device = node.devices[p.input]!;
  const martian = checkAddresses(device, from, to);
  if (martian !== Drop.None) return dropped(p, martian);
  if (to === LIMITED_BROADCAST) return checkOptions(node, p, Room.Input);

  const id = find(node, p, to);
  const kind = id < 0 ? -1 : node.routes.kind(id);
  const isLocal = kind === RouteKind.Local || kind === RouteKind.Broadcast;
  if (!isLocal && kind !== RouteKind.Unicast) {
    // ip_error, the end of such a route, comes after the options.
    const next = checkOptions(node, p, Room.Forward);
    return next === Room.Forward ? unroutable(node, p, kind) : next;
  }
  if (!isLocal && !node.forwarding) return dropped(p, Drop.ForwardingOff);
  const source = checkSource(node, device, from, to, ipv4.tos(bytes, p.l3));
  if (source === Source.Refused) return dropped(p, Drop.MartianSource);
  if (!isLocal) choose(node, p, to);
  p.redirect = !isLocal && p.output === p.input && source === Source.OnLink;
  return checkOptions(node, p, isLocal ? Room.Input : Room.Forward);
}

/** ip_rcv_options, which runs once the route is known. A malformed list is told to the sender. */
function checkOptions(node: Node, p: Packet, next: Room): Next {
  if (ipv4.headerLength(bytes, p.l3) === ipv4.HEADER_LEN) return next;
  const fault = compileOptions(node, p, node.world.milliseconds() % MILLISECONDS_A_DAY);
  if (fault === Options.Sound) return next;
  if (fault === Options.SourceRoute) return dropped(p, Drop.SourceRoute);
  return refuse(node, p, Drop.OptionsMalformed, icmp.PARAMETER_PROBLEM, 0, fault << 24);
}

function find(node: Node, p: Packet, to: number): number {
  const from = ipv4.source(bytes, p.l3);
  const id = node.lookup(to, p.mark, from, p.input, ipv4.tos(bytes, p.l3));
  p.route = id;
  p.noteA = id;
  return id;
}

/** The device and the next hop; of several, one by the addresses (fib_multipath_hash_policy 0). */
function choose(node: Node, p: Packet, to: number): void {
  if (node.routes.hops(p.route) > 1) {
    p.route = node.routes.choose(p.route, mix(ipv4.source(bytes, p.l3), to) >>> 0);
    p.noteA = p.route;
  }
  const gateway = gatewayOf(node, p.route, to);
  p.noteB = gateway === node.routes.gateway(p.route) ? 0 : gateway;
  p.output = node.routes.device(p.route);
  // The limited broadcast is for the link, never for its gateway (__mkroute_output).
  p.nextHop = gateway === 0 || to === LIMITED_BROADCAST ? to : gateway;
}

/** A blackhole is silent; the others tell the sender, where this namespace forwards at all. */
function unroutable(node: Node, p: Packet, kind: number): Next {
  if (!node.forwarding) return dropped(p, Drop.ForwardingOff);
  if (kind === RouteKind.Blackhole) return dropped(p, Drop.RouteBlackhole);
  if (kind === RouteKind.Unreachable) {
    return refuseRoute(node, p, Drop.RouteUnreachable, icmp.CODE_HOST);
  }
  if (kind === RouteKind.Prohibit) {
    return refuseRoute(node, p, Drop.RouteProhibit, icmp.CODE_FILTERED);
  }
  return refuseRoute(node, p, Drop.RouteMissing, icmp.CODE_NET);
}

function dropOf(kind: number): Drop {
  if (kind === RouteKind.Blackhole) return Drop.RouteBlackhole;
  return kind === RouteKind.Prohibit ? Drop.RouteProhibit : Drop.RouteUnreachable;
}
