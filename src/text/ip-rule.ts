/** `ip rule`: the order in which tables are asked (ip/iprule.c print_rule). */
import type { NamespacePlan, RulePlan } from '../plan/plan.ts';
import { ROUTED_TOS } from '../tables/route-table.ts';
import { contains, formatIp4, formatPrefix, type Ip4, type Prefix } from '../wire/address.ts';
import { dsfieldName } from './dsfield.ts';
import type { Json } from './json.ts';

const DEFAULT_RULES: readonly RulePlan[] = [
  { priority: 0, not: false, table: 'local' },
  { priority: 32766, not: false, table: 'main' },
  { priority: 32767, not: false, table: 'default' },
];

/** A namespace's rules by priority; the kernel's own three where it has none. */
export const rulesOf = ({ rules }: Pick<NamespacePlan, 'rules'>): readonly RulePlan[] =>
  rules === undefined ? DEFAULT_RULES : [...rules].sort((a, b) => a.priority - b.priority);

/** Of the rules those whose conditions packets here are asked for. */
export const askedRules = (ns: Pick<NamespacePlan, 'rules'>): readonly RulePlan[] =>
  rulesOf(ns).filter(({ other }) => other === undefined);

/**
 * Which rule follows one that matches and asks no table: a position in `rules`, by priority,
 * beyond `at`. A `goto` to a priority that no rule has (in `all`) leads on to the rule below.
 */
export function ruleAfter(
  rules: readonly RulePlan[],
  at: number,
  all: readonly RulePlan[] = rules,
): number {
  const target = rules[at]?.goto;
  if (target === undefined || !isResolved(target, all)) return at + 1;
  const found = rules.findIndex(({ priority }, i) => i > at && priority >= target);
  return found < 0 ? rules.length : found;
}

const isResolved = (target: number, rules: readonly RulePlan[]): boolean =>
  rules.some(({ priority }) => priority === target);

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** A mark is a number of 32 bits; the mask that takes all of it does not print. */
const ALL_BITS = 0xffffffff;

/** A whole address is printed without its length. */
const host = (prefix: Prefix): string =>
  prefix.length === 32 ? formatIp4(prefix.address) : formatPrefix(prefix);

/** One rule of several; a tab follows the priority. */
export function ruleEntry(rule: RulePlan, all: readonly RulePlan[]): string {
  const { priority, not, from, to, fwmark, iif, tos, other = [] } = rule;
  const mask = fwmark === undefined || fwmark.mask >>> 0 === ALL_BITS ? '' : `/${hex(fwmark.mask)}`;
  const mark = fwmark === undefined ? '' : `fwmark ${hex(fwmark.value)}${mask}`;
  const words = [
    `from ${from === undefined ? 'all' : host(from)}`,
    ...(to === undefined ? [] : [`to ${host(to)}`]),
    ...(tos === undefined ? [] : [`tos ${dsfieldName(tos)}`]),
    ...(mark === '' ? [] : [mark]),
    ...(iif === undefined ? [] : [`iif ${iif}`]),
    ...other,
    ...actionWords(rule, all),
  ];
  return `${priority}:\t${not ? 'not ' : ''}${words.join(' ')}`;
}

function actionWords(
  { table, suppressLength, goto }: RulePlan,
  all: readonly RulePlan[],
): readonly string[] {
  if (table !== undefined) {
    const least = suppressLength === undefined ? [] : [`suppress_prefixlength ${suppressLength}`];
    return [`lookup ${table}`, ...least];
  }
  if (goto === undefined) return ['nop'];
  return [`goto ${goto}`, ...(isResolved(goto, all) ? [] : ['[unresolved]'])];
}

/** `ip rule [show]` */
export const printIpRule = (ns: Pick<NamespacePlan, 'rules'> = {}): string =>
  rulesOf(ns)
    .map((rule, _, all) => `${ruleEntry(rule, all)}\n`)
    .join('');

/** `ip -j rule` */
export const ruleJson = (ns: Pick<NamespacePlan, 'rules'>): Json =>
  rulesOf(ns).map((rule, _, all) => {
    const { priority, not, from, to, fwmark, iif, tos, other = [] } = rule;
    return {
      priority,
      ...(not ? { not: null } : {}),
      ...(from === undefined ? { src: 'all' } : end('src', from)),
      ...(to === undefined ? {} : end('dst', to)),
      ...(tos === undefined ? {} : { tos: dsfieldName(tos) }),
      ...(fwmark === undefined ? {} : { fwmark: hex(fwmark.value) }),
      ...(fwmark === undefined || fwmark.mask >>> 0 === ALL_BITS
        ? {}
        : { fwmask: hex(fwmark.mask) }),
      ...(iif === undefined ? {} : { iif }),
      ...Object.assign({}, ...other.map(otherJson)),
      ...actionJson(rule, all),
    };
  });

function actionJson(
  { table, suppressLength, goto }: RulePlan,
  all: readonly RulePlan[],
): { readonly [key: string]: Json } {
  if (table !== undefined) {
    const least = suppressLength === undefined ? {} : { suppress_prefixlen: suppressLength };
    return { table: String(table), ...least };
  }
  if (goto === undefined) return { nop: null };
  return { goto, ...(isResolved(goto, all) ? {} : { unresolved: null }) };
}

const end = (
  key: 'src' | 'dst',
  { address, length }: Prefix,
): { readonly [key: string]: Json } => ({
  [key]: formatIp4(address),
  ...(length === 32 ? {} : { [`${key}len`]: length }),
});

/** `dport 100-200` as its two ends, `ipproto tcp` as it is. */
function otherJson(words: string): { readonly [key: string]: Json } {
  const [key = '', value = ''] = words.split(' ');
  const [low, high] = value.split('-');
  if (key === 'uidrange') return { uid_start: Number(low), uid_end: Number(high) };
  if (key !== 'sport' && key !== 'dport') return { [key]: value };
  if (high === undefined) return { [key]: Number(low) };
  return { [`${key}_start`]: Number(low), [`${key}_end`]: Number(high) };
}

/**
 * Does a rule send a packet of this namespace's own, whose source is not chosen yet, to
 * its table? `ofPacket` is its TOS. (net/core/fib_rules.c fib_rule_match)
 */
export function ruleMatches(
  { not, from, to, fwmark, iif, tos, other }: RulePlan,
  address: Ip4,
  mark: number,
  ofPacket: number,
): boolean {
  if (other !== undefined) return false;
  const hit =
    (fwmark === undefined || ((mark ^ fwmark.value) & fwmark.mask) === 0) &&
    (from === undefined || contains(from, 0)) &&
    (to === undefined || contains(to, address)) &&
    (iif === undefined || iif === 'lo') &&
    (tos === undefined || tos === (ofPacket & ROUTED_TOS));
  return hit !== not;
}
