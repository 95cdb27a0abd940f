/** A node as data: devices, the tables that Felix and BIRD fill, the rules. */
import { shareTables } from '../plan/common-tables.ts';
import type { NetfilterPlan } from '../plan/netfilter.ts';
import type { NamespacePlan } from '../plan/plan.ts';
import { type Addressing, usesEncapsulation } from './blocks.ts';
import type { CalicoNode } from './calico-node.ts';
import type { ControlPlane } from './control-plane.ts';
import { hostVeth, loopback, nicDevice, tunnelDevices, type Unnumbered } from './devices.ts';
import type { EndpointRulesOf } from './endpoint-chains.ts';
import { endpointNeighbours } from './endpoint-neighbour.ts';
import type { Numbering } from './ifindex.ts';
import type { IpPool } from './ip-pool.ts';
import { type kubeProxyOver, proxyNode } from './kube-proxy-plan.ts';
import type { Block } from './ledger.ts';
import { withLists } from './namespace-lists.ts';
import type { felixNetfilterOf } from './netfilter-rules.ts';
import type { Flavour } from './release.ts';
import { ownRoutes, workloadRoutes } from './routes.ts';
import { sharedAddresses } from './shared-address.ts';
import type { vxlanHostsOf } from './tunnel-hosts.ts';
import type { Fabric } from './underlay.ts';
import { type CommonEnds, commonEnds, type Vtep } from './vteps.ts';
import {
  type WireguardMesh,
  wantsWireguardAddress,
  wireguardDevice,
  wireguardRoutes,
  wireguardRules,
  wireguardSettings,
} from './wireguard.ts';
import type { Workload } from './workload.ts';

/** What all nodes' plans are made of. */
export interface NodeContext {
  readonly pools: readonly IpPool[];
  readonly addressing: Addressing;
  readonly fabric: Fabric;
  readonly control: ControlPlane;
  readonly flavour: Flavour;
  /** By node name. */
  readonly blocks: ReadonlyMap<string, readonly Block[]>;
  readonly vteps: readonly Vtep[];
  /** The same by MAC. */
  readonly fdb: readonly Vtep[];
  readonly tunnelEnds: CommonEnds;
  readonly vxlanHosts: ReturnType<typeof vxlanHostsOf>;
  readonly number: Numbering;
  readonly felixRules: ReturnType<typeof felixNetfilterOf>;
  readonly overKubeProxy: ReturnType<typeof kubeProxyOver>;
  readonly policy: EndpointRulesOf;
}

/** Throws ERR_CONFIG_CONFLICT for two devices of one name. */
export function planNode(
  node: CalicoNode,
  pods: readonly Workload[],
  context: NodeContext,
): NamespacePlan {
  const { name } = node;
  const { felix, mtus, rules } = context.control.nodes.get(name)!;
  const mesh = meshOf(name, context);
  const own = ownDevices(node, mesh, context);
  checkNames(node, own, pods, wireguardDevice(felix));
  const devices = context.number(name, [
    ...own,
    ...pods.map((pod, i) => hostVeth(pod, mtus.pod, own.length + 1 + i)),
  ]);
  const { routed, standby } = sharedAddresses(pods, context.addressing.pods, devices);
  return withTables(
    { name, role: 'node', forwarding: true, podMtu: mtus.pod, devices },
    {
      netfilter: netfilterOf(node, own, pods, context),
      ...(mesh !== undefined && { rules: wireguardRules(felix, context.flavour) }),
      ...(standby.length > 0 && {
        standbyRoutes: workloadRoutes(standby, context.addressing, rules),
      }),
    },
    { pods, routed, mesh },
    context,
  );
}

/** The WireGuard that a node takes part in. */
function meshOf(name: string, { control }: NodeContext): WireguardMesh | undefined {
  return control.wireguard?.keys.has(name) === true ? control.wireguard : undefined;
}

/** All but the pods' veths. */
function ownDevices(
  node: CalicoNode,
  mesh: WireguardMesh | undefined,
  { pools, addressing: { tunnels }, fabric, control, flavour }: NodeContext,
): Unnumbered[] {
  const at = fabric.nodes.get(node.name)!;
  const { felix, mtus } = control.nodes.get(node.name)!;
  return [
    loopback,
    ...at.nics.map(nicDevice),
    ...tunnelDevices({
      node,
      at,
      pools,
      felix,
      mtus,
      ipip: tunnels.ipip.get(node.name),
      vxlan: tunnels.vxlan.get(node.name),
      wireguard: mesh && {
        name: wireguardDevice(felix),
        address: wantsWireguardAddress(node, felix)
          ? tunnels.wireguard.get(node.name)
          : at.own.address,
        settings: wireguardSettings(mesh, node, felix, flavour),
      },
    }),
  ];
}

/** One name for each: `Node/` or `Pod/` has the other device of that name. */
function checkNames(
  node: CalicoNode,
  own: readonly Unnumbered[],
  pods: readonly Workload[],
  wireguard: string,
): void {
  const holders = new Map(own.map(({ name }) => [name, `Node/${node.name}`]));
  if (holders.size < own.length) {
    throw node.at.conflict('a WireGuard device with a name of its own', wireguard);
  }
  for (const { device, key, at } of pods) {
    const before = holders.get(device);
    if (before !== undefined) {
      throw at.conflict(`an interface of its own, since ${before} has this one`, device);
    }
    holders.set(device, `Pod/${key}`);
  }
}

/** Felix's rules, those of policies among them, and kube-proxy's. */
function netfilterOf(
  node: CalicoNode,
  own: readonly Unnumbered[],
  pods: readonly Workload[],
  { pools, fabric, control, felixRules, overKubeProxy, policy, vxlanHosts }: NodeContext,
): NetfilterPlan {
  const { name } = node;
  const { felix } = control.nodes.get(name)!;
  const netfilter = overKubeProxy(
    felixRules(own, felix, policy(name, own, pods, felix)),
    proxyNode(node, fabric.nodes.get(name)!.own.address),
    felix.chainInsertMode,
  );
  if (!usesEncapsulation(pools, 'vxlan')) return netfilter;
  return { ...netfilter, sets: [...netfilter.sets, vxlanHosts(name, felix.externalNodesList)] };
}

/** Whom a node's tables lead to. */
interface Reached {
  readonly pods: readonly Workload[];
  /** Those of the pods that have a route. */
  readonly routed: readonly Workload[];
  readonly mesh: WireguardMesh | undefined;
}

/** The plan with routes, neighbours and FDB, of which most are the same on every node. */
function withTables(
  first: Omit<NamespacePlan, 'routes' | 'neighbours' | 'fdb'>,
  last: Partial<NamespacePlan>,
  { pods, routed, mesh }: Reached,
  { addressing, fabric, control, blocks, vteps, fdb, tunnelEnds }: NodeContext,
): NamespacePlan {
  const { name } = first;
  const { felix, rules } = control.nodes.get(name)!;
  const remote = control.remote.get(name);
  const hasVtep = addressing.tunnels.vxlan.has(name);
  const others = (list: readonly Vtep[]): readonly Vtep[] =>
    hasVtep ? list.filter((vtep) => vtep.name !== name) : [];
  const nearRoutes = () =>
    ownRoutes(fabric.nodes.get(name)!, routed, blocks.get(name) ?? [], addressing, rules);
  const meshRoutes = () => (mesh === undefined ? [] : wireguardRoutes(mesh, name, felix));
  const ownNeighbours = () => endpointNeighbours(pods, addressing);
  const plan = withLists(
    first,
    {
      routes: () => [...nearRoutes(), ...(remote?.all() ?? []), ...meshRoutes()],
      neighbours: () => [...others(vteps).map(({ neighbour }) => neighbour), ...ownNeighbours()],
      fdb: () => others(fdb).map((vtep) => vtep.fdb),
    },
    last,
  );
  if (remote !== undefined) {
    shareTables(plan, {
      routes: remote.common,
      ownRoutes: () => [...nearRoutes(), ...remote.own(), ...meshRoutes()],
      ...(hasVtep ? tunnelEnds : commonEnds([], [])),
      ownNeighbours,
    });
  }
  return plan;
}
