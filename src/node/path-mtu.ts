/**
 * Path MTUs and other gateways that senders have learned: the exceptions of routes (struct
 * fib_nh_exception, update_or_create_fnhe of net/ipv4/route.c). One a next hop and destination,
 * from what a router said or a tunnel found out. Of what is only forwarded MTUs count where locked.
 */
import { bytes } from '../packet/arena.ts';
import type { RouteExceptionPlan } from '../plan/path-mtu.ts';
import type { RoutePlan } from '../plan/plan.ts';
import { PairIndex } from '../tables/pair-index.ts';
import { RouteKind, type Routes } from '../tables/routes.ts';
import type { Ip4 } from '../wire/address.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { mix } from './flow-hash.ts';
import type { Node } from './node.ts';

/** net.ipv4.route.min_pmtu and mtu_expires. */
const LEAST = 552;
const LIFETIME_MS = 600_000;
/** ip_rt_gc_timeout: of a redirect, and of an MTU learned before that. */
const REDIRECT_MS = 300_000;
/** Kept at a time in a namespace; the oldest makes room (FNHE_RECLAIM_DEPTH is as coarse). */
const MAX_EXCEPTIONS = 4096;

export class PathMtus {
  private readonly index = new PairIndex();
  private readonly routes: number[] = [];
  private readonly destinations: number[] = [];
  /** 0: none was learned. */
  private readonly mtus: number[] = [];
  private readonly gateways: number[] = [];
  private readonly locked: boolean[] = [];
  private readonly until: number[] = [];
  /** The cell that the next new one gets. */
  private turn = 0;

  /** The MTU towards a destination by this next hop, 0 where nothing was learned. */
  find(route: number, destination: number, isForwarded: boolean, now: number): number {
    const at = this.index.get(route, destination);
    if (at < 0 || this.left(at, now) === 0) return 0;
    return isForwarded && !this.locked[at]! ? 0 : this.mtus[at]!;
  }

  /** A shorter MTU was heard of; `before` is what counted so far. Whether another counts now. */
  learn(route: number, destination: number, mtu: number, before: number, now: number): boolean {
    const known = this.index.get(route, destination);
    const left = known < 0 ? 0 : this.left(known, now);
    if ((left > 0 && this.locked[known]!) || before < mtu) return false;
    const lock = mtu < LEAST;
    const next = lock ? Math.min(before, LEAST) : mtu;
    // The same again only keeps it alive when half of its time is over.
    if (left > LIFETIME_MS / 2 && this.mtus[known] === next && !lock) return false;
    const at = this.open(route, destination, now);
    this.mtus[at] = next;
    this.locked[at] = lock;
    this.until[at] = (now + LIFETIME_MS) | 0;
    return next !== before || lock;
  }

  /** The gateway that a redirect named for this next hop and destination; 0 for none. */
  gateway(route: number, destination: number, now: number): number {
    const at = this.index.get(route, destination);
    return at < 0 || this.left(at, now) === 0 ? 0 : this.gateways[at]!;
  }

  redirect(route: number, destination: number, gateway: number, now: number): void {
    const at = this.open(route, destination, now);
    this.gateways[at] = gateway;
    this.until[at] = (now + REDIRECT_MS) | 0;
  }

  /** The MTU of a device changed: fib_nhc_update_mtu, for the routes by it. */
  follow(isBy: (route: number) => boolean, mtu: number, before: number): void {
    for (const [at, route] of this.routes.entries()) {
      if (route < 0 || !isBy(route)) continue;
      const known = this.mtus[at]!;
      if (this.locked[at] ? mtu > known : mtu >= known && before !== known) continue;
      this.mtus[at] = mtu;
      this.locked[at] = false;
    }
  }

  /** What was learned by these routes counts no more: they went, or were flushed. */
  forget(isGone: (route: number) => boolean): void {
    for (const [at, route] of this.routes.entries()) {
      if (route < 0 || !isGone(route)) continue;
      this.index.delete(route, this.destinations[at]!);
      this.routes[at] = -1;
    }
  }

  /** The cell of what was learned, empty where that is new or has expired. */
  private open(route: number, destination: number, now: number): number {
    const known = this.index.get(route, destination);
    if (known >= 0 && this.left(known, now) > 0) return known;
    const at = known >= 0 ? known : this.take(route, destination);
    this.mtus[at] = 0;
    this.locked[at] = false;
    this.gateways[at] = 0;
    return at;
  }

  private take(route: number, destination: number): number {
    const at = this.turn;
    this.turn = (at + 1) % MAX_EXCEPTIONS;
    if (at < this.routes.length) this.index.delete(this.routes[at]!, this.destinations[at]!);
    this.routes[at] = route;
    this.destinations[at] = destination;
    this.index.set(route, destination, at);
    return at;
  }

  /** Those that have not expired, for printing. `routes`: what the numbers of routes mean. */
  list(now: number, routes: Routes<RoutePlan>): RouteExceptionPlan[] {
    return this.until.flatMap((_, at) => {
      const left = this.left(at, now);
      const route = this.routes[at]!;
      if (left === 0 || route < 0) return [];
      const { table, tos } = routes.origin(route);
      const destination = this.destinations[at]! as Ip4;
      const expiresSeconds = Math.floor(left / 1000);
      const [mtu, locked] = [this.mtus[at]!, this.locked[at]!];
      const gateway = this.gateways[at]! as Ip4;
      const of = { table, ...(tos === undefined ? {} : { tos }) };
      const learned = {
        ...(mtu === 0 ? {} : { mtu }),
        ...(gateway === 0 ? {} : { gateway }),
      };
      return [{ destination, ...of, ...learned, locked, expiresSeconds }];
    });
  }

  /** Milliseconds it still counts. Times are ticks (World), which wrap. */
  private left(at: number, now: number): number {
    const left = (this.until[at]! - now) | 0;
    return left > 0 && left <= LIFETIME_MS ? left : 0;
  }
}

/** Bytes an IP packet to this destination may have by this route: learned, its metric, or the device's. */
export function pathMtu(
  node: Node,
  route: number,
  destination: number,
  isForwarded: boolean,
): number {
  const plain = node.routes.mtu(route) || (node.devices[node.routes.device(route)]?.mtu ?? 65535);
  const learned = node.learnedPathMtus;
  if (learned === null) return plain;
  const forwarded = isForwarded && !node.forwardsByPathMtu;
  return learned.find(route, destination, forwarded, node.world.ticks()) || plain;
}

/** Whether the MTU learned for a destination is the least there is, and DF would be of no use. */
export function isPathMtuLocked(node: Node, route: number, destination: number): boolean {
  const learned = node.learnedPathMtus;
  return learned !== null && learned.find(route, destination, true, node.world.ticks()) > 0;
}

/** Whether tunnels send to `remote` without DF: ip_mtu_locked of iptunnel_xmit. */
export const tunnelsMayFragment = (node: Node, remote: number): boolean =>
  node.learnedPathMtus !== null && isPathMtuLocked(node, node.lookup(remote), remote);

/** A tunnel's way out is narrower than its device said: skb_dst_update_pmtu. */
export function learnPathMtu(node: Node, route: number, destination: number, mtu: number): void {
  if (route < 0 || node.routes.kind(route) !== RouteKind.Unicast) return;
  const before = pathMtu(node, route, destination, false);
  // What was seen to go through may be too long now.
  if (!node.pathMtus.learn(route, destination, mtu, before, node.world.ticks())) return;
  node.change();
  node.world.audit?.alone('a path MTU that was learned');
}

/** The gateway of a route for one destination, by a redirect or its own; 0 where it has none. */
export function gatewayOf(node: Node, route: number, destination: number): number {
  const own = node.routes.gateway(route);
  const learned = node.learnedPathMtus;
  return learned?.gateway(route, destination, node.world.ticks()) || own;
}

/**
 * The route of the packet quoted at `quote` in an ICMP error, or -1. It must be whole to
 * 8 bytes behind its header, and of this namespace. (The kernel asks for a socket of the
 * same ports too; who sends here has one.)
 */
export function quotedRoute(node: Node, quote: number, end: number): number {
  if (end - quote < ipv4.HEADER_LEN) return -1;
  const header = ipv4.headerLength(bytes, quote);
  if (header < ipv4.HEADER_LEN || end - quote < header + 8) return -1;
  const from = ipv4.source(bytes, quote);
  const to = ipv4.destination(bytes, quote);
  const own = node.local.find(from);
  if (own < 0 || node.routes.kind(own) !== RouteKind.Local) return -1;
  const route = node.lookup(to, 0, from, -1, ipv4.tos(bytes, quote));
  if (route < 0 || node.routes.kind(route) !== RouteKind.Unicast) return -1;
  if (node.routes.hops(route) === 1) return route;
  return node.routes.choose(route, mix(from, to) >>> 0);
}

/** A router says "fragmentation needed" about the packet quoted at `quote`: ipv4_update_pmtu. */
export function heedTooBig(node: Node, quote: number, end: number, told: number): void {
  const mode = node.pmtuDiscovery;
  const route = mode === 2 ? -1 : quotedRoute(node, quote, end);
  if (route >= 0) learnPathMtu(node, route, ipv4.destination(bytes, quote), mode === 1 ? 0 : told);
}
