/**
 * Longest prefix match over IPv4: the prefixes, and a lookup table painted from them, both in
 * the form that suits their number.
 *
 *   up to 32 routes        a list (prefix-list.ts) and one to look through (short-table.ts)
 *   up to 100,000          a tree (prefix-tree.ts) and 8-8-10-6 bits (stride-table.ts): about
 *                          20 KiB for a node of 5,000 routes
 *   above, or scattered    blocks (prefix-blocks.ts) and 24-8 bits (flat-table.ts): 33 MiB,
 *                          one load for almost every address; or, if asked for, runs
 *                          (compact-table.ts): less than 5 MiB, two loads and a count
 *
 * Cells are 16 bits wide while every value fits, else 32. The table is painted at the first
 * lookup and kept in step from then on. Equal prefixes are ordered by metric, then by
 * insertion, as fib_table_insert does; only the first is in the table.
 */
import { PodwireError } from '../errors.ts';
import { MAX_NARROW, OVERFLOW } from './cells.ts';
import { CompactTable } from './compact-table.ts';
import { FlatTable } from './flat-table.ts';
import { type Addresses, find8, type Kernel, kernelOf } from './lookup-kernel.ts';
import { PrefixBlocks } from './prefix-blocks.ts';
import { PrefixList } from './prefix-list.ts';
import { byAddress } from './prefix-order.ts';
import { PrefixTree } from './prefix-tree.ts';
import { checkRoute, type FibColumns, isLength } from './prefixes.ts';
import { FEW, findShort, ShortTable } from './short-table.ts';
import { StrideTable } from './stride-table.ts';

export interface FibEntry {
  /** Signed 32-bit; bits beyond `length` are zero. */
  readonly address: number;
  readonly length: number;
  readonly metric: number;
  /** What a lookup answers; 0 to 2^30 - 1. */
  readonly value: number;
}

export interface FibOptions {
  /**
   * Of a table of more than 100,000 routes: 'fast' (the default) takes 33 MiB and changes in
   * place. 'compact' takes less than 5 for a million routes with values up to 32,767, answers
   * up to half as fast where the same addresses return, and is made anew, in some tenths of a
   * second, at the first lookup after changes: for tables that are loaded and then asked.
   */
  readonly form?: 'fast' | 'compact';
}

interface Second {
  readonly metric: number;
  readonly value: number;
}

/** Routes above which the fast form pays. */
const MANY = 100_000;
const NO_CELLS = new Int16Array(0);
const NO_LIST = new Int32Array(0);

type Table = ShortTable | StrideTable | FlatTable | CompactTable;

export class Fib {
  private routes: PrefixList | PrefixTree | PrefixBlocks = new PrefixList();
  /** Of the winner at each node of `routes`, where it is not 0. */
  private metrics = new Map<number, number>();
  /** What loses against the winner of the same prefix, best first. */
  private seconds = new Map<number, Second[]>();
  private count = 0;
  /** A value was there that needs cells of 32 bits. */
  private wide = false;
  /** The small form ran out of blocks. */
  private scattered = false;
  private table: Table | null = null;
  private readonly isCompact: boolean;
  private kernel: Kernel | null = null;
  /** Compiles first. */
  private readonly unbound: Kernel['lookup'] = (address) => this.compile().lookup(address);
  /** Of the kernel. */
  private bound = this.unbound;
  /** The cells of the small form in narrow cells; else none. */
  private top: Int16Array = NO_CELLS;
  private rest: Int16Array = NO_CELLS;
  /** The list of few routes; else none. */
  private list: Int32Array = NO_LIST;

  constructor({ form = 'fast' }: FibOptions = {}) {
    this.isCompact = form === 'compact';
  }

  /**
   * Adds a route. A second one with the same prefix and metric is refused (false),
   * as `ip route add` refuses it.
   */
  insert(address: number, length: number, value: number, metric = 0): boolean {
    checkRoute(length, value);
    if (this.count >= FEW && this.routes instanceof PrefixList) this.move(new PrefixTree());
    const node = this.routes.make(address, length);
    const held = this.routes.value(node);
    if (held >= 0) {
      const winning = this.metrics.get(node) ?? 0;
      const others = this.seconds.get(node) ?? [];
      if (winning === metric || others.some((e) => e.metric === metric)) return false;
      const loser = metric < winning ? { metric: winning, value: held } : { metric, value };
      const at = others.findIndex((e) => e.metric > loser.metric);
      others.splice(at < 0 ? others.length : at, 0, loser);
      this.seconds.set(node, others);
      if (metric < winning) this.settle(node, address, length, value, metric);
    } else this.settle(node, address, length, value, metric);
    this.count += 1;
    return true;
  }

  /** Gives the route with this prefix and metric a new value, or adds it. Whether it was there. */
  replace(address: number, length: number, value: number, metric = 0): boolean {
    if (this.insert(address, length, value, metric)) return false;
    const node = this.routes.find(address, length);
    if ((this.metrics.get(node) ?? 0) === metric) this.settle(node, address, length, value, metric);
    else {
      const others = this.seconds.get(node)!;
      others[others.findIndex((e) => e.metric === metric)] = { metric, value };
    }
    return true;
  }

  /** Removes the route with this metric, or the winning one. Whether there was one. */
  remove(address: number, length: number, metric?: number): boolean {
    if (!isLength(length)) return false;
    const node = this.routes.find(address, length);
    if (node < 0 || this.routes.value(node) < 0) return false;
    const others = this.seconds.size > 0 ? this.seconds.get(node) : undefined;
    const winning = this.metrics.size > 0 ? (this.metrics.get(node) ?? 0) : 0;
    if (metric !== undefined && metric !== winning) {
      const at = others?.findIndex((e) => e.metric === metric) ?? -1;
      if (others === undefined || at < 0) return false;
      others.splice(at, 1);
      if (others.length === 0) this.seconds.delete(node);
    } else if (others === undefined) {
      if (winning !== 0) this.metrics.delete(node);
      this.routes.drop(address, length);
      this.paint(address, length);
    } else {
      const next = others.shift()!;
      if (others.length === 0) this.seconds.delete(node);
      this.settle(node, address, length, next.value, next.metric);
    }
    this.count -= 1;
    return true;
  }

  /**
   * Adds many routes of metric 0 in any order, faster than one by one; of equal prefixes
   * the first counts. How many were added.
   */
  load({ addresses, lengths, values }: FibColumns): number {
    const before = this.count;
    this.forget();
    for (let i = 0; i < addresses.length; i++) {
      checkRoute(lengths[i]!, values[i]!);
      if (values[i]! > MAX_NARROW) this.wide = true;
    }
    if (before + addresses.length > MANY && this.metrics.size === 0) {
      this.count += this.enlarge().load({ addresses, lengths, values });
    } else {
      for (const at of byAddress(addresses)) {
        this.insert(addresses[at]!, lengths[at]!, values[at]!);
      }
    }
    return this.count - before;
  }

  /**
   * The value of the longest matching prefix, or -1. Allocates nothing once painted. Call it
   * as `fib.lookup(address)`: taken out of its Fib, it may answer as of then.
   */
  get lookup(): (address: number) => number {
    // Not a method: V8 puts a function that is always the same in the place of its call,
    // with the arrays it has captured as constants. It peels no loop in which it meets code
    // that never ran: nothing of the kind may stand here.
    return this.bound;
  }

  /** `lookup` for places that ask many a Fib: no function of each one's own between. */
  find(address: number): number {
    const { top, list } = this;
    if (list !== NO_LIST) return findShort(list, address);
    return top === NO_CELLS ? this.lookup(address) : find8(top, this.rest, address);
  }

  /**
   * Looks up the first `count` addresses into `values`: faster than one by one on a large
   * table. Throws ERR_USAGE where the arrays are shorter than that.
   */
  lookupBatch(addresses: Addresses, values: Int32Array, count = addresses.length): void {
    if (!(count >= 0 && count <= addresses.length && count <= values.length)) {
      const room = Math.min(addresses.length, values.length);
      throw new PodwireError('ERR_USAGE', `expected a count of at most ${room}, found ${count}`);
    }
    (this.kernel ?? this.compile()).batch(addresses, values, count);
  }

  get size(): number {
    return this.count;
  }

  /** Bytes of the lookup table. The routes themselves take 30 to 50 more each. */
  memory(): number {
    if (this.table === null) this.compile();
    return this.table!.memory;
  }

  /** All routes: by address, then longer prefix first, then metric, as `ip route` dumps them. */
  *[Symbol.iterator](): Generator<FibEntry> {
    for (const { node, address, length } of this.routes.prefixes()) {
      const metric = this.metrics.get(node) ?? 0;
      yield { address, length, metric, value: this.routes.value(node) };
      for (const second of this.seconds.get(node) ?? []) yield { address, length, ...second };
    }
  }

  /** Makes a route the winner of its prefix. */
  private settle(
    node: number,
    address: number,
    length: number,
    value: number,
    metric: number,
  ): void {
    this.routes.set(node, value);
    if (metric !== 0) this.metrics.set(node, metric);
    else if (this.metrics.size > 0) this.metrics.delete(node);
    if (value > MAX_NARROW && !this.wide) {
      this.wide = true;
      this.forget();
    }
    this.paint(address, length);
  }

  /** Half as many keep a large table, so that no two changes build one each. */
  private get isLarge(): boolean {
    return this.scattered || this.count > (this.routes instanceof PrefixBlocks ? MANY / 2 : MANY);
  }

  /** Keeps the table in step; one that no longer suits is made anew at the next lookup. */
  private paint(address: number, length: number): void {
    const { table } = this;
    if (table === null) return;
    const isInPlace = table instanceof StrideTable || table instanceof FlatTable;
    if (!isInPlace || this.isLarge !== table instanceof FlatTable) {
      this.forget();
      return;
    }
    const { layout } = table;
    try {
      if (table instanceof FlatTable) table.paint(this.routes as PrefixBlocks, address, length);
      else table.paint(this.routes as PrefixTree, address, length);
    } catch (reason) {
      if (reason !== OVERFLOW) throw reason;
      this.overflow();
      return;
    }
    if (table.layout !== layout) this.use(table);
  }

  private compile(): Kernel {
    if (this.count <= FEW) return this.use(new ShortTable(this.routes));
    try {
      return this.use(this.isLarge ? this.largeTable() : this.strideTable());
    } catch (reason) {
      if (reason !== OVERFLOW) throw reason;
      this.overflow();
      return this.compile();
    }
  }

  private largeTable(): FlatTable | CompactTable {
    if (this.isCompact) return new CompactTable(this.enlarge(), this.wide);
    const table = new FlatTable(this.wide);
    table.paint(this.enlarge(), 0, 0);
    table.trim();
    return table;
  }

  private strideTable(): StrideTable {
    const table = new StrideTable(this.wide);
    if (!(this.routes instanceof PrefixTree)) this.move(new PrefixTree());
    table.paint(this.routes as PrefixTree, 0, 0);
    table.arrange();
    table.trim();
    return table;
  }

  /** The routes as a large table has them. */
  private enlarge(): PrefixBlocks {
    if (this.routes instanceof PrefixBlocks) return this.routes;
    const blocks = new PrefixBlocks(0);
    this.move(blocks);
    return blocks;
  }

  private move(to: PrefixTree | PrefixBlocks): void {
    const { metrics, seconds } = this;
    this.metrics = new Map();
    this.seconds = new Map();
    for (const { node: from, address, length } of this.routes.prefixes()) {
      const node = to.make(address, length);
      to.set(node, this.routes.value(from));
      const metric = metrics.get(from);
      if (metric !== undefined) this.metrics.set(node, metric);
      const others = seconds.get(from);
      if (others !== undefined) this.seconds.set(node, others);
    }
    this.routes = to;
  }

  private overflow(): void {
    // A large one has no other way out: 32,768 /24 with longer prefixes in them.
    if (this.isLarge) this.wide = true;
    else this.scattered = true;
    this.forget();
  }

  private forget(): void {
    this.table = null;
    this.kernel = null;
    this.bound = this.unbound;
    this.top = NO_CELLS;
    this.rest = NO_CELLS;
    this.list = NO_LIST;
  }

  private use(table: Table): Kernel {
    this.table = table;
    this.kernel = kernelOf(table);
    this.bound = this.kernel.lookup;
    const isPlain = table instanceof StrideTable && table.top instanceof Int16Array;
    this.top = isPlain ? (table.top as Int16Array) : NO_CELLS;
    this.rest = isPlain ? (table.rest as Int16Array) : NO_CELLS;
    this.list = table instanceof ShortTable ? table.triples : NO_LIST;
    return this.kernel;
  }
}
