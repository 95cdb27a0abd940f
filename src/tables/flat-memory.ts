/**
 * Where a table of 24-8 bits in cells of 16 bits lies (flat-table.ts): a WebAssembly memory, so
 * that batches go through the kernel of wasm/assembly/lookup.ts. It has room for every block
 * from the first, and never moves: what is never written costs address space alone.
 *
 *   0        CHUNK * 4   CHUNK * 8   + 32 MiB
 *   | input  | output    | top       | rest, 16 MiB |
 */
import { kernel, makeMemory } from '../wasm/module.ts';
import { NARROW_BLOCKS } from './cells.ts';

/** Addresses that are looked up at a time. */
export const CHUNK = 2048;
/** By /24. */
export const TOP = 2 ** 24;

const OUTPUT_AT = CHUNK * 4;
const TOP_AT = CHUNK * 8;
const REST_AT = TOP_AT + TOP * 2;
const BYTES = REST_AT + NARROW_BLOCKS * 512;

export interface FlatMemory {
  readonly top: Int16Array<ArrayBuffer>;
  readonly rest: Int16Array<ArrayBuffer>;
  /** Up to CHUNK addresses. */
  readonly input: Int32Array<ArrayBuffer>;
  readonly output: Int32Array<ArrayBuffer>;
  /** Writes the values of the first `count` of `input` to `output`; null where there is no WebAssembly. */
  readonly answer: ((count: number) => void) | null;
}

export function makeFlatMemory(): FlatMemory {
  const memory = reserve();
  const buffer = memory?.buffer ?? new ArrayBuffer(BYTES);
  const flat = memory === null ? undefined : kernel('lookup', memory)?.flat;
  return {
    top: new Int16Array(buffer, TOP_AT, TOP),
    rest: new Int16Array(buffer, REST_AT),
    input: new Int32Array(buffer, 0, CHUNK),
    output: new Int32Array(buffer, OUTPUT_AT, CHUNK),
    answer: flat === undefined ? null : (count) => flat(TOP_AT, REST_AT, 0, OUTPUT_AT, count),
  };
}

/** Null where V8 has no address space left: it takes 10 GiB of it for each memory. */
function reserve(): ReturnType<typeof makeMemory> | null {
  try {
    return makeMemory(BYTES);
  } catch (reason) {
    if (reason instanceof RangeError) return null;
    throw reason;
  }
}
