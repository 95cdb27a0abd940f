/**
 * Longest prefix match over IPv4: a table of routes, and a trie of fixed strides
 * compiled from it, 8-8-10-6 bits. The strides end at /16 and /26 because Calico's
 * pools and blocks do; a node of 5,000 routes takes about 20 KiB.
 *
 *   address:  | 8 bits | 8 bits | 10 bits     | 6 bits |
 *   root 256 cells ─► 256 cells ─► 1,024 cells ─► 64 cells
 *   cell:  0 nothing · odd: (value << 1 | 1) · even: cells of the next level start at cell >> 1
 *
 * A shorter prefix is painted over all cells it covers, longer ones after it, so
 * a lookup takes at most four loads and never looks back. Cells are 16 bits wide
 * while everything fits, else 32. Equal prefixes are ordered by metric, then by
 * insertion, as fib_table_insert does; only the first is in the trie.
 */
import { PodwireError } from '../errors.ts';
import { netmask } from '../wire/address.ts';

export interface FibEntry {
  /** Signed 32-bit; bits beyond `length` are zero. */
  readonly address: number;
  readonly length: number;
  readonly metric: number;
  /** What a lookup answers; 0 to 2^30 - 1. */
  readonly value: number;
}

const STRIDES = [8, 8, 10, 6] as const;
const MAX_VALUE = 2 ** 30 - 1;
const WIDE = 0x10000;

export class Fib {
  /** Entries by length, then address; equal ones in the order they win. */
  private readonly prefixes = new Map<number, FibEntry[]>();
  private cells: Uint16Array | Uint32Array = new Uint16Array(256);
  private stale = false;
  private count = 0;

  /**
   * Adds a route. A second one with the same prefix and metric is refused (false),
   * as `ip route add` refuses it.
   */
  insert(address: number, length: number, value: number, metric = 0): boolean {
    if (!Number.isInteger(length) || length < 0 || length > 32) {
      throw new PodwireError('ERR_ADDRESS', `expected a prefix length of 0 to 32, found ${length}`);
    }
    if (!Number.isInteger(value) || value < 0 || value > MAX_VALUE) {
      throw new PodwireError('ERR_ADDRESS', `expected a value of 0 to 2^30 - 1, found ${value}`);
    }
    const prefix = address & netmask(length);
    const key = prefixKey(prefix, length);
    const equals = this.prefixes.get(key) ?? [];
    if (equals.some((e) => e.metric === metric)) return false;
    const entry = { address: prefix, length, metric, value };
    const before = equals.findIndex((e) => e.metric > metric);
    equals.splice(before < 0 ? equals.length : before, 0, entry);
    this.prefixes.set(key, equals);
    this.count++;
    this.stale = true;
    return true;
  }

  /** Removes the route with this metric, or the winning one. Whether there was one. */
  remove(address: number, length: number, metric?: number): boolean {
    const key = prefixKey(address & netmask(length), length);
    const equals = this.prefixes.get(key);
    const at = equals?.findIndex((e) => metric === undefined || e.metric === metric) ?? -1;
    if (equals === undefined || at < 0) return false;
    equals.splice(at, 1);
    if (equals.length === 0) this.prefixes.delete(key);
    this.count--;
    this.stale = true;
    return true;
  }

  /** The value of the longest matching prefix, or -1. Allocates nothing once compiled. */
  lookup(address: number): number {
    if (this.stale) this.compile();
    const cells = this.cells;
    let cell = cells[address >>> 24]!;
    if ((cell & 1) === 1 || cell === 0) return (cell >>> 1) - +(cell === 0);
    cell = cells[(cell >>> 1) + ((address >>> 16) & 255)]!;
    if ((cell & 1) === 1 || cell === 0) return (cell >>> 1) - +(cell === 0);
    cell = cells[(cell >>> 1) + ((address >>> 6) & 1023)]!;
    if ((cell & 1) === 1 || cell === 0) return (cell >>> 1) - +(cell === 0);
    cell = cells[(cell >>> 1) + (address & 63)]!;
    return (cell >>> 1) - +(cell === 0);
  }

  get size(): number {
    return this.count;
  }

  /** Bytes of the compiled trie. */
  memory(): number {
    if (this.stale) this.compile();
    return this.cells.byteLength;
  }

  /** All routes: by address, then longer prefix first, then metric, as `ip route` dumps them. */
  *[Symbol.iterator](): Generator<FibEntry> {
    const groups = [...this.prefixes.values()].sort(
      ([a], [b]) => (a!.address >>> 0) - (b!.address >>> 0) || b!.length - a!.length,
    );
    for (const group of groups) yield* group;
  }

  private compile(): void {
    const winners = [...this.prefixes.values()]
      .map(([first]) => first!)
      .sort((a, b) => a.length - b.length);
    const trie = new TrieBuilder();
    for (const { address, length, value } of winners) trie.paint(address, length, value);
    this.cells = trie.cells();
    this.stale = false;
  }
}

const prefixKey = (prefix: number, length: number): number => length * 2 ** 32 + (prefix >>> 0);

/** Fills cells in 32 bits; `cells()` narrows them where they fit. */
class TrieBuilder {
  private memory = new Uint32Array(1024);
  private used = 256;

  /** Prefixes must come shortest first. */
  paint(address: number, length: number, value: number): void {
    let block = 0;
    let level = 0;
    let depth: number = STRIDES[0];
    while (length > depth) {
      const at = block + this.slot(address, depth, STRIDES[level]!);
      block = this.descend(at, STRIDES[level + 1]!);
      level++;
      depth += STRIDES[level]!;
    }
    const covered = 2 ** (depth - length);
    const first = block + this.slot(address, depth, STRIDES[level]!);
    // Shortest first: no cell here can lead to a deeper block yet.
    this.memory.fill(((value << 1) | 1) >>> 0, first, first + covered);
  }

  cells(): Uint16Array | Uint32Array {
    const used = this.memory.subarray(0, this.used);
    return used.every((cell) => cell < WIDE) ? Uint16Array.from(used) : used.slice();
  }

  private slot(address: number, depth: number, stride: number): number {
    return (address >>> (32 - depth)) & (2 ** stride - 1);
  }

  /** The block below a cell, made with what the cell held where there is none yet. */
  private descend(at: number, stride: number): number {
    const cell = this.memory[at]!;
    if ((cell & 1) === 0 && cell !== 0) return cell >>> 1;
    const block = this.used;
    this.used += 2 ** stride;
    if (this.used > this.memory.length) {
      const wider = new Uint32Array(Math.max(this.memory.length * 2, this.used));
      wider.set(this.memory);
      this.memory = wider;
    }
    this.memory.fill(cell, block, this.used);
    this.memory[at] = (block << 1) >>> 0;
    return block;
  }
}
