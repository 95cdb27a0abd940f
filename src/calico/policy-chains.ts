/**
 * The chain of one policy or profile in one direction, as Felix writes it
 * (felix/rules/policy.go): Allow and Pass set a mark and return, Deny drops. Where
 * Felix takes several rules and marks for a list of prefixes, here is a set.
 */
import { createHash } from 'node:crypto';
import type { ChainPlan, IpSetPlan, NetfilterTable, PortRange } from '../plan/netfilter.ts';
import { parseNetfilter } from '../text/iptables-save.ts';
import { formatPrefix } from '../wire/address.ts';
import type { IcmpKind, PolicyRule, RuleEnd } from './policy-rule.ts';
import type { PolicySets } from './policy-sets.ts';

/** Felix's bits of the mark by default (config_params.go IptablesMarkMask 0xffff0000). */
export const ACCEPT_MARK = '0x10000/0x10000';
export const PASS_MARK = '0x20000/0x20000';

export type Direction = 'ingress' | 'egress';

/** A chain with the sets that it asks. */
export interface SetChain {
  readonly chain: ChainPlan;
  readonly sets: readonly IpSetPlan[];
}

/** Felix's chains come in parts, which jump to each other. */
export const isFelixChain = (name: string): boolean => name.startsWith('cali-');

/** The kernel takes 28 characters; a longer name is cut to a hash (felix/hashutil). */
export function chainName(prefix: string, name: string): string {
  if (prefix.length + name.length <= CHAIN_LENGTH && !name.startsWith('_')) return prefix + name;
  const hash = createHash('sha256').update(name, 'utf8').digest('base64url');
  return `${prefix}_${hash.slice(0, CHAIN_LENGTH - 1 - prefix.length)}`;
}

const CHAIN_LENGTH = 28;

/** Chains of one table from their lines; a line speaks of its chain by name. */
export const parseChains = (
  lines: readonly string[],
  table: NetfilterTable = 'filter',
): readonly ChainPlan[] =>
  parseNetfilter([`*${table}`, ...lines, 'COMMIT', ''].join('\n'), 'felix', {
    elsewhere: isFelixChain,
  }).chains;

/** `owner` is what a trace calls the policy. */
export function rulesChain(
  name: string,
  owner: string,
  direction: Direction,
  rules: readonly PolicyRule[],
  sets: PolicySets,
): SetChain {
  const used = new Map<string, IpSetPlan>();
  const use = (set: IpSetPlan): string => {
    used.set(set.name, set);
    return set.name;
  };
  const lines = [`:${name} - [0:0]`];
  for (const rule of rules) {
    const comment = `-m comment --comment "${VERBS[rule.action]} by ${owner} (${direction} rule ${rule.number})"`;
    // What holds for one of several lines holds for the rule: same target, in a row.
    const matches = matchesOf(rule, sets, use);
    const mark = rule.action === 'pass' ? PASS_MARK : ACCEPT_MARK;
    const target = rule.action === 'deny' ? 'DROP' : `MARK --set-xmark ${mark}`;
    for (const match of matches) lines.push(words('-A', name, match, comment, '-j', target));
    if (rule.action !== 'deny' && matches.length > 0) {
      lines.push(`-A ${name} -m mark --mark ${mark} -j RETURN`);
    }
  }
  return { chain: parseChains(lines)[0]!, sets: [...used.values()] };
}

const VERBS = { allow: 'allowed', deny: 'denied', pass: 'passed on' } as const;

const words = (...parts: readonly string[]): string =>
  parts.filter((part) => part !== '').join(' ');

type Use = (set: IpSetPlan) => string;

/** The matches of a rule, one text for each way in which it can hold. */
function matchesOf(rule: PolicyRule, sets: PolicySets, use: Use): readonly string[] {
  const { protocol, notProtocol } = rule;
  if (protocol !== undefined && protocol === notProtocol) return [];
  const start = words(
    protocol === undefined ? '' : `-p ${protocol}`,
    protocol === undefined && notProtocol !== undefined ? `! -p ${notProtocol}` : '',
    icmpText(rule.icmp, ''),
    icmpText(rule.notIcmp, '! '),
    endText(rule.source, 'src', sets, use),
    endText(rule.destination, 'dst', sets, use),
  );
  const sources = portTexts(rule.source, 'src', protocol, sets, use);
  const destinations = portTexts(rule.destination, 'dst', protocol, sets, use);
  return sources.flatMap((from) => destinations.map((to) => words(start, from, to)));
}

const icmpText = (icmp: IcmpKind | undefined, not: string): string =>
  icmp === undefined
    ? ''
    : `-m icmp ${not}--icmp-type ${icmp.type}${icmp.code === undefined ? '' : `/${icmp.code}`}`;

type Side = 'src' | 'dst';

function endText(end: RuleEnd, side: Side, sets: PolicySets, use: Use): string {
  const { nets, notNets = [], selector, notSelector, notPorts = [] } = end;
  const inSet = (set: IpSetPlan, not = ''): string =>
    `-m set ${not}--match-set ${use(set)} ${side}`;
  const one = nets?.length === 1 ? nets[0] : undefined;
  return words(
    one === undefined ? '' : `-${side[0]} ${formatPrefix(one)}`,
    nets === undefined || one !== undefined ? '' : inSet(sets.listed(nets)),
    notNets.length === 0 ? '' : inSet(sets.listed(notNets), '! '),
    selector === undefined ? '' : inSet(sets.selected(selector)),
    notSelector === undefined ? '' : inSet(sets.selected(notSelector), '! '),
    notPorts.length === 0 ? '' : `-m multiport ! ${portsText(side, notPorts)}`,
  );
}

/** One text for the numbers and one for each number that a name stands for. */
function portTexts(
  { ports, named = [] }: RuleEnd,
  side: Side,
  protocol: number | undefined,
  sets: PolicySets,
  use: Use,
): readonly string[] {
  if (ports === undefined && named.length === 0) return [''];
  const texts = ports === undefined || ports.length === 0 ? [] : [portsText(side, ports)];
  return [
    ...texts.map((text) => `-m multiport ${text}`),
    ...named.flatMap((name) =>
      [...sets.named(name, protocol ?? -1)].map(([port, set]) => {
        const at = portsText(side, [{ from: port, to: port }]);
        return `-m set --match-set ${use(set)} ${side} -m multiport ${at}`;
      }),
    ),
  ];
}

const portsText = (side: Side, ports: readonly PortRange[]): string => {
  const list = ports.map(({ from, to }) => (from === to ? `${from}` : `${from}:${to}`));
  return `--${side === 'src' ? 'source' : 'destination'}-ports ${list.join(',')}`;
};
