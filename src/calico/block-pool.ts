/**
 * The blocks of one pool: which exist, whose they are, and which a node tries next.
 * Every search steps over what is taken by pointers that are shortened on the way
 * (union-find), so that a full pool of any size costs next to nothing to ask again.
 */
import { type Ip4, lastOf, overlaps, type Prefix } from '../wire/address.ts';
import { FreeList } from './block-free-list.ts';
import { blockCount, firstBlock } from './block-order.ts';
import type { IpPool } from './ip-pool.ts';
import type { BlockClaim } from './ipam-block.ts';
import { compareNames } from './names.ts';

/** A block that exists. */
export interface HeldBlock {
  readonly cidr: Prefix;
  readonly node: string | undefined;
  /** Absent for a block outside every pool. */
  readonly pool: IpPool | undefined;
  readonly lends: boolean;
  readonly free: FreeList;
  /** As its resource is called; the datastore lists by it. */
  readonly name: string;
}

/** What stands in the way of a new block and of a new address. */
export interface Obstacles {
  /** A stated block that overlaps the prefix. */
  block(cidr: Prefix): Prefix | undefined;
  /** A reservation around the whole prefix. */
  reservation(cidr: Prefix): Prefix | undefined;
  readonly unavailable: (address: number) => boolean;
}

const listingName = ({ address, length }: Prefix): string =>
  [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255, length].join('-');

export const heldBlock = (
  { cidr, node, lends, unallocated }: Omit<BlockClaim, 'at' | 'allocations'>,
  pool: IpPool | undefined,
  { unavailable }: Obstacles,
): HeldBlock => ({
  cidr,
  node,
  pool,
  lends,
  free: new FreeList(cidr, unavailable, unallocated),
  name: listingName(cidr),
});

/** A node's blocks in the order in which the datastore lists them; those before `open` are full. */
interface Owned {
  readonly blocks: HeldBlock[];
  open: number;
}

interface Lenders {
  /** By address. */
  readonly blocks: readonly HeldBlock[];
  /** No block from i up to skip[i] has a free address. */
  readonly skip: Int32Array;
}

/** Owns its state; blocks are only ever added. */
export class PoolBlocks {
  readonly pool: IpPool;
  readonly #count: number;
  readonly #obstacles: Obstacles;
  readonly #blocks: HeldBlock[] = [];
  readonly #owned = new Map<string, Owned>();
  readonly #starts = new Map<string, number>();
  /** From a block's number to one that no taken number lies before. */
  readonly #next = new Map<number, number>();
  #lenders: Lenders | undefined;

  constructor(pool: IpPool, obstacles: Obstacles) {
    this.pool = pool;
    this.#count = blockCount(pool);
    this.#obstacles = obstacles;
  }

  /** Blocks affine to the node. */
  count(node: string): number {
    return this.#owned.get(node)?.blocks.length ?? 0;
  }

  /** Adds a block that lies in the pool. */
  add(block: HeldBlock): void {
    this.#blocks.push(block);
    this.#lenders = undefined;
    if (block.node === undefined) return;
    const owned = this.#owned.get(block.node);
    if (owned === undefined) {
      this.#owned.set(block.node, { blocks: [block], open: 0 });
      return;
    }
    const { blocks } = owned;
    let low = owned.open;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareNames(blocks[middle]!.name, block.name) < 0) low = middle + 1;
      else high = middle;
    }
    blocks.splice(low, 0, block);
  }

  /** The node's first block in listing order that has a free address. */
  affine(node: string): HeldBlock | undefined {
    const owned = this.#owned.get(node);
    if (owned === undefined) return undefined;
    while (owned.blocks[owned.open]?.free.peek() === undefined) {
      if (owned.open === owned.blocks.length) return undefined;
      owned.open += 1;
    }
    return owned.blocks[owned.open];
  }

  /** Makes the next block on the node's walk that does not exist the node's. */
  claim(node: string): HeldBlock | undefined {
    const start = this.#start(node);
    let number = this.#unclaimed(start);
    if (number === this.#count) number = this.#unclaimed(0);
    if (number === this.#count) return undefined;
    this.#next.set(number, number + 1);
    const claim = { cidr: this.#cidr(number), node, lends: true, unallocated: undefined };
    const block = heldBlock(claim, this.pool, this.#obstacles);
    this.add(block);
    return block;
  }

  /** The next block on the node's walk with a free address, whoever owns it. */
  lender(node: string): HeldBlock | undefined {
    this.#lenders ??= this.#findLenders();
    const start = (this.pool.cidr.address >>> 0) + this.#start(node) * this.#size;
    const { blocks } = this.#lenders;
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (blocks[middle]!.cidr.address >>> 0 < start) low = middle + 1;
      else high = middle;
    }
    return this.#openFrom(low, this.#lenders) ?? this.#openFrom(0, this.#lenders);
  }

  /** Calico walks prefixes of the pool's own block size and sees no other blocks. */
  #findLenders(): Lenders {
    const blocks = this.#blocks
      .filter(({ lends, cidr }) => lends && cidr.length === this.pool.blockSize)
      .sort((a, b) => (a.cidr.address >>> 0) - (b.cidr.address >>> 0));
    return { blocks, skip: Int32Array.from(blocks, (_, i) => i) };
  }

  #openFrom(from: number, { blocks, skip }: Lenders): HeldBlock | undefined {
    const passed: number[] = [];
    let i = from;
    while (i < blocks.length) {
      const next = skip[i]!;
      if (next === i && blocks[i]!.free.peek() !== undefined) break;
      passed.push(i);
      i = next === i ? i + 1 : next;
    }
    for (const full of passed) skip[full] = i;
    return blocks[i];
  }

  get #size(): number {
    return 2 ** (32 - this.pool.blockSize);
  }

  #cidr(number: number): Prefix {
    const address = (this.pool.cidr.address + number * this.#size) | 0;
    return { address: address as Ip4, length: this.pool.blockSize };
  }

  #start(node: string): number {
    let start = this.#starts.get(node);
    if (start === undefined) {
      start = firstBlock(node, this.pool);
      this.#starts.set(node, start);
    }
    return start;
  }

  /** The first free number from `from` on, or the count. */
  #unclaimed(from: number): number {
    const passed: number[] = [];
    let number = from;
    while (number < this.#count) {
      const next = this.#next.get(number) ?? this.#pastObstacle(number);
      if (next === number) break;
      passed.push(number);
      number = next;
    }
    number = Math.min(number, this.#count);
    for (const taken of passed) this.#next.set(taken, number);
    return number;
  }

  #pastObstacle(number: number): number {
    const cidr = this.#cidr(number);
    const obstacle = this.#obstacles.block(cidr) ?? this.#obstacles.reservation(cidr);
    if (obstacle === undefined) return number;
    const offset = (lastOf(obstacle) >>> 0) - (this.pool.cidr.address >>> 0);
    return Math.floor(offset / this.#size) + 1;
  }
}

/** The element of a list of prefixes, sorted and without overlaps, that overlaps another prefix. */
export function overlapping<T extends { readonly cidr: Prefix }>(
  sorted: readonly T[],
  cidr: Prefix,
): T | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.cidr.address >>> 0 <= cidr.address >>> 0) low = middle + 1;
    else high = middle;
  }
  return [sorted[low - 1], sorted[low]].find(
    (near) => near !== undefined && overlaps(near.cidr, cidr),
  );
}
