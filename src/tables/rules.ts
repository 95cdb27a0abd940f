/** The rules of a namespace, `ip rule`: which table answers which packet. */
import { ROUTED_TOS, type RouteTable } from './route-table.ts';
import { RouteKind, type Routes } from './routes.ts';

/** What every packet asks for comes first, in a line of the processor's cache. */
export interface Rule {
  /** It has no conditions, as the kernel's own: the fields for those are not read. */
  readonly takesAll: boolean;
  /** Null: the rule asks none. */
  readonly table: RouteTable | null;
  /** Answers by a route no longer than this do not count; -1: all do. */
  readonly suppressLength: number;
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
  /** Of a rule without a table: the position of the next one, further on. */
  readonly next: number;
}

/** With what every packet asks for first. */
export function ruleOf(fields: Omit<Rule, 'takesAll'>): Rule {
  const { not, value, mask, from, fromMask, to, toMask, input, tos } = fields;
  return {
    takesAll: !not && (mask | fromMask | toMask | tos) === 0 && input === ANY_INPUT,
    table: fields.table,
    suppressLength: fields.suppressLength,
    next: fields.next,
    ...{ not, value, mask, from, fromMask, to, toMask, input, tos },
  };
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
    if (!rule.takesAll && !matches(rule, address, mark, source, input, tos)) continue;
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

function matches(
  rule: Rule,
  address: number,
  mark: number,
  source: number,
  input: number,
  tos: number,
): boolean {
  const hit =
    ((mark ^ rule.value) & rule.mask) === 0 &&
    ((source ^ rule.from) & rule.fromMask) === 0 &&
    ((address ^ rule.to) & rule.toMask) === 0 &&
    (rule.input === ANY_INPUT || rule.input === input) &&
    (rule.tos === 0 || rule.tos === (tos & ROUTED_TOS));
  return hit !== rule.not;
}
