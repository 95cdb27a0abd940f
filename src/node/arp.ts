/** ARP: ask, answer, learn. arp_process and arp_solicit of net/ipv4/arp.c. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import { isValid, Nud } from '../tables/neighbours.ts';
import { RouteKind } from '../tables/routes.ts';
import { netmask } from '../wire/address.ts';
import * as arp from '../wire/arp.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { Device } from './device.ts';
import { dropped } from './drop-packet.ts';
import { release } from './neighbour.ts';
import type { Node } from './node.ts';
import { End, type Next, Room } from './room.ts';
import { selectSource } from './source.ts';
import { inputRoute, isMulticast } from './source-check.ts';

const MESSAGE_LEN = ethernet.HEADER_LEN + arp.LEN;

/** Notes: A the operation, B 1 for an answer given. */
export function receiveArp(node: Node, p: Packet): Next {
  const device = node.devices[p.input]!;
  const wrong = arp.check(bytes, p.data, p.tail);
  if (wrong !== Drop.None) return dropped(p, wrong);
  const at = p.data;
  const from = arp.senderIp(bytes, at);
  const target = arp.targetIp(bytes, at);
  p.noteA = arp.operation(bytes, at);
  node.world.audit?.alone('ARP');
  p.noteB = 0;
  if (isNoQuestion(device, p.noteA, target)) return dropped(p, Drop.ArpIgnored);

  if (p.noteA === arp.REQUEST) {
    const answers = from === 0 ? isOwn(node, target) : answersFor(node, device, from, target);
    const create = answers || accepts(node, p, from);
    const known = from === 0 || learn(node, device, at, from, Nud.Stale, create);
    // Who cannot be kept in mind is answered by a proxy only (arp_process).
    p.noteB = +(answers && (known || !isOwn(node, target)));
    if (p.noteB === 1) reply(node, device, at, target, from);
  } else {
    // A reply that was not sent to this host alone proves nothing (arp_process).
    const state = p.frameType === FrameType.Host ? Nud.Reachable : Nud.Stale;
    learn(node, device, at, from, state, accepts(node, p, from));
  }
  return End.Consumed;
}

/** Neither request nor reply, or about an address that is no station's: teaches nothing (arp_process). */
function isNoQuestion({ routeLocalnet }: Device, operation: number, target: number): boolean {
  if (operation !== arp.REQUEST && operation !== arp.REPLY) return true;
  return isMulticast(target) || (target >>> 24 === 127 && !routeLocalnet);
}

const isOwn = (node: Node, address: number): boolean => {
  const route = node.local.find(address);
  return route >= 0 && node.routes.kind(route) === RouteKind.Local;
};

/**
 * For an own address, or as a proxy: only where the route to the target is
 * unicast and leaves by another device (arp_fwd_proxy). That is why a node
 * without a default route does not answer for 169.254.1.1.
 */
function answersFor(node: Node, device: Device, from: number, target: number): boolean {
  const route = inputRoute(node, device, from, target);
  if (route < 0) return false;
  if (node.routes.kind(route) === RouteKind.Local) return true;
  if (!node.forwarding || !device.proxyArp) return false;
  return node.routes.device(route) !== device.position;
}

/**
 * Whether a message that nobody asked for makes an entry: net.ipv4.conf.*.arp_accept, of a
 * neighbour that says where it is (arp_is_garp) or answers (arp_accept of arp.c).
 */
function accepts(node: Node, p: Packet, from: number): boolean {
  const device = node.devices[p.input]!;
  if (device.arpAccept === 0 || !isHost(node, from)) return false;
  if (device.arpAccept === 2 && !isOnSubnet(device, from)) return false;
  return p.noteA === arp.REPLY || arp.targetIp(bytes, p.data) === from;
}

/** inet_addr_type: neither an own address, nor a broadcast's or a group's. */
function isHost(node: Node, address: number): boolean {
  return address !== 0 && address >>> 28 < 14 && node.local.find(address) < 0;
}

function isOnSubnet({ addresses, lengths }: Device, address: number): boolean {
  for (let i = 0; i < addresses.length; i++) {
    if (((addresses[i]! ^ address) & netmask(lengths[i]!)) === 0) return true;
  }
  return false;
}

/** Takes over the sender's MAC; only a request addressed to us may make a new entry. Whether there is one. */
function learn(
  node: Node,
  device: Device,
  at: number,
  from: number,
  state: Nud,
  create: boolean,
): boolean {
  const known = node.neighbours.find(device.position, from);
  const now = node.world.milliseconds();
  if (known < 0 && !(create && node.neighbourQuota.admits(now))) return false;
  if (known >= 0 && node.neighbours.state(known) === Nud.Permanent) return true;
  const high = arp.senderMacHigh(bytes, at);
  const low = arp.senderMacLow(bytes, at);
  // neigh_update: hearing the same MAC again makes a known entry no staler.
  if (
    known >= 0 &&
    state === Nud.Stale &&
    isValid(node.neighbours.state(known)) &&
    node.neighbours.macHigh(known) === high &&
    node.neighbours.macLow(known) === low
  ) {
    return true;
  }
  const id = node.neighbours.set(device.position, from, high, low, state);
  node.neighbours.confirm(id, now);
  release(node, id);
  return true;
}

function reply(node: Node, device: Device, at: number, own: number, to: number): void {
  const p = node.world.create(MESSAGE_LEN);
  if (p === null) return;
  const { macHigh, macLow } = device;
  const toHigh = arp.senderMacHigh(bytes, at);
  const toLow = arp.senderMacLow(bytes, at);
  ethernet.emit(bytes, p.data, toHigh, toLow, macHigh, macLow, ethernet.TYPE_ARP);
  const body = p.data + ethernet.HEADER_LEN;
  arp.emit(bytes, body, arp.REPLY, macHigh, macLow, own, toHigh, toLow, to);
  p.output = device.position;
  node.world.enqueue(node, p, Room.Transmit);
}

/**
 * Asks for an address: by broadcast, or of the MAC last known. The sender is the
 * source of the packet that waits where that is one of our addresses
 * (arp_announce 0), else chosen by device.
 */
export function sendRequest(node: Node, id: number, packetSource: number): void {
  const p = node.world.create(MESSAGE_LEN);
  if (p === null) return;
  const { neighbours } = node;
  const device = node.devices[neighbours.device(id)]!;
  const target = neighbours.address(id);
  const known = neighbours.state(id) === Nud.Probe;
  const from = isOwn(node, packetSource)
    ? packetSource
    : selectSource(node, device.position, target);
  ethernet.emit(
    bytes,
    p.data,
    known ? neighbours.macHigh(id) : 0xffff,
    known ? neighbours.macLow(id) : -1,
    device.macHigh,
    device.macLow,
    ethernet.TYPE_ARP,
  );
  const body = p.data + ethernet.HEADER_LEN;
  arp.emit(bytes, body, arp.REQUEST, device.macHigh, device.macLow, from, 0, 0, target);
  p.output = device.position;
  node.world.enqueue(node, p, Room.Transmit);
}
