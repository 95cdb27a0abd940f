/**
 * A lookup table of 24-8 bits (Gupta, Lin, McKeown 1998, DIR-24-8), painted from the prefixes of
 * a large table: a cell for each /24, and a block of 256 for one with longer prefixes in it.
 */
import { type Cells, isBlock, makeCells, NARROW_BLOCKS, NOTHING, OVERFLOW } from './cells.ts';
import { type FlatMemory, makeFlatMemory, TOP } from './lookup-memory.ts';
import { type PrefixBlocks, placeOf } from './prefix-blocks.ts';

/** Blocks of 32-bit cells for routes to come, for the arrays to stay the same. */
const SPARE = 256;

export class FlatTable {
  /** By /24; never replaced. */
  readonly top: Cells;
  /** The blocks; replaced when it grows, if its cells are of 32 bits. */
  rest: Cells;
  /** Of the cells of 16 bits. */
  readonly flat: FlatMemory | null;
  /** Goes up when `rest` is another one. */
  layout = 0;
  private readonly wide: boolean;
  private used = 0;
  /** The blocks that nothing points to any more. */
  private readonly freed: number[] = [];
  /** What the cells of a /16 would hold if none had a block. */
  private readonly plain: Cells;

  /** `wide`: cells of 32 bits. */
  constructor(wide: boolean) {
    this.wide = wide;
    this.plain = makeCells(wide, 256);
    this.flat = wide ? null : makeFlatMemory();
    this.top = this.flat?.top.fill(NOTHING) ?? makeCells(wide, TOP);
    this.rest = this.flat?.rest ?? makeCells(wide, SPARE * 256);
  }

  /** Bytes of the cells: of those of 16 bits, of the blocks that were ever used. */
  get memory(): number {
    const { top, rest } = this;
    return top.byteLength + (this.wide ? rest.byteLength : this.used * 512);
  }

  /** Leaves room for `SPARE` blocks more than there are. */
  trim(): void {
    if (this.wide) this.resize(this.used + SPARE);
  }

  /** Paints what a prefix covers, as the routes have it now. Throws OVERFLOW. */
  paint(routes: PrefixBlocks, address: number, length: number): void {
    if (length > 24) this.cell(routes, address >>> 8, routes.longest(address, 24));
    else {
      const value = routes.longest(address, length);
      const place = placeOf(address, length);
      if (length > 16) this.part(routes, address >>> 16, place, value);
      else this.below(routes, place, value);
    }
  }

  /** What lies at and below a place in the first block of prefixes. */
  private below(routes: PrefixBlocks, at: number, above: number): void {
    const slot = routes.slots[at]!;
    const value = slot === 0 ? above : ~slot;
    if (at >= 2 ** 16) this.part(routes, at - 2 ** 16, 1, value);
    else {
      this.below(routes, 2 * at, value);
      this.below(routes, 2 * at + 1, value);
    }
  }

  /** What lies below a place in the block of prefixes of a /16, where `value` stands. */
  private part(routes: PrefixBlocks, high: number, place: number, value: number): void {
    const span = 256 >>> (31 - Math.clz32(place));
    const from = (place * span) & 255;
    const first = (high << 8) + from;
    const block = routes.middle[high]!;
    const isPlain = routes.deep[high] === 0;
    const cells = isPlain ? this.top : this.plain;
    const at = isPlain ? first : from;
    fill(cells, value, at, span);
    if (block !== 0) paintBlock(cells, at, span, routes.slots, block, place);
    if (!isPlain) for (let i = 0; i < span; i++) this.cell(routes, first + i, cells[from + i]!);
  }

  /** The cell of a /24, and its block where there are longer prefixes. */
  private cell(routes: PrefixBlocks, high: number, value: number): void {
    const before = this.top[high]!;
    const block = routes.lowest(high);
    if (block === 0) {
      if (isBlock(before)) this.freed.push(this.number(before));
      this.top[high] = value;
      return;
    }
    const number = isBlock(before) ? this.number(before) : this.take();
    this.top[high] = number | (this.wide ? 0x80000000 : 0x8000);
    fill(this.rest, value, number << 8, 256);
    paintBlock(this.rest, number << 8, 256, routes.slots, block, 1);
  }

  private number(cell: number): number {
    return cell & (this.wide ? 0x7fffffff : 0x7fff);
  }

  private take(): number {
    const freed = this.freed.pop();
    if (freed !== undefined) return freed;
    if (!this.wide && this.used === NARROW_BLOCKS) throw OVERFLOW;
    this.used += 1;
    if (this.used << 8 > this.rest.length) this.resize(SPARE + Math.ceil(this.used * 1.5));
    return this.used - 1;
  }

  private resize(blocks: number): void {
    const rest = makeCells(true, blocks << 8);
    rest.set(this.rest.subarray(0, Math.min(this.used, blocks) << 8));
    this.rest = rest;
    this.layout += 1;
  }
}

/** Paints the prefixes below a place in a block over the `span` cells of that place. */
export function paintBlock(
  cells: Cells,
  first: number,
  span: number,
  slots: PrefixBlocks['slots'],
  block: number,
  place: number,
): void {
  // The shorter first: a longer one then stands over them.
  for (let at = block + 2 * place, row = 2, width = span >>> 1; width > 0; width >>>= 1) {
    for (let i = 0; i < row; i++) {
      const slot = slots[at + i]!;
      if (slot !== 0) fill(cells, ~slot, first + i * width, width);
    }
    at += at - block;
    row *= 2;
  }
}

/** Gives `count` cells a value. */
export function fill(cells: Cells, value: number, first: number, count: number): void {
  if (count > 16) cells.fill(value, first, first + count);
  else for (let at = first; at < first + count; at++) cells[at] = value;
}
