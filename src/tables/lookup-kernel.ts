/**
 * Lookups over the cells of a table (stride-table.ts), as closures: V8 makes constants of
 * what a closure has captured, base address and length of the arrays included, as long as
 * the factory was called once. A process with one large table has its lookups twice as
 * fast by that.
 */
import type { StrideTable } from './stride-table.ts';

/** Addresses in, values out; -1 where no prefix matches. */
export interface Kernel {
  lookup(address: number): number;
  /** The first `count` addresses. */
  batch(addresses: Addresses, values: Int32Array, count: number): void;
}

/** IPv4 addresses, signed or not. */
export type Addresses = Int32Array | Uint32Array;

/** Addresses copied next to the tables at a time. */
const CHUNK = 2048;

/** 24-8 bits in cells of 16 bits. */
function narrow24(top: Uint16Array, rest: Uint16Array): Kernel {
  const input = new Int32Array(CHUNK);
  const output = new Int32Array(CHUNK);
  const fill = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const address = input[i]!;
      const cell = top[address >>> 8]!;
      output[i] = (cell < 0x8000 ? cell : rest[((cell & 0x7fff) << 8) | (address & 255)]!) - 1;
    }
  };
  return {
    lookup: (address) => {
      const cell = top[address >>> 8]!;
      return (cell < 0x8000 ? cell : rest[((cell & 0x7fff) << 8) | (address & 255)]!) - 1;
    },
    batch: inChunks(input, output, fill),
  };
}

/** 24-8 bits in cells of 32 bits. */
function wide24(top: Int32Array, rest: Int32Array): Kernel {
  const lookup = (address: number): number => {
    const cell = top[address >>> 8]!;
    return (cell >= 0 ? cell : rest[((cell & 0x7fffffff) << 8) | (address & 255)]!) - 1;
  };
  return { lookup, batch: oneByOne(lookup) };
}

/** 8-8-10-6 bits in cells of 16 bits: also for whoever has many such tables at hand. */
export function find8(top: Uint16Array, rest: Uint16Array, address: number): number {
  let cell = top[address >>> 24]!;
  if (cell < 0x8000) return cell - 1;
  cell = rest[((cell & 0x7fff) << 6) + ((address >>> 16) & 255)]!;
  if (cell < 0x8000) return cell - 1;
  cell = rest[((cell & 0x7fff) << 6) + ((address >>> 6) & 1023)]!;
  if (cell < 0x8000) return cell - 1;
  return rest[((cell & 0x7fff) << 6) + (address & 63)]! - 1;
}

function narrow8(top: Uint16Array, rest: Uint16Array): Kernel {
  const lookup = (address: number): number => find8(top, rest, address);
  return { lookup, batch: oneByOne(lookup) };
}

/** 8-8-10-6 bits in cells of 32 bits. */
function wide8(top: Int32Array, rest: Int32Array): Kernel {
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

/** Of a table as it is now. `is24`: its strides are 24-8 bits. */
export const kernelOf = ({ top, rest }: StrideTable, is24: boolean): Kernel =>
  top instanceof Uint16Array
    ? (is24 ? narrow24 : narrow8)(top, rest as Uint16Array)
    : (is24 ? wide24 : wide8)(top, rest as Int32Array);
