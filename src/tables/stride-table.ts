/**
 * A lookup table of fixed strides, painted from a tree of prefixes and repainted in
 * place when one of them changes.
 *
 *   8-8-10-6: | 8 bits | 8 bits | 10 bits | 6 bits |     24-8: | 24 bits | 8 bits |
 *
 * A cell is a signed number of 16 or 32 bits: a value from 0 on, -1 for nothing, and below
 * that the number of a block with the sign bit set.
 *
 * A shorter prefix stands in every cell it covers that no longer one has taken, so a
 * lookup takes one load a level and never looks back. Blocks are counted in units of
 * the smallest stride below the first.
 */
import type { PrefixTree } from './prefix-tree.ts';

export type Cells = Int16Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** The largest value that fits a cell of 16 bits. */
export const MAX_NARROW = 0x7fff;
/** One less than there are numbers: the last one would read as nothing. */
const NARROW_BLOCKS = 0x7fff;
/** What a cell holds where no prefix matches. */
const NOTHING = -1;

/** Thrown where there are more blocks than a cell can point to: another form is needed. */
export const OVERFLOW = Symbol('too many blocks for cells of 16 bits');

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
  private readonly strides: readonly number[];
  private readonly wide: boolean;
  private readonly unit: number;
  /** Cells of `rest` in use. */
  private used = 0;
  /** By level, the blocks that nothing points to any more. */
  private readonly freed: number[][];

  /** `cells`: of `rest` at first. `wide`: values beyond `MAX_NARROW` fit. */
  constructor(strides: readonly number[], wide: boolean, cells: number) {
    this.strides = strides;
    this.wide = wide;
    this.unit = Math.min(...strides.slice(1));
    this.freed = strides.map(() => []);
    this.top = this.array(2 ** strides[0]!);
    this.rest = this.array(cells);
  }

  /** Bytes of the cells. */
  get memory(): number {
    return this.top.byteLength + this.rest.byteLength;
  }

  /** Gives back what a first painting took too much, but for `spare` cells. */
  trim(spare: number): void {
    this.resize(this.used + spare);
  }

  /**
   * Puts the blocks of each level side by side, in the order of their addresses, and opens
   * the window. For a table of 8-8-10-6 bits that was painted once.
   */
  arrange(): void {
    const from = this.rest;
    const to = this.array(from.length);
    let used = 0;
    /** Moves what the cells of a level point to; the cells' new places. */
    const move = (cells: Cells, at: readonly number[], level: number): number[] => {
      const blocks: number[] = [];
      const size = 2 ** this.strides[level]!;
      for (const block of at) {
        for (let i = block; i < block + 2 ** this.strides[level - 1]!; i++) {
          const cell = cells[i]!;
          if (!this.isBlock(cell)) continue;
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
      if (!this.isBlock(cell)) continue;
      for (let low = 0; low < 256; low++) {
        if (this.isBlock(this.rest[this.offset(cell) + low]!)) slots.push((high << 8) | low);
      }
    }
    return slots;
  }

  private resize(cells: number): void {
    const rest = this.array(cells);
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
      const end = depth + this.strides[level]!;
      const to = Math.min(end, length);
      for (; depth < to; depth++) {
        const value = depth <= reach ? tree.values[path[depth]!]! : -1;
        if (value >= 0) inherited = value;
      }
      const node = depth <= reach ? path[depth]! : -1;
      const cells = level === 0 ? this.top : this.rest;
      const slot = end === 0 ? 0 : (address >>> (32 - end)) & (2 ** this.strides[level]! - 1);
      const covered = 2 ** (end - depth);
      const first = block + slot - (slot & (covered - 1));
      const cell = cells[first]!;
      // Below this level only if a block is there already and still needed.
      if (length <= end || !this.isBlock(cell) || !hasChildren(tree, node)) {
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
      const below = this.isBlock(cell) ? this.offset(cell) : this.take(level + 1);
      (level === 0 ? this.top : this.rest)[first] = this.pointer(below);
      this.fill(tree, node, level + 1, below, 2 ** this.strides[level + 1]!, inherited);
    }
  }

  private leaf(level: number, from: number, to: number, cell: number): void {
    const cells = level === 0 ? this.top : this.rest;
    if (level + 1 < this.strides.length) {
      for (let at = from; at < to; at++) {
        const before = cells[at]!;
        if (this.isBlock(before)) this.release(level + 1, this.offset(before));
      }
    }
    if (to - from > 16) cells.fill(cell, from, to);
    else for (let at = from; at < to; at++) cells[at] = cell;
  }

  private isBlock(cell: number): boolean {
    return cell < NOTHING;
  }

  private offset(cell: number): number {
    return (cell & (this.wide ? 0x7fffffff : 0x7fff)) << this.unit;
  }

  private pointer(offset: number): number {
    return (offset >>> this.unit) | (this.wide ? 0x80000000 : 0x8000);
  }

  private take(level: number): number {
    const freed = this.freed[level]!.pop();
    if (freed !== undefined) return freed;
    const block = this.used;
    const size = 2 ** this.strides[level]!;
    if (!this.wide && (block + size) >>> this.unit > NARROW_BLOCKS) throw OVERFLOW;
    this.used += size;
    if (this.used > this.rest.length) {
      this.resize(Math.max(this.used, Math.ceil(this.rest.length * 1.5)));
    }
    return block;
  }

  private release(level: number, block: number): void {
    const size = 2 ** this.strides[level]!;
    const { start, span } = this.window;
    if (level === 2 && block >= start && block < start + span) {
      // Its cells stand for other addresses soon.
      this.window = CLOSED;
      this.layout += 1;
    }
    if (level + 1 < this.strides.length) {
      for (let at = block; at < block + size; at++) {
        const cell = this.rest[at]!;
        if (this.isBlock(cell)) this.release(level + 1, this.offset(cell));
      }
    }
    // Whoever takes it next finds no pointers in it.
    this.rest.fill(NOTHING, block, block + size);
    this.freed[level]!.push(block);
  }

  private array(cells: number): Cells {
    return (this.wide ? new Int32Array(cells) : new Int16Array(cells)).fill(NOTHING);
  }
}

const hasChildren = ({ children }: PrefixTree, node: number): boolean =>
  node >= 0 && (children[2 * node] !== 0 || children[2 * node + 1] !== 0);
