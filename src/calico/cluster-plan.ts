/** From Calico's resources to the whole cluster as data: namespaces, links, free inputs. */
import type { ClusterPlan, NamespacePlan, ServicePlan } from '../plan/plan.ts';
import { assignAddresses } from './blocks.ts';
import { noteRanges } from './cluster-ranges.ts';
import { type ControlPlane, controlPlane, felixSettings } from './control-plane.ts';
import { loopback, nicDevice } from './devices.ts';
import { endpointChainsOf } from './endpoint-chains.ts';
import type { FelixOf } from './felix-configuration.ts';
import { checkFreeNames } from './free-inputs.ts';
import { hostEndpoints } from './host-endpoint.ts';
import { type Numbering, numbering } from './ifindex.ts';
import { inventoryOf } from './inventory.ts';
import { kubeProxyOver } from './kube-proxy-plan.ts';
import { loadManifests, type Manifest, type ManifestFile } from './manifest.ts';
import { hasUplink } from './mtu.ts';
import { compareNames, listNames } from './names.ts';
import { felixNetfilterOf } from './netfilter-rules.ts';
import { type NodeContext, planNode } from './node-plan.ts';
import { planPod } from './pod-plan.ts';
import { flavourOf, type Release, releaseOf } from './release.ts';
import { connectedRoutes, staticRoutes } from './routes.ts';
import { withSelectedEndpoints } from './selected-endpoints.ts';
import { serviceRanges } from './service-advertisement.ts';
import { vxlanHostsOf } from './tunnel-hosts.ts';
import { buildFabric, type Fabric } from './underlay.ts';
import { commonEnds, vtepsOf } from './vteps.ts';
import { wantsWireguardAddress } from './wireguard.ts';

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

  const hosts = hostEndpoints(manifest.policy, nodes, { fabric, tunnels: addressing.tunnels });
  const vteps = vtepsOf(nodes, addressing, fabric);
  const fdb = [...vteps].sort((a, b) => a.fdb.mac - b.fdb.mac);
  const context: NodeContext = {
    pools: manifest.pools,
    addressing,
    fabric,
    control,
    flavour,
    blocks: groupBy(addressing.blocks, (block) => block.node),
    vteps,
    fdb,
    tunnelEnds: commonEnds(vteps, fdb),
    vxlanHosts: vxlanHostsOf(vteps),
    number,
    felixRules: felixNetfilterOf({
      pools: manifest.pools,
      hosts: [...fabric.nodes.values()].map(({ own }) => own.address),
      flavour,
      services: serviceRanges(manifest.bgp.configuration),
    }),
    overKubeProxy: kubeProxyOver(manifest, assumptions),
    policy: endpointChainsOf(manifest, hosts, addressing.pods, flavour, assumptions),
  };
  const byNode = groupBy(manifest.workloads, (pod) => pod.node.value);
  const namespaces = [
    ...nodes.map((node) => planNode(node, byNode.get(node.name) ?? [], context)),
    ...fabric.outsiders.map((outsider) => planOutsider(outsider, control, number)),
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
    services: serviceFacts(manifest),
  };
}

/** A router or host beside the nodes. */
function planOutsider(
  { name, role, routes, nics }: Fabric['outsiders'][number],
  control: ControlPlane,
  number: Numbering,
): NamespacePlan {
  return {
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
  };
}

/** Names and first addresses of the services. */
const serviceFacts = ({ bgp: { services } }: Manifest): ServicePlan[] =>
  [...services]
    .sort(([a], [b]) => compareNames(a, b))
    .flatMap(([name, { clusterIps }]) =>
      clusterIps.slice(0, 1).map((clusterIp) => ({ name, clusterIp })),
    );

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
