/**
 * One routing table. Routes with a TOS answer packets of this TOS only, and before the
 * others of their prefix, whatever the metric (net/ipv4/fib_trie.c fib_find_alias): a
 * TOS that some route names has a Fib of its own, with all that can win for it.
 */
import type { CommonRoutes } from './common-routes.ts';
import { Fib } from './fib.ts';
import { type OwnRoutes, UNKNOWN } from './own-routes.ts';
import { FEW } from './short-table.ts';

/** IPTOS_RT_MASK: the bits of a TOS that routing looks at. */
export const ROUTED_TOS = 0x1c;
/** Puts a route with a TOS before all metrics. */
const FIRST = -(2 ** 32);

/** What a table has of routes that it shares. */
export interface Share {
  readonly common: CommonRoutes<unknown>;
  /** Numbers of those that it lacks; few. */
  readonly hidden: readonly number[];
}

export class RouteTable {
  /** Of a table that shares: the own routes of all who do, and which of them are this one's. */
  own: OwnRoutes | null = null;
  place = 0;
  private share: Share | null = null;
  /** What answers a packet whose TOS no route names, but for shared routes. */
  readonly plain: Fib = new Fib();
  private byTos: (Fib | undefined)[] | null = null;
  /** While there is a share: prefix lengths of the table's own routes, by number above the shared. */
  private readonly lengths: number[] = [];

  /** Bytes of the lookup tables of its own. */
  memory(): number {
    this.settle();
    const row = this.own?.memory(this.place) ?? 0;
    if (row > 0) return row;
    return [this.plain, ...(this.byTos ?? [])].reduce((sum, fib) => sum + (fib?.memory() ?? 0), 0);
  }

  get common(): CommonRoutes<unknown> | null {
    return this.share?.common ?? null;
  }

  /** The number of the route for an address, or -1. */
  find(address: number, tos: number): number {
    const { own } = this;
    if (own !== null) {
      const id = own.find(this.place, address);
      return id === UNKNOWN ? this.findAnew(address, own) : id;
    }
    const { byTos } = this;
    if (byTos === null) return this.plain.find(address);
    return (byTos[tos & ROUTED_TOS] ?? this.plain).find(address);
  }

  /** After a change, and always where the table's own routes are many. */
  private findAnew(address: number, rows: OwnRoutes): number {
    this.settle();
    if (rows.knows(this.place)) return rows.find(this.place, address);
    const { common, hidden } = this.share!;
    const own = this.plain.find(address);
    // The longer of the two matches: no prefix is both shared and the table's own.
    let id = common.find(address);
    while (id >= 0 && hidden.includes(id)) id = common.next(id);
    if (own < 0 || id < 0) return own < 0 ? id : own;
    return this.lengths[own - common.size]! > common.lengths[id]! ? own : id;
  }

  /** Puts few own routes where those of all are. */
  private settle(): void {
    const { own, plain } = this;
    if (own === null || own.knows(this.place) || plain.size > FEW) return;
    own.put(this.place, [...plain], this.share!.hidden);
  }

  /** Lays an empty table over routes of metric 0, whose numbers are those of `Routes`. */
  lieOver(share: Share): void {
    this.share = share;
    this.own = share.common.own;
    this.place = this.own.join();
  }

  /** False where a route of that prefix, metric and TOS is there. */
  insert(address: number, length: number, id: number, metric = 0, tos = 0): boolean {
    // Bits that no packet is asked for: such a route never wins.
    if ((tos & ~ROUTED_TOS) !== 0) return true;
    if (tos !== 0) return this.ofTos(tos).insert(address, length, id, metric + FIRST);
    this.meet(address, length);
    if (this.share !== null) this.lengths[id - this.share.common.size] = length;
    for (const fib of this.byTos ?? []) fib?.insert(address, length, id, metric);
    return this.plain.insert(address, length, id, metric);
  }

  /** Whether there was such a route. */
  remove(address: number, length: number, metric = 0, tos = 0): boolean {
    if (tos !== 0) return this.byTos?.[tos]?.remove(address, length, metric + FIRST) ?? false;
    this.meet(address, length);
    for (const fib of this.byTos ?? []) fib?.remove(address, length, metric);
    return this.plain.remove(address, length, metric);
  }

  /** A change of a prefix that is shared ends the sharing. */
  private meet(address: number, length: number): void {
    if (this.share === null) return;
    this.own!.forget(this.place);
    const id = this.share.common.at(address, length);
    if (id >= 0 && !this.share.hidden.includes(id)) this.part();
  }

  /** From here on all routes are the table's own, under the same numbers. */
  private part(): void {
    if (this.share === null) return;
    const { common, hidden } = this.share;
    this.share = null;
    this.own!.forget(this.place);
    this.own = null;
    this.lengths.length = 0;
    for (let id = 0; id < common.size; id++) {
      if (hidden.includes(id)) continue;
      this.plain.insert(common.addresses[id]!, common.lengths[id]!, id);
    }
  }

  private ofTos(tos: number): Fib {
    this.part();
    this.byTos ??= [];
    const known = this.byTos[tos];
    if (known !== undefined) return known;
    const fib = new Fib();
    for (const { address, length, value, metric } of this.plain) {
      fib.insert(address, length, value, metric);
    }
    this.byTos[tos] = fib;
    return fib;
  }
}
