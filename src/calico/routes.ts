/**
 * The main table of every namespace but for the routes to other nodes, which are
 * in remote-routes.ts: what the kernel, the CNI plugin and an administrator put there,
 * the routes to local pods, and the blackholes under them.
 */
import type { RoutePlan } from '../plan/plan.ts';
import { networkOf, parseIp4 } from '../wire/address.ts';
import type { Addressing } from './blocks.ts';
import type { Block } from './ledger.ts';
import { type Nic, nicTowards } from './nic.ts';
import { route } from './route-entry.ts';
import type { RouteRules } from './route-rules.ts';
import { type Attachment, defaultGateway } from './underlay.ts';
import { DEFAULT_ROUTE, type StaticRoute } from './underlay-resource.ts';
import type { Workload } from './workload.ts';

/** What a node has without the others. `blocks`: the node's own. */
export function ownRoutes(
  at: Attachment,
  workloads: readonly Workload[],
  blocks: readonly Block[],
  addressing: Addressing,
  rules: RouteRules,
): RoutePlan[] {
  const gateway = defaultGateway(at);
  return [
    ...connectedRoutes(at.nics),
    ...(gateway === undefined
      ? []
      : [route({ via: gateway.via, device: gateway.nic.device, origin: 'admin' }, DEFAULT_ROUTE)]),
    ...workloadRoutes(workloads, addressing, rules),
    ...blocks.flatMap((block) => blackhole(block, rules)),
  ];
}

/** From a node to its pods. */
export const workloadRoutes = (
  workloads: readonly Workload[],
  { pods }: Addressing,
  { deviceRoute, podMetric: metric }: RouteRules,
): RoutePlan[] =>
  workloads.map(({ key, device }) =>
    route(
      { ...deviceRoute, device, scope: 'link', metric, origin: 'cni' },
      { address: pods.get(key)!, length: 32 },
    ),
  );

/** Neither Felix nor BIRD writes one for a block that is a single address; a Felix that follows pods knows no blocks. */
function blackhole({ cidr, pool }: Block, rules: RouteRules): RoutePlan[] {
  if (cidr.length === 32) return [];
  const owner = rules.programmer(pool?.encapsulation ?? 'none', pool !== undefined);
  if (owner === undefined || (owner === 'felix' && rules.routeSource === 'WorkloadIPs')) return [];
  const protocol = owner === 'felix' ? rules.protocol : 'bird';
  return [{ ...route({ origin: owner, protocol }, cidr), type: 'blackhole' }];
}

/** `proto kernel scope link src`, one for each NIC (fib_add_ifaddr in net/ipv4/fib_frontend.c). */
export const connectedRoutes = (nics: readonly Nic[]): RoutePlan[] =>
  nics
    .filter(({ address, up }) => address.length < 32 && up !== false)
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

const POD_GATEWAY = parseIp4('169.254.1.1');

/** The two routes in every pod (CNI SetupRoutes); 169.254.1.1 is nobody's address. */
export const podRoutes = (device: string): RoutePlan[] => [
  route({ via: POD_GATEWAY, device, origin: 'cni' }, DEFAULT_ROUTE),
  route({ device, scope: 'link', origin: 'cni' }, { address: POD_GATEWAY, length: 32 }),
];
