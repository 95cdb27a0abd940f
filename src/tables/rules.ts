/** The rules of a namespace, `ip rule`: which table answers which packet. */
import { ROUTED_TOS, type RouteTable } from './route-table.ts';
import { RouteKind, type Routes } from './routes.ts';

export interface Rule {
  /** `not from all fwmark …`: asks the table where the mark does not match. */
  readonly not: boolean;
  /** A mask of 0 matches every packet. */
  readonly value: number;
  readonly mask: number;
  /** Of the source and the destination; a mask of 0 takes every address. */
  readonly from: number;
  readonly fromMask: number;
  readonly to: number;
  readonly toMask: number;
  /** Position of the device a packet came in by, -1 for one made here; ANY_INPUT. */
  readonly input: number;
  /** 0 takes every TOS. */
  readonly tos: number;
  /** Null: the rule asks none. */
  readonly table: RouteTable | null;
  /** Of a rule without a table: the position of the next one, further on. */
  readonly next: number;
  /** Answers by a route no longer than this do not count; -1: all do. */
  readonly suppressLength: number;
}

/** A rule without `iif`. */
export const ANY_INPUT = -2;

/**
 * The route for an address, or -1: fib_rules_lookup over the rules in their order.
 * A table without an answer, a `throw` route and one that is too short for its rule
 * (fib4_rule_suppress) lead to the next rule.
 */
export function lookupRules(
  rules: readonly Rule[],
  routes: Routes<unknown>,
  address: number,
  mark: number,
  source = 0,
  input = -1,
  tos = 0,
): number {
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!;
    const hit =
      ((mark ^ rule.value) & rule.mask) === 0 &&
      ((source ^ rule.from) & rule.fromMask) === 0 &&
      ((address ^ rule.to) & rule.toMask) === 0 &&
      (rule.input === ANY_INPUT || rule.input === input) &&
      (rule.tos === 0 || rule.tos === (tos & ROUTED_TOS));
    if (hit === rule.not) continue;
    const { table } = rule;
    if (table === null) {
      i = rule.next - 1;
      continue;
    }
    const route = table.find(address, tos);
    if (route < 0) continue;
    const kind = routes.kind(route);
    if (kind === RouteKind.Throw) continue;
    // Refusals are errors, which nothing suppresses.
    if (kind > RouteKind.Broadcast || routes.length(route) > rule.suppressLength) return route;
  }
  return -1;
}
