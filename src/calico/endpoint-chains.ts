/**
 * The chains of the endpoints of each node: of its pods, to them (`cali-tw-`) and from
 * them (`cali-fw-`), and of its host endpoints. A node none of whose pods is selected by
 * a policy needs none for pods while its profiles allow everything.
 */
import type { ChainPlan, NetfilterPlan } from '../plan/netfilter.ts';
import type { DevicePlan } from '../plan/plan.ts';
import type { Ip4 } from '../wire/address.ts';
import { ChainShelf, type Taken } from './chain-shelf.ts';
import { endpointLines } from './endpoint-chain.ts';
import type { FelixSettings } from './felix-configuration.ts';
import { hostChains, hostsByDevice } from './host-chains.ts';
import { DEFAULT_ALLOW, EVERY_DEVICE, type HostEndpoint } from './host-endpoint.ts';
import type { Manifest } from './manifest.ts';
import { listNames } from './names.ts';
import type { Policy } from './network-policy.ts';
import { type PartySources, partiesOf, profilesOf } from './party.ts';
import { parseChains } from './policy-chains.ts';
import { keep, type Selection, selectorOf } from './policy-selection.ts';
import { PolicySets } from './policy-sets.ts';
import { openProfile, type Profile } from './profile.ts';
import type { Flavour, Release } from './release.ts';
import { type RuleStyle, ruleStyle } from './rule-style.ts';
import type { ServiceEndpoint, ServiceEndpoints } from './service-resource.ts';
import type { Workload } from './workload.ts';

/** Chains and sets of the endpoints of one node. */
export interface EndpointRules {
  readonly plan: NetfilterPlan;
  /** Its pods have chains of their own; without, all of them may speak and be spoken to. */
  readonly pods: boolean;
  /** It has a host endpoint. */
  readonly hosts: boolean;
}

/** `undefined` where everything is allowed. */
export type EndpointRulesOf = (
  node: string,
  devices: readonly Pick<DevicePlan, 'name' | 'addresses'>[],
  pods: readonly Workload[],
  felix: FelixSettings,
) => EndpointRules | undefined;

const PREFIXES = { ingress: 'cali-tw-', egress: 'cali-fw-' } as const;

/** What Felix takes for a device of a workload by default (InterfacePrefix). */
const WORKLOAD_DEVICE = /^cali/;

export function endpointChainsOf(
  { workloads, namespaces, policy, bgp, ignored, nodes }: Manifest,
  hosts: readonly HostEndpoint[],
  addresses: ReadonlyMap<string, Ip4>,
  flavour: Pick<Flavour, 'release' | 'forwardByDirection' | 'clusterWide' | 'markDrop'>,
  assumptions: string[],
): EndpointRulesOf {
  const { profiles, accounts, sets: networkSets, tiers } = policy;
  const { forwardByDirection } = flavour;
  const isUnknown = ({ kind }: Policy): boolean =>
    /Admin|Cluster/.test(kind) && !flavour.clusterWide.includes(kind);
  const policies = policy.policies.filter((one) => !isUnknown(one));
  const unknown = policy.policies.filter(isUnknown);
  notePolicies(policies, unknown, flavour.release, assumptions);
  noteUnused(policy.staged, ignored, assumptions);
  noteHosts(hosts, new Set(nodes.map(({ name }) => name)), assumptions);
  const isOpen = (pod: Workload): boolean =>
    profilesOf(pod).some((name) => name.startsWith('kns.') && !profiles.has(name));
  if (policies.length === 0 && hosts.length === 0 && workloads.every(isOpen)) {
    return () => undefined;
  }
  const sources: PartySources = {
    workloads,
    addresses,
    namespaces,
    accounts,
    profiles,
    sets: networkSets,
    hosts,
  };
  const parties = partiesOf(sources);
  const select = selectorOf(tiers, policies);
  const sets = new PolicySets(parties.all, membersOf(bgp.endpoints));
  // Nodes whose Felix writes alike share their chains.
  const shelves = new Map<string, ChainShelf>();
  const shelfOf = (felix: FelixSettings): ChainShelf => {
    const style = ruleStyle(felix, flavour);
    const key = JSON.stringify(style);
    const shelf = shelves.get(key) ?? new ChainShelf(sets, style);
    shelves.set(key, shelf);
    return shelf;
  };

  const selections = new Map<string, Selection>();
  const foreign: string[] = [];
  for (const pod of workloads) {
    const all = select(parties.pods.get(pod.key)!, pod.namespace);
    const selection = keep(all, ({ stage }) => stage === 'normal');
    selections.set(pod.key, selection);
    if (selection.length > 0 && !WORKLOAD_DEVICE.test(pod.device)) foreign.push(pod.key);
  }
  if (foreign.length > 0) {
    assumptions.push(
      `policies do not reach pods whose device is not called cali…: ${listNames(foreign)}`,
    );
  }
  const known = (names: readonly string[]): readonly Profile[] =>
    names.flatMap((name) => profileOf(profiles, name) ?? []);

  return (node, devices, pods, felix) => {
    const own = hosts.filter((host) => host.node === node);
    const open = pods.every((pod) => isOpen(pod) && selections.get(pod.key)!.length === 0);
    if (open && own.length === 0) return undefined;
    const taken = shelfOf(felix).take();
    const chains: ChainPlan[] = [];
    if (!open) chains.push(...podChains({ pods, selections, known, taken }));
    if (own.length > 0) {
      noteDevices(node, own, devices, assumptions);
      const selectionOf = (host: HostEndpoint): Selection => select(parties.hosts.get(host.name)!);
      const profilesOfHost = (host: HostEndpoint) => known(host.profiles);
      const input = {
        hosts: own,
        devices,
        selectionOf,
        profilesOf: profilesOfHost,
        forwardByDirection,
      };
      chains.push(...hostChains(input, taken));
      noteUntracked(own, selectionOf, assumptions);
    }
    const { chains: asked, sets: used } = taken.plan;
    const plan = { chains: [...chains, ...asked], sets: used };
    return { plan, pods: !open, hosts: own.length > 0 };
  };
}

/** Kubernetes' own and the built-in one need no resource; that of a service account has no rules. */
const profileOf = (profiles: ReadonlyMap<string, Profile>, name: string): Profile | undefined =>
  profiles.get(name) ??
  (name.startsWith('kns.') || name === DEFAULT_ALLOW ? openProfile(name) : undefined);

interface PodInput {
  readonly pods: readonly Workload[];
  readonly selections: ReadonlyMap<string, Selection>;
  readonly known: (names: readonly string[]) => readonly Profile[];
  readonly taken: Taken;
}

function podChains({ pods, selections, known, taken }: PodInput): readonly ChainPlan[] {
  const lines = pods.flatMap((pod) =>
    (['egress', 'ingress'] as const).flatMap((direction) =>
      endpointLines({
        name: PREFIXES[direction] + pod.device,
        place: `${direction} of ${pod.key}`,
        stage: 'normal',
        style: taken.style,
        known: taken.style.filterAllow,
        deny: taken.style.filterDeny,
        tiers: taken.tiers('filter', selections.get(pod.key)!, direction),
        profiles: taken.profiles('filter', known(profilesOf(pod)), direction),
        open: false,
      }),
    ),
  );
  return parseChains([...dispatchLines(pods, taken.style), ...lines]);
}

/** Which device belongs to which pod; Felix spreads it over chains by the letters of the names. */
function dispatchLines(pods: readonly Workload[], { filterDeny }: RuleStyle): readonly string[] {
  const devices = pods.map((pod) => pod.device).filter((device) => WORKLOAD_DEVICE.test(device));
  const chain = (name: string, flag: string, prefix: string): string[] => [
    `:${name} - [0:0]`,
    ...pods.flatMap((pod) => {
      const device = pod.device;
      return devices.includes(device) ? [`-A ${name} ${flag} ${device} -g ${prefix}${device}`] : [];
    }),
    `-A ${name} -m comment --comment "no pod is known on this device" -j ${filterDeny}`,
  ];
  return [
    ...chain('cali-from-wl-dispatch', '-i', PREFIXES.egress),
    ...chain('cali-to-wl-dispatch', '-o', PREFIXES.ingress),
  ];
}

/** Felix logs a warning, and leaves such a policy out. */
function noteUntracked(
  hosts: readonly HostEndpoint[],
  selectionOf: (host: HostEndpoint) => Selection,
  assumptions: string[],
): void {
  for (const host of hosts) {
    if (host.device !== EVERY_DEVICE) continue;
    const untracked = keep(selectionOf(host), ({ stage }) => stage === 'untracked');
    const names = untracked.flatMap(({ policies }) => policies.map(({ label }) => label));
    if (names.length === 0) continue;
    assumptions.push(
      `doNotTrack policies do not reach host endpoint ${host.name} of all interfaces: ${listNames(names)}`,
    );
  }
}

/** By `namespace/name`. */
function membersOf(
  list: readonly ServiceEndpoints[],
): ReadonlyMap<string, readonly ServiceEndpoint[]> {
  const services = new Map<string, ServiceEndpoint[]>();
  for (const { service, members } of list) {
    const known = services.get(service);
    if (known === undefined) services.set(service, [...members]);
    else known.push(...members);
  }
  return services;
}

function notePolicies(
  policies: readonly Policy[],
  unknown: readonly Policy[],
  release: Release,
  assumptions: string[],
): void {
  if (unknown.length > 0) {
    const names = unknown.map(({ kind, label }) => `${kind}/${label}`);
    assumptions.push(`not known to Calico ${release}, so not used: ${listNames(names)}`);
  }
  const unconverted = policies.flatMap((policy) => policy.unconverted ?? []);
  if (unconverted.length > 0) {
    assumptions.push(
      `rules that Calico cannot convert, so they deny all, or nothing where they would accept: ${listNames(unconverted)}`,
    );
  }
}

function noteUnused(
  staged: readonly string[],
  ignored: readonly string[],
  assumptions: string[],
): void {
  if (staged.length > 0) {
    assumptions.push(`staged policies are never enforced: ${listNames(staged)}`);
  }
  const unread = ignored.filter((kind) => /ClusterNetworkPolicy/.test(kind));
  if (unread.length > 0)
    assumptions.push(`policies that decide nothing here: ${unread.join(', ')}`);
}

/** What is written for nodes and interfaces that are not there does nothing. */
function noteHosts(
  hosts: readonly HostEndpoint[],
  nodes: ReadonlySet<string>,
  assumptions: string[],
): void {
  const lost = hosts.filter(({ node }) => !nodes.has(node)).map(({ name }) => name);
  if (lost.length > 0) {
    assumptions.push(`host endpoints of nodes that are not there: ${listNames(lost)}`);
  }
}

function noteDevices(
  node: string,
  hosts: readonly HostEndpoint[],
  devices: readonly Pick<DevicePlan, 'name' | 'addresses'>[],
  assumptions: string[],
): void {
  const placed = new Set(hostsByDevice(hosts, devices).values());
  for (const host of hosts) {
    if (placed.has(host)) continue;
    const what = host.device === EVERY_DEVICE ? 'left over' : 'without an interface on';
    assumptions.push(`host endpoint ${host.name}: ${what} ${node}, so not used`);
  }
}
