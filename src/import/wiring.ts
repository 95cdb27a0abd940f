/** The cables: which veth is the other end of which, and which NICs share a segment. */
import { listNames } from '../calico/names.ts';
import type { DevicePlan, NamespacePlan, SegmentMember, SegmentPlan } from '../plan/plan.ts';
import { peerIndex } from '../text/link-reader.ts';
import { formatPrefix, networkOf } from '../wire/address.ts';
import type { Hints } from './hints.ts';
import type { Notes } from './notes.ts';
import { assumePod, type KnownPods, podAddress } from './pod.ts';
import type { TableSet } from './table-set.ts';

export interface Wired {
  readonly namespaces: readonly NamespacePlan[];
  readonly segments: readonly SegmentPlan[];
}

export interface Context {
  readonly tables: ReadonlyMap<string, TableSet>;
  readonly hints: Hints;
  readonly pods: KnownPods;
  readonly notes: Notes;
}

/** Two ends of a veth. */
export type Pair = readonly [SegmentMember, SegmentMember];

/** Pairs veths, adds the pods that only routes tell of, and joins NICs by subnet. */
export function wire(dumped: readonly NamespacePlan[], context: Context): Wired {
  const namespaces = [...dumped];
  const pairs: Pair[] = [];
  const taken = new Set<string>();
  for (const node of dumped) {
    for (const veth of node.devices.filter(isPodVeth)) {
      const pod = podBehind(node, veth, dumped, taken, context);
      const other = pod ?? assumedBehind(node, veth, context);
      if (other === undefined) continue;
      if (pod === undefined) namespaces.push(other);
      taken.add(other.name);
      const device = veths(other)[0]?.name ?? 'eth0';
      pairs.push([
        { namespace: node.name, device: veth.name },
        { namespace: other.name, device },
      ]);
    }
  }
  const paired = connect(namespaces, pairs);
  return { namespaces: paired, segments: segmentsOf(paired, context.notes) };
}

const isPodVeth = ({ kind, name, master }: DevicePlan): boolean =>
  kind === 'veth' && (name.startsWith('cali') || master !== undefined);

/** A pod's own veths. */
const veths = ({ devices }: NamespacePlan): DevicePlan[] =>
  devices.filter(({ kind, name }) => kind === 'veth' || name === 'eth0');

function assumedBehind(
  node: NamespacePlan,
  veth: DevicePlan,
  context: Context,
): NamespacePlan | undefined {
  // Behind the port of a bridge there may be anything.
  if (veth.master !== undefined) return undefined;
  const link = context.tables.get(node.name)?.links.get(veth.name);
  const index = link && peerIndex(link);
  return assumePod(node, veth, index, context.pods, context.hints, context.notes);
}

/** By the route to the pod, else by the name of its namespace, else by both ends' indices. */
function podBehind(
  node: NamespacePlan,
  veth: DevicePlan,
  all: readonly NamespacePlan[],
  taken: ReadonlySet<string>,
  { tables }: Context,
): NamespacePlan | undefined {
  const mayBe = veth.master === undefined ? ['pod'] : ['pod', 'host', 'router'];
  const free = all.filter(({ role, name }) => mayBe.includes(role) && !taken.has(name));
  const address = podAddress(node, veth.name);
  if (address !== undefined) {
    return free.find(({ devices }) =>
      devices.some((d) => d.addresses.some((a) => a.address === address)),
    );
  }
  const link = tables.get(node.name)?.links.get(veth.name);
  if (link === undefined) return undefined;
  const named = free.find(({ name }) => name === link.netns || name.endsWith(`/${link.netns}`));
  if (named !== undefined) return named;
  const index = peerIndex(link);
  const matching = free.filter(({ name }) =>
    [...(tables.get(name)?.links.values() ?? [])].some(
      (end) => index !== undefined && end.index === index && peerIndex(end) === link.index,
    ),
  );
  return matching.length === 1 ? matching[0] : undefined;
}

/** Tells both ends of each pair; a veth without a pair that has an address is a NIC. */
export function connect(
  namespaces: readonly NamespacePlan[],
  pairs: readonly Pair[],
): NamespacePlan[] {
  const ends = new Map<string, SegmentMember>();
  for (const [a, b] of pairs) {
    ends.set(`${a.namespace} ${a.device}`, b);
    ends.set(`${b.namespace} ${b.device}`, a);
  }
  return namespaces.map((namespace) => {
    const devices = namespace.devices.map((device): DevicePlan => {
      const peer = ends.get(`${namespace.name} ${device.name}`);
      if (peer !== undefined) return { ...device, kind: 'veth', peer };
      return device.kind === 'veth' && !device.name.startsWith('cali')
        ? { ...device, kind: 'nic' }
        : device;
    });
    const first = devices.find(({ peer }) => peer !== undefined)?.peer;
    const node = namespace.node ?? (namespace.role === 'pod' ? first?.namespace : undefined);
    return { ...namespace, devices, ...(node === undefined ? {} : { node }) };
  });
}

/** Devices that hold addresses of their own host only, never a cable. */
const INNER = /^(docker|br-|virbr|cni|nodelocaldns|kube-ipvs|dummy|flannel|cilium|lxc)/;

function segmentsOf(namespaces: readonly NamespacePlan[], notes: Notes): SegmentPlan[] {
  const groups = new Map<
    string,
    (SegmentMember & { readonly mtu: number; readonly address: number })[]
  >();
  for (const { name: namespace, devices } of namespaces) {
    for (const { name: device, kind, up, addresses, mtu, master } of devices) {
      const bridge = devices.find((one) => one.name === master);
      const first = (bridge?.addresses ?? addresses).find(({ scope }) => scope === 'global');
      if (kind !== 'nic' || !up || INNER.test(device)) continue;
      if (first === undefined || first.length > 31) continue;
      const subnet = formatPrefix(networkOf(first));
      const group = groups.get(subnet) ?? [];
      group.push({ namespace, device, mtu, address: first.address });
      groups.set(subnet, group);
    }
  }
  return [...groups].flatMap(([name, members]) => {
    const distinct = new Set(members.map(({ address }) => address));
    if (distinct.size < members.length) {
      notes.assume(
        `${name}: two dumps have the same address in it, so it is taken as a network of each host's own`,
      );
      return [];
    }
    const mtu = Math.max(...members.map((member) => member.mtu));
    notes.assume(
      `${name} is one L2 segment of ${listNames(members.map((m) => `${m.namespace}:${m.device}`))}, which carries MTU ${mtu}`,
    );
    const ends = members.map(({ namespace, device }) => ({ namespace, device }));
    return [{ name, mtu, members: ends, srcDstCheck: false }];
  });
}
