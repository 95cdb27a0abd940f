/**
 * Whom a policy may speak of: pods, host endpoints and network sets, with their own labels and those
 * that their namespace and service account lend them (`pcns.` and `pcsa.`, as
 * libcalico-go's conversion of Kubernetes resources names them).
 */
import type { Ip4, Prefix } from '../wire/address.ts';
import type { HostEndpoint } from './host-endpoint.ts';
import { bareLabels, type Namespace } from './namespace.ts';
import type { NetworkSet } from './network-set.ts';
import type { Profile } from './profile.ts';
import type { Labels } from './selector.ts';
import type { NamedPort, Workload } from './workload.ts';

export interface Party {
  readonly labels: Labels;
  /** Of its namespace; empty for what is in none. */
  readonly namespace: Labels;
  /** Of its service account. */
  readonly account: Labels;
  readonly prefixes: readonly Prefix[];
  readonly ports: readonly NamedPort[];
}

/** A question about a party, with the text that tells it from others. */
export interface PartySelector {
  readonly text: string;
  readonly holds: (party: Party) => boolean;
}

export const NAMESPACE_LABEL = 'projectcalico.org/namespace';
export const ACCOUNT_LABEL = 'projectcalico.org/serviceaccount';
export const ORCHESTRATOR_LABEL = 'projectcalico.org/orchestrator';
/** Every namespace and service account lends its name under this label. */
export const NAME_LABEL = 'projectcalico.org/name';

const NOTHING: Labels = new Map();

export interface PartySources {
  readonly workloads: readonly Workload[];
  readonly addresses: ReadonlyMap<string, Ip4>;
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly accounts: ReadonlyMap<string, Labels>;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly sets: readonly NetworkSet[];
  readonly hosts: readonly HostEndpoint[];
}

export interface Parties {
  /** By `namespace/pod`. */
  readonly pods: ReadonlyMap<string, Party>;
  /** By the name of a host endpoint. */
  readonly hosts: ReadonlyMap<string, Party>;
  readonly all: readonly Party[];
}

/** Names of the profiles of a pod, in the order in which they are asked. */
export const profilesOf = ({ profiles, namespace, account }: Workload): readonly string[] =>
  profiles ?? [`kns.${namespace}`, ...(account === '' ? [] : [`ksa.${namespace}.${account}`])];

export function partiesOf(sources: PartySources): Parties {
  const namespaceLabels = labelsOfNamespaces(sources.namespaces);
  const pods = new Map<string, Party>();
  for (const pod of sources.workloads) {
    const namespace = namespaceLabels(pod.namespace);
    const account: Labels =
      pod.account === ''
        ? NOTHING
        : new Map([
            ...(sources.accounts.get(`${pod.namespace}/${pod.account}`) ?? NOTHING),
            [NAME_LABEL, pod.account],
          ]);
    const lent = profilesOf(pod).flatMap((name) => [...(sources.profiles.get(name)?.labels ?? [])]);
    const address = sources.addresses.get(pod.key);
    pods.set(pod.key, {
      labels: new Map([
        ...prefixed('pcns.', namespace),
        ...prefixed('pcsa.', account),
        ...lent,
        ...pod.labels,
        [NAMESPACE_LABEL, pod.namespace],
        [ORCHESTRATOR_LABEL, 'k8s'],
        ...(pod.account === '' ? [] : [[ACCOUNT_LABEL, pod.account] as const]),
      ]),
      namespace,
      account,
      prefixes: address === undefined ? [] : [{ address, length: 32 }],
      ports: pod.ports,
    });
  }
  const sets = sources.sets.map(({ namespace, labels, nets }): Party => {
    const lent = namespace === undefined ? NOTHING : namespaceLabels(namespace);
    const place =
      namespace === undefined
        ? []
        : [...prefixed('pcns.', lent), [NAMESPACE_LABEL, namespace] as const];
    return {
      labels: new Map([...labels, ...place]),
      namespace: lent,
      account: NOTHING,
      prefixes: nets,
      ports: [],
    };
  });
  const hosts = new Map(
    sources.hosts.map((host) => [host.name, partyOfHost(host, sources.profiles)] as const),
  );
  return { pods, hosts, all: [...pods.values(), ...hosts.values(), ...sets] };
}

/** In no namespace: `global()` speaks of it. */
const partyOfHost = (
  { labels, profiles, expectedIps, ports }: HostEndpoint,
  known: ReadonlyMap<string, Profile>,
): Party => ({
  labels: new Map([...profiles.flatMap((name) => [...(known.get(name)?.labels ?? [])]), ...labels]),
  namespace: NOTHING,
  account: NOTHING,
  prefixes: expectedIps.map((address) => ({ address, length: 32 })),
  ports,
});

const prefixed = (prefix: string, labels: Labels): (readonly [string, string])[] =>
  [...labels].map(([key, value]) => [prefix + key, value] as const);

function labelsOfNamespaces(namespaces: ReadonlyMap<string, Namespace>): (name: string) => Labels {
  const known = new Map<string, Labels>();
  return (name) => {
    let labels = known.get(name);
    if (labels === undefined) {
      labels = new Map([...(namespaces.get(name)?.labels ?? bareLabels(name)), [NAME_LABEL, name]]);
      known.set(name, labels);
    }
    return labels;
  };
}
