/**
 * Lookups over the cells of a table (stride-table.ts), as closures: V8 makes constants of
 * what a closure has captured, base address and length of the arrays included, as long as
 * the factory was called once. A process with one large table has its lookups twice as
 * fast by that. A lookup calls nothing and names no constant of the module: what V8 does not
 * inline costs a loop around it the registers, and a bundle has variables for constants.
 */
import type { CompactTable } from './compact-table.ts';
import type { FlatTable } from './flat-table.ts';
import { CHUNK, type CompactMemory, type FlatMemory } from './lookup-memory.ts';
import { findShort, type ShortTable } from './short-table.ts';
import type { StrideTable, Window } from './stride-table.ts';

/** Addresses in, values out; -1 where no prefix matches. */
export interface Kernel {
  lookup(address: number): number;
  /** The first `count` addresses. */
  batch(addresses: Addresses, values: Int32Array, count: number): void;
}

interface Narrow {
  readonly top: Int16Array;
  readonly rest: Int16Array;
}

interface Pool extends Narrow {
  readonly window: Window;
}

interface Wide {
  readonly top: Int32Array;
  readonly rest: Int32Array;
}

/** IPv4 addresses, signed or not. */
export type Addresses = Int32Array | Uint32Array;

/** 24-8 bits in cells of 16 bits; `plain`: in TypeScript alone. */
export function narrow24({ top, rest, input, output, answer }: FlatMemory, plain = false): Kernel {
  const lookup = (address: number): number => {
    const cell = top[address >>> 8]!;
    return cell >= -1 ? cell : rest[((cell & 0x7fff) << 8) | (address & 255)]!;
  };
  const fill = (count: number): void => {
    let i = 0;
    for (; i + 4 <= count; i += 4) {
      // All loads first: the processor waits for them at the same time.
      const a = input[i]!;
      const b = input[i + 1]!;
      const c = input[i + 2]!;
      const d = input[i + 3]!;
      let w = top[a >>> 8]!;
      let x = top[b >>> 8]!;
      let y = top[c >>> 8]!;
      let z = top[d >>> 8]!;
      if ((w | x | y | z) < 0) {
        if (w < -1) w = rest[((w & 0x7fff) << 8) | (a & 255)]!;
        if (x < -1) x = rest[((x & 0x7fff) << 8) | (b & 255)]!;
        if (y < -1) y = rest[((y & 0x7fff) << 8) | (c & 255)]!;
        if (z < -1) z = rest[((z & 0x7fff) << 8) | (d & 255)]!;
      }
      output[i] = w;
      output[i + 1] = x;
      output[i + 2] = y;
      output[i + 3] = z;
    }
    for (; i < count; i++) output[i] = lookup(input[i]!);
  };
  return { lookup, batch: inChunks(input, output, plain ? fill : (answer ?? fill)) };
}

/** 24-8 bits in cells of 32 bits. */
function wide24({ top, rest }: Wide): Kernel {
  const lookup = (address: number): number => {
    const cell = top[address >>> 8]!;
    return cell >= -1 ? cell : rest[((cell & 0x7fffffff) << 8) | (address & 255)]!;
  };
  return { lookup, batch: oneByOne(lookup) };
}

/** Runs of values of 16 bits; `plain`: in TypeScript alone. */
export function narrowRuns(table: CompactMemory, plain = false): Kernel {
  const { words, leaves, input, output, answer } = table;
  const lookup = (address: number): number => {
    const cell = leaves[place(words, address >>> 14, address >>> 8)]!;
    if (cell >= -1) return cell;
    const group = 0x40000 + ((cell & 0x7fff) << 2) + ((address >>> 6) & 3);
    return leaves[place(words, group, address)]!;
  };
  const fast = plain || answer === null ? undefined : inChunks(input, output, answer);
  return { lookup, batch: fast ?? oneByOne(lookup) };
}

/** Runs of values of 32 bits. */
function wideRuns({ words, leaves }: CompactTable): Kernel {
  const lookup = (address: number): number => {
    const cell = leaves[place(words, address >>> 14, address >>> 8)]!;
    if (cell >= -1) return cell;
    const group = 0x40000 + ((cell & 0x7fffffff) << 2) + ((address >>> 6) & 3);
    return leaves[place(words, group, address)]!;
  };
  return { lookup, batch: oneByOne(lookup) };
}

/** Where the value of a bit of a group is: compact-table.ts has the layout. */
function place(words: Int32Array, group: number, bit: number): number {
  const down = ((bit >>> 5) & 1) - 1;
  let rest = words[3 * group + 1 + down]! & ((-2 << bit) ^ ~down);
  rest -= (rest >>> 1) & 0x55555555;
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333);
  const count = Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  return words[3 * group + 2]! + ((count ^ down) - down);
}

/** 8-8-10-6 bits in cells of 16 bits: for whoever has many such tables at hand. */
export function find8(top: Int16Array, rest: Int16Array, address: number): number {
  let cell = top[address >>> 24]!;
  if (cell >= -1) return cell;
  cell = rest[((cell & 0x7fff) << 6) + ((address >>> 16) & 255)]!;
  if (cell >= -1) return cell;
  cell = rest[((cell & 0x7fff) << 6) + ((address >>> 6) & 1023)]!;
  if (cell >= -1) return cell;
  return rest[((cell & 0x7fff) << 6) + (address & 63)]!;
}

/** The same, with the window first. */
function narrow8({ top, rest, window: { first, start, span } }: Pool): Kernel {
  const pool = rest.subarray(start, start + span);
  const lookup = (address: number): number => {
    const at = (address >>> 6) - first;
    let cell: number;
    if (at >>> 0 < span) cell = pool[at]!;
    else {
      cell = top[address >>> 24]!;
      if (cell >= -1) return cell;
      cell = rest[((cell & 0x7fff) << 6) + ((address >>> 16) & 255)]!;
      if (cell >= -1) return cell;
      cell = rest[((cell & 0x7fff) << 6) + ((address >>> 6) & 1023)]!;
    }
    return cell >= -1 ? cell : rest[((cell & 0x7fff) << 6) + (address & 63)]!;
  };
  return { lookup, batch: oneByOne(lookup) };
}

/** 8-8-10-6 bits in cells of 32 bits. */
function wide8({ top, rest }: Wide): Kernel {
  const lookup = (address: number): number => {
    let cell = top[address >>> 24]!;
    if (cell >= -1) return cell;
    cell = rest[((cell & 0x7fffffff) << 6) + ((address >>> 16) & 255)]!;
    if (cell >= -1) return cell;
    cell = rest[((cell & 0x7fffffff) << 6) + ((address >>> 6) & 1023)]!;
    if (cell >= -1) return cell;
    return rest[((cell & 0x7fffffff) << 6) + (address & 63)]!;
  };
  return { lookup, batch: oneByOne(lookup) };
}

const oneByOne =
  (lookup: Kernel['lookup']): Kernel['batch'] =>
  (addresses, values, count) => {
    for (let i = 0; i < count; i++) values[i] = lookup(addresses[i]!);
  };

/** The loop itself sees only arrays that it has captured. */
function inChunks(
  input: Int32Array,
  output: Int32Array,
  fill: (count: number) => void,
): Kernel['batch'] {
  const unsigned = new Uint32Array(input.buffer);
  return (addresses, values, count) => {
    for (let at = 0; at < count; at += CHUNK) {
      const length = Math.min(CHUNK, count - at);
      const part = addresses.subarray(at, at + length);
      // Of one type, so that it is a copy of memory.
      if (part instanceof Int32Array) input.set(part);
      else unsigned.set(part);
      fill(length);
      values.set(length === CHUNK ? output : output.subarray(0, length), at);
    }
  };
}

/** A list of few. */
function listed({ triples }: ShortTable): Kernel {
  const lookup = (address: number): number => findShort(triples, address);
  return { lookup, batch: oneByOne(lookup) };
}

/** Of a table as it is now, until its layout changes. */
export function kernelOf(table: ShortTable | StrideTable | FlatTable | CompactTable): Kernel {
  if ('triples' in table) return listed(table);
  if ('words' in table) return table.compact ? narrowRuns(table.compact) : wideRuns(table);
  const isNarrow = table.top instanceof Int16Array;
  if ('window' in table) return isNarrow ? narrow8(table as Pool) : wide8(table as Wide);
  return table.flat === null ? wide24(table as Wide) : narrow24(table.flat);
}
