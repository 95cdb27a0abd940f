/** The tables of a namespace as they are now, in the form plans and printers share. */
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import type { DevicePlan, NamespacePlan, NeighbourPlan, NeighbourState } from '../plan/plan.ts';
import { isValid, Nud } from '../tables/neighbours.ts';
import { type Ip4, joinMac } from '../wire/address.ts';
import { liveFdb } from './bridge-tables.ts';
import type { KeyRing } from './tunnel-keys.ts';

const stateName: { readonly [S in Nud]: NeighbourState } = {
  [Nud.None]: 'FAILED',
  [Nud.Incomplete]: 'INCOMPLETE',
  [Nud.Reachable]: 'REACHABLE',
  [Nud.Stale]: 'STALE',
  [Nud.Delay]: 'DELAY',
  [Nud.Probe]: 'PROBE',
  [Nud.Failed]: 'FAILED',
  [Nud.NoArp]: 'NOARP',
  [Nud.Permanent]: 'PERMANENT',
};

export function dump(node: Node, keys: KeyRing): NamespacePlan {
  const neighbours = liveNeighbours(node);
  const devices = node.encrypts ? { devices: liveDevices(node, keys) } : {};
  const exceptions = node.learnedPathMtus?.list(node.world.ticks(), node.routes) ?? [];
  const learned = exceptions.length === 0 ? {} : { exceptions };
  const fdb = node.devices.some(isLearning) ? { fdb: liveFdb(node) } : {};
  return { ...node.plan, ...devices, neighbours, ...fdb, ...learned };
}

const isLearning = ({ plan, learning }: Device): boolean => plan.kind === 'bridge' || learning;

/** The VTEPs first, in the order of the plan; last what was learned before the run and not used yet. */
function liveNeighbours(node: Node): NeighbourPlan[] {
  const { neighbours } = node;
  const shared = node.devices.flatMap((device) => unused(node, device));
  const known = [...neighbours].map((id) => neighbourPlan(node, id));
  const isPinned = ({ state }: NeighbourPlan): boolean => state === 'PERMANENT';
  const learned = shared.filter((entry) => !isPinned(entry));
  if (learned.length === shared.length) return [...known, ...learned];
  const order = new Map(node.plan.neighbours.map(({ address }, i) => [address, i]));
  const place = ({ address }: NeighbourPlan): number => order.get(address) ?? order.size;
  const present = [...shared.filter(isPinned), ...known];
  return [...present.sort((a, b) => place(a) - place(b)), ...learned];
}

/** Shared neighbours that the node has not made its own. */
function unused(node: Node, { learned, addresses, position, name }: Device): NeighbourPlan[] {
  if (learned === null) return [];
  return [...learned].flatMap((id): NeighbourPlan[] => {
    const address = learned.address(id) as Ip4;
    if (addresses.includes(address) || node.neighbours.find(position, address) >= 0) return [];
    const mac = joinMac(learned.macHigh(id), learned.macLow(id));
    return [{ device: name, address, mac, state: stateName[learned.state(id)] }];
  });
}

/** Devices with what their WireGuard peers have heard and sent. */
const liveDevices = (node: Node, keys: KeyRing): DevicePlan[] =>
  node.devices.flatMap(({ plan, position }) => {
    if (!node.plan.devices.includes(plan)) return [];
    const tunnel = node.wireguard?.started(position);
    if (tunnel === undefined || plan.wireguard === undefined) return plan;
    const { now } = node.world;
    const peers = plan.wireguard.peers.map((peer) => keys.live(tunnel, peer, now));
    return { ...plan, wireguard: { ...plan.wireguard, peers } };
  });

/** One live neighbour entry. */
export function neighbourPlan(node: Node, id: number): NeighbourPlan {
  const state = node.neighbours.state(id);
  const entry = {
    device: node.devices[node.neighbours.device(id)]!.name,
    address: node.neighbours.address(id) as Ip4,
    state: stateName[state],
  };
  if (!isValid(state)) return entry;
  return { ...entry, mac: joinMac(node.neighbours.macHigh(id), node.neighbours.macLow(id)) };
}
