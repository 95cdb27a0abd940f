/**
 * The prefixes of a large table in blocks: one for the lengths up to 16, one of 17 to 24 for
 * each /16 that has some, one of 25 to 32 for each /24. A block is a binary tree laid out as a
 * heap, the prefix of `d` bits `b` below the block's own at `2^d + b`, so that a route is found
 * by its place, without a way that leads there.
 *
 * A node is a number: its place in `slots`. A slot is the complement of a value, 0 for none.
 */
import { byAddress } from './prefix-order.ts';
import type { FibColumns, Prefixes, PrefixNode } from './prefixes.ts';

/** Slots of the lengths up to 16. */
const ROOT = 2 ** 17;
/** Slots of each other block; 0 and 1 are not used. */
const BLOCK = 512;
const MAX_INT16 = 0x7fff;

export class PrefixBlocks implements Prefixes {
  /** Replaced when it grows, and when a value comes that takes 32 bits. */
  slots: Int16Array | Int32Array;
  /** By /16, where its block of 17 to 24 bits begins; 0 for none. */
  readonly middle = new Int32Array(2 ** 16);
  /** By /16, how many of its /24 have a block of 25 to 32 bits. */
  readonly deep = new Uint16Array(2 ** 16);
  /** By /24, where that begins. */
  private readonly low = new Map<number, number>();
  /** By block, its prefixes. */
  private counts: Uint16Array;
  private used = 0;
  private readonly freed: number[] = [];

  /** `blocks`: how many to have room for at first. */
  constructor(blocks: number) {
    this.slots = new Int16Array(ROOT + blocks * BLOCK);
    this.counts = new Uint16Array(blocks);
  }

  /** Where the block of 25 to 32 bits of a /24 begins; 0 for none. */
  lowest(high24: number): number {
    return this.low.get(high24) ?? 0;
  }

  find(address: number, length: number): number {
    if (length <= 16) return placeOf(address, length);
    const block = length <= 24 ? this.middle[address >>> 16]! : this.lowest(address >>> 8);
    return block === 0 ? -1 : block + placeOf(address, length);
  }

  make(address: number, length: number): number {
    const node = this.find(address, length);
    if (node >= 0) return node;
    const block = this.take();
    if (length <= 24) this.middle[address >>> 16] = block;
    else {
      this.low.set(address >>> 8, block);
      this.deep[address >>> 16]! += 1;
    }
    return block + placeOf(address, length);
  }

  value(node: number): number {
    return ~this.slots[node]!;
  }

  set(node: number, value: number): void {
    if (value > MAX_INT16 && this.slots instanceof Int16Array) {
      this.slots = Int32Array.from(this.slots);
    }
    if (node >= ROOT && this.slots[node] === 0) this.counts[(node - ROOT) >>> 9]! += 1;
    this.slots[node] = ~value;
  }

  drop(address: number, length: number): void {
    const node = this.find(address, length);
    if (node < 0 || this.slots[node] === 0) return;
    this.slots[node] = 0;
    if (length <= 16) return;
    const number = (node - ROOT) >>> 9;
    this.counts[number]! -= 1;
    if (this.counts[number]! > 0) return;
    this.freed.push(ROOT + number * BLOCK);
    if (length <= 24) this.middle[address >>> 16] = 0;
    else {
      this.low.delete(address >>> 8);
      this.deep[address >>> 16]! -= 1;
    }
  }

  /** The value of the longest prefix of at most that length; -1 for none. */
  longest(address: number, length: number): number {
    const { slots } = this;
    if (length > 24) {
      const block = this.lowest(address >>> 8);
      const found = block === 0 ? 0 : climb(slots, block, placeOf(address, length), 2);
      if (found !== 0) return ~found;
    }
    if (length > 16) {
      const block = this.middle[address >>> 16]!;
      const from = placeOf(address, Math.min(length, 24));
      const found = block === 0 ? 0 : climb(slots, block, from, 2);
      if (found !== 0) return ~found;
    }
    return ~climb(slots, 0, placeOf(address, Math.min(length, 16)), 1);
  }

  /** Gives many prefixes a value, but none that has one already. How many there were. */
  load({ addresses, lengths, values }: FibColumns): number {
    this.reserve(addresses, lengths);
    const nodes = new Int32Array(1024);
    let added = 0;
    for (let from = 0; from < addresses.length; from += nodes.length) {
      const count = Math.min(nodes.length, addresses.length - from);
      for (let i = 0; i < count; i++)
        nodes[i] = this.make(addresses[from + i]!, lengths[from + i]!);
      // On its own, so that the processor waits for many slots at the same time.
      for (let i = 0; i < count; i++) {
        if (this.slots[nodes[i]!] !== 0) continue;
        this.set(nodes[i]!, values[from + i]!);
        added += 1;
      }
    }
    return added;
  }

  /** Makes room for the blocks of routes to come. */
  private reserve(addresses: ArrayLike<number>, lengths: ArrayLike<number>): void {
    const seen = new Uint8Array(2 ** 16);
    let blocks = 0;
    for (let i = 0; i < addresses.length; i++) {
      const length = lengths[i]!;
      const high = addresses[i]! >>> 16;
      if (length > 24) blocks += 1;
      else if (length > 16 && seen[high] === 0) {
        seen[high] = 1;
        blocks += 1;
      }
    }
    this.grow(this.used + blocks);
  }

  *prefixes(): Generator<PrefixNode> {
    const nodes: number[] = [];
    const addresses: number[] = [];
    const lengths: number[] = [];
    // Of equal addresses the longer first, which the order of addresses then keeps.
    const list = (block: number, size: number, above: number, bits: number): void => {
      for (let at = size - 1; at > 0; at--) {
        if (this.slots[block + at] === 0) continue;
        const depth = 31 - Math.clz32(at);
        nodes.push(block + at);
        lengths.push(bits + depth);
        const below = bits + depth === 0 ? 0 : (at - 2 ** depth) << (32 - bits - depth);
        addresses.push(above | below);
      }
    };
    for (const [high, block] of this.low) list(block, BLOCK, high << 8, 24);
    this.middle.forEach((block, high) => {
      if (block !== 0) list(block, BLOCK, high << 16, 16);
    });
    list(0, ROOT, 0, 0);
    for (const at of byAddress(addresses)) {
      yield { node: nodes[at]!, address: addresses[at]!, length: lengths[at]! };
    }
  }

  /** A block without values. */
  private take(): number {
    const freed = this.freed.pop();
    if (freed !== undefined) return freed;
    if (this.used === this.counts.length) this.grow(64 + Math.ceil(this.used * 1.5));
    return ROOT + BLOCK * this.used++;
  }

  private grow(blocks: number): void {
    if (blocks <= this.counts.length) return;
    const Slots = this.slots instanceof Int16Array ? Int16Array : Int32Array;
    const slots = new Slots(ROOT + blocks * BLOCK);
    slots.set(this.slots.subarray(0, ROOT + this.used * BLOCK));
    this.slots = slots;
    const counts = new Uint16Array(blocks);
    counts.set(this.counts.subarray(0, this.used));
    this.counts = counts;
  }
}

/** The place of a prefix in its block. */
export function placeOf(address: number, length: number): number {
  if (length === 0) return 1;
  const depth = length <= 16 ? length : length <= 24 ? length - 16 : length - 24;
  return (1 << depth) | ((address >>> (32 - length)) & ((1 << depth) - 1));
}

/** The first slot that is taken from a place of a block upwards; 0 for none. */
function climb(slots: Int16Array | Int32Array, block: number, from: number, to: number): number {
  for (let at = from; at >= to; at >>>= 1) {
    const slot = slots[block + at]!;
    if (slot !== 0) return slot;
  }
  return 0;
}
