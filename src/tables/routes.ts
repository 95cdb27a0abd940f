/**
 * The routes of a namespace as columns: a FIB answers a route's number, the
 * packet path reads its columns here, printers read the plan it was made from.
 */
import type { Ip4 } from '../wire/address.ts';

/** What a lookup leads to: RTN_ of linux/rtnetlink.h. */
export const RouteKind = {
  Unicast: 0,
  Local: 1,
  Broadcast: 2,
  Blackhole: 3,
  Unreachable: 4,
  Prohibit: 5,
  Throw: 6,
} as const;
export type RouteKind = (typeof RouteKind)[keyof typeof RouteKind];

export interface RouteFields {
  readonly kind: RouteKind;
  /** 0 for a directly connected destination. */
  readonly gateway: number;
  /** Position in the namespace's device list; -1 for blackhole and its kin. */
  readonly device: number;
  /** The `mtu` metric in bytes; 0 where the device's counts. */
  readonly mtu: number;
  /** The `src` word; 0 where none. */
  readonly source: Ip4 | 0;
}

/** `Origin` is what a route was made from: it stays attached for printing. */
export class Routes<Origin> {
  private readonly kinds: number[] = [];
  private readonly gateways: number[] = [];
  private readonly devices: number[] = [];
  private readonly mtus: number[] = [];
  private readonly sources: number[] = [];
  private readonly origins: Origin[] = [];
  private readonly hopCounts: number[] = [];
  private readonly weights: number[] = [];

  /** The new route's number. */
  add(fields: RouteFields, origin: Origin): number {
    this.kinds.push(fields.kind);
    this.gateways.push(fields.gateway | 0);
    this.devices.push(fields.device);
    this.mtus.push(fields.mtu);
    this.sources.push(fields.source | 0);
    this.origins.push(origin);
    this.hopCounts.push(1);
    this.weights.push(1);
    return this.kinds.length - 1;
  }

  /** A route with several next hops; the number of the first. The others follow it. */
  addHops(hops: readonly (RouteFields & { readonly weight: number })[], origin: Origin): number {
    const first = this.kinds.length;
    for (const hop of hops) this.weights[this.add(hop, origin)] = hop.weight;
    this.hopCounts[first] = hops.length;
    return first;
  }

  /** How many next hops the route with this number has. */
  hops = (id: number): number => this.hopCounts[id]!;

  /** The hop of route `id` that takes an unsigned hash: by weights. */
  choose(id: number, hash: number): number {
    const end = id + this.hopCounts[id]!;
    let total = 0;
    for (let hop = id; hop < end; hop++) total += this.weights[hop]!;
    let left = hash % total;
    for (let hop = id; hop < end; hop++) {
      left -= this.weights[hop]!;
      if (left < 0) return hop;
    }
    return id;
  }

  /** A hop's share from now on; 0 for one that is dead. */
  weigh(hop: number, weight: number): void {
    this.weights[hop] = weight;
  }

  kind = (id: number): number => this.kinds[id]!;
  gateway = (id: number): number => this.gateways[id]!;
  device = (id: number): number => this.devices[id]!;
  mtu = (id: number): number => this.mtus[id]!;
  source = (id: number): number => this.sources[id]!;
  origin = (id: number): Origin => this.origins[id]!;

  get size(): number {
    return this.kinds.length;
  }
}
