/** `ip rule`: the order in which tables are asked (ip/iprule.c print_rule). */
import type { NamespacePlan, RulePlan } from '../plan/plan.ts';
import type { Json } from './json.ts';

const DEFAULT_RULES: readonly RulePlan[] = [
  { priority: 0, not: false, table: 'local' },
  { priority: 32766, not: false, table: 'main' },
  { priority: 32767, not: false, table: 'default' },
];

/** A namespace's rules by priority; the kernel's own three where it has none. */
export const rulesOf = ({ rules }: Pick<NamespacePlan, 'rules'>): readonly RulePlan[] =>
  rules === undefined ? DEFAULT_RULES : [...rules].sort((a, b) => a.priority - b.priority);

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** A mark is a number of 32 bits; the mask that takes all of it does not print. */
const ALL_BITS = 0xffffffff;

/** One rule; a tab follows the priority. */
export function ruleEntry({ priority, not, fwmark, table }: RulePlan): string {
  const mask = fwmark === undefined || fwmark.mask >>> 0 === ALL_BITS ? '' : `/${hex(fwmark.mask)}`;
  const mark = fwmark === undefined ? '' : ` fwmark ${hex(fwmark.value)}${mask}`;
  return `${priority}:\t${not ? 'not ' : ''}from all${mark} lookup ${table}`;
}

/** `ip rule [show]` */
export const printIpRule = (ns: Pick<NamespacePlan, 'rules'> = {}): string =>
  rulesOf(ns)
    .map((rule) => `${ruleEntry(rule)}\n`)
    .join('');

/** `ip -j rule` */
export const ruleJson = (ns: Pick<NamespacePlan, 'rules'>): Json =>
  rulesOf(ns).map(({ priority, not, fwmark, table }) => ({
    priority,
    ...(not ? { not: null } : {}),
    src: 'all',
    ...(fwmark === undefined ? {} : { fwmark: hex(fwmark.value) }),
    ...(fwmark === undefined || fwmark.mask >>> 0 === ALL_BITS ? {} : { fwmask: hex(fwmark.mask) }),
    table: String(table),
  }));

/** Does a rule send a packet with this mark to its table? (net/core/fib_rules.c fib_rule_match) */
export function ruleMatches({ not, fwmark }: RulePlan, mark: number): boolean {
  const hit = fwmark === undefined || ((mark ^ fwmark.value) & fwmark.mask) === 0;
  return hit !== not;
}
