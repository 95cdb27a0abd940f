/**
 * What is wrong with a cluster although every part of it is allowed: faults that
 * drop packets only sometimes, or far from where they were made.
 */
import type { ClusterPlan, DevicePlan, NamespacePlan, RoutePlan } from '../plan/plan.ts';
import { routeEntry } from '../text/ip-route.ts';
import { contains, formatIp4, formatPrefix, type Ip4, type Prefix } from '../wire/address.ts';

export interface Finding {
  /** Stable name of the rule. */
  readonly rule:
    | 'pod-mtu'
    | 'tunnel-mtu'
    | 'router-lacks-route'
    | 'source-check'
    | 'shared-address';
  /** Node it was found on. */
  readonly node: string;
  readonly message: string;
}

/** In the order of nodes and rules; none where nothing is wrong. */
export function lintPlan(plan: ClusterPlan): Finding[] {
  const routers = plan.namespaces.filter(({ role }) => role === 'router');
  return plan.namespaces
    .filter(({ role }) => role === 'node')
    .flatMap((node) => [
      ...podMtus(node),
      ...tunnelMtus(node),
      ...lackingRoutes(node, routers),
      ...sourceChecks(plan, node),
      ...sharedAddresses(node),
    ]);
}

/**
 * An address that several pods of a node report. Only one is reached by it, and what the others
 * send is dropped where the node checks sources, for the way back leads elsewhere.
 */
function sharedAddresses({ name, devices, routes, standbyRoutes = [] }: NamespacePlan): Finding[] {
  if (standbyRoutes.length === 0) return [];
  const pods = new Map(devices.map((device) => [device.name, device.peer?.namespace]));
  const ways = new Map(
    routes
      .filter(({ origin }) => origin === 'cni')
      .map(({ destination, device = '' }) => [destination.address, device]),
  );
  return standbyRoutes.map(({ destination: { address }, device = '' }) => {
    const winner = ways.get(address)!;
    const message =
      `${formatIp4(address)} is the address of ${pods.get(device)} and of ${pods.get(winner)}: ` +
      `only ${winner}, of the higher interface index, has a route; what ${pods.get(device)} sends is dropped as forged`;
    return { rule: 'shared-address', node: name, message };
  });
}

const isTunnel = ({ kind, up }: DevicePlan): boolean =>
  up && (kind === 'vxlan' || kind === 'ipip' || kind === 'wireguard');

/**
 * A pod that offers more than the tunnel carries: small packets pass, full ones do
 * not, and with DF and a firewall against ICMP nobody learns why.
 */
function podMtus(node: NamespacePlan): Finding[] {
  const pods = node.devices.filter(({ kind, peer }) => kind === 'veth' && peer !== undefined);
  const largest = Math.max(...pods.map(({ mtu }) => mtu));
  return node.devices
    .filter((device) => isTunnel(device) && device.mtu < largest)
    .filter(({ name }) => node.routes.some((route) => route.device === name))
    .map(({ name, mtu }) => ({
      rule: 'pod-mtu',
      node: node.name,
      message:
        `pods have an MTU of ${largest}, ${name} one of ${mtu}: ` +
        `packets of ${mtu + 1} to ${largest} bytes do not fit it`,
    }));
}

/** Bytes in front of the inner packet: felix/dataplane/linux/int_dataplane.go. */
const OVERHEAD = { ipip: 20, vxlan: 50, wireguard: 60 } as const;

function tunnelMtus(node: NamespacePlan): Finding[] {
  const nics = node.devices.filter(({ kind, up }) => kind === 'nic' && up);
  return node.devices.filter(isTunnel).flatMap(({ name, mtu, kind, vxlan }) => {
    if (kind !== 'ipip' && kind !== 'vxlan' && kind !== 'wireguard') return [];
    const named = nics.find((nic) => nic.name === vxlan?.parent);
    const parent = named ?? [...nics].sort((a, b) => a.mtu - b.mtu)[0];
    if (parent === undefined || mtu + OVERHEAD[kind] <= parent.mtu) return [];
    const message =
      `${name} has an MTU of ${mtu}, and with its ${OVERHEAD[kind]} bytes of headers ` +
      `${mtu + OVERHEAD[kind]} on ${parent.name}, which carries ${parent.mtu}`;
    return [{ rule: 'tunnel-mtu', node: node.name, message } as const];
  });
}

const covers = (outer: Prefix, inner: Prefix): boolean =>
  outer.length <= inner.length && contains(outer, inner.address);

/** Routes that Calico made to pods of other nodes, without a tunnel. */
const plainRoutes = (node: NamespacePlan): RoutePlan[] => {
  const nics = new Set(node.devices.filter(({ kind }) => kind === 'nic').map(({ name }) => name));
  return node.routes.filter(
    (r) =>
      (r.origin === 'bird' || r.origin === 'felix') &&
      r.via !== undefined &&
      r.device !== undefined &&
      nics.has(r.device),
  );
};

/** A router between subnets that nobody has told where the pods are. */
function lackingRoutes(node: NamespacePlan, routers: readonly NamespacePlan[]): Finding[] {
  return plainRoutes(node).flatMap((route) => {
    const router = routers.find((r) => owns(r, route.via!));
    if (router === undefined) return [];
    const known = router.routes.some(
      ({ destination }) => destination.length > 0 && covers(destination, route.destination),
    );
    if (known) return [];
    const message =
      `${routeEntry(route)}: the router ${router.name} has no route to ` +
      `${formatPrefix(route.destination)}; peer it over BGP, or encapsulate across subnets`;
    return [{ rule: 'router-lacks-route', node: node.name, message } as const];
  });
}

const owns = ({ devices }: NamespacePlan, address: Ip4): boolean =>
  devices.some(({ addresses }) => addresses.some((own) => own.address === address));

/** A fabric that drops what is not from or to its own machines drops every plain pod packet. */
function sourceChecks({ segments }: ClusterPlan, node: NamespacePlan): Finding[] {
  const checking = segments.filter(
    ({ srcDstCheck, members }) =>
      srcDstCheck && members.some(({ namespace }) => namespace === node.name),
  );
  return checking.flatMap(({ name, members }) => {
    const own = new Set(
      members.filter(({ namespace }) => namespace === node.name).map(({ device }) => device),
    );
    const route = plainRoutes(node).find((r) => own.has(r.device!));
    if (route === undefined) return [];
    const message =
      `${routeEntry(route)}: segment ${name} checks source and destination, ` +
      'so packets with addresses of pods are dropped there';
    return [{ rule: 'source-check', node: node.name, message } as const];
  });
}
