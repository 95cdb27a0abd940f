/**
 * The chains of each pod of a node, to it (`cali-tw-`) and from it (`cali-fw-`):
 * tiers in order, policies in order, profiles, and a drop at the end (felix/rules
 * endpoints.go). A node none of whose pods is selected by a policy needs none of them
 * while its profiles allow everything.
 */
import type { ChainPlan, IpSetPlan, NetfilterPlan } from '../plan/netfilter.ts';
import type { Ip4 } from '../wire/address.ts';
import type { Manifest } from './manifest.ts';
import { listNames } from './names.ts';
import { comparePolicies, type Policy } from './network-policy.ts';
import { type Party, partiesOf, profilesOf } from './party.ts';
import {
  ACCEPT_MARK,
  chainName,
  type Direction,
  PASS_MARK,
  parseChains,
  rulesChain,
  type SetChain,
} from './policy-chains.ts';
import { PolicySets } from './policy-sets.ts';
import { namespaceProfile, type Profile } from './profile.ts';
import type { Tier } from './tier.ts';
import { type Workload, workloadDevice } from './workload.ts';

/** Chains and sets of the pods of one node; `undefined` where everything is allowed. */
export type PolicyOf = (pods: readonly Workload[]) => NetfilterPlan | undefined;

/** Policies that select a pod, tier by tier. */
type Selection = readonly { readonly tier: Tier; readonly policies: readonly Policy[] }[];

const PREFIXES = {
  ingress: { endpoint: 'cali-tw-', policy: 'cali-pi-', profile: 'cali-pri-' },
  egress: { endpoint: 'cali-fw-', policy: 'cali-po-', profile: 'cali-pro-' },
} as const;

/** What Felix takes for a device of a workload by default (InterfacePrefix). */
const WORKLOAD_DEVICE = /^cali/;

export function endpointChainsOf(
  { workloads, namespaces, policy, ignored }: Manifest,
  addresses: ReadonlyMap<string, Ip4>,
  assumptions: string[],
): PolicyOf {
  const { policies, profiles, accounts, sets: networkSets, tiers, forHosts } = policy;
  if (forHosts.length > 0) {
    assumptions.push(`policies of host endpoints are not modelled: ${listNames(forHosts)}`);
  }
  const isOpen = (pod: Workload): boolean =>
    profilesOf(pod).some((name) => name.startsWith('kns.') && !profiles.has(name));
  if (policies.length === 0 && workloads.every(isOpen)) return () => undefined;
  const staged = ignored.filter((kind) => /Staged|AdminNetworkPolicy/.test(kind));
  if (staged.length > 0)
    assumptions.push(`policies that decide nothing here: ${staged.join(', ')}`);

  const parties = partiesOf({
    workloads,
    addresses,
    namespaces,
    accounts,
    profiles,
    sets: networkSets,
  });
  const sorted = sortPolicies(tiers, policies);
  const sets = new PolicySets(parties.all);
  const made = new Map<string, SetChain>();
  const once = (name: string, make: () => SetChain): string => {
    if (!made.has(name)) made.set(name, make());
    return name;
  };
  const chainOfPolicy = (policy: Policy, direction: Direction): string => {
    const name = chainName(PREFIXES[direction].policy, `${policy.tier}/${keyOf(policy)}`);
    const rules = policy[direction] ?? [];
    return once(name, () => rulesChain(name, policy.label, direction, rules, sets));
  };
  const chainOfProfile = (profile: Profile, direction: Direction): string => {
    const name = chainName(PREFIXES[direction].profile, profile.name);
    const owner = `profile ${profile.name}`;
    return once(name, () => rulesChain(name, owner, direction, profile[direction], sets));
  };

  const selections = new Map<string, Selection>();
  const foreign: string[] = [];
  for (const pod of workloads) {
    const selection = select(sorted, pod, parties.pods.get(pod.key)!);
    selections.set(pod.key, selection);
    if (selection.length > 0 && !WORKLOAD_DEVICE.test(workloadDevice(pod))) foreign.push(pod.key);
  }
  if (foreign.length > 0) {
    assumptions.push(
      `policies do not reach pods whose device is not called cali…: ${listNames(foreign)}`,
    );
  }

  return (pods) => {
    if (pods.every((pod) => isOpen(pod) && selections.get(pod.key)!.length === 0)) return undefined;
    const used = new Set<string>();
    const use = (chain: string): string => {
      used.add(chain);
      return chain;
    };
    const lines = pods.flatMap((pod) => {
      const known = profilesOf(pod).flatMap((name) => profileOf(profiles, name) ?? []);
      return (['egress', 'ingress'] as const).flatMap((direction) =>
        endpointLines({
          pod,
          direction,
          tiers: selections.get(pod.key)!.flatMap(({ tier, policies: all }) => {
            const own = all.filter((one) => one[direction] !== undefined);
            const chains = own.map((one) => use(chainOfPolicy(one, direction)));
            return own.length === 0 ? [] : [{ tier, chains }];
          }),
          profiles: known.map((profile) => use(chainOfProfile(profile, direction))),
        }),
      );
    });
    const chains: ChainPlan[] = [...parseChains([...dispatchLines(pods), ...lines])];
    const asked = new Map<string, IpSetPlan>();
    for (const name of used) {
      const { chain, sets: all } = made.get(name)!;
      chains.push(chain);
      for (const set of all) asked.set(set.name, set);
    }
    return { chains, sets: [...asked.values()] };
  };
}

const keyOf = ({ namespace, name, kind }: Policy): string =>
  `${kind === 'GlobalNetworkPolicy' ? '' : `${namespace}/`}${name}`;

/** Kubernetes' own need no resource; that of a service account has no rules. */
const profileOf = (profiles: ReadonlyMap<string, Profile>, name: string): Profile | undefined =>
  profiles.get(name) ?? (name.startsWith('kns.') ? namespaceProfile(name) : undefined);

interface Sorted {
  readonly tier: Tier;
  readonly everywhere: readonly Policy[];
  /** By namespace. */
  readonly inside: ReadonlyMap<string, readonly Policy[]>;
}

/** So that a pod meets the policies of its own namespace alone, and the global ones. */
function sortPolicies(tiers: readonly Tier[], policies: readonly Policy[]): readonly Sorted[] {
  return tiers.map((tier) => {
    const everywhere: Policy[] = [];
    const inside = new Map<string, Policy[]>();
    for (const policy of policies) {
      if (policy.tier !== tier.name) continue;
      const list = policy.namespace === undefined ? everywhere : inside.get(policy.namespace);
      if (list === undefined) inside.set(policy.namespace!, [policy]);
      else list.push(policy);
    }
    return { tier, everywhere, inside };
  });
}

const select = (sorted: readonly Sorted[], pod: Workload, party: Party): Selection =>
  sorted.flatMap(({ tier, everywhere, inside }) => {
    const policies = [...everywhere, ...(inside.get(pod.namespace) ?? [])]
      .filter(({ selects }) => selects(party))
      .sort(comparePolicies);
    return policies.length === 0 ? [] : [{ tier, policies }];
  });

/** Which device belongs to which pod; Felix spreads it over chains by the letters of the names. */
function dispatchLines(pods: readonly Workload[]): readonly string[] {
  const devices = pods.map(workloadDevice).filter((device) => WORKLOAD_DEVICE.test(device));
  const chain = (name: string, flag: string, prefix: string): string[] => [
    `:${name} - [0:0]`,
    ...pods.flatMap((pod) => {
      const device = workloadDevice(pod);
      return devices.includes(device) ? [`-A ${name} ${flag} ${device} -g ${prefix}${device}`] : [];
    }),
    `-A ${name} -m comment --comment "no pod is known on this device" -j DROP`,
  ];
  return [
    ...chain('cali-from-wl-dispatch', '-i', PREFIXES.egress.endpoint),
    ...chain('cali-to-wl-dispatch', '-o', PREFIXES.ingress.endpoint),
  ];
}

interface EndpointInput {
  readonly pod: Workload;
  readonly direction: Direction;
  /** Tiers with policies of this direction, and their chains. */
  readonly tiers: readonly { readonly tier: Tier; readonly chains: readonly string[] }[];
  readonly profiles: readonly string[];
}

function endpointLines({ pod, direction, tiers, profiles }: EndpointInput): readonly string[] {
  const name = PREFIXES[direction].endpoint + workloadDevice(pod);
  const place = `${direction} of ${pod.key}`;
  const accepted = `-A ${name} -m mark --mark ${ACCEPT_MARK} -j RETURN`;
  const undecided = `-m mark --mark ${cleared(PASS_MARK)}`;
  const drop = (why: string): string => `-m comment --comment "${why} (${place})" -j DROP`;
  return [
    `:${name} - [0:0]`,
    `-A ${name} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    `-A ${name} -m conntrack --ctstate INVALID -j DROP`,
    `-A ${name} -j MARK --set-xmark ${cleared(ACCEPT_MARK)}`,
    ...tiers.flatMap(({ tier, chains }) => [
      `-A ${name} -j MARK --set-xmark ${cleared(PASS_MARK)}`,
      ...chains.flatMap((chain) => [`-A ${name} ${undecided} -j ${chain}`, accepted]),
      ...(tier.end === 'pass'
        ? []
        : [`-A ${name} ${undecided} ${drop(`no policy of tier ${tier.name} allowed it`)}`]),
    ]),
    ...profiles.flatMap((chain) => [`-A ${name} -j ${chain}`, accepted]),
    `-A ${name} ${drop('no profile allowed it')}`,
  ];
}

const cleared = (mark: string): string => `0x0/${mark.split('/')[1]}`;
