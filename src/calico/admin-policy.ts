/**
 * AdminNetworkPolicy and BaselineAdminNetworkPolicy of Kubernetes, as Calico converts
 * them from v3.29 to v3.31: global policies in tiers of their own, before and after all others,
 * which pass on what they do not decide (libcalico-go conversion, names.AdminNetworkPolicyTierName).
 */
import type { PortRange } from '../plan/netfilter.ts';
import { networkOf, type Prefix } from '../wire/address.ts';
import type { Field } from './field.ts';
import { isPod, labelSelector } from './kubernetes-selector.ts';
import type { Policy } from './network-policy.ts';
import type { PartySelector } from './party.ts';
import { type PolicyRule, type RuleEnd, readProtocol } from './policy-rule.ts';

/** What is true of one kind of them. */
interface Sort {
  readonly kind: 'AdminNetworkPolicy' | 'BaselineAdminNetworkPolicy';
  readonly tier: string;
  readonly prefix: string;
  readonly actions: readonly ('Allow' | 'Deny' | 'Pass')[];
}

const ADMIN: Sort = {
  kind: 'AdminNetworkPolicy',
  tier: 'adminnetworkpolicy',
  prefix: 'kanp.adminnetworkpolicy.',
  actions: ['Allow', 'Deny', 'Pass'],
};

const BASELINE: Sort = {
  kind: 'BaselineAdminNetworkPolicy',
  tier: 'baselineadminnetworkpolicy',
  prefix: 'kbanp.baselineadminnetworkpolicy.',
  actions: ['Allow', 'Deny'],
};

/** The lower its priority, the earlier it is asked. */
export const readAdminPolicy = (name: string, resource: Field): Policy =>
  read(ADMIN, name, resource, resource.entry('spec').entry('priority').integer(0, 1000));

export const readBaselinePolicy = (name: string, resource: Field): Policy =>
  read(BASELINE, name, resource, Number.POSITIVE_INFINITY);

function read(sort: Sort, name: string, resource: Field, order: number): Policy {
  const spec = resource.entry('spec');
  const rules = (list: Field, side: 'from' | 'to'): readonly PolicyRule[] | undefined =>
    list.items().length === 0
      ? undefined
      : list.items().flatMap((at, i) => rulesOf(sort, at, i + 1, side));
  return {
    kind: sort.kind,
    label: name,
    name: `${sort.prefix}${name}`,
    namespace: undefined,
    tier: sort.tier,
    order,
    selects: readSubject(spec.entry('subject')).holds,
    stage: 'normal',
    onForward: false,
    ingress: rules(spec.entry('ingress'), 'from'),
    egress: rules(spec.entry('egress'), 'to'),
    at: resource.emptied(),
  };
}

const ACTIONS = { Allow: 'allow', Deny: 'deny', Pass: 'pass' } as const;

/** One for each peer and protocol. */
function rulesOf(sort: Sort, at: Field, number: number, side: 'from' | 'to'): PolicyRule[] {
  const action = ACTIONS[at.entry('action').choice(sort.actions)];
  const ends = at.entry(side).items().map(readPeer);
  const groups = portGroups(at.entry('ports'));
  return ends.flatMap((end) =>
    groups.map(({ protocol, ports, named }): PolicyRule => {
      const wanted: RuleEnd = {
        ...(ports.length === 0 && named.length === 0 ? {} : { ports }),
        ...(named.length === 0 ? {} : { named }),
      };
      return {
        action,
        number,
        protocol,
        notProtocol: undefined,
        icmp: undefined,
        notIcmp: undefined,
        source: side === 'from' ? end : {},
        destination: side === 'from' ? wanted : { ...end, ...wanted },
      };
    }),
  );
}

function readPeer(at: Field): RuleEnd {
  const networks = at.entry('networks').items();
  if (networks.length > 0) return { nets: readNetworks(networks) };
  for (const key of ['nodes', 'domainNames']) {
    if (!at.entry(key).absent) throw at.entry(key).refuse(`no ${key}, which are not modelled`);
  }
  return { selector: readSubject(at) };
}

/** Those of IPv4. */
export const readNetworks = (list: readonly Field[]): readonly Prefix[] =>
  list.filter((f) => !f.text('a prefix').includes(':')).map((f) => networkOf(f.interfaceAddress()));

/** `namespaces` with all their pods, or `pods` of some namespaces. */
export function readSubject(at: Field): PartySelector {
  const spaces = at.entry('namespaces');
  const pods = at.entry('pods');
  if (spaces.absent === pods.absent) throw at.refuse('namespaces or pods');
  const inSpace = labelSelector(pods.absent ? spaces : pods.entry('namespaceSelector'));
  const ofPods = pods.absent ? () => true : labelSelector(pods.entry('podSelector'));
  return {
    text: JSON.stringify(['k8s', spaces.plain() ?? null, pods.plain() ?? null]),
    holds: ({ labels, namespace }) => isPod(labels) && inSpace(namespace) && ofPods(labels),
  };
}

interface PortGroup {
  readonly protocol: number | undefined;
  readonly ports: readonly PortRange[];
  readonly named: readonly string[];
}

const TCP = 6;
/** A name may be of a port of any of them. */
const NAMED_PROTOCOLS = [TCP, 17, 132];

function portGroups(list: Field): readonly PortGroup[] {
  const groups = new Map<number, { ports: PortRange[]; named: string[] }>();
  const group = (protocol: number) => {
    const known = groups.get(protocol) ?? { ports: [], named: [] };
    groups.set(protocol, known);
    return known;
  };
  for (const at of list.items()) {
    const name = at.entry('namedPort');
    if (!name.absent) {
      for (const protocol of NAMED_PROTOCOLS) group(protocol).named.push(name.text());
      continue;
    }
    const range = at.entry('portRange');
    const one = range.absent ? at.entry('portNumber') : range;
    const protocol = one.entry('protocol').optional(readProtocol) ?? TCP;
    const from = one.entry(range.absent ? 'port' : 'start').integer(1, 65535);
    const to = range.absent ? from : range.entry('end').integer(from, 65535);
    group(protocol).ports.push({ from, to });
  }
  if (groups.size === 0) return [{ protocol: undefined, ports: [], named: [] }];
  return [...groups].map(([protocol, ports]) => ({ protocol, ...ports }));
}
