/**
 * ClusterNetworkPolicy of Kubernetes, as Calico converts it from v3.32 on: a global policy of the
 * tier kube-admin or kube-baseline (libcalico-go conversion, K8sClusterNetworkPolicyToCalico).
 */
import type { PortRange } from '../plan/netfilter.ts';
import { readNetworks, readSubject } from './admin-policy.ts';
import type { Field } from './field.ts';
import type { Policy } from './network-policy.ts';
import { ANYTHING, type PolicyRule, type RuleEnd } from './policy-rule.ts';

const TIERS = { Admin: 'kube-admin', Baseline: 'kube-baseline' } as const;
const ACTIONS = { Accept: 'allow', Deny: 'deny', Pass: 'pass' } as const;

/** In each tier: the lower its priority, the earlier it is asked. */
export function readClusterPolicy(name: string, resource: Field): Policy {
  const spec = resource.entry('spec');
  const tier = TIERS[spec.entry('tier').choice(['Admin', 'Baseline'])];
  const unconverted: string[] = [];
  const rules = (key: 'ingress' | 'egress'): readonly PolicyRule[] | undefined => {
    const list = spec
      .entry(key)
      .items()
      .flatMap((at, i) => {
        const made = convert(at, i + 1, key);
        if (made !== undefined) return made;
        unconverted.push(`${name} ${key} rule ${i + 1}`);
        return instead(at, i + 1);
      });
    return list.length === 0 ? undefined : list;
  };
  return {
    kind: 'ClusterNetworkPolicy',
    label: name,
    name: `kcnp.${tier}.${name}`,
    namespace: undefined,
    tier,
    order: spec.entry('priority').integer(0, 1000),
    selects: readSubject(spec.entry('subject')).holds,
    stage: 'normal',
    onForward: false,
    ingress: rules('ingress'),
    egress: rules('egress'),
    unconverted,
    at: resource.emptied(),
  };
}

const actionOf = (at: Field): PolicyRule['action'] =>
  ACTIONS[at.entry('action').choice(['Accept', 'Deny', 'Pass'])];

/** In place of a rule that cannot be converted: against everybody, unless it would accept. */
const instead = (at: Field, number: number): PolicyRule[] =>
  actionOf(at) === 'allow' ? [] : [{ ...ANYTHING, action: 'deny', number }];

/** One for each protocol and peer; `undefined` where Calico gives up. */
function convert(
  at: Field,
  number: number,
  key: 'ingress' | 'egress',
): readonly PolicyRule[] | undefined {
  const peers = at
    .entry(key === 'ingress' ? 'from' : 'to')
    .items()
    .map((peer) => readPeer(peer, key));
  const ports = portsByProtocol(at.entry('protocols').items());
  if (ports === undefined || peers.includes(undefined)) return undefined;
  const action = actionOf(at);
  return [...ports].flatMap(([protocol, ranges]) =>
    peers.map((peer = {}): PolicyRule => {
      const wanted: RuleEnd = ranges.length === 0 ? {} : { ports: ranges };
      const ends =
        key === 'ingress'
          ? { source: peer, destination: wanted }
          : { destination: { ...peer, ...wanted } };
      return { ...ANYTHING, action, number, protocol, ...ends };
    }),
  );
}

/** Nodes and names of domains are not converted. */
function readPeer(at: Field, key: 'ingress' | 'egress'): RuleEnd | undefined {
  const isSelector = !at.entry('pods').absent || !at.entry('namespaces').absent;
  if (isSelector) return { selector: readSubject(at) };
  const networks = key === 'egress' ? at.entry('networks').items() : [];
  return networks.length === 0 ? undefined : { nets: readNetworks(networks) };
}

const PROTOCOLS = [
  ['sctp', 132],
  ['tcp', 6],
  ['udp', 17],
] as const;

/** An empty list of ports: all of them. Named ports are not converted. */
function portsByProtocol(
  list: readonly Field[],
): ReadonlyMap<number | undefined, readonly PortRange[]> | undefined {
  const all = new Map([[undefined, []]]);
  if (list.length === 0) return all;
  const found = new Map<number, { isAll: boolean; readonly ports: PortRange[] }>();
  for (const at of list) {
    const one = PROTOCOLS.find(([key]) => !at.entry(key).absent);
    if (one === undefined) return at.entry('destinationNamedPort').absent ? all : undefined;
    const [key, number] = one;
    const group = found.get(number) ?? { isAll: false, ports: [] };
    found.set(number, group);
    const port = at.entry(key).entry('destinationPort').optional(readPort);
    if (port === undefined) group.isAll = true;
    else group.ports.push(port);
  }
  return new Map(
    PROTOCOLS.flatMap(([, number]) => {
      const group = found.get(number);
      return group === undefined ? [] : [[number, group.isAll ? [] : group.ports]];
    }),
  );
}

function readPort(at: Field): PortRange | undefined {
  const number = at.entry('number').optional((f) => f.integer(1, 65535));
  if (number !== undefined) return { from: number, to: number };
  return at.entry('range').optional((range) => {
    const from = range.entry('start').integer(1, 65535);
    return { from, to: range.entry('end').integer(from, 65535) };
  });
}
