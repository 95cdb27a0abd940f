/**
 * Whom a node knew while captures were taken, which its tables tell for one moment only:
 * where a frame went to a neighbour that had not been asked for, the node knew it. Who
 * verifies whom when hangs on timers that no table shows; the recorded requests tell.
 */
import type { Cluster } from '../cluster/cluster.ts';
import type { Port } from '../cluster/names.ts';
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import { later } from '../packet/moment.ts';
import { isValid, Nud } from '../tables/neighbours.ts';
import { RouteKind } from '../tables/routes.ts';
import { macAt, macHigh, macLow } from '../wire/address.ts';
import * as arp from '../wire/arp.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Input } from './inputs.ts';
import type { Lab } from './lab.ts';
import type { Recording } from './recording.ts';

const AT = ethernet.HEADER_LEN;
/** The receiver of a frame where a capture does not tell it (cooked.ts). */
const UNTOLD = 0;

/** Tells the nodes of a cluster whom they knew; before the run. Nothing for a lab that says so itself. */
export function declareNeighbours(lab: Lab, cluster: Cluster): void {
  if (lab.brought === undefined) return;
  for (const node of cluster.nodes) {
    if (node.silent) continue;
    for (const device of node.devices) {
      const recording = device.ethernet ? lab.frames(node.name, device.name) : undefined;
      if (recording !== undefined) learnFrom(recording, node, device);
    }
  }
}

function learnFrom(recording: Recording, node: Node, device: Device): void {
  const met = new Set<number>();
  for (const { bytes: b } of recording) {
    if (b.length < AT || macAt(b, ethernet.field.source) !== device.plan.mac) continue;
    const address = isRequest(b) ? arp.targetIp(b, AT) : nextHop(node, device, b);
    if (address === null || met.has(address)) continue;
    met.add(address);
    const [to, isGroup] = [macAt(b, 0), ethernet.isGroup(b, 0)];
    if (isGroup || to === UNTOLD) continue;
    node.neighbours.set(device.position, address, macHigh(to), macLow(to), Nud.Reachable);
  }
}

const isRequest = (b: Buffer): boolean =>
  b.length >= AT + arp.LEN &&
  ethernet.type(b, 0) === ethernet.TYPE_ARP &&
  arp.operation(b, AT) === arp.REQUEST;

/** Whose MAC an IPv4 frame goes to by the tables; null where they send it elsewhere. */
function nextHop(node: Node, device: Device, b: Buffer): number | null {
  if (ethernet.type(b, 0) !== ethernet.TYPE_IPV4 || ipv4.check(b, AT, b.length) !== 0) return null;
  const to = ipv4.destination(b, AT);
  const route = node.lookup(to);
  if (route < 0 || node.routes.kind(route) !== RouteKind.Unicast) return null;
  if (node.routes.device(route) !== device.position) return null;
  return node.routes.gateway(route) || to;
}

/** Who was not known is asked for by broadcast. What asks follows within so many ms. */
const LEAD_MS = 2;

/**
 * The requests of a node. One to a neighbour alone verifies what had grown old; one to all
 * says that the neighbour was not known: then what goes to it next asks. One for its own
 * address, or in another's name, was sent by a program. A capture that does not tell to whom
 * has the first of each neighbour that was not known as one to all.
 */
export function askedInputs(cluster: Cluster, port: Port, recording: Recording): Input[] {
  const { node, device } = port;
  const addresses = node.devices.flatMap((one) => one.addresses);
  const known = new Set<number>(
    node.plan.neighbours
      .filter((one) => one.device === device.name && one.mac !== undefined)
      .map(({ address }) => address),
  );
  return recording.flatMap(({ bytes: b, seconds, nanoseconds }): Input[] => {
    if (b.length < AT || macAt(b, ethernet.field.source) !== device.plan.mac) return [];
    if (!isRequest(b)) {
      known.add(nextHop(node, device, b) ?? 0);
      return [];
    }
    const [when, target] = [{ seconds, nanoseconds }, arp.targetIp(b, AT)];
    if (addresses.includes(target) || !addresses.includes(arp.senderIp(b, AT))) {
      return [
        { ...when, given: `${node.name}:${device.name}`, enter: () => cluster.depart(port, b) },
      ];
    }
    const to = macAt(b, ethernet.field.destination);
    if (ethernet.isGroup(b, 0) || (to === UNTOLD && !known.has(target))) {
      known.add(target);
      return [{ ...later(when, -LEAD_MS), enter: () => forget(node, device, target) }];
    }
    return [{ ...when, enter: () => verifyNeighbour(node, device, target, to) }];
  });
}

function forget(node: Node, { position }: Device, address: number): void {
  const id = node.neighbours.find(position, address);
  // Of its own it knows more than what its link is said to have learned.
  if (id < 0) node.neighbours.set(position, address, 0, 0, Nud.Failed);
  else if (isValid(node.neighbours.state(id))) node.neighbours.setState(id, Nud.Failed);
}

/** Unless it is being verified: then the next request follows by itself. */
function verifyNeighbour(node: Node, { position }: Device, address: number, mac: number): void {
  const { neighbours } = node;
  const known = neighbours.find(position, address);
  if (known >= 0 && neighbours.state(known) === Nud.Probe) return;
  if (known < 0 && mac === UNTOLD) return;
  const [high, low] =
    mac === UNTOLD
      ? [neighbours.macHigh(known), neighbours.macLow(known)]
      : [macHigh(mac), macLow(mac)];
  node.world.armNeighbour(node, neighbours.set(position, address, high, low, Nud.Delay), 0);
}
