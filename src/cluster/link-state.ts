/**
 * `ip link set` and `ip link del` in a living cluster, and what the tables make of them:
 * fib_netdev_event and inetdev_event of net/ipv4, arp_netdev_event, veth_open and veth_close.
 */
import { Drop } from '../drop.ts';
import { found, PodwireError } from '../errors.ts';
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import type { Packet } from '../packet/packet.ts';
import type { DevicePlan, NamespacePlan, NextHop, RoutePlan } from '../plan/plan.ts';
import { Nud } from '../tables/neighbours.ts';
import { keptAddresses } from '../text/device-address.ts';
import { localRoutes } from '../text/ip-route.ts';
import { networkOf } from '../wire/address.ts';
import type { Cluster } from './cluster.ts';
import { ownNeighbours } from './common-state.ts';
import type { Port } from './names.ts';
import { hopsOf } from './node-state.ts';
import { preferredRoutes } from './standby-route.ts';
import { isSameEntry, setNeighbour, tableOf } from './table-edit.ts';

/** What is left out stays as it is. */
export interface LinkChange {
  readonly up?: boolean;
  /** Whether there is something at the other end of the cable. A veth's follows its peer. */
  readonly carrier?: boolean;
  /** 68 to 65,536 bytes. */
  readonly mtu?: number;
}

/**
 * `ip link set`. A device that goes down takes its routes and neighbours along, an own
 * address stays; one that comes up gets the routes of its subnets again, and on a node
 * what Felix and BIRD had by it, since they look after that. `port` is `node1:eth0`.
 * Throws ERR_NAME where there is no such device, ERR_USAGE for an MTU out of range.
 */
export function setLink(cluster: Cluster, port: string, change: LinkChange): void {
  const { mtu } = change;
  if (mtu !== undefined && !(Number.isInteger(mtu) && mtu >= 68 && mtu <= 65_536)) {
    throw new PodwireError('ERR_USAGE', `expected an MTU of 68 to 65536, found ${mtu}`);
  }
  const end = livePort(cluster, port);
  const before = end.device.plan;
  restate(cluster, end, { ...before, ...change });
  const peer = peerOf(cluster, before);
  if (peer === null || before.up === end.device.up) return;
  const carrier = end.device.up && peer.device.up;
  restate(cluster, end, { ...end.device.plan, carrier });
  restate(cluster, peer, { ...peer.device.plan, carrier });
}

/** `ip link del`: the device, its addresses, and every route that has a hop by it; of a veth both ends. */
export function deleteLink(cluster: Cluster, port: string): void {
  const end = livePort(cluster, port);
  const peer = peerOf(cluster, end.device.plan);
  for (const one of peer === null ? [end] : [end, peer]) {
    restate(cluster, one, { ...one.device.plan, up: false });
    const { node, device } = one;
    const { devices, routes } = node.plan;
    device.addresses = [];
    if (device.master >= 0) node.bridges.forget(device.position, true);
    device.master = -1;
    change(node, {
      ...node.plan,
      devices: devices.filter((plan) => plan !== device.plan),
      routes: routes.filter((route) => !isBy(route, device.name)),
    });
  }
}

/** `ip route flush cache`: forgets the path MTUs that a namespace has learned. */
export function flushRouteCache(cluster: Cluster, name: string): void {
  const node = cluster.names.find(name);
  node.change();
  node.learnedPathMtus?.forget(() => true);
}

function livePort(cluster: Cluster, port: string): Port {
  const end = cluster.names.port(port);
  if (end.node.plan.devices.includes(end.device.plan)) return end;
  throw new PodwireError('ERR_NAME', `expected a device, found ${found(port)}, which was deleted`);
}

function peerOf(cluster: Cluster, { peer }: DevicePlan): Port | null {
  return peer === undefined ? null : cluster.names.port(`${peer.namespace}:${peer.device}`);
}

const hasCarrier = ({ up, carrier = true }: DevicePlan): boolean => up && carrier;

function restate(cluster: Cluster, { node, device }: Port, next: DevicePlan): void {
  const before = device.plan;
  const isBack = next.up && !before.up;
  device.plan = next;
  device.up = next.up;
  device.running = hasCarrier(next);
  if (next.mtu !== before.mtu) {
    device.mtu = next.mtu;
    const { routes } = node;
    node.learnedPathMtus?.follow(
      (id) => routes.device(id) === device.position,
      next.mtu,
      before.mtu,
    );
  }
  const devices = node.plan.devices.map((plan) => (plan === before ? next : plan));
  const planned = cluster.plan.namespaces[node.position]!;
  const known = { ...node.plan, devices };
  const routes = [...node.plan.routes, ...(isBack ? returning(known, planned, next) : [])];
  const left = routes.flatMap((route) => kept(route, next));
  change(node, { ...known, routes: preferredRoutes(left, planned, devices) });
  if (hasCarrier(before) && !device.running) {
    flushNeighbours(node, device);
    flushBridge(node, device);
    if (!device.up) node.fdb.forget(device.position);
  }
  if (before.up && !next.up) node.netfilter?.conntrack.forgetMasqueraded(device.position);
  if (next.up !== before.up) switchTunnel(node, device);
  if (!isBack || node.plan.role !== 'node') return;
  for (const neighbour of planned.neighbours) {
    const own = neighbour.device === next.name && neighbour.state === 'PERMANENT';
    if (own) setNeighbour(node, neighbour);
  }
}

/** wg_open and wg_stop: keepalives begin at once; keys go, and what waits for them. */
function switchTunnel({ wireguard }: Node, { position, up }: Device): void {
  if (up) wireguard?.of(position)?.start();
  else wireguard?.started(position)?.stop();
}

const hopsBy = (route: RoutePlan): readonly { readonly device?: string }[] =>
  route.nextHops ?? [route];

const isBy = (route: RoutePlan, device: string): boolean =>
  hopsBy(route).some((hop) => hop.device === device);

/** fib_sync_down_dev, fib_sync_up: the route as it is now, or nothing. */
function kept(route: RoutePlan, device: DevicePlan): RoutePlan[] {
  if (!isBy(route, device.name)) return [route];
  if (route.nextHops === undefined) {
    const { linkdown: _, ...rest } = route;
    if (!device.up) return [];
    return [device.carrier === false ? { ...rest, linkdown: true } : rest];
  }
  const nextHops = route.nextHops.map((hop): NextHop => {
    if (hop.device !== device.name) return hop;
    const { dead: _, linkdown: __, ...rest } = hop;
    const down = device.up ? {} : { dead: true };
    return hasCarrier(device) ? rest : { ...rest, ...down, linkdown: true };
  });
  return nextHops.every(({ dead }) => dead === true) ? [] : [{ ...route, nextHops }];
}

/**
 * What comes back by itself with a device: fib_add_ifaddr; Felix, which has the pods'
 * routes for its own too; BIRD.
 */
function returning(now: NamespacePlan, planned: NamespacePlan, device: DevicePlan): RoutePlan[] {
  const isUp = (name: string | undefined): boolean =>
    now.devices.some((one) => one.name === name && one.up);
  const agents = now.role === 'node' ? ['felix', 'cni', 'bird'] : [];
  const own = planned.routes.filter(
    (route) =>
      (agents.includes(route.origin) || isConnected(route)) &&
      isBy(route, device.name) &&
      hopsBy(route).every((hop) => isUp(hop.device)),
  );
  const wasUp = planned.devices.some(({ name, up }) => name === device.name && up);
  return [...own, ...(wasUp ? [] : connectedRoutes(device))].filter(
    (route) => !now.routes.some((one) => isSameEntry(one, route)),
  );
}

const isConnected = ({ origin, type, scope, via }: RoutePlan): boolean =>
  origin === 'kernel' && type === 'unicast' && scope === 'link' && via === undefined;

const connectedRoutes = (device: DevicePlan): RoutePlan[] =>
  keptAddresses(device)
    .filter(({ secondary, length }) => !secondary && length < 32)
    .map((kept) => ({
      type: 'unicast',
      destination: { address: networkOf(kept).address, length: kept.length },
      device: device.name,
      table: 'main',
      protocol: 'kernel',
      scope: 'link',
      source: kept.address,
      metric: 0,
      onlink: false,
      origin: 'kernel',
    }));

/** Takes a namespace from the plan that it has to another, and its tables with it. */
function change(node: Node, next: NamespacePlan): void {
  const had = winners(node.plan);
  const has = winners(next);
  const numbers = numbersOf(node);
  const gone = new Set<number>();
  for (const [place, route] of had) {
    if (isSameWay(has.get(place), route)) continue;
    const { address, length } = route.destination;
    tableOf(node, route)?.remove(address, length, route.metric, route.tos);
    gone.add(numbers.get(wordsOf(route)) ?? -1);
  }
  node.learnedPathMtus?.forget((id) => gone.has(id));
  node.plan = next;
  node.change();
  const positionOf = (name: string): number =>
    node.devices.findIndex((device) => device.name === name);
  for (const [place, route] of has) {
    const before = had.get(place);
    if (before === route) continue;
    const { address, length } = route.destination;
    const id = numbers.get(wordsOf(route)) ?? node.routes.addHops(hopsOf(route, positionOf), route);
    for (const [i, hop] of (route.nextHops ?? []).entries()) {
      node.routes.weigh(id + i, hop.dead === true ? 0 : hop.weight);
    }
    if (!isSameWay(before, route))
      tableOf(node, route)?.insert(address, length, id, route.metric, route.tos);
  }
}

/** The routes that count, by their places in the tables: of equals the first. */
function winners(plan: NamespacePlan): Map<string, RoutePlan> {
  const list = new Map<string, RoutePlan>();
  for (const route of [...localRoutes(plan), ...plan.routes]) {
    const { table, destination, metric, tos } = route;
    const place = `${table} ${destination.address}/${destination.length} ${metric} ${tos}`;
    if (!list.has(place)) list.set(place, route);
  }
  return list;
}

const isSameWay = (a: RoutePlan | undefined, b: RoutePlan): boolean =>
  a !== undefined && (a === b || wordsOf(a) === wordsOf(b));

/** A route but for the state of its devices. */
const wordsOf = (route: RoutePlan): string =>
  [
    ...[route.table, route.type, route.destination.address, route.destination.length],
    ...[route.metric, route.tos, route.source, route.mtu],
    ...(route.nextHops ?? [route]).flatMap(({ via, device }) => [via, device]),
  ].join(' ');

/** The numbers that routes have or had, so that one that comes back takes no new one. */
function numbersOf({ routes }: Node): Map<string, number> {
  const numbers = new Map<string, number>();
  for (let id = 0; id < routes.size; id += routes.hops(id)) {
    numbers.set(wordsOf(routes.origin(id)), id);
  }
  return numbers;
}

/** br_stp_disable_port of a port without carrier, br_stp_disable_bridge: what was learned there. */
function flushBridge({ bridges, devices }: Node, { position, master }: Device): void {
  if (master >= 0) bridges.forget(position);
  for (const port of devices) if (port.master === position) bridges.forget(port.position);
}

/** neigh_ifdown, neigh_carrier_down: what waits for an answer ends, and nobody is told. */
function flushNeighbours(node: Node, device: Device): void {
  ownNeighbours(node, device);
  // What the link knew before the run is forgotten too.
  device.learned = null;
  for (const id of [...node.neighbours]) {
    const isPermanent = node.neighbours.state(id) === Nud.Permanent;
    if (node.neighbours.device(id) !== device.position || (device.up && isPermanent)) continue;
    let p = node.neighbours.delete(device.position, node.neighbours.address(id));
    while (p !== null) {
      const next: Packet | null = p.next;
      p.drop = Drop.DeviceDown;
      node.world.discard(node, p);
      p = next;
    }
  }
}
