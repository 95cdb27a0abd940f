/** The rules of a namespace, `ip rule`: which table answers, by the packet's mark. */
import type { Fib } from './fib.ts';
import { RouteKind, type Routes } from './routes.ts';

export interface Rule {
  /** `not from all fwmark …`: asks the table where the mark does not match. */
  readonly not: boolean;
  /** A mask of 0 matches every packet. */
  readonly value: number;
  readonly mask: number;
  readonly table: Fib;
}

/**
 * The route for an address, or -1: fib_rules_lookup over the rules in their order.
 * A table without an answer and a `throw` route lead to the next rule.
 */
export function lookupRules(
  rules: readonly Rule[],
  routes: Routes<unknown>,
  address: number,
  mark: number,
): number {
  for (let i = 0; i < rules.length; i++) {
    const { not, value, mask, table } = rules[i]!;
    if ((((mark ^ value) & mask) === 0) === not) continue;
    const route = table.lookup(address);
    if (route >= 0 && routes.kind(route) !== RouteKind.Throw) return route;
  }
  return -1;
}
