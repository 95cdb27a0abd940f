/**
 * A lookup table of 8-8-10-6 bits, painted from a tree of prefixes and repainted in place when
 * one of them changes. The strides end at /16 and /26 because Calico's pools and blocks do.
 *
 * A shorter prefix stands in every cell it covers that no longer one has taken, so a
 * lookup takes one load a level and never looks back. Blocks are counted in units of
 * the smallest stride.
 */
import { type Cells, isBlock, makeCells, NARROW_BLOCKS, NOTHING, OVERFLOW } from './cells.ts';
import type { PrefixTree } from './prefix-tree.ts';

const STRIDES = [8, 8, 10, 6];
/** Bits of the smallest stride. */
const UNIT = 6;
/** Cells of `rest` at first. */
const FIRST = 256;

/**
 * Blocks of the third stride side by side, as Calico's pools make them: cell `start + i` is of
 * the addresses with `address >>> 6 === first + i`.
 */
export interface Window {
  readonly first: number;
  readonly start: number;
  readonly span: number;
}

const CLOSED: Window = { first: 0, start: 0, span: 0 };

export class StrideTable {
  /** The cells of the first stride; never replaced. */
  readonly top: Cells;
  /** The blocks of all others; replaced when it grows. */
  rest: Cells;
  /** Goes up when `rest` or `window` is another one. */
  layout = 0;
  /** Cells of `rest` that stand for ranges side by side; `span` is 0 where there are none. */
  window: Window = CLOSED;
  private readonly wide: boolean;
  /** Cells of `rest` in use. */
  private used = 0;
  /** By level, the blocks that nothing points to any more. */
  private readonly freed: number[][] = STRIDES.map(() => []);

  /** `wide`: cells of 32 bits. */
  constructor(wide: boolean) {
    this.wide = wide;
    this.top = makeCells(wide, 2 ** STRIDES[0]!);
    this.rest = makeCells(wide, FIRST);
  }

  /** Bytes of the cells. */
  get memory(): number {
    return this.top.byteLength + this.rest.byteLength;
  }

  /** Gives back what a first painting took too much. */
  trim(): void {
    this.resize(this.used);
  }

  /**
   * Puts the blocks of each level side by side, in the order of their addresses, and opens
   * the window.
   */
  arrange(): void {
    const from = this.rest;
    const to = makeCells(this.wide, from.length);
    let used = 0;
    /** Moves what the cells of a level point to; the cells' new places. */
    const move = (cells: Cells, at: readonly number[], level: number): number[] => {
      const blocks: number[] = [];
      const size = 2 ** STRIDES[level]!;
      for (const block of at) {
        for (let i = block; i < block + 2 ** STRIDES[level - 1]!; i++) {
          const cell = cells[i]!;
          if (!isBlock(cell)) continue;
          const offset = this.offset(cell);
          to.set(from.subarray(offset, offset + size), used);
          cells[i] = this.pointer(used);
          blocks.push(used);
          used += size;
        }
      }
      return blocks;
    };
    const second = move(this.top, [0], 1);
    const third = move(to, second, 2);
    move(to, third, 3);
    this.used = used;
    this.freed.forEach((blocks) => {
      blocks.length = 0;
    });
    this.rest = to;
    this.open(third);
  }

  /** The window over the most /16 one after the other. */
  private open(third: readonly number[]): void {
    const slots = third.length === 0 ? [] : this.slots();
    let best = 0;
    let most = 0;
    for (let from = 0, i = 0; i < slots.length; i++) {
      if (slots[i] !== slots[from]! + i - from) from = i;
      if (i - from + 1 > most) [best, most] = [from, i - from + 1];
    }
    this.window =
      most === 0 ? CLOSED : { first: slots[best]! << 10, start: third[best]!, span: most << 10 };
    this.layout += 1;
  }

  /** The /16 that have a block. */
  private slots(): number[] {
    const slots: number[] = [];
    for (let high = 0; high < 256; high++) {
      const cell = this.top[high]!;
      if (!isBlock(cell)) continue;
      for (let low = 0; low < 256; low++) {
        if (isBlock(this.rest[this.offset(cell) + low]!)) slots.push((high << 8) | low);
      }
    }
    return slots;
  }

  private resize(cells: number): void {
    const rest = makeCells(this.wide, cells);
    rest.set(this.rest.subarray(0, Math.min(this.used, cells)));
    this.rest = rest;
    this.layout += 1;
  }

  /** Paints what a prefix covers, as the tree has it now. Throws OVERFLOW. */
  paint(tree: PrefixTree, address: number, length: number): void {
    const { path } = tree;
    const reach = tree.follow(address, length);
    let depth = 0;
    let inherited = -1;
    let block = 0;
    for (let level = 0; ; level++) {
      const end = depth + STRIDES[level]!;
      const to = Math.min(end, length);
      for (; depth < to; depth++) {
        const value = depth <= reach ? tree.values[path[depth]!]! : -1;
        if (value >= 0) inherited = value;
      }
      const node = depth <= reach ? path[depth]! : -1;
      const cells = level === 0 ? this.top : this.rest;
      const slot = end === 0 ? 0 : (address >>> (32 - end)) & (2 ** STRIDES[level]! - 1);
      const covered = 2 ** (end - depth);
      const first = block + slot - (slot & (covered - 1));
      const cell = cells[first]!;
      // Below this level only if a block is there already and still needed.
      if (length <= end || !isBlock(cell) || !hasChildren(tree, node)) {
        this.fill(tree, node, level, first, covered, inherited);
        return;
      }
      block = this.offset(cell);
    }
  }

  private fill(
    tree: PrefixTree,
    node: number,
    level: number,
    first: number,
    span: number,
    above: number,
  ): void {
    const value = node < 0 ? -1 : tree.values[node]!;
    const inherited = value < 0 ? above : value;
    if (!hasChildren(tree, node)) {
      this.leaf(level, first, first + span, inherited);
    } else if (span > 1) {
      const half = span >> 1;
      const low = tree.children[2 * node]!;
      const high = tree.children[2 * node + 1]!;
      this.fill(tree, low === 0 ? -1 : low, level, first, half, inherited);
      this.fill(tree, high === 0 ? -1 : high, level, first + half, half, inherited);
    } else {
      const cell = (level === 0 ? this.top : this.rest)[first]!;
      const below = isBlock(cell) ? this.offset(cell) : this.take(level + 1);
      (level === 0 ? this.top : this.rest)[first] = this.pointer(below);
      this.fill(tree, node, level + 1, below, 2 ** STRIDES[level + 1]!, inherited);
    }
  }

  private leaf(level: number, from: number, to: number, cell: number): void {
    const cells = level === 0 ? this.top : this.rest;
    if (level + 1 < STRIDES.length) {
      for (let at = from; at < to; at++) {
        const before = cells[at]!;
        if (isBlock(before)) this.release(level + 1, this.offset(before));
      }
    }
    if (to - from > 16) cells.fill(cell, from, to);
    else for (let at = from; at < to; at++) cells[at] = cell;
  }

  private offset(cell: number): number {
    return (cell & (this.wide ? 0x7fffffff : 0x7fff)) << UNIT;
  }

  private pointer(offset: number): number {
    return (offset >>> UNIT) | (this.wide ? 0x80000000 : 0x8000);
  }

  private take(level: number): number {
    const freed = this.freed[level]!.pop();
    if (freed !== undefined) return freed;
    const block = this.used;
    const size = 2 ** STRIDES[level]!;
    if (!this.wide && (block + size) >>> UNIT > NARROW_BLOCKS) throw OVERFLOW;
    this.used += size;
    if (this.used > this.rest.length) {
      this.resize(Math.max(this.used, Math.ceil(this.rest.length * 1.5)));
    }
    return block;
  }

  private release(level: number, block: number): void {
    const size = 2 ** STRIDES[level]!;
    const { start, span } = this.window;
    if (level === 2 && block >= start && block < start + span) {
      // Its cells stand for other addresses soon.
      this.window = CLOSED;
      this.layout += 1;
    }
    if (level + 1 < STRIDES.length) {
      for (let at = block; at < block + size; at++) {
        const cell = this.rest[at]!;
        if (isBlock(cell)) this.release(level + 1, this.offset(cell));
      }
    }
    // Whoever takes it next finds no pointers in it.
    this.rest.fill(NOTHING, block, block + size);
    this.freed[level]!.push(block);
  }
}

const hasChildren = ({ children }: PrefixTree, node: number): boolean =>
  node >= 0 && (children[2 * node] !== 0 || children[2 * node + 1] !== 0);
