/** Source addresses, as inet_select_addr of net/ipv4/devinet.c picks them. */
import { netmask } from '../wire/address.ts';
import type { Device } from './device.ts';
import type { Node } from './node.ts';

/**
 * The address of this device in the target's subnet, else the device's first;
 * a device without any takes the first wide enough address of the namespace, in
 * ifindex order. 0 where there is none at all.
 */
export function selectSource(node: Node, device: number, target: number): number {
  const own = pick(node.devices[device]!, target, true);
  if (own !== 0) return own;
  for (let i = 0; i < node.devices.length; i++) {
    const other = pick(node.devices[i]!, target, false);
    if (other !== 0) return other;
  }
  return 0;
}

function pick(device: Device, target: number, matchSubnet: boolean): number {
  let first = 0;
  for (let i = 0; i < device.addresses.length; i++) {
    if (device.narrow[i]!) continue;
    const address = device.addresses[i]!;
    if (matchSubnet && ((address ^ target) & netmask(device.lengths[i]!)) === 0) return address;
    if (first === 0) first = address;
  }
  return first;
}

/** The source of a packet the node itself sends by this route: its `src`, else by device. */
export function routeSource(node: Node, route: number, destination: number): number {
  const preferred = node.routes.source(route);
  if (preferred !== 0) return preferred;
  const gateway = node.routes.gateway(route);
  return selectSource(node, node.routes.device(route), gateway === 0 ? destination : gateway);
}
