/**
 * May this source come in here, and may this pair of addresses?
 * fib_validate_source of net/ipv4/fib_frontend.c, martians of ip_route_input_slow.
 */
import { Drop } from '../drop.ts';
import { RouteKind } from '../tables/routes.ts';
import type { Device } from './device.ts';
import type { Node } from './node.ts';

export const LIMITED_BROADCAST = -1;

/** What the check found: -1 refuse, 0 fine, 1 fine and directly connected to this device. */
export const Source = { Refused: -1, Routed: 0, OnLink: 1 } as const;

/**
 * Own addresses come from outside only where accept_local says so. With rp_filter the way back must lead
 * out of this device (1), or be known at all (2); a device without an address
 * never passes another device's source.
 */
export function checkSource(node: Node, device: Device, source: number, to = 0, tos = 0): number {
  const own = node.local.find(source);
  if (own >= 0) return checkOwn(node, device, own);
  const back = node.lookup(source, 0, to, -1, tos);
  const unicast = back >= 0 && node.routes.kind(back) === RouteKind.Unicast;
  if (!unicast) return device.rpFilter === 0 ? Source.Routed : Source.Refused;
  for (let hop = back; hop < back + node.routes.hops(back); hop++) {
    if (node.routes.device(hop) !== device.position) continue;
    return node.routes.gateway(hop) === 0 ? Source.OnLink : Source.Routed;
  }
  if (device.rpFilter === 0) return Source.Routed;
  if (device.addresses.length === 0 || device.rpFilter === 1) return Source.Refused;
  return Source.Routed;
}

/** rp_filter then wants the device that has the address. A broadcast's is nobody's own. */
function checkOwn(node: Node, device: Device, own: number): number {
  const isLocal = node.routes.kind(own) === RouteKind.Local;
  if (isLocal && !device.acceptLocal) return Source.Refused;
  if (device.rpFilter === 0) return Source.Routed;
  if (!isLocal) return Source.Refused;
  if (node.routes.device(own) === device.position) return Source.OnLink;
  const refused = device.addresses.length === 0 || device.rpFilter === 1;
  return refused ? Source.Refused : Source.Routed;
}

export const isMulticast = (address: number): boolean => address >>> 28 === 14;

/** Addresses no packet from outside may have: `None`, or what is wrong. */
export function checkAddresses(device: Device, from: number, to: number): Drop {
  if (isMulticast(to)) return Drop.GroupDestination;
  if (isMulticast(from) || from === LIMITED_BROADCAST) return Drop.MartianSource;
  if (to === LIMITED_BROADCAST) return Drop.None;
  // ipv4_is_zeronet: the rest of 0.0.0.0/8 is like any other address.
  if (from === 0) return Drop.MartianSource;
  if (to === 0) return Drop.MartianDestination;
  if (device.routeLocalnet) return Drop.None;
  if (to >>> 24 === 127) return Drop.MartianDestination;
  return from >>> 24 === 127 ? Drop.MartianSource : Drop.None;
}

/** The route a packet with these addresses would take from this device, or -1. */
export function inputRoute(node: Node, device: Device, from: number, to: number, tos = 0): number {
  if (to === LIMITED_BROADCAST || checkAddresses(device, from, to) !== Drop.None) return -1;
  const route = node.lookup(to, 0, from, device.position, tos);
  if (route < 0 || checkSource(node, device, from, to, tos) === Source.Refused) return -1;
  const kind = node.routes.kind(route);
  return kind === RouteKind.Local || kind === RouteKind.Unicast ? route : -1;
}
