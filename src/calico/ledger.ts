/** Which blocks and addresses are taken, and the sequential rule for the next ones. */
import { type Ip4, lastOf, overlaps, type Prefix } from '../wire/address.ts';
import type { Field } from './field.ts';
import { type IpPool, poolOf } from './ip-pool.ts';
import type { BlockClaim } from './ipam-block.ts';
import { listNames } from './names.ts';

export interface Block {
  readonly cidr: Prefix;
  readonly node: string;
  /** Absent for a block outside every pool. */
  readonly pool: IpPool | undefined;
}

type Offers = (pool: IpPool) => boolean;

/** Owns its state: blocks by node, and what each pool and block still has. */
export class Ledger {
  readonly #pools: readonly IpPool[];
  readonly #given: readonly Prefix[];
  readonly #holders: Map<number, string>;
  readonly #blocks = new Map<string, Block[]>();
  /** First address of a pool, and of a block, not yet looked at; unsigned. */
  readonly #next = new Map<IpPool | Block, number>();

  constructor(
    pools: readonly IpPool[],
    given: readonly BlockClaim[],
    holders: Map<number, string>,
  ) {
    this.#pools = pools;
    this.#given = given.map(({ cidr }) => cidr);
    this.#holders = holders;
    for (const { cidr, node } of given) {
      if (node !== undefined) this.#add({ cidr, node, pool: poolOf(pools, cidr) });
    }
  }

  #add(block: Block): void {
    const blocks = this.#blocks.get(block.node);
    if (blocks === undefined) this.#blocks.set(block.node, [block]);
    else blocks.push(block);
  }

  has(node: string): boolean {
    return this.#blocks.has(node);
  }

  sorted(): Block[] {
    return [...this.#blocks.values()]
      .flat()
      .sort((a, b) => (a.cidr.address >>> 0) - (b.cidr.address >>> 0));
  }

  /** Gives the node the next free block of the first pool that has one. */
  claim(node: string, offers: Offers): Block | undefined {
    for (const pool of this.#pools) {
      const cidr = offers(pool) ? this.#freeBlock(pool) : undefined;
      if (cidr === undefined) continue;
      const block = { cidr, node, pool };
      this.#add(block);
      return block;
    }
    return undefined;
  }

  #freeBlock(pool: IpPool): Prefix | undefined {
    const size = 2 ** (32 - pool.blockSize);
    const last = lastOf(pool.cidr) >>> 0;
    let start = this.#next.get(pool) ?? pool.cidr.address >>> 0;
    while (start + size - 1 <= last) {
      const cidr = { address: (start | 0) as Ip4, length: pool.blockSize };
      const taken = this.#given.find((other) => overlaps(other, cidr));
      if (taken === undefined) {
        this.#next.set(pool, start + size);
        return cidr;
      }
      start = Math.max(start + size, (lastOf(taken) >>> 0) + 1);
    }
    this.#next.set(pool, start);
    return undefined;
  }

  /** The next free address in the node's blocks, or in a new one. */
  take(node: string, offers: Offers, at: Field, holder: string): Ip4 {
    for (const block of this.#blocks.get(node) ?? []) {
      const address =
        block.pool !== undefined && offers(block.pool) ? this.#freeAddress(block) : undefined;
      if (address !== undefined) return this.#hold(address, holder);
    }
    const pools = this.#pools.filter(offers);
    for (let block = this.claim(node, offers); block; block = this.claim(node, offers)) {
      const address = this.#freeAddress(block);
      if (address !== undefined) return this.#hold(address, holder);
    }
    throw at.conflict(
      `a free address on node ${node} for ${holder}`,
      pools.length === 0
        ? 'no enabled IPPool that selects the node'
        : `no free block left in ${listNames(pools.map(({ name }) => `IPPool/${name}`))}`,
    );
  }

  #hold(address: Ip4, holder: string): Ip4 {
    this.#holders.set(address, holder);
    return address;
  }

  #freeAddress(block: Block): Ip4 | undefined {
    const last = lastOf(block.cidr) >>> 0;
    for (let next = this.#next.get(block) ?? block.cidr.address >>> 0; next <= last; next++) {
      this.#next.set(block, next + 1);
      if (!this.#holders.has(next | 0)) return (next | 0) as Ip4;
    }
    return undefined;
  }
}
