/**
 * One routing table. Routes with a TOS answer packets of this TOS only, and before the
 * others of their prefix, whatever the metric (net/ipv4/fib_trie.c fib_find_alias): a
 * TOS that some route names has a Fib of its own, with all that can win for it.
 */
import { Fib } from './fib.ts';

/** IPTOS_RT_MASK: the bits of a TOS that routing looks at. */
export const ROUTED_TOS = 0x1c;
/** Puts a route with a TOS before all metrics. */
const FIRST = -(2 ** 32);

export class RouteTable {
  /** What answers a packet whose TOS no route names. */
  readonly plain: Fib = new Fib();
  private byTos: (Fib | undefined)[] | null = null;

  /** The number of the route for an address, or -1. */
  find(address: number, tos: number): number {
    const { byTos } = this;
    if (byTos === null) return this.plain.find(address);
    return (byTos[tos & ROUTED_TOS] ?? this.plain).find(address);
  }

  /** False where a route of that prefix, metric and TOS is there. */
  insert(address: number, length: number, id: number, metric = 0, tos = 0): boolean {
    // Bits that no packet is asked for: such a route never wins.
    if ((tos & ~ROUTED_TOS) !== 0) return true;
    if (tos !== 0) return this.ofTos(tos).insert(address, length, id, metric + FIRST);
    for (const fib of this.byTos ?? []) fib?.insert(address, length, id, metric);
    return this.plain.insert(address, length, id, metric);
  }

  /** Whether there was such a route. */
  remove(address: number, length: number, metric = 0, tos = 0): boolean {
    if (tos !== 0) return this.byTos?.[tos]?.remove(address, length, metric + FIRST) ?? false;
    for (const fib of this.byTos ?? []) fib?.remove(address, length, metric);
    return this.plain.remove(address, length, metric);
  }

  private ofTos(tos: number): Fib {
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
