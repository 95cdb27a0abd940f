/** The tables of a namespace as they are now, in the form plans and printers share. */
import type { Node } from '../node/node.ts';
import type { NamespacePlan, NeighbourPlan, NeighbourState } from '../plan/plan.ts';
import { isValid, Nud } from '../tables/neighbours.ts';
import { type Ip4, joinMac } from '../wire/address.ts';

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

export function dump(node: Node): NamespacePlan {
  const neighbours = [...node.neighbours].map((id) => neighbourPlan(node, id));
  for (const device of node.devices) {
    if (device.learned === null) continue;
    for (const id of device.learned) {
      const address = device.learned.address(id) as Ip4;
      if (device.addresses.includes(address)) continue;
      if (node.neighbours.find(device.position, address) >= 0) continue;
      const mac = joinMac(device.learned.macHigh(id), device.learned.macLow(id));
      neighbours.push({ device: device.name, address, mac, state: 'REACHABLE' });
    }
  }
  return { ...node.plan, neighbours };
}

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
