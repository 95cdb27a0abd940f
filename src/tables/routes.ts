/**
 * The routes of a namespace: a FIB answers a route's number, the packet path reads its
 * fields here, printers read the plan it was made from. One of its own is eight words:
 *
 *   length | kind   gateway   device   mtu   source   next hops   weight   unused
 */
import type { Ip4 } from '../wire/address.ts';
import type { CommonRoutes } from './common-routes.ts';
import { WordMemory } from './word-memory.ts';

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

/** Words of a route, as a shift, and where in it they stand; the kind in the lowest 8 bits of the first. */
const ROUTE = 3;
const GATEWAY = 1;
const DEVICE = 2;
const MTU = 3;
const SOURCE = 4;
const HOPS = 5;
const WEIGHT = 6;
const LENGTH_SHIFT = 8;
const KIND_MASK = 0xff;
/** Routes there is room for at first. */
const LEAST = 8;

/**
 * `Origin` is what a route was made from: it stays attached for printing. Numbers from
 * `common.size` on are the namespace's own routes, those below it are shared.
 */
export class Routes<Origin> {
  /** How many routes are shared. */
  private readonly shared: number;
  private readonly common: CommonRoutes<Origin> | null;
  private words: Int32Array;
  /** Of the positions here of the common routes' devices, by their numbers; own routes follow. */
  private at: number;
  private first: number;
  /** Words there are. */
  private room: number;
  private readonly origins: Origin[] = [];
  private readonly memory: WordMemory;

  /** `positionOf`: a position in the namespace's device list. */
  constructor(
    common: CommonRoutes<Origin> | null = null,
    positionOf: (device: string) => number = () => -1,
    memory = new WordMemory(),
  ) {
    this.common = common;
    this.shared = common?.size ?? 0;
    this.memory = memory;
    const positions = (common?.deviceNames ?? []).map(positionOf);
    this.room = (LEAST << ROUTE) + positions.length;
    const { words, at } = memory.take(this.room);
    words.set(positions, at);
    this.words = words;
    this.at = at;
    this.first = at + positions.length;
  }

  /** The new route's number. */
  add(fields: RouteFields, origin: Origin): number {
    const id = this.size;
    if (this.entry(id + 1) > this.at + this.room) this.grow();
    this.origins.push(origin);
    const { words } = this;
    const route = this.entry(id);
    words[route] = (fields.length << LENGTH_SHIFT) | fields.kind;
    words[route + GATEWAY] = fields.gateway;
    words[route + DEVICE] = fields.device;
    words[route + MTU] = fields.mtu;
    words[route + SOURCE] = fields.source;
    words[route + HOPS] = 1;
    words[route + WEIGHT] = 1;
    return id;
  }

  private grow(): void {
    const { words: old, at: from, room } = this;
    const { words, at } = this.memory.take(room * 2);
    words.set(old.subarray(from, from + room), at);
    this.first += at - from;
    this.words = words;
    this.at = at;
    this.room = room * 2;
    this.memory.give({ words: old, at: from }, room);
  }

  /** Where the words of an own route begin. */
  private entry(id: number): number {
    return this.first + ((id - this.shared) << ROUTE);
  }

  /** A route with several next hops; the number of the first. The others follow it. */
  addHops(hops: readonly (RouteFields & { readonly weight: number })[], origin: Origin): number {
    const first = this.size;
    for (const hop of hops) this.weigh(this.add(hop, origin), hop.weight);
    if (hops.length > 0) this.words[this.entry(first) + HOPS] = hops.length;
    return first;
  }

  /** How many next hops the route with this number has. */
  hops(id: number): number {
    return id < this.shared ? 1 : this.words[this.entry(id) + HOPS]!;
  }

  /** The hop of route `id` that takes an unsigned hash: by weights. */
  choose(id: number, hash: number): number {
    if (id < this.shared) return id;
    const end = id + this.hops(id);
    let total = 0;
    for (let hop = id; hop < end; hop++) total += this.weight(hop);
    let left = hash % total;
    for (let hop = id; hop < end; hop++) {
      left -= this.weight(hop);
      if (left < 0) return hop;
    }
    return id;
  }

  private weight(hop: number): number {
    return this.words[this.entry(hop) + WEIGHT]!;
  }

  /** A hop's share from now on; 0 for one that is dead. A shared route has no other hop to take it. */
  weigh(hop: number, weight: number): void {
    if (hop >= this.shared) this.words[this.entry(hop) + WEIGHT] = weight;
  }

  kind(id: number): number {
    return id < this.shared ? this.common!.kinds[id]! : this.words[this.entry(id)]! & KIND_MASK;
  }

  length(id: number): number {
    return id < this.shared
      ? this.common!.lengths[id]!
      : this.words[this.entry(id)]! >>> LENGTH_SHIFT;
  }

  gateway(id: number): number {
    return id < this.shared ? this.common!.gateways[id]! : this.words[this.entry(id) + GATEWAY]!;
  }

  mtu(id: number): number {
    return id < this.shared ? this.common!.mtus[id]! : this.words[this.entry(id) + MTU]!;
  }

  source(id: number): number {
    return id < this.shared ? this.common!.sources[id]! : this.words[this.entry(id) + SOURCE]!;
  }

  origin(id: number): Origin {
    return id < this.shared ? this.common!.origins[id]! : this.origins[id - this.shared]!;
  }

  device(id: number): number {
    if (id >= this.shared) return this.words[this.entry(id) + DEVICE]!;
    const device = this.common!.devices[id]!;
    return device < 0 ? -1 : this.words[this.at + device]!;
  }

  get size(): number {
    return this.shared + this.origins.length;
  }
}
