/**
 * Calico's automatic assignment (libcalico-go ipam.go autoAssign): an address of the
 * node's own blocks, else of a new block, else of somebody else's.
 */
import type { Ip4, Prefix } from '../wire/address.ts';
import { type HeldBlock, heldBlock, type Obstacles, PoolBlocks } from './block-pool.ts';
import { type IpPool, poolOf } from './ip-pool.ts';
import type { BlockClaim } from './ipam-block.ts';
import type { IpamConfig } from './ipam-config.ts';
import { compareNames, listNames } from './names.ts';

/** A block with a node of the cluster. */
export interface Block {
  readonly cidr: Prefix;
  readonly node: string;
  /** Absent for a block outside every pool. */
  readonly pool: IpPool | undefined;
}

/** What became of a request for an address. */
export type Taken =
  | { readonly address: Ip4; readonly borrowed: boolean }
  /** In words, for after "found". */
  | { readonly refusal: string };

/** Owns its state: the blocks, and through them who may have what next. */
export class Ledger {
  readonly #pools = new Map<IpPool, PoolBlocks>();
  readonly #config: IpamConfig;
  readonly #blocks: HeldBlock[] = [];

  /** `given`: the blocks that exist, by address. Held addresses are not among the free ones. */
  constructor(
    pools: readonly IpPool[],
    given: readonly Omit<BlockClaim, 'at' | 'allocations'>[],
    obstacles: Obstacles,
    config: IpamConfig,
  ) {
    this.#config = config;
    for (const pool of pools) this.#pools.set(pool, new PoolBlocks(pool, obstacles));
    for (const claim of given) {
      const block = heldBlock(claim, poolOf(pools, claim.cidr), obstacles);
      if (block.pool !== undefined) this.#pools.get(block.pool)!.add(block);
      this.#blocks.push(block);
    }
  }

  /** Every block there is, by address. */
  sorted(): HeldBlock[] {
    return this.#blocks.sort((a, b) => (a.cidr.address >>> 0) - (b.cidr.address >>> 0));
  }

  /** Blocks of these pools that are affine to the node. */
  count(node: string, pools: readonly IpPool[]): number {
    return this.#of(pools).reduce((sum, pool) => sum + pool.count(node), 0);
  }

  /** Makes one more block of the first pool that has any the node's. */
  claim(node: string, pools: readonly IpPool[]): HeldBlock | undefined {
    for (const pool of this.#of(pools)) {
      const block = pool.claim(node);
      if (block === undefined) continue;
      this.#blocks.push(block);
      return block;
    }
    return undefined;
  }

  /**
   * The next address for the node from these pools, in the order of preference. Whoever
   * takes it must hold it before asking again.
   */
  take(node: string, pools: readonly IpPool[]): Taken {
    if (pools.length === 0) return { refusal: 'no enabled IPPool that selects the node' };
    const { autoAllocateBlocks, maxBlocksPerHost, strictAffinity } = this.#config;
    const own = this.#affine(node, pools);
    if (own !== undefined) return { address: own.free.peek()!, borrowed: false };

    for (let owned = this.count(node, pools); ; owned++) {
      if (owned >= maxBlocksPerHost) {
        return { refusal: `its blocks full and the limit of ${maxBlocksPerHost} blocks reached` };
      }
      if (!autoAllocateBlocks) return { refusal: 'its blocks full and autoAllocateBlocks off' };
      const block = this.claim(node, pools);
      if (block === undefined) break;
      const address = block.free.peek();
      if (address !== undefined) return { address, borrowed: false };
    }

    if (strictAffinity) {
      return {
        refusal: `no free block left in ${called(pools)}, and strictAffinity forbids to borrow`,
      };
    }
    for (const pool of this.#of(pools)) {
      const address = pool.lender(node)?.free.peek();
      if (address !== undefined) return { address, borrowed: true };
    }
    return { refusal: `no free address left in ${called(pools)}` };
  }

  #of(pools: readonly IpPool[]): PoolBlocks[] {
    return pools.map((pool) => this.#pools.get(pool)!);
  }

  /** Of all pools together the block that is listed first, as affinities are read in one list. */
  #affine(node: string, pools: readonly IpPool[]): HeldBlock | undefined {
    let first: HeldBlock | undefined;
    for (const pool of this.#of(pools)) {
      const block = pool.affine(node);
      if (block === undefined) continue;
      if (first === undefined || compareNames(block.name, first.name) < 0) first = block;
    }
    return first;
  }
}

const called = (pools: readonly IpPool[]): string =>
  listNames(pools.map(({ name }) => `IPPool/${name}`));
