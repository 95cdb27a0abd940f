/** From a plan to living namespaces and the links between them. */
import { found, PodwireError } from '../errors.ts';
import { Chains } from '../node/chains.ts';
import { Device } from '../node/device.ts';
import { mix } from '../node/flow-hash.ts';
import { Gathering } from '../node/gather.ts';
import { IcmpLimit } from '../node/icmp-limit.ts';
import { Identifications } from '../node/identification.ts';
import { Netfilter } from '../node/netfilter.ts';
import { Node, type NodeState, type World } from '../node/node.ts';
import { PathMtus } from '../node/path-mtu.ts';
import { Reassembly } from '../node/reassembly.ts';
import { SourcePorts } from '../node/source-port.ts';
import type { Packet } from '../packet/packet.ts';
import type {
  ClusterPlan,
  NamespacePlan,
  NeighbourState,
  RoutePlan,
  RouteType,
  RulePlan,
} from '../plan/plan.ts';
import { Fdb } from '../tables/fdb.ts';
import { Neighbours, Nud } from '../tables/neighbours.ts';
import { RouteTable } from '../tables/route-table.ts';
import { RouteKind, Routes } from '../tables/routes.ts';
import { ANY_INPUT } from '../tables/rules.ts';
import { localRoutes } from '../text/ip-route.ts';
import { rulesOf } from '../text/ip-rule.ts';
import { formatIp4, type Ip4, macHigh, macLow, netmask } from '../wire/address.ts';
import { bridgesOf } from './bridge-tables.ts';
import { type Link, Segment, Veth } from './links.ts';
import { listenOn } from './listen.ts';
import { KeyRing } from './tunnel-keys.ts';

const kindOf: { readonly [T in RouteType]: RouteKind } = {
  unicast: RouteKind.Unicast,
  local: RouteKind.Local,
  broadcast: RouteKind.Broadcast,
  blackhole: RouteKind.Blackhole,
  unreachable: RouteKind.Unreachable,
  prohibit: RouteKind.Prohibit,
  throw: RouteKind.Throw,
};

export const nudOf: { readonly [S in NeighbourState]: Nud } = {
  PERMANENT: Nud.Permanent,
  NOARP: Nud.NoArp,
  REACHABLE: Nud.Reachable,
  STALE: Nud.Stale,
  DELAY: Nud.Delay,
  PROBE: Nud.Probe,
  INCOMPLETE: Nud.Failed,
  FAILED: Nud.Failed,
};

/** `seed` decides every byte that is random on a real node and not declared. */
export function buildNodes(
  plan: ClusterPlan,
  world: World,
  seed: number,
  keys: KeyRing = new KeyRing(plan, seed),
): Node[] {
  const nodes = plan.namespaces.map((ns, position) => buildNode(ns, position, world, seed, keys));
  const named = new Map(nodes.map((node) => [node.name, node]));
  for (const { node, source, destination, protocol, next } of plan.free.identifications) {
    declaredAt(named, node).identifications.declare(source, destination, protocol, next);
  }
  for (const { node, ...flow } of plan.free.vxlanSourcePorts) {
    declaredAt(named, node).sourcePorts.declare(flow);
  }
  for (const { node, tcp, udp } of plan.free.listeners ?? []) {
    listenOn(declaredAt(named, node), { tcp, udp });
  }
  return nodes;
}

function declaredAt(named: ReadonlyMap<string, Node>, name: string): Node {
  const node = named.get(name);
  if (node !== undefined) return node;
  throw new PodwireError(
    'ERR_NAME',
    `free inputs: expected a node of the cluster, found ${found(name)}`,
  );
}

function buildNode(
  plan: NamespacePlan,
  position: number,
  world: World,
  seed: number,
  keys: KeyRing,
): Node {
  checkTables(plan);
  return new Node({
    plan,
    position,
    world,
    devices: plan.devices.map((device, i) => new Device(device, i)),
    state: (node) => ({
      ...stateOf(node, mix(seed, position + 1)),
      wireguard: node.encrypts ? keys.tunnels(node) : null,
    }),
  });
}

/**
 * Refuses unknown devices and lengths now, since the packet path throws nothing. What
 * the planner makes on demand is sound, and asking for it would be the whole cost.
 */
function checkTables(plan: NamespacePlan): void {
  const known = new Set<string | undefined>(plan.devices.map(({ name }) => name)).add(undefined);
  const check = (name: string | undefined): void => {
    if (!known.has(name)) unknownDevice(plan, name!);
  };
  for (const { addresses } of plan.devices) for (const address of addresses) checkLength(address);
  for (const { destination, device, nextHops } of writtenOut(plan, 'routes')) {
    checkLength(destination);
    if (nextHops === undefined) check(device);
    else for (const hop of nextHops) check(hop.device);
  }
  for (const { device } of writtenOut(plan, 'neighbours')) check(device);
  for (const { device } of writtenOut(plan, 'fdb')) check(device);
}

function checkLength({ length }: { readonly length: number }): void {
  if (Number.isInteger(length) && length >= 0 && length <= 32) return;
  throw new PodwireError('ERR_ADDRESS', `expected a prefix length of 0 to 32, found ${length}`);
}

/** A list of a plan, unless it is one that is made when somebody asks. */
const writtenOut = <K extends 'routes' | 'neighbours' | 'fdb'>(
  plan: NamespacePlan,
  list: K,
): NamespacePlan[K] | readonly never[] =>
  Object.getOwnPropertyDescriptor(plan, list)?.get === undefined ? plan[list] : [];

/** The next hops of a route as the columns of `Routes`; `positionOf` finds their devices. */
export const hopsOf = (route: RoutePlan, positionOf: (device: string) => number) =>
  (route.nextHops ?? [route]).map((hop) => ({
    kind: kindOf[route.type],
    gateway: hop.via ?? 0,
    device: hop.device === undefined ? withoutDevice(route) : positionOf(hop.device),
    mtu: route.mtu ?? 0,
    source: route.source ?? (0 as Ip4),
    weight: 'weight' in hop ? hop.weight : 1,
  }));

/** Only what leads nowhere, or home, needs none. */
function withoutDevice({ type, destination }: RoutePlan): -1 {
  if (type !== 'unicast' && type !== 'broadcast') return -1;
  const name = `${formatIp4(destination.address)}/${destination.length}`;
  throw new PodwireError('ERR_NAME', `route ${name}: expected a device, found none`);
}

const NO_INPUT = -3;

function stateOf(node: Node, seed: number): NodeState {
  const { plan, devices } = node;
  const positions = new Map(devices.map((device) => [device.name, device.position]));
  const positionOf = (name: string): number => positions.get(name) ?? unknownDevice(plan, name);
  const tables = new Map<RulePlan['table'], RouteTable>();
  const tableOf = (name: RulePlan['table']): RouteTable => {
    const table = tables.get(name) ?? new RouteTable();
    tables.set(name, table);
    return table;
  };
  const state: NodeState = {
    local: tableOf('local').plain,
    rules: rulesOf(plan)
      // What it asks of packets is not known here.
      .filter(({ other }) => other === undefined)
      .map(({ not, from, to, fwmark, iif, tos = 0, table }) => ({
        not,
        value: fwmark?.value ?? 0,
        mask: fwmark?.mask ?? 0,
        from: from?.address ?? 0,
        fromMask: from === undefined ? 0 : netmask(from.length),
        to: to?.address ?? 0,
        toMask: to === undefined ? 0 : netmask(to.length),
        // A device that is gone matches nothing (`[detached]`).
        input: iif === undefined ? ANY_INPUT : iif === 'lo' ? -1 : (positions.get(iif) ?? NO_INPUT),
        tos,
        table: tableOf(table),
      })),
    routes: new Routes(),
    neighbours: new Neighbours(),
    fdb: new Fdb(),
    bridges: bridgesOf(plan, devices, node.world.milliseconds()),
    identifications: new Identifications(seed),
    sourcePorts: new SourcePorts(mix(seed, 0x5eed)),
    icmpLimit: new IcmpLimit(plan.icmpRateLimit ?? 1000, plan.routeErrorCost ?? 1000),
    pathMtus: new PathMtus(),
    reassembly: new Reassembly(),
    gathering: new Gathering(),
    wireguard: null,
    netfilter:
      plan.netfilter === undefined
        ? null
        : new Netfilter(new Chains(plan.netfilter, seed), seed, plan.conntrack),
  };
  const add = (table: RouteTable, route: RoutePlan): void => {
    const { address, length } = route.destination;
    const hops = hopsOf(route, positionOf);
    table.insert(address, length, state.routes.addHops(hops, route), route.metric, route.tos);
  };
  for (const route of localRoutes(plan)) add(tableOf('local'), route);
  for (const route of plan.routes) add(tableOf(route.table), route);
  for (const { device: name, address, mac, state: nud } of plan.neighbours) {
    const [high, low] = [macHigh(mac ?? 0), macLow(mac ?? 0)];
    const known = mac === undefined ? Nud.Failed : nudOf[nud];
    state.neighbours.set(positionOf(name), address, high, low, known);
  }
  for (const { device: name, mac, destination } of plan.fdb) {
    if (destination === undefined) continue;
    state.fdb.append(positionOf(name), macHigh(mac), macLow(mac), destination);
  }
  return state;
}

function unknownDevice(plan: NamespacePlan, name: string): never {
  throw new PodwireError(
    'ERR_NAME',
    `${plan.name}: expected a device of this namespace, found ${found(name)}`,
  );
}

/** Connects the devices; each learns the position of its link. */
export function buildLinks(plan: ClusterPlan, nodes: readonly Node[]): Link[] {
  const named = new Map(nodes.map((node) => [node.name, node]));
  const deviceOf = (name: string, device: string): { node: Node; device: Device } => {
    const node = named.get(name);
    const end = node?.devices.find((d) => d.name === device);
    if (node === undefined || end === undefined) {
      throw new PodwireError(
        'ERR_NAME',
        `link: expected a device, found ${found(`${name}:${device}`)}`,
      );
    }
    return { node, device: end };
  };
  const links: Link[] = [];
  for (const node of nodes) {
    for (const device of node.devices) {
      const peer = device.plan.peer;
      if (peer === undefined || device.link >= 0) continue;
      const other = deviceOf(peer.namespace, peer.device);
      device.link = links.length;
      other.device.link = links.length;
      links.push(new Veth({ node, device }, other));
    }
  }
  for (const { members, mtu, srcDstCheck } of plan.segments) {
    const ends = members.map((m) => deviceOf(m.namespace, m.device));
    for (const { device } of ends) device.link = links.length;
    links.push(new Segment(ends, mtu, srcDstCheck));
  }
  return links;
}

/**
 * Fills in what ARP has long learned in a cluster that is in use: every member of
 * a segment knows the others, a pod knows 169.254.1.1, its node knows the pod. A
 * pod knows its gateway only where the node would answer for it.
 */
export function warm(plan: ClusterPlan, nodes: readonly Node[]): void {
  const named = new Map(nodes.map((node) => [node.name, node]));
  for (const { members } of plan.segments) {
    const learned = new Neighbours<Packet>();
    for (const { namespace, device: name } of members) {
      const device = named.get(namespace)?.devices.find((d) => d.name === name);
      if (device === undefined) continue;
      device.learned = learned;
      for (const address of device.addresses) {
        learned.set(0, address, device.macHigh, device.macLow, Nud.Reachable);
      }
    }
  }
  const learnVeths = (node: Node): void => {
    for (const device of node.devices) {
      const peer = device.plan.peer;
      const other = peer && named.get(peer.namespace);
      const end = other?.devices.find((d) => d.name === peer?.device);
      if (other === undefined || end === undefined) continue;
      for (const address of end.addresses) know(node, device, address, end);
      if (node.plan.role === 'pod') learnGateways(node, device, other, end);
    }
  };
  for (const node of nodes) node.whenMade(learnVeths);
}

function know(node: Node, device: Device, address: number, end: Device): void {
  if (node.neighbours.find(device.position, address) >= 0) return;
  node.neighbours.set(device.position, address, end.macHigh, end.macLow, Nud.Reachable);
}

/** The gateways of a pod's routes that its node answers for as a proxy (node/arp.ts). */
function learnGateways(pod: Node, device: Device, node: Node, end: Device): void {
  for (const { via, device: name } of pod.plan.routes) {
    if (via === undefined || name !== device.name || !end.proxyArp) continue;
    const route = node.lookup(via);
    if (route < 0 || node.routes.kind(route) !== RouteKind.Unicast) continue;
    if (node.routes.device(route) !== end.position) know(pod, device, via, end);
  }
}
