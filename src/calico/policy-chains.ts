/**
 * The chain of one policy or profile in one direction, as Felix writes it
 * (felix/rules/policy.go): Allow and Pass set a mark and return, Deny drops. Where
 * Felix takes several rules and marks for a list of prefixes, here is a set.
 */
import { createHash } from 'node:crypto';
import type { ChainPlan, IpSetPlan, NetfilterTable, PortRange } from '../plan/netfilter.ts';
import { parseNetfilter } from '../text/iptables-save.ts';
import { protocolName } from '../text/iptables-words.ts';
import { formatPrefix } from '../wire/address.ts';
import type { IcmpKind, PolicyRule, RuleEnd } from './policy-rule.ts';
import type { PolicySets } from './policy-sets.ts';
import { marked, type RuleStyle } from './rule-style.ts';

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
  { marks, filterDeny }: RuleStyle,
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
    const mark = marked(rule.action === 'pass' ? marks.pass : marks.accept);
    const target = rule.action === 'deny' ? filterDeny : `MARK --set-xmark ${mark}`;
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
  const { protocol, notProtocol, destination } = rule;
  if (protocol !== undefined && protocol === notProtocol) return [];
  if (destination.service === undefined) return alternatives(rule, sets, use);
  // The ports of a service are of its own protocols.
  return sets
    .servicePorts(destination.service)
    .filter((one) => (protocol ?? one.protocol) === one.protocol && one.protocol !== notProtocol)
    .flatMap((one) => {
      const at = `-m set --match-set ${use(one.set)} dst -m multiport --dports ${one.port}`;
      return alternatives({ ...rule, protocol: one.protocol, destination: {} }, sets, use, at);
    });
}

function alternatives(
  { protocol, notProtocol, icmp, notIcmp, source, destination }: PolicyRule,
  sets: PolicySets,
  use: Use,
  end = '',
): readonly string[] {
  const start = words(
    netText(source, 'src'),
    netText(destination, 'dst'),
    protocol === undefined ? '' : `-p ${protocolName(protocol)}`,
    protocol === undefined && notProtocol !== undefined ? `! -p ${protocolName(notProtocol)}` : '',
    icmpText(icmp, ''),
    icmpText(notIcmp, '! '),
    endText(source, 'src', sets, use),
    endText(destination, 'dst', sets, use),
    end,
  );
  const sources = portTexts(source, 'src', protocol, sets, use);
  const destinations = portTexts(destination, 'dst', protocol, sets, use);
  return sources.flatMap((from) => destinations.map((to) => words(start, from, to)));
}

const icmpText = (icmp: IcmpKind | undefined, not: string): string =>
  icmp === undefined
    ? ''
    : `-m icmp ${not}--icmp-type ${icmp.type}${icmp.code === undefined ? '' : `/${icmp.code}`}`;

type Side = 'src' | 'dst';

/** A single prefix has a match of its own, which is printed before all others. */
const netText = ({ nets }: RuleEnd, side: Side): string =>
  nets?.length === 1 ? `-${side[0]} ${formatPrefix(nets[0]!)}` : '';

function endText(end: RuleEnd, side: Side, sets: PolicySets, use: Use): string {
  const { nets, notNets = [], selector, notSelector, notPorts = [], service } = end;
  const inSet = (set: IpSetPlan, not = ''): string =>
    `-m set ${not}--match-set ${use(set)} ${side}`;
  return words(
    nets === undefined || nets.length === 1 ? '' : inSet(sets.listed(nets)),
    service === undefined ? '' : inSet(sets.service(service)),
    notNets.length === 0 ? '' : inSet(sets.listed(notNets), '! '),
    selector === undefined ? '' : inSet(sets.selected(selector)),
    notSelector === undefined ? '' : inSet(sets.selected(notSelector), '! '),
    ...portsTexts(side, notPorts).map((text) => `-m multiport ! ${text}`),
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
  return [
    ...portsTexts(side, ports ?? []).map((text) => `-m multiport ${text}`),
    ...named.flatMap((name) =>
      [...sets.named(name, protocol ?? -1)].map(([port, set]) => {
        return `-m set --match-set ${use(set)} ${side} -m multiport --${side[0]}ports ${port}`;
      }),
    ),
  ];
}

/** `multiport` takes 15 ports, of which a range is two (xt_multiport XT_MULTI_PORTS). */
const MAX_PORTS = 15;

function portsTexts(side: Side, ports: readonly PortRange[]): readonly string[] {
  const lists: string[][] = [];
  let left = 0;
  for (const { from, to } of ports) {
    const size = from === to ? 1 : 2;
    if (left < size) {
      lists.push([]);
      left = MAX_PORTS;
    }
    lists.at(-1)!.push(from === to ? `${from}` : `${from}:${to}`);
    left -= size;
  }
  return lists.map((list) => `--${side[0]}ports ${list.join(',')}`);
}
