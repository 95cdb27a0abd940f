/**
 * Resources about policy as calicoctl lists them: those that are written, and those that
 * Calico makes of a cluster without anybody writing them.
 */
import type { EndpointFacts, ResourceFacts } from '../plan/plan.ts';
import { formatIp4 } from '../wire/address.ts';
import { DEFAULT_ALLOW, type HostEndpoint } from './host-endpoint.ts';
import type { Manifest } from './manifest.ts';
import { compareNames } from './names.ts';
import { bareLabels } from './namespace.ts';
import {
  ACCOUNT_LABEL,
  NAME_LABEL,
  NAMESPACE_LABEL,
  ORCHESTRATOR_LABEL,
  profilesOf,
} from './party.ts';
import type { WrittenPolicy } from './policy-draft.ts';
import type { Release } from './release.ts';
import type { Labels } from './selector.ts';
import { BUILT_IN_TIERS } from './tier.ts';

const API = 'projectcalico.org/v3';

/** By kind, each by namespace and name; profiles as `profileClient.List` has them. */
export function policyFacts(
  { policy, namespaces, workloads }: Pick<Manifest, 'policy' | 'namespaces' | 'workloads'>,
  hosts: readonly HostEndpoint[],
  release: Release,
): ResourceFacts[] {
  const written = policy.written.map(writtenFacts).sort(compareFacts);
  const isWritten = new Set(written.map(({ kind, name }) => `${kind}/${name}`));
  const made = [
    ...BUILT_IN_TIERS.filter(({ name }) => hasTier(name, release)).map(tierFacts),
    ...hosts.map(hostFacts),
    ...profilesMade(policy.accounts, namespaces, workloads),
  ].filter(({ kind, name }) => !isWritten.has(`${kind}/${name}`));
  return [...made, ...written];
}

const compareFacts = (a: ResourceFacts, b: ResourceFacts): number =>
  compareNames(a.namespace ?? '', b.namespace ?? '') || compareNames(a.name, b.name);

/** In the form of calicoctl, also where the cluster's own API group was read. */
function writtenFacts({ kind, namespace, name: given, at }: WrittenPolicy): ResourceFacts {
  const isPolicy = kind === 'NetworkPolicy' || kind === 'GlobalNetworkPolicy';
  const name = isPolicy && given.startsWith('default.') ? given.slice('default.'.length) : given;
  const place = namespace === undefined ? {} : { namespace };
  return {
    kind,
    ...place,
    name,
    get manifest() {
      const metadata = at.entry('metadata').plain() as object;
      return {
        ...(at.plain() as object),
        apiVersion: API,
        metadata: { ...metadata, name, ...place },
      };
    },
  };
}

/** Tiers came with v3.29; v3.32 has tiers for ClusterNetworkPolicy in place of its forerunners'. */
function hasTier(name: string, release: Release): boolean {
  if (name === 'adminnetworkpolicy') return release === 'v3.29' || isBetween(release);
  if (name === 'baselineadminnetworkpolicy') return isBetween(release);
  return name === 'default' || release === 'v3.32' || release === 'v3.33';
}

const isBetween = (release: Release): boolean => release === 'v3.30' || release === 'v3.31';

const tierFacts = ({ name, order, end }: (typeof BUILT_IN_TIERS)[number]): ResourceFacts =>
  factsOf('Tier', name, { defaultAction: end === 'deny' ? 'Deny' : 'Pass', order });

const hostFacts = ({ name, node, labels, profiles, ...host }: HostEndpoint): ResourceFacts => ({
  kind: 'HostEndpoint',
  name,
  manifest: {
    apiVersion: API,
    kind: 'HostEndpoint',
    metadata: { name, labels: Object.fromEntries(labels) },
    spec: {
      expectedIPs: host.expectedIps.map(formatIp4),
      interfaceName: host.device,
      node,
      profiles,
    },
  },
});

const factsOf = (kind: 'Tier' | 'Profile', name: string, spec: object): ResourceFacts => ({
  kind,
  name,
  manifest: { apiVersion: API, kind, metadata: { name }, spec },
});

const ANYTHING = [{ action: 'Allow', destination: {}, source: {} }];
const OPEN = { egress: ANYTHING, ingress: ANYTHING };

/** One for each namespace and each service account, of which every namespace has `default`. */
function profilesMade(
  accounts: ReadonlyMap<string, Labels>,
  namespaces: Manifest['namespaces'],
  workloads: Manifest['workloads'],
): ResourceFacts[] {
  const names = [
    ...new Set(['default', ...namespaces.keys(), ...workloads.map((pod) => pod.namespace)]),
  ].sort(compareNames);
  const owners = new Set([
    ...names.map((name) => `${name}/default`),
    ...accounts.keys(),
    ...workloads.flatMap(({ namespace, account }) =>
      account === '' ? [] : [`${namespace}/${account}`],
    ),
  ]);
  return [
    factsOf('Profile', DEFAULT_ALLOW, OPEN),
    ...names.map((name) => {
      const labels = [...(namespaces.get(name)?.labels ?? bareLabels(name)), [NAME_LABEL, name]];
      const labelsToApply = Object.fromEntries(
        labels.map(([key, value]) => [`pcns.${key}`, value]),
      );
      return factsOf('Profile', `kns.${name}`, { ...OPEN, labelsToApply });
    }),
    ...[...owners].sort(compareNames).map((owner) => {
      const [namespace = '', name = ''] = owner.split('/');
      const labels = [...(accounts.get(owner) ?? []), [NAME_LABEL, name]];
      const labelsToApply = Object.fromEntries(
        labels.map(([key, value]) => [`pcsa.${key}`, value]),
      );
      return factsOf('Profile', `ksa.${namespace}.${name}`, { labelsToApply });
    }),
  ];
}

/** What a WorkloadEndpoint says beyond the pod's devices. */
export const endpointFacts = (pod: Manifest['workloads'][number]): EndpointFacts => ({
  pod: pod.key,
  profiles: profilesOf(pod),
  ...(pod.account === '' ? {} : { account: pod.account }),
  labels: {
    ...Object.fromEntries(pod.labels),
    [NAMESPACE_LABEL]: pod.namespace,
    [ORCHESTRATOR_LABEL]: 'k8s',
    ...(pod.account === '' ? {} : { [ACCOUNT_LABEL]: pod.account }),
  },
});
