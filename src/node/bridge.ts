/**
 * Bridges: br_handle_frame, br_dev_xmit and br_flood of net/bridge. A frame that comes in
 * by a port, or that the namespace sends by the bridge, goes out by the port its
 * destination is behind; by all others where nobody knows, or where it is for a group.
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { Device } from './device.ts';
import { dropped } from './drop-packet.ts';
import type { Node } from './node.ts';
import { End, type Next, Room } from './room.ts';

/** Bridges one frame may cross: where they form a loop a real one never ends. */
const MOST_BRIDGES = 64;
/** VLAN_HLEN */
const VLAN_TAG = 4;
const LEARNED = 'what bridges learned';

/** 01:80:c2:00:00:0x are for the port itself, but the first where there is no spanning tree. */
export function isForPort(frame: number): boolean {
  return (
    ethernet.destinationHigh(bytes, frame) === 0x0180 &&
    (ethernet.destinationLow(bytes, frame) & ~0xf) === (0xc2000000 | 0) &&
    ethernet.destinationLow(bytes, frame) !== (0xc2000000 | 0)
  );
}

/** A frame from a port. Notes: A the port of the destination, -1 for all; B copies; C 1: also for here. */
export function bridgeIn(node: Node, p: Packet): Next {
  const port = node.devices[p.input]!;
  const bridge = node.devices[port.master]!;
  p.noteA = -1;
  if (++p.bridges > MOST_BRIDGES) return dropped(p, Drop.BridgeLoop);
  const high = ethernet.sourceHigh(bytes, p.data);
  const low = ethernet.sourceLow(bytes, p.data);
  if (!isValidSource(high, low)) return dropped(p, Drop.MacSource);
  if (!bridge.up) return dropped(p, Drop.DeviceDown);
  p.noteB = 0;
  node.world.audit?.shared(node, LEARNED);
  const now = node.world.milliseconds();
  node.bridges.learn(bridge.position, high, low, port.position, now);
  p.l3 = ethernet.type(bytes, p.data) === ethernet.TYPE_IPV4 ? p.data + ethernet.HEADER_LEN : -1;
  if (ethernet.isGroup(bytes, p.data)) {
    const last = spread(node, p, bridge, port.position);
    if (last >= 0) copyTo(node, p, last);
    return up(node, p, bridge);
  }
  const id = lookup(node, bridge, p.data, now);
  if (id >= 0 && node.bridges.isLocal(id)) return up(node, p, bridge);
  if (id < 0) return flood(node, p, bridge, port.position);
  p.noteA = node.bridges.port(id);
  // should_deliver: never back where it came from.
  if (p.noteA === port.position) return dropped(p, Drop.BridgeNowhere);
  return leave(node, p, p.noteA);
}

/** A frame of the namespace itself. Notes as above. */
export function bridgeOut(node: Node, p: Packet): Next {
  const bridge = node.devices[p.output]!;
  p.noteA = -1;
  p.noteB = 0;
  node.world.audit?.shared(node, LEARNED);
  if (ethernet.isGroup(bytes, p.data)) return flood(node, p, bridge, -1);
  const id = lookup(node, bridge, p.data, node.world.milliseconds());
  if (id < 0) return flood(node, p, bridge, -1);
  p.noteA = node.bridges.port(id);
  return p.noteA < 0 ? dropped(p, Drop.BridgeNowhere) : leave(node, p, p.noteA);
}

function lookup(node: Node, bridge: Device, frame: number, now: number): number {
  const high = ethernet.destinationHigh(bytes, frame);
  const low = ethernet.destinationLow(bytes, frame);
  return node.bridges.find(bridge.position, high, low, now);
}

/** br_pass_frame_up: the bridge takes it as a NIC would, after what was copied. */
function up(node: Node, p: Packet, bridge: Device): Next {
  p.noteC = 1;
  p.port = p.input;
  p.input = bridge.position;
  if (p.noteB === 0) return Room.Ingress;
  node.world.enqueue(node, p, Room.Ingress);
  return End.Parked;
}

/** Out by one port, where it is up and carries that much: br_dev_queue_push_xmit. */
function leave(node: Node, p: Packet, port: number): Next {
  const device = node.devices[port]!;
  if (!device.running) return dropped(p, Drop.DeviceDown);
  if (!fits(p, device)) return dropped(p, Drop.LinkMtu);
  p.output = port;
  return Room.Transmit;
}

const fits = (p: Packet, device: Device): boolean =>
  p.segment > 0 || p.length <= device.mtu + ethernet.HEADER_LEN + VLAN_TAG;

/** By every port but the one it came in by. */
function flood(node: Node, p: Packet, bridge: Device, from: number): Next {
  const last = spread(node, p, bridge, from);
  if (last < 0) return dropped(p, Drop.BridgeNowhere);
  p.output = last;
  if (p.noteB === 1) return Room.Transmit;
  node.world.enqueue(node, p, Room.Transmit);
  return End.Parked;
}

/** Copies to all such ports but the last, which is returned; the newest port first. -1: there is none. */
function spread(node: Node, p: Packet, bridge: Device, from: number): number {
  let last = -1;
  p.noteB = 0;
  for (let i = node.devices.length - 1; i >= 0; i--) {
    const port = node.devices[i]!;
    if (port.master !== bridge.position || i === from || !port.running || !fits(p, port)) continue;
    if (last >= 0) copyTo(node, p, last);
    last = i;
    p.noteB++;
  }
  return last;
}

function copyTo(node: Node, p: Packet, port: number): void {
  const twin = node.world.copy(node, p);
  if (twin === null) return;
  twin.input = p.input;
  twin.output = port;
  twin.l3 = p.l3 < 0 ? -1 : twin.data + p.l3 - p.data;
  node.world.enqueue(node, twin, Room.Transmit);
}

/** is_valid_ether_addr: one station's, and not zero. */
export const isValidSource = (high: number, low: number): boolean =>
  (high & 0x0100) === 0 && (high | low) !== 0;
