/** From the plan of a namespace to its tables, made when they are first asked for. */
import { found, PodwireError } from '../errors.ts';
import { Chains } from '../node/chains.ts';
import type { Device } from '../node/device.ts';
import { Netfilter } from '../node/netfilter.ts';
import type { Node, NodeState } from '../node/node.ts';
import type { Tunnels } from '../node/wireguard-tunnel.ts';
import type { Packet } from '../packet/packet.ts';
import { type CommonTables, commonTables } from '../plan/common-tables.ts';
import type { NamespacePlan, RoutePlan, RulePlan } from '../plan/plan.ts';
import { Fdb } from '../tables/fdb.ts';
import { Neighbours, Nud } from '../tables/neighbours.ts';
import { RouteTable } from '../tables/route-table.ts';
import { Routes } from '../tables/routes.ts';
import { ANY_INPUT, ruleOf } from '../tables/rules.ts';
import { localRoutes } from '../text/ip-route.ts';
import { askedRules, ruleAfter, rulesOf } from '../text/ip-rule.ts';
import { formatIp4, type Ip4, macHigh, macLow, netmask } from '../wire/address.ts';
import type { CommonState, SharedRoutes } from './common-state.ts';
import { kindOf, nudOf } from './kernel-number.ts';
import { NamespaceTables } from './namespace-tables.ts';

/** The next hops of a route as the columns of `Routes`; `positionOf` finds their devices. */
export const hopsOf = (route: RoutePlan, positionOf: (device: string) => number) =>
  (route.nextHops ?? [route]).map((hop) => ({
    kind: kindOf[route.type],
    length: route.destination.length,
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

/** `common` has what many namespaces share. */
export function stateOf(
  node: Node,
  seed: number,
  common: CommonState,
  wireguard: Tunnels | null,
): NodeState {
  const { plan, devices } = node;
  const { memory } = common;
  const positions = new Map(devices.map((device) => [device.name, device.position]));
  const positionOf = (name: string): number => positions.get(name) ?? unknownDevice(plan, name);
  const tables = new Map<RulePlan['table'], RouteTable>();
  const tableOf = (name: RulePlan['table']): RouteTable => {
    const table = tables.get(name) ?? new RouteTable();
    tables.set(name, table);
    return table;
  };
  const alike = commonTables(plan);
  const shared = alike && sharedRoutes(plan, alike, common);
  const asked = askedRules(plan);
  const neighbours = new Neighbours<Packet>(node.world.changes, memory);
  const routes = new Routes<RoutePlan>(shared?.routes, positionOf, memory);
  const add = (table: RouteTable, route: RoutePlan): void => {
    const { address, length } = route.destination;
    const hops = hopsOf(route, positionOf);
    table.insert(address, length, routes.addHops(hops, route), route.metric, route.tos);
  };
  const rules = asked.map(
    ({ not, from, to, fwmark, iif, tos = 0, table, suppressLength = -1 }, i) =>
      ruleOf({
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
        table: table === undefined ? null : tableOf(table),
        next: ruleAfter(asked, i, rulesOf(plan)),
        suppressLength,
      }),
  );
  for (const route of localRoutes(plan)) add(tableOf('local'), route);
  if (shared !== undefined) {
    tableOf('main').lieOver({ common: shared.routes, hidden: shared.hidden.get(plan.name) ?? [] });
  }
  for (const route of shared === undefined ? plan.routes : alike!.ownRoutes()) {
    add(tableOf(route.table), route);
  }
  addNeighbours(neighbours, plan, devices, positionOf, common);
  const { netfilter, conntrack } = plan;
  return new NamespaceTables({
    node,
    seed,
    local: tableOf('local').plain,
    rules,
    routes,
    neighbours,
    neighbourQuota: common.quota(plan, neighbours),
    netfilter:
      netfilter === undefined
        ? null
        : new Netfilter(new Chains(netfilter, seed), seed, conntrack, memory),
    wireguard,
    counters: common.counters,
    fdb: () => fdbOf(plan, devices, positionOf, common),
  });
}

/** The VXLAN device whose neighbours and FDB entries all have alike, if there is one: they are not copied. */
const commonTunnel = (plan: NamespacePlan, devices: readonly Device[]): Device | undefined =>
  commonTables(plan) && devices.find(({ plan: { kind } }) => kind === 'vxlan');

function addNeighbours(
  neighbours: Neighbours<Packet>,
  plan: NamespacePlan,
  devices: readonly Device[],
  positionOf: (device: string) => number,
  common: CommonState,
): void {
  const alike = commonTables(plan);
  const tunnel = commonTunnel(plan, devices);
  if (tunnel !== undefined) tunnel.learned = common.neighbours(alike!.neighbours);
  const own = tunnel === undefined ? plan.neighbours : alike!.ownNeighbours();
  for (const { device: name, address, mac, state: nud } of own) {
    const [high, low] = [macHigh(mac ?? 0), macLow(mac ?? 0)];
    const known = mac === undefined ? Nud.Failed : nudOf[nud];
    neighbours.set(positionOf(name), address, high, low, known);
  }
}

function fdbOf(
  plan: NamespacePlan,
  devices: readonly Device[],
  positionOf: (device: string) => number,
  common: CommonState,
): Fdb {
  const fdb = new Fdb(common.memory);
  const tunnel = commonTunnel(plan, devices);
  if (tunnel !== undefined) {
    const { position, macHigh: ownHigh, macLow: ownLow } = tunnel;
    const entries = common.fdb(commonTables(plan)!.fdb);
    fdb.lieOver({ device: position, common: entries, ownHigh, ownLow });
    return fdb;
  }
  for (const { device: name, mac, destination } of plan.fdb) {
    if (destination === undefined) continue;
    fdb.append(positionOf(name), macHigh(mac), macLow(mac), destination);
  }
  return fdb;
}

/** Undefined where the namespace has a prefix of its own that is shared too. */
function sharedRoutes(
  { name }: NamespacePlan,
  { routes: list, ownRoutes }: CommonTables,
  common: CommonState,
): SharedRoutes | undefined {
  const shared = common.routes(list());
  if (shared === null) return undefined;
  const hidden = shared.hidden.get(name) ?? [];
  const isDouble = ({ table, destination: { address, length } }: RoutePlan): boolean => {
    const id = table === 'main' ? shared.routes.at(address, length) : -1;
    return id >= 0 && !hidden.includes(id);
  };
  return ownRoutes().some(isDouble) ? undefined : shared;
}

export function unknownDevice(plan: NamespacePlan, name: string): never {
  throw new PodwireError(
    'ERR_NAME',
    `${plan.name}: expected a device of this namespace, found ${found(name)}`,
  );
}
