/** Addressed to this namespace: ip_local_deliver. A tunnel's packet goes back in, unwrapped. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import { dropped } from './drop-packet.ts';
import { refuse } from './icmp-error.ts';
import { icmpInput } from './icmp-input.ts';
import type { Node } from './node.ts';
import { End, type Next, Room } from './room.ts';
import { tcpInput, udpInput } from './socket-input.ts';

/** Notes: A the IP protocol, B the destination port, or the gateway that a redirect brought, or 0. */
export function local(node: Node, p: Packet): Next {
  if (ipv4.isFragment(bytes, p.l3)) return reassemble(node, p);
  const protocol = ipv4.protocol(bytes, p.l3);
  p.noteA = protocol;
  p.noteB = 0;
  if (protocol === ipv4.PROTO_IPIP) {
    if (node.ipip < 0) return unhandled(node, p);
    // tunnel4_rcv: the protocol is known, its device is not up.
    if (!node.devices[node.ipip]!.up) {
      return refuse(node, p, Drop.TunnelOff, icmp.UNREACHABLE, icmp.CODE_PORT);
    }
    return Room.IpipIn;
  }
  if (protocol === ipv4.PROTO_UDP) {
    const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
    const wrong = udp.check(bytes, l4, p.tail);
    if (wrong !== Drop.None) return dropped(p, wrong);
    p.noteB = udp.destinationPort(bytes, l4);
    if (node.hearsVxlan(p.noteB)) return Room.VxlanIn;
    return node.listener(p.noteB) < 0 ? udpInput(node, p, l4) : Room.WireguardIn;
  }
  if (protocol === ipv4.PROTO_IPV6 && node.ipip >= 0) return ipv6Tunnel(node, p);
  if (!HANDLED.includes(protocol)) return unhandled(node, p);
  if (protocol === ipv4.PROTO_ICMP) return icmpInput(node, p);
  return protocol === ipv4.PROTO_TCP ? tcpInput(node, p) : dropped(p, Drop.ProtocolUnknown);
}

/** Protocols of the kernel itself. Nobody listens for the last two here, and no error says so. */
const HANDLED: readonly number[] = [
  ipv4.PROTO_TCP,
  ipv4.PROTO_ICMP,
  ipv4.PROTO_IGMP,
  ipv4.PROTO_UDPLITE,
];

/** ip_protocol_deliver_rcu: the sender is told. */
const unhandled = (node: Node, p: Packet): Next =>
  refuse(node, p, Drop.ProtocolUnknown, icmp.UNREACHABLE, icmp.CODE_PROTOCOL);

/** sizeof(struct ipv6hdr) */
const IPV6_HEADER_LEN = 40;

/** tunnel64_rcv, which comes with IPIP: there is no such tunnel, and what is too short for one says nothing. */
function ipv6Tunnel(node: Node, p: Packet): Next {
  const held = p.tail - p.l3 - ipv4.headerLength(bytes, p.l3);
  if (held < IPV6_HEADER_LEN) return dropped(p, Drop.ProtocolUnknown);
  return refuse(node, p, Drop.ProtocolUnknown, icmp.UNREACHABLE, icmp.CODE_PORT);
}

/** ip_defrag: the last piece to come lets the whole datagram go on. */
function reassemble(node: Node, p: Packet): Next {
  const whole = node.reassembly.add(node, p);
  if (whole !== null) node.world.proceed(node, whole, Room.Local);
  return End.Parked;
}
