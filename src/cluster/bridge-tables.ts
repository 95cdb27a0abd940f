/** The forwarding databases of a namespace's bridges: from its plan, and back. */
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import type { FdbPlan, NamespacePlan } from '../plan/plan.ts';
import { BridgeEntry, BridgeFdb } from '../tables/bridge-fdb.ts';
import { type Ip4, joinMac, macHigh, macLow } from '../wire/address.ts';

/** Own addresses of bridges and ports, and what the plan lists; `now` in ms of virtual time. */
export function bridgesOf(plan: NamespacePlan, devices: readonly Device[], now: number): BridgeFdb {
  const table = new BridgeFdb((bridge) => devices[bridge]!.ageing);
  const own = (bridge: number, { macHigh: high, macLow: low }: Device, port: number): void =>
    table.set(bridge, high, low, port, BridgeEntry.Local, now);
  for (const device of devices) {
    if (device.plan.kind === 'bridge') own(device.position, device, -1);
  }
  for (const device of devices) {
    if (device.master >= 0) own(device.master, device, device.position);
  }
  // A node's list has an entry for every other node: it is not made for nothing.
  if (devices.every(({ master }) => master < 0)) return table;
  for (const { device: name, master, mac, state } of plan.fdb) {
    const port = devices.find((device) => device.name === name);
    if (master === undefined || port === undefined || port.master < 0) continue;
    const at = port.plan.kind === 'bridge' ? -1 : port.position;
    table.set(port.master, macHigh(mac), macLow(mac), at, kindOf[state], now);
  }
  return table;
}

const kindOf = {
  permanent: BridgeEntry.Local,
  static: BridgeEntry.Static,
  reachable: BridgeEntry.Learned,
} as const;

/** What `bridge fdb` lists now, without the ports' own addresses, which follow from the devices. */
export function liveFdb(node: Node): FdbPlan[] {
  const now = node.world.milliseconds();
  const bridged = node.devices.flatMap(({ plan, position }) =>
    plan.kind === 'bridge'
      ? [...node.bridges.list(position, now)].flatMap((e) => bridgeEntry(node, plan.name, e))
      : [],
  );
  return [...tunnelEntries(node, now), ...bridged];
}

function bridgeEntry(
  node: Node,
  master: string,
  {
    port,
    macHigh: high,
    macLow: low,
    kind,
  }: ReturnType<BridgeFdb['list']> extends Generator<infer E> ? E : never,
): FdbPlan[] {
  const device = node.devices[port];
  const mac = joinMac(high, low);
  if (device === undefined || mac === device.plan.mac) return [];
  const state =
    kind === BridgeEntry.Learned
      ? 'reachable'
      : kind === BridgeEntry.Static
        ? 'static'
        : 'permanent';
  return [{ device: device.name, mac, master, state }];
}

/** The plan's, and what VXLAN devices have learned. */
function tunnelEntries(node: Node, now: number): FdbPlan[] {
  const listed = node.plan.fdb.filter(({ master }) => master === undefined);
  const learned = [...node.fdb].flatMap((entry): FdbPlan[] => {
    const device = node.devices[entry.device]!;
    const id = node.fdb.find(entry.device, entry.macHigh, entry.macLow);
    if (!node.fdb.isLearned(id) || !node.fdb.isAlive(id, now, device.ageing)) return [];
    const mac = joinMac(entry.macHigh, entry.macLow);
    return [
      { device: device.name, mac, destination: entry.destination as Ip4, state: 'reachable' },
    ];
  });
  return [...listed, ...learned];
}
