/**
 * Packet sockets: what tcpdump sees. A frame is shown on the way in before
 * anything judges it, and on the way out after everything but the hardware.
 */
import type { Packet } from '../packet/packet.ts';
import type { Device } from './device.ts';
import type { Node } from './node.ts';

export function tap(node: Node, device: Device, p: Packet, outgoing: boolean): void {
  if (device.tap !== null) device.tap.see(node, device, p, outgoing);
  if (node.world.observer !== null) node.world.observer.see(node, device, p, outgoing);
}
