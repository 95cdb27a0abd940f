/**
 * Where small tables keep their words: blocks whose length is a power of two, many to an array.
 * An array of its own costs each table some two hundred bytes, and a packet two lines of the
 * processor's cache before the first word; thousands of nodes have a dozen tables each.
 */

/** A part of an array: as many words as were asked for, from `at` on. */
export interface Block {
  readonly words: Int32Array;
  readonly at: number;
}

/** Words of the first array and of the longest, and of a block that has one of its own. */
const FIRST = 256;
const LONGEST = 1 << 18;
const LONE = 1 << 16;

export class WordMemory {
  private page = new Int32Array(0);
  private used = 0;
  /** Blocks that were given back, by the logarithm of their length. */
  private readonly free: (Block[] | undefined)[] = [];

  /** A block of at least one word, all zero. */
  take(length: number): Block {
    const bits = bitsOf(length);
    const size = 2 ** bits;
    if (size >= LONE) return { words: new Int32Array(size), at: 0 };
    const again = this.free[bits]?.pop();
    if (again !== undefined) {
      again.words.fill(0, again.at, again.at + size);
      return again;
    }
    if (this.used + size > this.page.length) this.open(size);
    const at = this.used;
    this.used += size;
    return { words: this.page, at };
  }

  /** Nobody reads or writes this block any more, which was taken with this length. */
  give(block: Block, length: number): void {
    const bits = bitsOf(length);
    if (2 ** bits >= LONE) return;
    const alike = this.free[bits];
    if (alike === undefined) this.free[bits] = [block];
    else alike.push(block);
  }

  /** What is left of the array before is lost: less than the block that did not fit. */
  private open(size: number): void {
    const next = Math.min(Math.max(2 * this.page.length, FIRST), LONGEST);
    this.page = new Int32Array(Math.max(next, size));
    this.used = 0;
  }
}

const bitsOf = (length: number): number => 32 - Math.clz32(Math.max(length, 1) - 1);
