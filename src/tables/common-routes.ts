/**
 * Routes that many routing tables have alike, built once: a FIB that answers their numbers,
 * and their columns. A table lays its own routes over them and hides those that it lacks
 * (route-table.ts), so that a node among 5,000 costs what is its own.
 *
 * Devices are numbered here by name; whoever shares the routes says where it has them.
 */
import { Fib } from './fib.ts';
import { OwnRoutes } from './own-routes.ts';
import type { RouteFields } from './routes.ts';

export interface CommonRoute<Origin> extends Omit<RouteFields, 'device'> {
  readonly address: number;
  /** Empty for a route that leads to no device. */
  readonly device: string;
  readonly origin: Origin;
}

export class CommonRoutes<Origin> {
  /** By number. */
  readonly origins: readonly Origin[];
  readonly kinds: Uint8Array;
  readonly gateways: Int32Array;
  readonly mtus: Int32Array;
  readonly sources: Int32Array;
  readonly addresses: Int32Array;
  readonly lengths: Uint8Array;
  /** Into `deviceNames`; -1 for none. */
  readonly devices: Int16Array;
  readonly deviceNames: readonly string[];
  /** The route with the next shorter prefix that covers it, or -1. */
  private readonly covering: Int32Array;
  private readonly fib = new Fib();
  /** What those who share have beside. */
  readonly own: OwnRoutes = new OwnRoutes(this);

  /** No two of one prefix: `isDistinct` says so. */
  constructor(routes: readonly CommonRoute<Origin>[]) {
    const names = new Map<string, number>([['', -1]]);
    const number = (name: string): number => {
      const known = names.get(name) ?? names.size - 1;
      names.set(name, known);
      return known;
    };
    this.origins = routes.map(({ origin }) => origin);
    this.kinds = Uint8Array.from(routes, ({ kind }) => kind);
    this.gateways = Int32Array.from(routes, ({ gateway }) => gateway);
    this.mtus = Int32Array.from(routes, ({ mtu }) => mtu);
    this.sources = Int32Array.from(routes, ({ source }) => source);
    this.addresses = Int32Array.from(routes, ({ address }) => address);
    this.lengths = Uint8Array.from(routes, ({ length }) => length);
    this.devices = Int16Array.from(routes, ({ device }) => number(device));
    this.deviceNames = [...names.keys()].slice(1);
    this.covering = new Int32Array(routes.length);
    const { addresses, lengths } = this;
    this.fib.load({ addresses, lengths, values: routes.map((_, id) => id) });
    // By address, shorter ones first: what covers a prefix is on the stack when it comes.
    const open: number[] = [];
    const entries = [...this.fib].sort(
      (a, b) => (a.address >>> 0) - (b.address >>> 0) || a.length - b.length,
    );
    for (const { address, length, value } of entries) {
      while (open.length > 0 && !this.covers(open.at(-1)!, address, length)) open.pop();
      this.covering[value] = open.at(-1) ?? -1;
      open.push(value);
    }
  }

  private covers(id: number, address: number, length: number): boolean {
    const mine = this.lengths[id]!;
    return mine <= length && (mine === 0 || (this.addresses[id]! ^ address) >>> (32 - mine) === 0);
  }

  /** Bytes of the lookup table. */
  memory(): number {
    return this.fib.memory();
  }

  get size(): number {
    return this.origins.length;
  }

  /** The longest match, or -1. */
  find(address: number): number {
    return this.fib.find(address);
  }

  /** The next shorter match of the same address, or -1. */
  next(id: number): number {
    return this.covering[id]!;
  }

  /** The route of just this prefix, or -1. */
  at(address: number, length: number): number {
    let id = this.find(address);
    while (id >= 0 && this.lengths[id]! > length) id = this.next(id);
    return id >= 0 && this.lengths[id] === length ? id : -1;
  }
}

/** Whether no prefix is there twice. */
export const isDistinct = (
  prefixes: readonly { readonly address: number; readonly length: number }[],
): boolean =>
  new Set(prefixes.map(({ address, length }) => address * 64 + length)).size === prefixes.length;
