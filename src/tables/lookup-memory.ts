/**
 * Where large tables with values of 16 bits lie: a WebAssembly memory each, so that batches go
 * through the kernels of wasm/assembly/lookup.ts. Addresses and values of a batch come first,
 * a chunk of each, then the table.
 */
import { kernel, type Memory, makeMemory } from '../wasm/module.ts';
import { NARROW_BLOCKS } from './cells.ts';

/** Addresses that are looked up at a time. */
export const CHUNK = 2048;
/** Cells of a table of 24-8 bits, by /24. */
export const TOP = 2 ** 24;

const OUTPUT_AT = CHUNK * 4;
const TABLE_AT = CHUNK * 8;

interface Batch {
  /** Up to CHUNK addresses. */
  readonly input: Int32Array<ArrayBuffer>;
  readonly output: Int32Array<ArrayBuffer>;
  /** Writes the values of the first `count` of `input` to `output`; null where there is no WebAssembly. */
  readonly answer: ((count: number) => void) | null;
}

/** Of flat-table.ts. */
export interface FlatMemory extends Batch {
  readonly top: Int16Array<ArrayBuffer>;
  readonly rest: Int16Array<ArrayBuffer>;
}

/** Of compact-table.ts. */
export interface CompactMemory extends Batch {
  readonly words: Int32Array<ArrayBuffer>;
  readonly leaves: Int16Array<ArrayBuffer>;
}

/**
 * With room for every block from the first, so that it never moves: what is never written
 * costs address space alone.
 */
export function makeFlatMemory(): FlatMemory {
  const restAt = TABLE_AT + TOP * 2;
  const { memory, buffer } = reserve(restAt + NARROW_BLOCKS * 512);
  const flat = memory && kernel('lookup', memory)?.flat;
  return {
    ...chunks(buffer),
    top: new Int16Array(buffer, TABLE_AT, TOP),
    rest: new Int16Array(buffer, restAt, NARROW_BLOCKS * 256),
    answer: flat ? (count) => flat(TABLE_AT, restAt, 0, OUTPUT_AT, count) : null,
  };
}

/** A copy of a table. */
export function makeCompactMemory(words: Int32Array, leaves: Int16Array): CompactMemory {
  const leavesAt = TABLE_AT + words.byteLength;
  const { memory, buffer } = reserve(leavesAt + leaves.byteLength);
  const compact = memory && kernel('lookup', memory)?.compact;
  const table = {
    ...chunks(buffer),
    words: new Int32Array(buffer, TABLE_AT, words.length),
    leaves: new Int16Array(buffer, leavesAt, leaves.length),
    answer: compact ? (count: number) => compact(TABLE_AT, leavesAt, 0, OUTPUT_AT, count) : null,
  };
  table.words.set(words);
  table.leaves.set(leaves);
  return table;
}

const chunks = (buffer: ArrayBuffer): Pick<Batch, 'input' | 'output'> => ({
  input: new Int32Array(buffer, 0, CHUNK),
  output: new Int32Array(buffer, OUTPUT_AT, CHUNK),
});

/** Without a memory where V8 has no address space left: it takes 10 GiB of it for each. */
function reserve(bytes: number): { memory: Memory | null; buffer: ArrayBuffer } {
  try {
    const memory = makeMemory(bytes);
    return { memory, buffer: memory.buffer };
  } catch (reason) {
    if (!(reason instanceof RangeError)) throw reason;
    return { memory: null, buffer: new ArrayBuffer(bytes) };
  }
}
