/** The routing decision: ip_route_input_slow and ip_route_output_key of net/ipv4/route.c. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { RouteKind } from '../tables/routes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { dropped } from './drop-packet.ts';
import type { Node } from './node.ts';
import { type Next, Room } from './room.ts';

const LIMITED_BROADCAST = -1;

/** Notes: A the route that won, or -1. */
export function route(node: Node, p: Packet): Next {
  const to = ipv4.destination(bytes, p.l3);
  const born = p.input < 0;
  p.noteA = -1;
  if (!born && isMartian(node, ipv4.source(bytes, p.l3))) return dropped(p, Drop.MartianSource);
  if (isMulticast(to)) return dropped(p, Drop.GroupDestination);
  if (!born && (to === LIMITED_BROADCAST || to === 0)) return Room.Local;

  const id = node.lookup(to);
  p.route = id;
  p.noteA = id;
  const kind = id < 0 ? -1 : node.routes.kind(id);
  if (kind === RouteKind.Local || (kind === RouteKind.Broadcast && !born)) return Room.Local;
  if (!born && !node.forwarding) return dropped(p, Drop.ForwardingOff);
  if (kind === RouteKind.Unicast || kind === RouteKind.Broadcast) {
    p.output = node.routes.device(id);
    const gateway = node.routes.gateway(id);
    p.nextHop = gateway === 0 ? to : gateway;
    return born ? Room.Output : Room.Forward;
  }
  if (kind === RouteKind.Blackhole) return dropped(p, Drop.RouteBlackhole);
  if (kind === RouteKind.Unreachable) return dropped(p, Drop.RouteUnreachable);
  if (kind === RouteKind.Prohibit) return dropped(p, Drop.RouteProhibit);
  return dropped(p, Drop.RouteMissing);
}

const isMulticast = (address: number): boolean => (address & 0xf0000000) === 0xe0000000 >> 0;

/**
 * Sources no outside packet may have: multicast, broadcast, 0/8, loopback, and
 * this namespace's own addresses (ip_route_input_slow, fib_validate_source).
 */
function isMartian(node: Node, source: number): boolean {
  const first = source >>> 24;
  if (first === 0 || first === 127 || isMulticast(source) || source === LIMITED_BROADCAST) {
    return true;
  }
  return node.local.lookup(source) >= 0;
}
