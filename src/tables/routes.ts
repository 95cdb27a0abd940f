/**
 * The routes of a namespace as columns: a FIB answers a route's number, the
 * packet path reads its columns here, printers read the plan it was made from.
 */
import type { Ip4 } from '../wire/address.ts';
import type { CommonRoutes } from './common-routes.ts';

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
  /** Of its prefix, in bits. */
  readonly length: number;
  /** 0 for a directly connected destination. */
  readonly gateway: number;
  /** Position in the namespace's device list; -1 for blackhole and its kin. */
  readonly device: number;
  /** The `mtu` metric in bytes; 0 where the device's counts. */
  readonly mtu: number;
  /** The `src` word; 0 where none. */
  readonly source: Ip4 | 0;
}

/**
 * `Origin` is what a route was made from: it stays attached for printing. Numbers from
 * `common.size` on are the namespace's own routes, those below it are shared.
 */
export class Routes<Origin> {
  private readonly common: CommonRoutes<Origin> | null;
  /** By the common routes' numbers of devices, their positions here. */
  private readonly positions: Int32Array;
  /** How many routes are shared. */
  private readonly shared: number;
  private readonly kinds: number[] = [];
  private readonly lengths: number[] = [];
  private readonly gateways: number[] = [];
  private readonly devices: number[] = [];
  private readonly mtus: number[] = [];
  private readonly sources: number[] = [];
  private readonly origins: Origin[] = [];
  private readonly hopCounts: number[] = [];
  private readonly weights: number[] = [];

  /** `positionOf`: a position in the namespace's device list. */
  constructor(
    common: CommonRoutes<Origin> | null = null,
    positionOf: (device: string) => number = () => -1,
  ) {
    this.common = common;
    this.shared = common?.size ?? 0;
    this.positions = Int32Array.from(common?.deviceNames ?? [], positionOf);
  }

  /** The new route's number. */
  add(fields: RouteFields, origin: Origin): number {
    this.kinds.push(fields.kind);
    this.lengths.push(fields.length);
    this.gateways.push(fields.gateway | 0);
    this.devices.push(fields.device);
    this.mtus.push(fields.mtu);
    this.sources.push(fields.source | 0);
    this.origins.push(origin);
    this.hopCounts.push(1);
    this.weights.push(1);
    return this.size - 1;
  }

  /** A route with several next hops; the number of the first. The others follow it. */
  addHops(hops: readonly (RouteFields & { readonly weight: number })[], origin: Origin): number {
    const first = this.size;
    for (const hop of hops) {
      const own = this.add(hop, origin) - this.shared;
      this.weights[own] = hop.weight;
    }
    this.hopCounts[first - this.shared] = hops.length;
    return first;
  }

  /** How many next hops the route with this number has. */
  hops = (id: number): number => (id < this.shared ? 1 : this.hopCounts[id - this.shared]!);

  /** The hop of route `id` that takes an unsigned hash: by weights. */
  choose(id: number, hash: number): number {
    if (id < this.shared) return id;
    const { weights, shared } = this;
    const end = id + this.hopCounts[id - shared]!;
    let total = 0;
    for (let hop = id; hop < end; hop++) total += weights[hop - shared]!;
    let left = hash % total;
    for (let hop = id; hop < end; hop++) {
      left -= weights[hop - shared]!;
      if (left < 0) return hop;
    }
    return id;
  }

  /** A hop's share from now on; 0 for one that is dead. A shared route has no other hop to take it. */
  weigh(hop: number, weight: number): void {
    if (hop >= this.shared) this.weights[hop - this.shared] = weight;
  }

  kind = (id: number): number =>
    id < this.shared ? this.common!.kinds[id]! : this.kinds[id - this.shared]!;
  length = (id: number): number =>
    id < this.shared ? this.common!.lengths[id]! : this.lengths[id - this.shared]!;
  gateway = (id: number): number =>
    id < this.shared ? this.common!.gateways[id]! : this.gateways[id - this.shared]!;
  mtu = (id: number): number =>
    id < this.shared ? this.common!.mtus[id]! : this.mtus[id - this.shared]!;
  source = (id: number): number =>
    id < this.shared ? this.common!.sources[id]! : this.sources[id - this.shared]!;
  origin = (id: number): Origin =>
    id < this.shared ? this.common!.origins[id]! : this.origins[id - this.shared]!;

  device = (id: number): number => {
    if (id >= this.shared) return this.devices[id - this.shared]!;
    const device = this.common!.devices[id]!;
    return device < 0 ? -1 : this.positions[device]!;
  };

  get size(): number {
    return this.shared + this.kinds.length;
  }
}
