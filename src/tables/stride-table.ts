/**
 * A lookup table of fixed strides, painted from a tree of prefixes and repainted in
 * place when one of them changes.
 *
 *   8-8-10-6: | 8 bits | 8 bits | 10 bits | 6 bits |     24-8: | 24 bits | 8 bits |
 *
 *   cell of 16 bits:  0 nothing · below 0x8000: value + 1 · else: 0x8000 | block below
 *   cell of 32 bits:  0 nothing · above 0:      value + 1 · else: block below, sign bit set
 *
 * A shorter prefix stands in every cell it covers that no longer one has taken, so a
 * lookup takes one load a level and never looks back. Blocks are counted in units of
 * the smallest stride below the first.
 */
import type { PrefixTree } from './prefix-tree.ts';

export type Cells = Uint16Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** The largest value that fits a cell of 16 bits. */
export const MAX_NARROW = 0x7ffe;
const NARROW_BLOCKS = 0x8000;

/** Thrown where there are more blocks than a cell can point to: another form is needed. */
export const OVERFLOW = Symbol('too many blocks for cells of 16 bits');

export class StrideTable {
  /** The cells of the first stride; never replaced. */
  readonly top: Cells;
  /** The blocks of all others; replaced when it grows. */
  rest: Cells;
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
    const cells = this.array(this.used + spare);
    cells.set(this.rest.subarray(0, Math.min(this.used, cells.length)));
    this.rest = cells;
  }

  /** Paints what a prefix covers, as the tree has it now. Throws OVERFLOW. */
  paint(tree: PrefixTree, address: number, length: number): void {
    let node = 0;
    let depth = 0;
    let inherited = -1;
    let block = 0;
    for (let level = 0; ; level++) {
      const end = depth + this.strides[level]!;
      const to = Math.min(end, length);
      for (; depth < to; depth++) {
        if (node < 0) continue;
        const value = tree.values[node]!;
        if (value >= 0) inherited = value;
        const child = tree.children[2 * node + ((address >>> (31 - depth)) & 1)]!;
        node = child === 0 ? -1 : child;
      }
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
      this.leaf(level, first, first + span, inherited + 1);
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
    return this.wide ? cell < 0 : cell > 0x7fff;
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
      const cells = this.array(Math.max(this.used, Math.ceil(this.rest.length * 1.5)));
      cells.set(this.rest);
      this.rest = cells;
    }
    return block;
  }

  private release(level: number, block: number): void {
    const size = 2 ** this.strides[level]!;
    if (level + 1 < this.strides.length) {
      for (let at = block; at < block + size; at++) {
        const cell = this.rest[at]!;
        if (this.isBlock(cell)) this.release(level + 1, this.offset(cell));
      }
    }
    // Whoever takes it next finds no pointers in it.
    this.rest.fill(0, block, block + size);
    this.freed[level]!.push(block);
  }

  private array(cells: number): Cells {
    return this.wide ? new Int32Array(cells) : new Uint16Array(cells);
  }
}

const hasChildren = ({ children }: PrefixTree, node: number): boolean =>
  node >= 0 && (children[2 * node] !== 0 || children[2 * node + 1] !== 0);
