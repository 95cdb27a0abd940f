/**
 * NetworkPolicy of Kubernetes, as Calico converts it (libcalico-go conversion
 * K8sNetworkPolicyToCalico): in the default tier with order 1000, all rules Allow, a
 * rule for each pair of peer and protocol; selectors meet pods of Kubernetes only.
 */
import type { PortRange } from '../plan/netfilter.ts';
import { networkOf } from '../wire/address.ts';
import type { Field } from './field.ts';
import { isPod, labelSelector } from './kubernetes-selector.ts';
import { type Policy, typesOf } from './network-policy.ts';
import { readNets } from './network-set.ts';
import { NAMESPACE_LABEL, type PartySelector } from './party.ts';
import { type PolicyRule, type RuleEnd, readPort, readProtocol } from './policy-rule.ts';
import { DEFAULT_TIER } from './tier.ts';

const ORDER = 1000;
/** What a port without a protocol is of. */
const TCP = 6;

export function readKubernetesPolicy(namespace: string, name: string, resource: Field): Policy {
  const spec = resource.entry('spec');
  const selects = labelSelector(spec.entry('podSelector'));
  const types = typesOfKubernetes(spec);
  const ingress = rulesOf(spec.entry('ingress'), 'from', namespace);
  const egress = rulesOf(spec.entry('egress'), 'to', namespace);
  return {
    kind: 'Kubernetes NetworkPolicy',
    label: `${namespace}/${name}`,
    name: `knp.default.${name}`,
    namespace,
    tier: DEFAULT_TIER,
    order: ORDER,
    selects: ({ labels }) =>
      labels.get(NAMESPACE_LABEL) === namespace && isPod(labels) && selects(labels),
    stage: 'normal',
    onForward: false,
    ingress: types.includes('Ingress') ? ingress : undefined,
    egress: types.includes('Egress') ? egress : undefined,
    at: resource.emptied(),
  };
}

/** Unlike Calico's own, a policy with egress rules alone is of both types by default. */
const typesOfKubernetes = (spec: Field): readonly ('Ingress' | 'Egress')[] =>
  spec.entry('policyTypes').items().length > 0
    ? typesOf(spec, 'policyTypes')
    : spec.entry('egress').items().length > 0
      ? ['Ingress', 'Egress']
      : ['Ingress'];

function rulesOf(list: Field, side: 'from' | 'to', namespace: string): readonly PolicyRule[] {
  return list.items().flatMap((at, i) => {
    const peers = at.entry(side).items();
    const ends = peers.length === 0 ? [{}] : peers.flatMap((peer) => readPeer(peer, namespace));
    const groups = portGroups(at.entry('ports'));
    return ends.flatMap((end) =>
      groups.map(({ protocol, ports, named }): PolicyRule => {
        const wanted: RuleEnd = {
          ...(ports === undefined ? {} : { ports }),
          ...(named.length === 0 ? {} : { named }),
        };
        return {
          action: 'allow',
          number: i + 1,
          protocol,
          notProtocol: undefined,
          icmp: undefined,
          notIcmp: undefined,
          source: side === 'from' ? end : {},
          destination: side === 'from' ? wanted : { ...end, ...wanted },
        };
      }),
    );
  });
}

/** No end for a block of IPv6. */
function readPeer(at: Field, namespace: string): readonly RuleEnd[] {
  const block = at.entry('ipBlock');
  const pods = at.entry('podSelector');
  const spaces = at.entry('namespaceSelector');
  if (!block.absent) {
    if (!pods.absent || !spaces.absent) throw at.refuse('ipBlock alone, or selectors');
    const cidr = block.entry('cidr');
    if (cidr.text('a prefix').includes(':')) return [];
    const notNets = readNets(block.entry('except')) ?? [];
    return [{ nets: [networkOf(cidr.interfaceAddress())], notNets }];
  }
  if (pods.absent && spaces.absent) {
    throw at.refuse('podSelector, namespaceSelector or ipBlock');
  }
  const ofPods = labelSelector(pods);
  const ofSpaces = spaces.absent ? undefined : labelSelector(spaces);
  const holds: PartySelector['holds'] = (party) =>
    isPod(party.labels) &&
    ofPods(party.labels) &&
    (ofSpaces === undefined
      ? party.labels.get(NAMESPACE_LABEL) === namespace
      : ofSpaces(party.namespace));
  const place = spaces.absent ? [namespace] : spaces.plain();
  return [{ selector: { text: JSON.stringify(['k8s', place, pods.plain()]), holds } }];
}

interface PortGroup {
  readonly protocol: number | undefined;
  /** Absent: every port. */
  readonly ports: readonly PortRange[] | undefined;
  readonly named: readonly string[];
}

/** Ports by protocol; an entry without a port is all of its protocol. */
function portGroups(list: Field): readonly PortGroup[] {
  const items = list.items();
  if (items.length === 0) return [{ protocol: undefined, ports: undefined, named: [] }];
  const groups = new Map<number, (PortRange | string | undefined)[]>();
  for (const at of items) {
    const protocol = at.entry('protocol').optional(readProtocol) ?? TCP;
    const group = groups.get(protocol) ?? [];
    group.push(at.entry('port').optional((f) => rangeTo(f, at.entry('endPort'))));
    groups.set(protocol, group);
  }
  return [...groups].map(([protocol, ports]) =>
    ports.includes(undefined)
      ? { protocol, ports: undefined, named: [] }
      : {
          protocol,
          ports: ports.filter((port) => typeof port === 'object'),
          named: ports.filter((port) => typeof port === 'string'),
        },
  );
}

function rangeTo(at: Field, end: Field): PortRange | string {
  const port = readPort(at);
  if (end.absent) return port;
  if (typeof port === 'string') throw end.refuse('no endPort where the port is a name');
  return { from: port.from, to: end.integer(port.from, 65535) };
}
