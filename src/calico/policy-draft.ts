/** The resources about policy, gathered while the files are read. */
import type { ResourceKind } from '../plan/plan.ts';
import { readAdminPolicy, readBaselinePolicy } from './admin-policy.ts';
import { once } from './bgp-draft.ts';
import { readClusterPolicy } from './cluster-policy.ts';
import type { Field } from './field.ts';
import { type HostEndpoint, readAutomatic, readHostEndpoint } from './host-endpoint.ts';
import { readKubernetesPolicy } from './kubernetes-policy.ts';
import { compareNames } from './names.ts';
import { type Policy, readNetworkPolicy } from './network-policy.ts';
import { type NetworkSet, readLabels, readNetworkSet } from './network-set.ts';
import { type Profile, readProfile } from './profile.ts';
import { named, namespaced } from './resource-name.ts';
import type { Labels } from './selector.ts';
import { BUILT_IN_TIERS, compareTiers, readTier, type Tier } from './tier.ts';

/** Everything that decides who may speak to whom, but the pods. */
export interface PolicyResources {
  readonly policies: readonly Policy[];
  /** In the order in which they are asked. */
  readonly tiers: readonly Tier[];
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly sets: readonly NetworkSet[];
  /** Labels of service accounts by `namespace/name`. */
  readonly accounts: ReadonlyMap<string, Labels>;
  /** What staged policies are called: they are read, and decide nothing. */
  readonly staged: readonly string[];
  readonly hosts: readonly HostEndpoint[];
  /** kube-controllers makes a host endpoint of each node. */
  readonly automaticHosts: boolean;
  /** Calico's own resources, for printing them back; in the order of the files. */
  readonly written: readonly WrittenPolicy[];
}

/** A resource of Calico's about policy, as it stands in a file. */
export interface WrittenPolicy {
  readonly kind: Exclude<ResourceKind, 'FelixConfiguration' | 'BGPConfiguration' | 'BGPPeer'>;
  readonly namespace?: string;
  readonly name: string;
  readonly at: Field;
}

export class PolicyDraft {
  private readonly policies = new Map<string, Policy>();
  private readonly tiers = new Map<string, Tier>();
  private readonly profiles = new Map<string, Profile>();
  private readonly sets = new Map<string, NetworkSet>();
  private readonly accounts = new Map<string, Labels>();
  private readonly staged: string[] = [];
  private readonly hosts = new Map<string, HostEndpoint>();
  private automaticHosts = false;
  private readonly written: WrittenPolicy[] = [];

  addPolicy(root: Field): void {
    const [namespace, name, at] = namespaced('NetworkPolicy', root);
    const policy = readNetworkPolicy(name, namespace, at);
    once(this.policies, `NetworkPolicy/${namespace}/${name}`, policy);
    this.written.push({ kind: 'NetworkPolicy', namespace, name, at });
  }

  addGlobalPolicy(root: Field): void {
    const [name, at] = named('GlobalNetworkPolicy', root);
    once(this.policies, `GlobalNetworkPolicy/${name}`, readNetworkPolicy(name, undefined, at));
    this.written.push({ kind: 'GlobalNetworkPolicy', name, at });
  }

  addKubernetesPolicy(root: Field): void {
    const [namespace, name, at] = namespaced('NetworkPolicy', root);
    const policy = readKubernetesPolicy(namespace, name, at);
    once(this.policies, `knp ${namespace}/${name}`, policy);
  }

  addAdminPolicy(root: Field): void {
    const [name, at] = named('AdminNetworkPolicy', root);
    once(this.policies, `anp ${name}`, readAdminPolicy(name, at));
  }

  addBaselinePolicy(root: Field): void {
    const [name, at] = named('BaselineAdminNetworkPolicy', root);
    once(this.policies, `banp ${name}`, readBaselinePolicy(name, at));
  }

  addClusterPolicy(root: Field): void {
    const [name, at] = named('ClusterNetworkPolicy', root);
    once(this.policies, `cnp ${name}`, readClusterPolicy(name, at));
  }

  /** A mistake in it is one as well. */
  addStaged(
    kind: string,
    root: Field,
    read: (namespace: string, name: string, at: Field) => Policy,
  ) {
    const [namespace, name, at] = namespaced(kind, root);
    this.staged.push(`${kind}/${read(namespace, name, at).label}`);
  }

  addHostEndpoint(root: Field): void {
    const [name, at] = named('HostEndpoint', root);
    this.hosts.set(name, readHostEndpoint(name, at));
    this.written.push({ kind: 'HostEndpoint', name, at });
  }

  addControllers(root: Field): void {
    this.automaticHosts = readAutomatic(named('KubeControllersConfiguration', root)[1]);
  }

  addTier(root: Field): void {
    const [name, at] = named('Tier', root);
    this.tiers.set(name, readTier(name, at));
    this.written.push({ kind: 'Tier', name, at });
  }

  addProfile(root: Field): void {
    const [name, at] = named('Profile', root);
    this.profiles.set(name, readProfile(name, at));
    this.written.push({ kind: 'Profile', name, at });
  }

  addNetworkSet(root: Field): void {
    const [namespace, name, at] = namespaced('NetworkSet', root);
    this.sets.set(`${namespace}/${name}`, readNetworkSet(namespace, at));
    this.written.push({ kind: 'NetworkSet', namespace, name, at });
  }

  addGlobalNetworkSet(root: Field): void {
    const [name, at] = named('GlobalNetworkSet', root);
    this.sets.set(name, readNetworkSet(undefined, at));
    this.written.push({ kind: 'GlobalNetworkSet', name, at });
  }

  addAccount(root: Field): void {
    const [namespace, name, at] = namespaced('ServiceAccount', root);
    this.accounts.set(`${namespace}/${name}`, readLabels(at.entry('metadata').entry('labels')));
  }

  /** Throws ERR_CONFIG_CONFLICT for a policy in a tier that does not exist. */
  finish(): PolicyResources {
    const tiers = new Map(BUILT_IN_TIERS.map((tier) => [tier.name, tier]));
    for (const [name, tier] of this.tiers) tiers.set(name, tier);
    const policies = [...this.policies.values()];
    for (const { tier, at } of policies) {
      if (!tiers.has(tier)) throw at.conflict('a tier that exists', `tier ${tier}`);
    }
    return {
      policies,
      tiers: [...tiers.values()].sort(compareTiers),
      profiles: this.profiles,
      sets: [...this.sets].sort(([a], [b]) => compareNames(a, b)).map(([, set]) => set),
      accounts: this.accounts,
      staged: this.staged,
      hosts: [...this.hosts.values()],
      automaticHosts: this.automaticHosts,
      written: this.written,
    };
  }
}

type Add = (draft: PolicyDraft, root: Field) => void;

const CALICO_KINDS: readonly (readonly [string, Add])[] = [
  ['NetworkPolicy', (draft, root) => draft.addPolicy(root)],
  ['GlobalNetworkPolicy', (draft, root) => draft.addGlobalPolicy(root)],
  ['Tier', (draft, root) => draft.addTier(root)],
  ['Profile', (draft, root) => draft.addProfile(root)],
  ['NetworkSet', (draft, root) => draft.addNetworkSet(root)],
  ['GlobalNetworkSet', (draft, root) => draft.addGlobalNetworkSet(root)],
  [
    'StagedNetworkPolicy',
    (draft, root) =>
      draft.addStaged('StagedNetworkPolicy', root, (namespace, name, at) =>
        readNetworkPolicy(name, namespace, at),
      ),
  ],
  [
    'StagedGlobalNetworkPolicy',
    (draft, root) =>
      draft.addStaged('StagedGlobalNetworkPolicy', root, (_, name, at) =>
        readNetworkPolicy(name, undefined, at),
      ),
  ],
  [
    'StagedKubernetesNetworkPolicy',
    (draft, root) => draft.addStaged('StagedKubernetesNetworkPolicy', root, readKubernetesPolicy),
  ],
  ['HostEndpoint', (draft, root) => draft.addHostEndpoint(root)],
  ['KubeControllersConfiguration', (draft, root) => draft.addControllers(root)],
];

/** What takes up each kind, by `group kind`. */
export const policyKinds = (groups: readonly string[]): (readonly [string, Add])[] => [
  ...groups.flatMap((group) =>
    CALICO_KINDS.map(([kind, add]) => [`${group} ${kind}`, add] as const),
  ),
  ['networking.k8s.io/v1 NetworkPolicy', (draft, root) => draft.addKubernetesPolicy(root)],
  ['policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy', (d, root) => d.addAdminPolicy(root)],
  [
    'policy.networking.k8s.io/v1alpha1 BaselineAdminNetworkPolicy',
    (draft, root) => draft.addBaselinePolicy(root),
  ],
  ['policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy', (d, root) => d.addClusterPolicy(root)],
  ['v1 ServiceAccount', (draft, root) => draft.addAccount(root)],
];
