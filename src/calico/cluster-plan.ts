/** From Calico's resources to the whole cluster as data: namespaces, links, free inputs. */
import type { ClusterPlan, FdbPlan, NamespacePlan, NeighbourPlan } from '../plan/plan.ts';
import { formatMac, type Mac } from '../wire/address.ts';
import { type Addressing, assignAddresses, usesEncapsulation } from './blocks.ts';
import type { CalicoNode } from './calico-node.ts';
import {
  hasUplink,
  hostVeth,
  loopback,
  nicDevice,
  POD_DEVICE,
  podMtu,
  podVeth,
  tunnelDevices,
} from './devices.ts';
import type { Freedoms } from './free-inputs.ts';
import { type Numbering, numbering } from './ifindex.ts';
import { loadManifests, type Manifest, type ManifestFile } from './manifest.ts';
import { listNames, VXLAN_DEVICE, vtepMac } from './names.ts';
import {
  connectedRoutes,
  nodeRoutes,
  podRoutes,
  type RoutingInput,
  routingInput,
  staticRoutes,
} from './routes.ts';
import { buildFabric, type Fabric } from './underlay.ts';
import { type Workload, workloadDevice, workloadMac } from './workload.ts';

/**
 * Plans the cluster that the files describe. Throws PodwireError ERR_CONFIG_SYNTAX,
 * ERR_CONFIG_VALUE or ERR_CONFIG_CONFLICT with file and line.
 */
export function planCluster(files: readonly ManifestFile[]): ClusterPlan {
  const manifest = loadManifests(files);
  const assumptions: string[] = [];
  const fabric = buildFabric(manifest, assumptions);
  const addressing = assignAddresses(manifest, assumptions);
  const routing = routingInput(manifest, addressing, fabric.nodes);
  const number = numbering(manifest.freedoms);
  noteMtus(fabric, assumptions);

  const byNode = groupByNode(manifest.workloads);
  const vteps = remoteVteps(manifest.nodes, addressing, fabric);
  const namespaces = [
    ...manifest.nodes.map((node) =>
      planNode(node, byNode.get(node.name) ?? [], {
        manifest,
        addressing,
        fabric,
        routing,
        vteps,
        number,
      }),
    ),
    ...fabric.outsiders.map(
      ({ name, role, routes, nics }): NamespacePlan => ({
        name,
        role,
        forwarding: role === 'router',
        devices: number(name, [loopback, ...nics.map(nicDevice)]),
        routes: [...connectedRoutes(nics), ...staticRoutes(routes, nics)],
        neighbours: [],
        fdb: [],
      }),
    ),
    ...manifest.workloads.map((pod) => planPod(pod, manifest, addressing, fabric, number)),
  ];
  checkNames(manifest.freedoms, namespaces);
  return {
    namespaces,
    segments: fabric.segments,
    pools: manifest.pools.map(({ name, cidr, natOutgoing, disabled }) => {
      return { name, cidr, natOutgoing, disabled };
    }),
    free: manifest.freedoms.inputs,
    assumptions,
    ignored: manifest.ignored,
  };
}

interface NodeContext {
  readonly manifest: Manifest;
  readonly addressing: Addressing;
  readonly fabric: Fabric;
  readonly routing: RoutingInput;
  readonly vteps: readonly Vtep[];
  readonly number: Numbering;
}

function planNode(
  node: CalicoNode,
  pods: readonly Workload[],
  context: NodeContext,
): NamespacePlan {
  const { manifest, addressing, fabric, routing, vteps, number } = context;
  const at = fabric.nodes.get(node.name)!;
  const tunnels = {
    ipip: addressing.tunnels.ipip.get(node.name),
    vxlan: addressing.tunnels.vxlan.get(node.name),
  };
  const mtu = podMtu(at.nics, manifest.pools);
  const own = [
    loopback,
    ...at.nics.map(nicDevice),
    ...tunnelDevices(node, at, manifest.pools, tunnels),
  ];
  const holders = new Map(own.map(({ name }) => [name, `Node/${node.name}`]));
  checkVeths(pods, holders);
  const devices = number(node.name, [...own, ...pods.map((pod) => hostVeth(pod, mtu))]);
  const remote = tunnels.vxlan === undefined ? [] : vteps.filter(({ name }) => name !== node.name);
  return {
    name: node.name,
    role: 'node',
    forwarding: true,
    devices,
    routes: nodeRoutes(node.name, pods, routing),
    neighbours: [
      ...remote.map(({ neighbour }) => neighbour),
      ...endpointNeighbours(pods, addressing),
    ],
    fdb: remote.map(({ fdb }) => fdb).sort((a, b) => a.mac - b.mac),
  };
}

function planPod(
  pod: Workload,
  { pools }: Manifest,
  { pods }: Addressing,
  { nodes }: Fabric,
  number: Numbering,
): NamespacePlan {
  const mtu = podMtu(nodes.get(pod.node.value)!.nics, pools);
  // Loading the ipip module puts a tunl0 (down, and not planned) in every namespace,
  // at index 2; without it the CNI's veth is the first device after lo.
  const first = usesEncapsulation(pools, 'ipip') ? 3 : 2;
  return {
    name: pod.key,
    role: 'pod',
    node: pod.node.value,
    forwarding: false,
    devices: number(pod.key, [loopback, podVeth(pod, mtu, pods.get(pod.key)!)], first),
    routes: podRoutes(POD_DEVICE),
    neighbours: [],
    fdb: [],
  };
}

interface Vtep {
  readonly name: string;
  readonly neighbour: NeighbourPlan;
  readonly fdb: FdbPlan;
}

/** What Felix tells every other node of a VTEP (vxlan_fdb.go). */
function remoteVteps(
  nodes: readonly CalicoNode[],
  { tunnels }: Addressing,
  fabric: Fabric,
): Vtep[] {
  const owners = new Map<Mac, string>();
  return nodes.flatMap((node) => {
    const address = tunnels.vxlan.get(node.name);
    if (address === undefined) return [];
    const mac = node.vxlanMac?.value ?? vtepMac(node.name);
    const before = owners.get(mac);
    if (before !== undefined) {
      throw (node.vxlanMac?.at ?? node.at).conflict(
        `a VTEP MAC of its own, since Node/${before} has this one`,
        formatMac(mac),
      );
    }
    owners.set(mac, node.name);
    const destination = fabric.nodes.get(node.name)!.own.address;
    return [
      {
        name: node.name,
        neighbour: { device: VXLAN_DEVICE, address, mac, state: 'PERMANENT' },
        fdb: { device: VXLAN_DEVICE, mac, destination, state: 'permanent' },
      },
    ];
  });
}

/** Felix pins the neighbour of an endpoint with a MAC (route_table.go addStaticARPEntry). */
const endpointNeighbours = (pods: readonly Workload[], { pods: addresses }: Addressing) =>
  pods
    .filter(({ endpointMac }) => endpointMac !== undefined)
    .map(
      (pod): NeighbourPlan => ({
        device: workloadDevice(pod),
        address: addresses.get(pod.key)!,
        mac: workloadMac(pod),
        state: 'PERMANENT',
      }),
    );

/** `holders` are the devices already there, by name. */
function checkVeths(pods: readonly Workload[], holders: Map<string, string>): void {
  for (const pod of pods) {
    const device = workloadDevice(pod);
    const before = holders.get(device);
    if (before !== undefined) {
      throw pod.at.conflict(`an interface of its own, since ${before} has this one`, device);
    }
    holders.set(device, `Pod/${pod.key}`);
  }
}

function groupByNode(workloads: readonly Workload[]): Map<string, Workload[]> {
  const groups = new Map<string, Workload[]>();
  for (const pod of workloads) {
    const group = groups.get(pod.node.value);
    if (group === undefined) groups.set(pod.node.value, [pod]);
    else group.push(pod);
  }
  return groups;
}

/** Free inputs for what is not in the plan are mistakes, not spare parts. */
function checkNames(
  { names, ifindex, checksumOffload }: Freedoms,
  namespaces: readonly NamespacePlan[],
): void {
  const known = new Map(namespaces.map((namespace) => [namespace.name, namespace]));
  for (const { name, at } of names) {
    if (!known.has(name)) throw at.refuse('the name of a node or a namespace/pod of the cluster');
  }
  for (const { node, device, at } of [...ifindex, ...checksumOffload]) {
    const namespace = known.get(node);
    if (namespace === undefined) {
      throw at.entry('node').refuse('the name of a node or a namespace/pod of the cluster');
    }
    if (namespace.devices.some(({ name }) => name === device)) continue;
    throw at
      .entry('device')
      .refuse(`a device of ${node} (${listNames(namespace.devices.map(({ name }) => name))})`);
  }
}

/** A NIC that Felix does not take for an uplink leaves it with a default of its own. */
function noteMtus({ nodes }: Fabric, assumptions: string[]): void {
  const blind = [...nodes].filter(([, { nics }]) => !hasUplink(nics)).map(([name]) => name);
  if (blind.length === 0) return;
  assumptions.push(
    `no NIC has a name that Felix takes for an uplink, so MTUs follow from 1460: ${listNames(blind)}`,
  );
}
