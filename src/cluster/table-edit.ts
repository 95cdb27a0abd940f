/** Changes to the tables of a living namespace, as `ip` and `bridge` make them. */
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import type { FdbPlan, NeighbourPlan, RoutePlan } from '../plan/plan.ts';
import type { RouteTable } from '../tables/route-table.ts';
import { askedRules } from '../text/ip-rule.ts';
import { macHigh, macLow } from '../wire/address.ts';
import { ownNeighbours } from './common-state.ts';
import { nudOf } from './kernel-number.ts';
import { hopsOf } from './node-state.ts';

/** `ip route add`; false where a route of that prefix and metric is there. */
export function addRoute(node: Node, route: RoutePlan): boolean {
  node.change();
  const { address, length } = route.destination;
  const id = node.routes.addHops(
    hopsOf(route, (device) => position(node, device)),
    route,
  );
  const isNew = tableOf(node, route)?.insert(address, length, id, route.metric, route.tos) ?? false;
  if (isNew) node.plan = { ...node.plan, routes: [...node.plan.routes, route] };
  return isNew;
}

/** `ip route del`; false where it was not there. */
export function removeRoute(node: Node, route: RoutePlan): boolean {
  node.change();
  const { address, length } = route.destination;
  const was = tableOf(node, route)?.remove(address, length, route.metric, route.tos) ?? false;
  node.learnedPathMtus?.forget((id) => isSameEntry(node.routes.origin(id), route));
  const gone = node.plan.routes.find((one) => isSameEntry(one, route));
  if (was && gone !== undefined) {
    node.plan = { ...node.plan, routes: node.plan.routes.filter((one) => one !== gone) };
  }
  return was;
}

/** Whether two routes would have one place in a table. */
export const isSameEntry = (a: RoutePlan, b: RoutePlan): boolean =>
  a.table === b.table &&
  a.destination.address === b.destination.address &&
  a.destination.length === b.destination.length &&
  a.metric === b.metric &&
  a.tos === b.tos;

/** A table that no rule asks is not kept. */
export function tableOf(node: Node, { table }: Pick<RoutePlan, 'table'>): RouteTable | undefined {
  const at = askedRules(node.plan).findIndex((rule) => rule.table === table);
  return node.rules[at]?.table ?? undefined;
}

/** `bridge fdb replace` */
export function setFdb(node: Node, { device, mac, destination }: FdbPlan): void {
  node.change();
  const at = position(node, device);
  if (at >= 0 && destination !== undefined) {
    node.fdb.set(at, macHigh(mac), macLow(mac), destination);
  }
}

/** `bridge fdb del` */
export function deleteFdb(node: Node, { device, mac }: FdbPlan): void {
  node.change();
  node.fdb.delete(position(node, device), macHigh(mac), macLow(mac));
}

/** `ip neigh replace` */
export function setNeighbour(node: Node, { device, address, mac, state }: NeighbourPlan): void {
  node.change();
  const at = position(node, device);
  if (at >= 0 && mac !== undefined) {
    node.neighbours.set(at, address, macHigh(mac), macLow(mac), nudOf[state]);
  }
}

/** `ip neigh del` */
export function deleteNeighbour(node: Node, { device, address }: NeighbourPlan): void {
  node.change();
  const at = position(node, device);
  if (at >= 0) ownNeighbours(node, node.devices[at]!, () => true);
  node.neighbours.delete(at, address);
}

/** `sysctl -w net.ipv4.conf.DEV.rp_filter=…` and its like: what a device is told while it runs. */
export function setDevice(
  node: Node,
  name: string,
  settings: Partial<Pick<Device, 'rpFilter' | 'proxyArp'>>,
): void {
  node.change();
  const device = node.devices[position(node, name)];
  if (device !== undefined) Object.assign(device, settings);
}

const position = (node: Node, device: string): number =>
  node.devices.findIndex(({ name }) => name === device);
