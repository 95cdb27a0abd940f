/** A router knows a better gateway for what was sent by it: __ip_do_redirect of net/ipv4/route.c. */
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { netmask } from '../wire/address.ts';
import { i32 } from '../wire/bytes.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Device } from './device.ts';
import { seek } from './neighbour.ts';
import type { Node } from './node.ts';
import { gatewayOf, quotedRoute } from './path-mtu.ts';
import { isMulticast, LIMITED_BROADCAST } from './source-check.ts';

/** icmp_rcv looks at the lower bits; codes 4 to 7 name nothing. */
const CODE_MASK = 7;
const LAST_CODE = 3;

/** The new gateway that the redirect at `l4` brought into use; 0 where it was not heeded. */
export function heedRedirect(node: Node, p: Packet, l4: number): number {
  if (p.input < 0 || (icmp.code(bytes, l4) & CODE_MASK) > LAST_CODE) return 0;
  const quote = l4 + icmp.HEADER_LEN;
  const route = quotedRoute(node, quote, p.tail);
  if (route < 0) return 0;
  const to = ipv4.destination(bytes, quote);
  const told = i32(bytes, l4 + icmp.field.rest);
  const old = ipv4.source(bytes, p.l3);
  // Only the gateway that is in use may speak of another.
  if (gatewayOf(node, route, to) !== old || told === old) return 0;
  if (!isAcceptable(node, node.devices[p.input]!, told, old)) return 0;
  if (!seek(node, node.devices[node.routes.device(route)]!, told)) return 0;
  node.pathMtus.redirect(route, to, told, node.world.ticks());
  node.world.audit?.alone('redirects');
  node.change();
  return told;
}

function isAcceptable(node: Node, device: Device, told: number, old: number): boolean {
  const { redirects } = device.plan;
  if (!(redirects?.accept ?? !node.forwarding)) return false;
  if (isMulticast(told) || told === LIMITED_BROADCAST || told >>> 24 === 0) return false;
  if (redirects?.sharedMedia ?? true) return node.local.find(told) < 0;
  if (!areOnLink(device, told, old)) return false;
  return !(redirects?.secure ?? true) || isGateway(node, device, told);
}

/** inet_addr_onlink: both in one subnet of the device. */
function areOnLink({ addresses, lengths }: Device, a: number, b: number): boolean {
  for (let i = 0; i < addresses.length; i++) {
    const mask = netmask(lengths[i]!);
    if ((((addresses[i]! ^ a) | (addresses[i]! ^ b)) & mask) === 0) return true;
  }
  return false;
}

/** ip_fib_check_default: some route by the device has this gateway. */
function isGateway(node: Node, device: Device, address: number): boolean {
  return node.plan.routes.some(({ via, device: name }) => via === address && name === device.name);
}
