/**
 * A frame on a node's device that the node itself had sent: the packet inside it
 * leaves once more from where it came, so that connection tracking and NAT see both
 * directions of what a capture holds, as they did on the real node. It ends where it
 * was captured.
 */
import type { Cluster } from '../cluster/cluster.ts';
import type { Port } from '../cluster/names.ts';
import { Drop } from '../drop.ts';
import type { Node } from '../node/node.ts';
import { RouteKind } from '../tables/routes.ts';
import { u16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';

/**
 * Sends the packet of the frame `b[start, end)` from the pod of this node whose address
 * it has, or from the node. False where it is neither's: something that passed through.
 */
export function sendAgain(
  cluster: Cluster,
  port: Port,
  b: Buffer,
  start: number,
  end: number,
): boolean {
  cluster.boundary = port.device;
  try {
    return resend(cluster, port.node, b, start, end);
  } finally {
    cluster.boundary = null;
  }
}

function resend(cluster: Cluster, node: Node, b: Buffer, start: number, end: number): boolean {
  const l3 = innermost(node, b, start + ethernet.HEADER_LEN, end);
  if (l3 < 0) return false;
  const from = ipv4.source(b, l3);
  if (node.local.lookup(from) >= 0) {
    cluster.originate(node, b.subarray(l3, end));
    return true;
  }
  const pod = podOf(cluster, node, from);
  if (pod === null) return false;
  const packet = Buffer.from(b.subarray(l3, l3 + ipv4.totalLength(b, l3)));
  // The node took one hop off.
  packet[ipv4.field.ttl] = Math.min(ipv4.ttl(packet, 0) + 1, 255);
  ipv4.fillChecksum(packet, 0);
  cluster.originate(pod.node, packet);
  return true;
}

/** The pod behind the veth that the route to an address leads to. */
function podOf(cluster: Cluster, node: Node, address: number): Port | null {
  const route = node.lookup(address);
  if (route < 0 || node.routes.kind(route) !== RouteKind.Unicast) return null;
  const device = node.devices[node.routes.device(route)];
  return device === undefined ? null : cluster.across({ node, device });
}

/** Where the IPv4 header inside all tunnels of this node stands; -1 without a sound one. */
export function innermost(node: Node, b: Buffer, at: number, end: number): number {
  let l3 = at;
  // Each round goes on by 20 bytes at least.
  for (;;) {
    if (l3 > end || ipv4.check(b, l3, end) !== Drop.None) return -1;
    const l4 = l3 + ipv4.headerLength(b, l3);
    const protocol = ipv4.protocol(b, l3);
    if (ipv4.fragmentOffset(b, l3) !== 0) return l3;
    if (protocol === ipv4.PROTO_IPIP) l3 = l4;
    else if (protocol === ipv4.PROTO_UDP && isVxlan(node, b, l4, end)) {
      l3 = l4 + udp.HEADER_LEN + vxlan.HEADER_LEN + ethernet.HEADER_LEN;
    } else return l3;
  }
}

function isVxlan(node: Node, b: Buffer, l4: number, end: number): boolean {
  if (udp.check(b, l4, end) !== Drop.None) return false;
  const header = l4 + udp.HEADER_LEN;
  const type = header + vxlan.HEADER_LEN + ethernet.field.type;
  if (vxlan.check(b, header, end) !== Drop.None || type + 2 > end) return false;
  if (node.vxlanOf(udp.destinationPort(b, l4), vxlan.vni(b, header)) === null) return false;
  return u16(b, type) === ethernet.TYPE_IPV4;
}
