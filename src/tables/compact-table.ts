/**
 * A lookup table of a few MiB for a million routes, made at once from the prefixes of a large
 * table: the cells that flat-table.ts would have, but only where one differs from the one
 * before it. A bit for each /24 tells where such a run begins, so the number of bits up to an
 * address is the place of its value (Jacobson 1989, rank). A /24 with longer prefixes in it has
 * 256 bits of its own, behind the 2^24.
 *
 * A group is 64 bits and the place of the value at its 32nd bit: three words. From there
 * at most 32 bits are to be counted, up or down.
 */
import { type Cells, makeCells, NARROW_BLOCKS, OVERFLOW } from './cells.ts';
import { fill, paintBlock } from './flat-table.ts';
import { type CompactMemory, makeCompactMemory } from './lookup-memory.ts';
import type { PrefixBlocks } from './prefix-blocks.ts';

/** Of the /24s; a block of a /24 is four more. */
const GROUPS = 2 ** 18;

export class CompactTable {
  /** The groups. */
  readonly words: Int32Array;
  /** By run. */
  readonly leaves: Cells;
  /** Of values of 16 bits. */
  readonly compact: CompactMemory | null;

  /** `wide`: values of 32 bits. Throws OVERFLOW. */
  constructor(routes: PrefixBlocks, wide: boolean) {
    const blocks = routes.deep.reduce((sum, deep) => sum + deep, 0);
    if (!wide && blocks > NARROW_BLOCKS) throw OVERFLOW;
    const runs = new Runs(GROUPS + 4 * blocks, wide);
    const deep = writeTop(routes, runs);
    for (const high of deep) writeBlock(routes, high, runs);
    const { words } = runs;
    const leaves = runs.leaves.subarray(0, runs.count);
    this.compact = leaves instanceof Int16Array ? makeCompactMemory(words, leaves) : null;
    this.words = this.compact?.words ?? words;
    this.leaves = this.compact?.leaves ?? leaves.slice();
  }

  /** Bytes of the groups and values. */
  get memory(): number {
    return this.words.byteLength + this.leaves.byteLength;
  }
}

/** Groups and values, one cell after the other. */
class Runs {
  readonly words: Int32Array;
  leaves: Cells;
  count = 0;
  /** Cells so far. */
  private cells = 0;

  constructor(groups: number, wide: boolean) {
    this.words = new Int32Array(groups * 3);
    this.leaves = makeCells(wide, 2 ** 16);
  }

  add(cell: number): void {
    const bit = this.cells & 63;
    const group = (this.cells >>> 6) * 3;
    if (this.count === 0 || cell !== this.leaves[this.count - 1]) {
      this.words[group + (bit >>> 5)]! |= 1 << bit;
      if (this.count === this.leaves.length) this.grow();
      this.leaves[this.count++] = cell;
    }
    if (bit === 31) this.words[group + 2] = this.count - 1;
    this.cells += 1;
  }

  private grow(): void {
    const leaves = makeCells(this.leaves instanceof Int32Array, this.count * 2);
    leaves.set(this.leaves);
    this.leaves = leaves;
  }
}

/** The cells of all /24. Those that have a block. */
function writeTop(routes: PrefixBlocks, runs: Runs): number[] {
  const deep: number[] = [];
  const block = runs.leaves instanceof Int32Array ? 0x80000000 : 0xffff8000;
  const cells = new Int32Array(256);
  for (let high = 0; high < 2 ** 16; high++) {
    paintCells(cells, routes, routes.longest(high << 16, 16), routes.middle[high]!);
    const isPlain = routes.deep[high] === 0;
    for (let i = 0; i < 256; i++) {
      if (isPlain || routes.lowest((high << 8) | i) === 0) runs.add(cells[i]!);
      else runs.add((deep.push((high << 8) | i) - 1) | block);
    }
  }
  return deep;
}

function writeBlock(routes: PrefixBlocks, high: number, runs: Runs): void {
  const cells = new Int32Array(256);
  paintCells(cells, routes, routes.longest(high << 8, 24), routes.lowest(high));
  for (const cell of cells) runs.add(cell);
}

/** A block of prefixes over the value above it. */
function paintCells(
  cells: Int32Array<ArrayBuffer>,
  routes: PrefixBlocks,
  above: number,
  block: number,
): void {
  fill(cells, above, 0, 256);
  if (block !== 0) paintBlock(cells, 0, 256, routes.slots, block, 1);
}
