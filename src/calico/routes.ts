/**
 * The main table: what the kernel, the CNI plugin, Felix and BIRD put there, as
 * Calico v3.28 shares the work. BIRD programs pools without encapsulation and IPIP
 * pools, Felix programs VXLAN pools and the routes to its own pods.
 */
import type { RoutePlan } from '../plan/plan.ts';
import {
  contains,
  formatPrefix,
  type Ip4,
  networkOf,
  type Prefix,
  parseIp4,
} from '../wire/address.ts';
import { type Addressing, blockOf } from './blocks.ts';
import { type IpPool, poolOf } from './ip-pool.ts';
import type { Block } from './ledger.ts';
import type { Manifest } from './manifest.ts';
import { IPIP_DEVICE, VXLAN_DEVICE } from './names.ts';
import { type Nic, nicTowards } from './nic.ts';
import { type Attachment, defaultGateway } from './underlay.ts';
import { DEFAULT_ROUTE, type StaticRoute } from './underlay-resource.ts';
import { type Workload, workloadDevice } from './workload.ts';

/** Felix's DeviceRouteProtocol for what is not a device route (calculateRouteProtocol). */
const FELIX = '80';

/** A prefix that some node answers for. */
interface Destination {
  readonly cidr: Prefix;
  readonly node: string;
  readonly pool: IpPool | undefined;
  /** The prefix is that node's own VTEP address. */
  readonly isVtep: boolean;
}

/** Everything the routes of one node depend on. */
export interface RoutingInput {
  readonly addressing: Addressing;
  readonly nodes: ReadonlyMap<string, Attachment>;
  /** Blocks and single addresses of every node, in the order they are programmed. */
  readonly destinations: readonly Destination[];
}

export function routingInput(
  { pools, workloads }: Manifest,
  addressing: Addressing,
  nodes: ReadonlyMap<string, Attachment>,
): RoutingInput {
  const singles = borrowedAddresses(pools, workloads, addressing);
  const taken = new Set(singles.map(({ cidr }) => formatPrefix(cidr)));
  const vteps = addressing.tunnels.vxlan;
  const blocks = addressing.blocks
    // Felix keys routes by prefix: the allocation wins over a /32 block.
    .filter(({ cidr }) => cidr.length < 32 || !taken.has(formatPrefix(cidr)))
    .map(({ cidr, node, pool }) => ({
      cidr,
      node,
      pool,
      isVtep: cidr.length === 32 && vteps.get(node) === cidr.address,
    }));
  return { addressing, nodes, destinations: [...blocks, ...singles] };
}

/** Addresses in use outside their node's blocks (l3_route_resolver.go routesFromBlock). */
function borrowedAddresses(
  pools: readonly IpPool[],
  workloads: readonly Workload[],
  { blocks, tunnels, pods }: Addressing,
): Destination[] {
  const borrowed: Destination[] = [];
  const add = (address: Ip4, node: string, isVtep: boolean): void => {
    if (blockOf(blocks, address)?.node === node) return;
    const cidr = { address, length: 32 };
    borrowed.push({ cidr, node, pool: poolOf(pools, cidr), isVtep });
  };
  for (const pod of workloads) add(pods.get(pod.key)!, pod.node.value, false);
  for (const [node, address] of tunnels.ipip) add(address, node, false);
  for (const [node, address] of tunnels.vxlan) {
    if (tunnels.ipip.get(node) !== address) add(address, node, true);
  }
  return borrowed;
}

/** The main table of a cluster node that runs these workloads. */
export function nodeRoutes(
  name: string,
  workloads: readonly Workload[],
  input: RoutingInput,
): RoutePlan[] {
  const at = input.nodes.get(name)!;
  const { blocks, pods } = input.addressing;
  const gateway = defaultGateway(at);
  return [
    ...connectedRoutes(at.nics),
    ...(gateway === undefined
      ? []
      : [route({ via: gateway.via, device: gateway.nic.device, origin: 'admin' }, DEFAULT_ROUTE)]),
    ...workloads.map((pod) => {
      const cidr = { address: pods.get(pod.key)!, length: 32 };
      return route({ device: workloadDevice(pod), scope: 'link', origin: 'cni' }, cidr);
    }),
    ...blocks.filter((block) => block.node === name).flatMap(blackhole),
    ...input.destinations
      .filter(({ node }) => node !== name)
      .flatMap((destination) => remoteRoute(name, at, destination, input)),
  ];
}

/** `proto kernel scope link src`, one for each NIC (fib_add_ifaddr in net/ipv4/fib_frontend.c). */
export const connectedRoutes = (nics: readonly Nic[]): RoutePlan[] =>
  nics
    .filter(({ address }) => address.length < 32)
    .map(({ device, address }) =>
      route(
        { device, protocol: 'kernel', scope: 'link', source: address.address, origin: 'kernel' },
        networkOf(address),
      ),
    );

/** What an administrator wrote for a router or host. */
export const staticRoutes = (routes: readonly StaticRoute[], nics: readonly Nic[]): RoutePlan[] =>
  routes.map(({ destination, via }) =>
    route({ via, device: nicTowards(nics, via)!.device, origin: 'admin' }, destination),
  );

/** Neither Felix nor BIRD writes one for a block that is a single address. */
function blackhole({ cidr, pool }: Block): RoutePlan[] {
  if (cidr.length === 32) return [];
  const felix = pool?.encapsulation === 'vxlan';
  return [
    {
      ...route({ origin: felix ? 'felix' : 'bird', protocol: felix ? FELIX : 'bird' }, cidr),
      type: 'blackhole',
    },
  ];
}

function remoteRoute(
  name: string,
  local: Attachment,
  { cidr, node, pool, isVtep }: Destination,
  { addressing, nodes }: RoutingInput,
): RoutePlan[] {
  const peer = nodes.get(node)!.own.address;
  // Decided by this node's mask alone, so it may differ between two nodes (nodeInOurSubnet).
  const near = pool?.crossSubnet === true && contains(networkOf(local.own), peer);
  const encapsulation = pool?.encapsulation ?? (isVtep ? 'vxlan' : 'none');

  if (encapsulation === 'vxlan') {
    const { vxlan } = addressing.tunnels;
    const vtep = vxlan.get(node);
    const parent = local.parent.device;
    if (near) {
      const via = { via: peer, device: parent, onlink: true } as const;
      return [route({ ...via, protocol: FELIX, origin: 'felix' }, cidr)];
    }
    if (vtep === undefined || !vxlan.has(name)) return [];
    if (isVtep) return [route({ device: VXLAN_DEVICE, scope: 'link', origin: 'felix' }, cidr)];
    return [route({ via: vtep, device: VXLAN_DEVICE, onlink: true, origin: 'felix' }, cidr)];
  }
  if (encapsulation === 'ipip' && !near) {
    const via = { via: peer, device: IPIP_DEVICE, onlink: true } as const;
    return [route({ ...via, protocol: 'bird', origin: 'bird' }, cidr)];
  }
  return [route({ ...resolve(local, peer), protocol: 'bird', origin: 'bird' }, cidr)];
}

/**
 * BIRD resolves a BGP next hop in its own table: a neighbour on the wire, else the
 * gateway on the way there, else the route is installed as unreachable.
 */
function resolve(local: Attachment, peer: Ip4): Partial<RoutePlan> {
  const nic = nicTowards(local.nics, peer);
  if (nic !== undefined) return { via: peer, device: nic.device };
  const gateway = defaultGateway(local);
  if (gateway === undefined) return { type: 'unreachable' };
  return { via: gateway.via, device: gateway.nic.device };
}

const POD_GATEWAY = parseIp4('169.254.1.1');

/** The two routes in every pod (CNI SetupRoutes); 169.254.1.1 is nobody's address. */
export const podRoutes = (device: string): RoutePlan[] => [
  route({ via: POD_GATEWAY, device, origin: 'cni' }, DEFAULT_ROUTE),
  route({ device, scope: 'link', origin: 'cni' }, { address: POD_GATEWAY, length: 32 }),
];

const route = (
  given: Partial<RoutePlan> & Pick<RoutePlan, 'origin'>,
  destination: Prefix,
): RoutePlan => ({
  type: 'unicast',
  destination,
  table: 'main',
  protocol: 'boot',
  scope: 'global',
  metric: 0,
  onlink: false,
  ...given,
});
