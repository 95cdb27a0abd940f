/**
 * Route tables and addresses to measure lookups with: of the size and shape of real ones,
 * and the same for the same seed on every machine.
 */
import { netmask, parseIp4 } from '../wire/address.ts';
import type { FibColumns } from './prefixes.ts';

/** `bgp`: about a million routes of the Internet; `calico`: a node among 5,000. */
export type SampleTable = 'bgp' | 'calico';

/**
 * `uniform`: any address; `routed`: in a random route; `zipf`: 100,000 flows in random
 * routes, the n-th of which sends one n-th of the packets of the first.
 */
export type SampleStream = 'uniform' | 'routed' | 'zipf';

/**
 * Routes of each length for a million, rounded from what public route collectors saw in
 * 2024; the few beyond /24 are leaks that most tables have.
 */
const BGP_LENGTHS: readonly (readonly [number, number])[] = [
  [8, 16],
  [10, 50],
  [12, 400],
  [13, 600],
  [14, 1200],
  [15, 2100],
  [16, 13_600],
  [17, 8500],
  [18, 14_000],
  [19, 25_000],
  [20, 45_000],
  [21, 52_000],
  [22, 110_000],
  [23, 101_000],
  [24, 625_334],
  [25, 200],
  [26, 200],
  [28, 200],
  [29, 200],
  [30, 100],
  [32, 300],
];
const BGP_NEIGHBOURS = 64;
/** Ranges that registries gave out, in which the longer prefixes lie. */
const ALLOCATIONS = 40_000;

/** Routes without order; values are numbers of next hops. `seed`: any integer but 0. */
export function sampleRoutes(table: SampleTable, seed: number): FibColumns {
  const routes = new RouteList();
  if (table === 'bgp') fillBgp(routes, randoms(seed));
  else fillCalico(routes, randoms(seed));
  return routes;
}

class RouteList implements FibColumns {
  readonly addresses: number[] = [];
  readonly lengths: number[] = [];
  readonly values: number[] = [];
  private readonly seen = new Set<number>();

  /** False where the prefix is there. */
  add(address: number, length: number, value: number): boolean {
    const prefix = address & netmask(length);
    const key = length * 2 ** 32 + (prefix >>> 0);
    if (this.seen.has(key)) return false;
    this.seen.add(key);
    this.addresses.push(prefix);
    this.lengths.push(length);
    this.values.push(value);
    return true;
  }
}

type Random = () => number;

function fillBgp(routes: RouteList, random: Random): void {
  const unicast = (): number => {
    const address = random();
    const first = address >>> 24;
    return first === 0 || first === 10 || first === 127 || first >= 224 ? unicast() : address;
  };
  const neighbour = (): number => random() % BGP_NEIGHBOURS;
  const allocations = Array.from({ length: ALLOCATIONS }, () => {
    return { address: unicast(), length: 13 + (random() % 8), via: neighbour() };
  });
  for (const [length, count] of BGP_LENGTHS) {
    for (let left = count; left > 0; ) {
      const { address, length: above, via } = allocations[random() % ALLOCATIONS]!;
      const inside = length > above ? (address & netmask(above)) | (random() & ~netmask(above)) : 0;
      let next = length > above ? inside : unicast();
      // Who splits a range announces some pieces side by side, most of them alike.
      const run = length > 19 && length < 25 ? 1 + (random() % 8) : 1;
      const shared = random() % 2 === 0 ? via : neighbour();
      for (let i = 0; i < run && left > 0 && next >>> 24 < 224; i++) {
        if (routes.add(next, length, random() % 4 === 0 ? neighbour() : shared)) left -= 1;
        next = (next + 2 ** (32 - length)) | 0;
      }
    }
  }
  routes.add(0, 0, BGP_NEIGHBOURS);
}

const POOL = parseIp4('10.0.0.0');
const BLOCKS_OF_POOL = 8192;

/** A /26 for each of 5,000 nodes in a /13, four of them the node's own with 250 pods. */
function fillCalico(routes: RouteList, random: Random): void {
  const own: number[] = [];
  for (let node = 0; node < 5000; ) {
    const block = (POOL + (random() % BLOCKS_OF_POOL) * 64) | 0;
    const isOwn = own.length < 4;
    if (!routes.add(block, 26, isOwn ? 0 : 10 + node)) continue;
    if (isOwn) own.push(block);
    node += 1;
  }
  for (let pod = 0; pod < 250; pod++) routes.add(own[pod >> 6]! + (pod & 63), 32, 6000 + pod);
  routes.add(parseIp4('172.16.0.0'), 19, 1);
  routes.add(parseIp4('10.96.0.0'), 12, 2);
  routes.add(parseIp4('169.254.0.0'), 16, 3);
  routes.add(0, 0, 4);
}

const FLOWS = 100_000;

/** Addresses for the routes, signed. `seed`: any integer but 0. */
export function sampleAddresses(
  { addresses, lengths }: FibColumns,
  stream: SampleStream,
  count: number,
  seed: number,
): Int32Array {
  const random = randoms(seed);
  if (stream === 'uniform') return Int32Array.from({ length: count }, random);
  const specific = Uint32Array.from(addresses, (_, i) => i).filter((i) => lengths[i]! > 0);
  const inside = (): number => {
    if (specific.length === 0) return random();
    const at = specific[random() % specific.length]!;
    const mask = netmask(lengths[at]!);
    return (addresses[at]! & mask) | (random() & ~mask);
  };
  if (stream === 'routed') return Int32Array.from({ length: count }, inside);
  const flows = Int32Array.from({ length: FLOWS }, inside);
  const sums = new Float64Array(FLOWS);
  let sum = 0;
  for (let i = 0; i < FLOWS; i++) {
    sum += 1 / (i + 1);
    sums[i] = sum;
  }
  return Int32Array.from({ length: count }, () => flows[rank(sums, (random() / 2 ** 32) * sum)]!);
}

/** The first position whose sum exceeds a value. */
function rank(sums: Float64Array, value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** xorshift32 (Marsaglia 2003), spread by a multiplication; unsigned. */
function randoms(seed: number): Random {
  let state = seed | 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.imul(state, 0x2c1b3c6d) >>> 0;
  };
}
