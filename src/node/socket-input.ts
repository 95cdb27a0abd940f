/**
 * What the stack makes of TCP and UDP for this namespace: tcp_v4_rcv, a listening socket's
 * tcp_rcv_state_process, __udp4_lib_rcv. It refuses what has no socket; what is for one
 * is delivered, and answered by whoever plays the socket.
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import { dropped } from './drop-packet.ts';
import { refuse } from './icmp-error.ts';
import { isUnsummed } from './l4-sound.ts';
import type { Node } from './node.ts';
import { End, type Next } from './room.ts';
import { isForOneHere, reset, resetStray } from './tcp-reset.ts';
import { invertInPlace, readTuple, type Tuple } from './tuple.ts';

/** The tuple of what would answer the packet at hand. */
const answered: Tuple = { source: 0, destination: 0, ports: 0, protocol: 0, zone: 0 };

export function tcpInput(node: Node, p: Packet): Next {
  if (!node.world.answering) {
    resetStray(node, p);
    return End.Delivered;
  }
  const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
  const wrong = tcp.check(bytes, l4, p.tail);
  if (wrong !== Drop.None) return dropped(p, wrong);
  p.noteB = tcp.destinationPort(bytes, l4);
  // Broadcasts make no connection and end none.
  if (!isForOneHere(node, p)) return dropped(p, Drop.TcpFlags);
  const summed = tcp.checksumOk(bytes, l4, p.tail - l4, p.l3 + ipv4.field.source);
  if (!summed && !isUnsummed(p)) return dropped(p, Drop.TcpChecksum);
  if (isConnected(node, p)) return End.Delivered;
  const flags = tcp.flags(bytes, l4) & (tcp.ACK | tcp.RST | tcp.SYN | tcp.FIN);
  if (!node.sockets.listens(ipv4.PROTO_TCP, p.noteB)) {
    if ((flags & tcp.RST) === 0) reset(node, p, l4);
    return dropped(p, Drop.PortClosed);
  }
  if (flags === tcp.SYN) return End.Delivered;
  if ((flags & (tcp.ACK | tcp.RST)) === tcp.ACK) reset(node, p, l4);
  return dropped(p, Drop.TcpFlags);
}

/** A datagram with a sound header, for no tunnel. */
export function udpInput(node: Node, p: Packet, l4: number): Next {
  if (!node.world.answering) return End.Delivered;
  const summed = udp.checksumOk(bytes, l4, p.l3 + ipv4.field.source);
  if (!summed && !isUnsummed(p)) return dropped(p, Drop.UdpChecksum);
  if (node.sockets.listens(ipv4.PROTO_UDP, p.noteB) || isConnected(node, p)) return End.Delivered;
  // Who asks everybody gets no answer (__udp4_lib_mcast_deliver).
  if (p.frameType !== FrameType.Host) return dropped(p, Drop.PortClosed);
  return refuse(node, p, Drop.PortClosed, icmp.UNREACHABLE, icmp.CODE_PORT);
}

function isConnected(node: Node, p: Packet): boolean {
  if (!readTuple(p.l3, p.tail, answered)) return false;
  invertInPlace(answered);
  return node.sockets.isConnected(answered);
}
