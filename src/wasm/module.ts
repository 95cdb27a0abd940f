/**
 * Kernels in WebAssembly, over a memory of the caller's. Their source is AssemblyScript
 * (assembly/), compiled ahead into code.ts, so that nobody who installs podwire needs a
 * compiler. Where a machine has no WebAssembly with SIMD there are none, and callers use
 * their TypeScript of the same results.
 */
import { code } from './code.ts';

/** A memory shared with kernels; @types/node leaves WebAssembly to the DOM library. */
export interface Memory {
  readonly buffer: ArrayBuffer;
}

declare const WebAssembly: {
  Memory: new (limits: { initial: number; maximum: number }) => Memory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: unknown };
  validate(bytes: Uint8Array): boolean;
};

/** Of a WebAssembly memory, in bytes. */
const PAGE = 65536;

/** Zeroed, of `bytes` bytes rounded up to pages of 64 KiB, and of that size for ever: views stay valid. */
export function makeMemory(bytes: number): Memory {
  const pages = Math.ceil(bytes / PAGE);
  return new WebAssembly.Memory({ initial: pages, maximum: pages });
}

/** What code.ts holds, by name. */
interface Kernels {
  checksum: {
    /**
     * The folded sum (RFC 1071) of the big-endian 16-bit words in `length` bytes from `at`,
     * at most 256 KiB. Nothing checks that they lie in the memory: it traps.
     */
    sum(at: number, length: number): number;
  };
  lookup: {
    /**
     * Longest prefixes in a table of 24-8 bits (tables/flat-table.ts): the values of `count`
     * addresses at `from`, to `to`. All places are byte offsets.
     */
    flat(top: number, rest: number, from: number, to: number, count: number): void;
    /** The same in a table of runs (tables/compact-table.ts). */
    compact(words: number, leaves: number, from: number, to: number, count: number): void;
  };
  offload: {
    /** The cell of the table with the flow of a key (replay/offload-memory.ts), or with 0. */
    cell(): number;
    /** Takes records; why it stopped, a `Stop`. */
    run(): number;
  };
  series: {
    /** Runs the program at address 0 (frame/series-program.ts): `count` records from `out` on. */
    records(out: number, count: number): void;
  };
}

/** The kernels of that name over a memory; null where this machine cannot run them. */
export function kernel<Name extends keyof Kernels>(
  name: Name,
  memory: Memory,
): Kernels[Name] | null {
  const bytes = Buffer.from(code[name], 'base64');
  if (!WebAssembly.validate(bytes)) return null;
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } })
    .exports as Kernels[Name];
}
