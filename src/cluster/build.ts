/** From a plan to living namespaces and the links between them. */
import { found, PodwireError } from '../errors.ts';
import { Device } from '../node/device.ts';
import { mix } from '../node/flow-hash.ts';
import { Node, type World } from '../node/node.ts';
import type { Packet } from '../packet/packet.ts';
import type { ClusterPlan, NamespacePlan } from '../plan/plan.ts';
import { Neighbours, Nud } from '../tables/neighbours.ts';
import { RouteKind } from '../tables/routes.ts';
import { CommonState } from './common-state.ts';
import { type Link, Segment, Veth } from './links.ts';
import { listenOn } from './listen.ts';
import { stateOf, unknownDevice } from './node-state.ts';
import { KeyRing } from './tunnel-keys.ts';

/** `seed` decides every byte that is random on a real node and not declared. */
export function buildNodes(
  plan: ClusterPlan,
  world: World,
  seed: number,
  keys: KeyRing = new KeyRing(plan, seed),
): Node[] {
  const common = new CommonState(plan.namespaces);
  const nodes = plan.namespaces.map((ns, position) =>
    buildNode(ns, position, world, seed, keys, common),
  );
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
  common: CommonState,
): Node {
  checkTables(plan);
  return new Node({
    plan,
    position,
    world,
    devices: plan.devices.map((device, i) => new Device(device, i, world.changes)),
    state: (node) =>
      stateOf(node, mix(seed, position + 1), common, node.encrypts ? keys.tunnels(node) : null),
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

/** Connects the devices; each learns the position of its link. `cold`: switches know nobody. */
export function buildLinks(plan: ClusterPlan, nodes: readonly Node[], cold: boolean): Link[] {
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
    links.push(new Segment(ends, mtu, srcDstCheck, cold));
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
