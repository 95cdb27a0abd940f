/** From Calico's resources to the whole cluster as data: namespaces, links, free inputs. */
import { shareTables } from '../plan/common-tables.ts';
import type { ClusterPlan, NamespacePlan } from '../plan/plan.ts';
import { type Addressing, assignAddresses, usesEncapsulation } from './blocks.ts';
import type { CalicoNode } from './calico-node.ts';
import { noteRanges } from './cluster-ranges.ts';
import { type ControlPlane, controlPlane, felixSettings } from './control-plane.ts';
import { hostVeth, loopback, nicDevice, POD_DEVICE, podVeth, tunnelDevices } from './devices.ts';
import { type EndpointRulesOf, endpointChainsOf } from './endpoint-chains.ts';
import { endpointNeighbours } from './endpoint-neighbour.ts';
import type { FelixOf } from './felix-configuration.ts';
import { checkFreeNames } from './free-inputs.ts';
import { hostEndpoints } from './host-endpoint.ts';
import { type Numbering, numbering } from './ifindex.ts';
import { inventoryOf } from './inventory.ts';
import { kubeProxyOver, proxyNode } from './kube-proxy-plan.ts';
import type { Block } from './ledger.ts';
import { loadManifests, type Manifest, type ManifestFile } from './manifest.ts';
import { hasUplink } from './mtu.ts';
import { compareNames, listNames } from './names.ts';
import { withLists } from './namespace-lists.ts';
import { felixNetfilterOf } from './netfilter-rules.ts';
import { type Flavour, flavourOf, type Release, releaseOf } from './release.ts';
import { connectedRoutes, ownRoutes, podRoutes, staticRoutes, workloadRoutes } from './routes.ts';
import { withSelectedEndpoints } from './selected-endpoints.ts';
import { serviceRanges } from './service-advertisement.ts';
import { sharedAddresses } from './shared-address.ts';
import { vxlanHostsOf } from './tunnel-hosts.ts';
import { buildFabric, type Fabric } from './underlay.ts';
import { type CommonEnds, commonEnds, type Vtep, vtepsOf } from './vteps.ts';
import {
  wantsWireguardAddress,
  wireguardDevice,
  wireguardRoutes,
  wireguardRules,
  wireguardSettings,
} from './wireguard.ts';
import type { Workload } from './workload.ts';

export interface PlanOptions {
  /**
   * Release of Calico to behave like: `v3.26` to `v3.33`. Default: what a
   * ClusterInformation among the resources says, else `v3.28`.
   */
  readonly release?: Release;
  /** Keys that nobody states follow from it. Default 1. */
  readonly seed?: number;
}

/**
 * Plans the cluster that the files describe. Throws PodwireError ERR_CONFIG_SYNTAX,
 * ERR_CONFIG_VALUE or ERR_CONFIG_CONFLICT with file and line, ERR_USAGE for a release
 * that is not modelled.
 */
export function planCluster(
  files: readonly ManifestFile[],
  { release, seed = 1 }: PlanOptions = {},
): ClusterPlan {
  const written = loadManifests(files);
  const { nodes, setup } = written;
  const assumptions: string[] = [];
  const flavour = flavourOf(release ?? releaseOf(setup.version, assumptions));
  const felix = felixSettings(written, assumptions);
  const fabric = buildFabric(written, assumptions);
  const addressing = assignAddresses(written, assumptions, (node) =>
    wantsWireguardAddress(node, felix(node.name)),
  );
  const manifest = withSelectedEndpoints(written, addressing.pods, assumptions);
  const control = controlPlane(manifest, fabric, addressing, felix, flavour, seed, assumptions);
  const number = numbering(manifest.freedoms);
  noteMtus(fabric, felix, assumptions);
  noteSetup(manifest, assumptions);

  const byNode = groupBy(manifest.workloads, (pod) => pod.node.value);
  const blocks = groupBy(addressing.blocks, (block) => block.node);
  const vteps = vtepsOf(nodes, addressing, fabric);
  const fdb = [...vteps].sort((a, b) => a.fdb.mac - b.fdb.mac);
  const felixRules = felixNetfilterOf({
    pools: manifest.pools,
    hosts: [...fabric.nodes.values()].map(({ own }) => own.address),
    flavour,
    services: serviceRanges(manifest.bgp.configuration),
  });
  const overKubeProxy = kubeProxyOver(manifest, assumptions);
  const hosts = hostEndpoints(manifest.policy, nodes, { fabric, tunnels: addressing.tunnels });
  const policy = endpointChainsOf(manifest, hosts, addressing.pods, flavour, assumptions);
  const context = {
    tunnelEnds: commonEnds(vteps, fdb),
    vxlanHosts: vxlanHostsOf(vteps),
    manifest,
    addressing,
    fabric,
    control,
    flavour,
    blocks,
    vteps,
    fdb,
    number,
    felixRules,
    overKubeProxy,
    policy,
  };
  const namespaces = [
    ...nodes.map((node) => planNode(node, byNode.get(node.name) ?? [], context)),
    ...fabric.outsiders.map(
      ({ name, role, routes, nics }): NamespacePlan => ({
        name,
        role,
        forwarding: role === 'router',
        devices: number(name, [loopback, ...nics.map(nicDevice)]),
        routes: [
          ...connectedRoutes(nics),
          ...staticRoutes(routes, nics),
          ...(control.remote.get(name)?.all() ?? []),
        ],
        neighbours: [],
        fdb: [],
      }),
    ),
    ...manifest.workloads.map((pod) => planPod(pod, context)),
  ];
  checkFreeNames(manifest.freedoms, namespaces);
  return {
    namespaces,
    segments: fabric.segments,
    pools: manifest.pools.map(({ name, cidr, natOutgoing, disabled }) => {
      return { name, cidr, natOutgoing, disabled };
    }),
    free: manifest.freedoms.inputs,
    assumptions,
    ignored: manifest.ignored,
    inventory: inventoryOf({
      release: flavour.release,
      setup,
      manifest,
      hosts,
      asNumber: manifest.bgp.configuration.asNumber,
      pools: manifest.pools,
      nodes,
      addressing,
      fabric,
      network: control.network,
      keys: control.wireguard?.keys ?? new Map(),
    }),
    services: [...manifest.bgp.services]
      .sort(([a], [b]) => compareNames(a, b))
      .flatMap(([name, { clusterIps }]) =>
        clusterIps.slice(0, 1).map((clusterIp) => ({ name, clusterIp })),
      ),
  };
}

interface PlanContext {
  readonly manifest: Manifest;
  readonly addressing: Addressing;
  readonly fabric: Fabric;
  readonly control: ControlPlane;
  readonly flavour: Flavour;
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

function planNode(
  node: CalicoNode,
  pods: readonly Workload[],
  {
    manifest,
    addressing,
    fabric,
    control,
    flavour,
    blocks,
    vteps,
    fdb,
    tunnelEnds,
    vxlanHosts,
    number,
    felixRules,
    overKubeProxy,
    policy,
  }: PlanContext,
): NamespacePlan {
  const { name } = node;
  const at = fabric.nodes.get(name)!;
  const { felix, mtus, rules } = control.nodes.get(name)!;
  const { tunnels } = addressing;
  const mesh = control.wireguard?.keys.has(name) === true ? control.wireguard : undefined;
  const own = [
    loopback,
    ...at.nics.map(nicDevice),
    ...tunnelDevices({
      node,
      at,
      pools: manifest.pools,
      felix,
      mtus,
      ipip: tunnels.ipip.get(name),
      vxlan: tunnels.vxlan.get(name),
      wireguard: mesh && {
        name: wireguardDevice(felix),
        address: wantsWireguardAddress(node, felix) ? tunnels.wireguard.get(name) : at.own.address,
        settings: wireguardSettings(mesh, node, felix, flavour),
      },
    }),
  ];
  const holders = new Map(own.map((device) => [device.name, `Node/${name}`]));
  if (holders.size < own.length) {
    throw node.at.conflict('a WireGuard device with a name of its own', wireguardDevice(felix));
  }
  checkVeths(pods, holders);
  const remote = control.remote.get(name);
  const hasVtep = tunnels.vxlan.has(name);
  const others = (list: readonly Vtep[]): readonly Vtep[] =>
    hasVtep ? list.filter((vtep) => vtep.name !== name) : [];
  const devices = number(name, [
    ...own,
    ...pods.map((pod, i) => hostVeth(pod, mtus.pod, own.length + 1 + i)),
  ]);
  const { routed, standby } = sharedAddresses(pods, addressing.pods, devices);
  const nearRoutes = () => ownRoutes(at, routed, blocks.get(name) ?? [], addressing, rules);
  const meshRoutes = () => (mesh === undefined ? [] : wireguardRoutes(mesh, name, felix));
  const rulesOfAll = overKubeProxy(
    felixRules(own, felix, policy(name, own, pods, felix)),
    proxyNode(node, at.own.address),
    felix.chainInsertMode,
  );
  const plan = withLists(
    {
      name,
      role: 'node',
      forwarding: true,
      podMtu: mtus.pod,
      devices,
    },
    {
      routes: () => [...nearRoutes(), ...(remote?.all() ?? []), ...meshRoutes()],
      neighbours: () => [
        ...others(vteps).map(({ neighbour }) => neighbour),
        ...endpointNeighbours(pods, addressing),
      ],
      fdb: () => others(fdb).map((vtep) => vtep.fdb),
    },
    {
      netfilter: usesEncapsulation(manifest.pools, 'vxlan')
        ? {
            ...rulesOfAll,
            sets: [...rulesOfAll.sets, vxlanHosts(name, felix.externalNodesList)],
          }
        : rulesOfAll,
      ...(mesh === undefined ? {} : { rules: wireguardRules(felix, flavour) }),
      ...(standby.length > 0 && { standbyRoutes: workloadRoutes(standby, addressing, rules) }),
    },
  );
  if (remote !== undefined) {
    shareTables(plan, {
      routes: remote.common,
      ownRoutes: () => [...nearRoutes(), ...remote.own(), ...meshRoutes()],
      ...(hasVtep ? tunnelEnds : commonEnds([], [])),
      ownNeighbours: () => endpointNeighbours(pods, addressing),
    });
  }
  return plan;
}

// The same in every pod, and there may be 100,000 of them.
const ROUTES_OF_PODS = podRoutes(POD_DEVICE);
const NONE: readonly never[] = [];

function planPod(
  pod: Workload,
  { manifest, addressing, control, number }: PlanContext,
): NamespacePlan {
  const { mtus } = control.nodes.get(pod.node.value)!;
  // Loading the ipip module puts a tunl0 (down, and not planned) in every namespace,
  // at index 2; without it the CNI's veth is the first device after lo.
  const first = usesEncapsulation(manifest.pools, 'ipip') ? 3 : 2;
  const device = podVeth(pod, mtus.pod, addressing.pods.get(pod.key)!, first);
  return {
    name: pod.key,
    role: 'pod',
    node: pod.node.value,
    forwarding: false,
    devices: number(pod.key, [loopback, device], first),
    routes: ROUTES_OF_PODS,
    neighbours: NONE,
    fdb: NONE,
  };
}

/** `holders` are the devices already there, by name. */
function checkVeths(pods: readonly Workload[], holders: Map<string, string>): void {
  for (const { device, key, at } of pods) {
    const before = holders.get(device);
    if (before !== undefined) {
      throw at.conflict(`an interface of its own, since ${before} has this one`, device);
    }
    holders.set(device, `Pod/${key}`);
  }
}

function groupBy<T>(list: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

/** Settings that do not go together. */
function noteSetup({ setup, pools, bgp }: Manifest, assumptions: string[]): void {
  noteRanges(setup.ranges, pools, assumptions);
  if (setup.birdProbe !== undefined && !bgp.runs) {
    assumptions.push(
      'DaemonSet/kube-system/calico-node: its readiness probe asks BIRD (-bird-ready), which does not run: its pods are never ready',
    );
  }
}

/** A NIC that Felix does not take for an uplink leaves it with a default of its own. */
function noteMtus({ nodes }: Fabric, felix: FelixOf, assumptions: string[]): void {
  const blind = [...nodes]
    .filter(([name, { nics }]) => !hasUplink(nics, felix(name)))
    .map(([name]) => name);
  if (blind.length === 0) return;
  assumptions.push(
    `no NIC has a name that Felix takes for an uplink, so MTUs follow from 1460: ${listNames(blind)}`,
  );
}
