/**
 * The chains of the host endpoints of one node: `cali-fh-` for what comes in by an
 * interface, `cali-th-` for what leaves by it, the same with `fw` for what is forwarded
 * (felix/rules endpoints.go HostEndpointToFilterChains and its kin, dispatch.go).
 */
import type { ChainPlan, NetfilterTable } from '../plan/netfilter.ts';
import type { DevicePlan } from '../plan/plan.ts';
import type { Taken } from './chain-shelf.ts';
import { type EndpointChain, endpointLines } from './endpoint-chain.ts';
import { EVERY_DEVICE, type HostEndpoint } from './host-endpoint.ts';
import { compareNames } from './names.ts';
import { chainName, type Direction, parseChains } from './policy-chains.ts';
import { keep, type Selection } from './policy-selection.ts';
import type { Profile } from './profile.ts';
import type { AllowAction, RuleStyle } from './rule-style.ts';

/** Where Felix keeps the host endpoint of all interfaces: too long for a real one's name. */
const ALL_DEVICES = 'any-interface-at-all';

/** A host endpoint with the interface it is for, and what is asked there. */
interface Placed {
  readonly host: HostEndpoint;
  readonly device: string;
  readonly selection: Selection;
  readonly profiles: readonly Profile[];
}

export interface HostInput {
  /** Of this node. */
  readonly hosts: readonly HostEndpoint[];
  readonly devices: readonly Pick<DevicePlan, 'name' | 'addresses'>[];
  readonly selectionOf: (host: HostEndpoint) => Selection;
  readonly profilesOf: (host: HostEndpoint) => readonly Profile[];
  /** Releases before tiers were open asked each direction alone whether forwarding is policed. */
  readonly forwardByDirection: boolean;
}

/**
 * Which host endpoint an interface has: the first by name of those that name it or hold
 * one of its addresses (endpoint_mgr.go resolveHostEndpoints).
 */
export function hostsByDevice(
  hosts: readonly HostEndpoint[],
  devices: HostInput['devices'],
): ReadonlyMap<string, HostEndpoint> {
  const sorted = [...hosts].sort((a, b) => compareNames(a.name, b.name));
  const placed = new Map<string, HostEndpoint>();
  for (const { name, addresses } of devices) {
    const found = sorted.find(
      ({ device, expectedIps }) =>
        device === name ||
        (device === undefined && addresses.some(({ address }) => expectedIps.includes(address))),
    );
    if (found !== undefined) placed.set(name, found);
  }
  const whole = sorted.find(({ device }) => device === EVERY_DEVICE);
  if (whole !== undefined) placed.set(ALL_DEVICES, whole);
  return placed;
}

/** All of them, with the chains that dispatch to them. */
export function hostChains(input: HostInput, taken: Taken): readonly ChainPlan[] {
  const placed = [...hostsByDevice(input.hosts, input.devices)]
    .sort(([a], [b]) => compareNames(a, b))
    .map(
      ([device, host]): Placed => ({
        host,
        device,
        selection: input.selectionOf(host),
        profiles: input.profilesOf(host),
      }),
    );
  const staged = (stage: 'untracked' | 'preDnat') => (one: Placed) =>
    keep(one.selection, (policy) => policy.stage === stage).length > 0;
  // Felix has no untracked policy for all interfaces at once.
  const untracked = placed.filter(staged('untracked')).filter((one) => one.device !== ALL_DEVICES);
  const preDnat = placed.filter(staged('preDnat'));
  const part = (kind: Kind, list: readonly Placed[]): readonly string[] => [
    ...dispatchLines(kind, list),
    ...list.flatMap((one) => endpointLines(chainOf(kind, one, input, taken))),
  ];
  return [
    ...parseChains([...part('raw in', untracked), ...part('raw out', untracked)], 'raw'),
    ...parseChains([...part('mangle in', preDnat), ...part('mangle out', placed)], 'mangle'),
    ...parseChains(
      FILTER.flatMap((kind) => part(kind, placed)),
      'filter',
    ),
  ];
}

type Kind = keyof typeof KINDS;

/** The eight kinds of chains: the table, the way, who asks, and the names. */
const KINDS = {
  'raw in': ['raw', 'ingress', 'untracked', 'cali-from-host-endpoint', 'cali-fh-'],
  'raw out': ['raw', 'egress', 'untracked', 'cali-to-host-endpoint', 'cali-th-'],
  'mangle in': ['mangle', 'ingress', 'preDnat', 'cali-from-host-endpoint', 'cali-fh-'],
  // What a process of the host sent and NAT redirected: its device is known only after that.
  'mangle out': ['mangle', 'egress', 'normal', 'cali-to-host-endpoint', 'cali-th-'],
  'filter in': ['filter', 'ingress', 'normal', 'cali-from-host-endpoint', 'cali-fh-'],
  'filter out': ['filter', 'egress', 'normal', 'cali-to-host-endpoint', 'cali-th-'],
  'forward in': ['filter', 'ingress', 'forward', 'cali-from-hep-forward', 'cali-fhfw-'],
  'forward out': ['filter', 'egress', 'forward', 'cali-to-hep-forward', 'cali-thfw-'],
} as const satisfies Record<
  string,
  readonly [NetfilterTable, Direction, EndpointChain['stage'], string, string]
>;

const FILTER = ['filter in', 'filter out', 'forward in', 'forward out'] as const;

function dispatchLines(kind: Kind, placed: readonly Placed[]): readonly string[] {
  const [, direction, , name, prefix] = KINDS[kind];
  const flag = direction === 'ingress' ? '-i' : '-o';
  const whole = placed.some(({ device }) => device === ALL_DEVICES);
  return [
    `:${name} - [0:0]`,
    ...placed.flatMap(({ device }) =>
      device === ALL_DEVICES
        ? []
        : [`-A ${name} ${flag} ${device} -g ${chainName(prefix, device)}`],
    ),
    // Policy of all interfaces is never asked about what the host sends to its own pods.
    ...(whole && kind === 'mangle out' ? [`-A ${name} -o cali+ -j RETURN`] : []),
    ...(whole ? [`-A ${name} -g ${chainName(prefix, ALL_DEVICES)}`] : []),
  ];
}

function chainOf(
  kind: Kind,
  { host, device, selection, profiles }: Placed,
  { forwardByDirection }: HostInput,
  taken: Taken,
): EndpointChain {
  const [table, direction, stage, , prefix] = KINDS[kind];
  const asked = keep(selection, (policy) =>
    stage === 'forward' ? policy.stage === 'normal' && policy.onForward : policy.stage === stage,
  );
  const tiers = taken.tiers(table, asked, direction);
  const { style } = taken;
  const forwarded = stage === 'forward' ? 'forwarded ' : '';
  const failsafe = direction === 'ingress' ? 'cali-failsafe-in' : 'cali-failsafe-out';
  return {
    name: chainName(prefix, device),
    place: `${forwarded}${direction} of host endpoint ${host.name}`,
    stage,
    ...(stage === 'forward' ? {} : { failsafe }),
    style,
    known: knownIn(kind, style),
    deny: table === 'filter' ? style.filterDeny : 'DROP',
    tiers,
    profiles: stage === 'normal' ? taken.profiles(table, profiles, direction) : [],
    open: (forwardByDirection ? tiers : asked).length === 0,
  };
}

function knownIn(kind: Kind, { filterAllow, mangleAllow }: RuleStyle): AllowAction {
  if (kind === 'mangle out') return 'RETURN';
  return kind === 'mangle in' ? mangleAllow : filterAllow;
}
