/**
 * Lookups over the cells of a table (stride-table.ts), as closures: V8 makes constants of
 * what a closure has captured, base address and length of the arrays included, as long as
 * the factory was called once. A process with one large table has its lookups twice as
 * fast by that.
 */
import type { StrideTable, Window } from './stride-table.ts';

/** Addresses in, values out; -1 where no prefix matches. */
export interface Kernel {
  lookup(address: number): number;
  /** The first `count` addresses. */
  batch(addresses: Addresses, values: Int32Array, count: number): void;
}

interface Narrow {
  readonly top: Uint16Array;
  readonly rest: Uint16Array;
  readonly window: Window;
}

interface Wide {
  readonly top: Int32Array;
  readonly rest: Int32Array;
}

/** IPv4 addresses, signed or not. */
export type Addresses = Int32Array | Uint32Array;

/** Addresses copied next to the tables at a time. */
const CHUNK = 2048;

/** 24-8 bits in cells of 16 bits. */
function narrow24({ top, rest }: Narrow): Kernel {
  const input = new Int32Array(CHUNK);
  const output = new Int32Array(CHUNK);
  const below = (cell: number, address: number): number =>
    rest[((cell & 0x7fff) << 8) | (address & 255)]!;
  const lookup = (address: number): number => {
    const cell = top[address >>> 8]!;
    return (cell < 0x8000 ? cell : below(cell, address)) - 1;
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
      if ((w | x | y | z) >= 0x8000) {
        if (w >= 0x8000) w = below(w, a);
        if (x >= 0x8000) x = below(x, b);
        if (y >= 0x8000) y = below(y, c);
        if (z >= 0x8000) z = below(z, d);
      }
      output[i] = w - 1;
      output[i + 1] = x - 1;
      output[i + 2] = y - 1;
      output[i + 3] = z - 1;
    }
    for (; i < count; i++) output[i] = lookup(input[i]!);
  };
  return { lookup, batch: inChunks(input, output, fill) };
}

/** 24-8 bits in cells of 32 bits. */
function wide24({ top, rest }: Wide): Kernel {
  const lookup = (address: number): number => {
    const cell = top[address >>> 8]!;
    return (cell >= 0 ? cell : rest[((cell & 0x7fffffff) << 8) | (address & 255)]!) - 1;
  };
  return { lookup, batch: oneByOne(lookup) };
}

/** 8-8-10-6 bits in cells of 16 bits: for whoever has many such tables at hand. */
export function find8(top: Uint16Array, rest: Uint16Array, address: number): number {
  let cell = top[address >>> 24]!;
  if (cell < 0x8000) return cell - 1;
  cell = rest[((cell & 0x7fff) << 6) + ((address >>> 16) & 255)]!;
  if (cell < 0x8000) return cell - 1;
  cell = rest[((cell & 0x7fff) << 6) + ((address >>> 6) & 1023)]!;
  if (cell < 0x8000) return cell - 1;
  return rest[((cell & 0x7fff) << 6) + (address & 63)]! - 1;
}

/** The same, with the window first. */
function narrow8({ top, rest, window: { first, start, span } }: Narrow): Kernel {
  const lookup = (address: number): number => {
    const at = (address >>> 6) - first;
    if (at >>> 0 >= span) return find8(top, rest, address);
    const cell = rest[start + at]!;
    return (cell < 0x8000 ? cell : rest[((cell & 0x7fff) << 6) + (address & 63)]!) - 1;
  };
  return { lookup, batch: oneByOne(lookup) };
}

/** 8-8-10-6 bits in cells of 32 bits. */
function wide8({ top, rest }: Wide): Kernel {
  const lookup = (address: number): number => {
    let cell = top[address >>> 24]!;
    if (cell >= 0) return cell - 1;
    cell = rest[((cell & 0x7fffffff) << 6) + ((address >>> 16) & 255)]!;
    if (cell >= 0) return cell - 1;
    cell = rest[((cell & 0x7fffffff) << 6) + ((address >>> 6) & 1023)]!;
    if (cell >= 0) return cell - 1;
    return rest[((cell & 0x7fffffff) << 6) + (address & 63)]! - 1;
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

/** Of a table as it is now, until its layout changes. */
export function kernelOf(table: StrideTable): Kernel {
  const is24 = table.top.length > 256;
  return table.top instanceof Uint16Array
    ? (is24 ? narrow24 : narrow8)(table as Narrow)
    : (is24 ? wide24 : wide8)(table as Wide);
}
