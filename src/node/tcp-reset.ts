/** A segment that belongs to no connection is answered by a reset: tcp_v4_send_reset of net/ipv4/tcp_ipv4.c. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import { RouteKind } from '../tables/routes.ts';
import { ANSWERED_BY_RESET } from '../trace/ring.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import { CtState } from './connection.ts';
import type { Node } from './node.ts';
import { Room } from './room.ts';

const TTL = 64;
const LENGTH = ipv4.HEADER_LEN + tcp.HEADER_LEN;
/** ~INET_ECN_MASK: what no connection sends is not ECN-capable. */
const DSCP = 0xfc;

/**
 * Of nodes only, and only where their own connection tracking meets the conversation
 * halfway: an ACK out of nothing is refused by open ports and closed ones alike. What
 * opens a connection, or goes on with one, is left to whoever plays the node.
 */
export function resetStray(node: Node, p: Packet): void {
  if (!node.answersEcho || p.ctState !== CtState.New || !isForOneHere(node, p)) return;
  const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
  if (tcp.check(bytes, l4, p.tail) !== Drop.None) return;
  if ((tcp.flags(bytes, l4) & (tcp.ACK | tcp.SYN | tcp.RST)) === tcp.ACK) reset(node, p, l4);
}

/** Neither a broadcast nor in a frame of one: TCP heeds no others. */
export const isForOneHere = (node: Node, p: Packet): boolean =>
  p.frameType === FrameType.Host && p.route >= 0 && node.routes.kind(p.route) === RouteKind.Local;

/** Answers a sound segment that is no reset itself (RFC 9293 section 3.5.2). */
export function reset(node: Node, p: Packet, l4: number): void {
  const e = node.world.create(LENGTH);
  if (e === null) return;
  const to = ipv4.source(bytes, p.l3);
  const from = ipv4.destination(bytes, p.l3);
  const at = e.data + ipv4.HEADER_LEN;
  // Identification 0 and DF: it comes from no socket (ip_send_unicast_reply).
  const tos = ipv4.tos(bytes, p.l3) & DSCP;
  ipv4.emit(bytes, e.data, tos, LENGTH, 0, ipv4.FLAG_DF, TTL, ipv4.PROTO_TCP, from, to);
  const acknowledges = (tcp.flags(bytes, l4) & tcp.ACK) !== 0;
  tcp.emit(
    bytes,
    at,
    tcp.destinationPort(bytes, l4),
    tcp.sourcePort(bytes, l4),
    acknowledges ? tcp.acknowledgement(bytes, l4) : 0,
    acknowledges ? 0 : tcp.sequence(bytes, l4) + taken(p, l4),
    0,
    acknowledges ? tcp.RST : tcp.RST | tcp.ACK,
    0,
  );
  tcp.fillChecksum(bytes, at, tcp.HEADER_LEN, e.data + ipv4.field.source);
  e.l3 = e.data;
  if (p.traced !== 0) e.traced = p.traced + 1;
  p.answer = ANSWERED_BY_RESET;
  p.answerTo = to;
  node.world.enqueue(node, e, Room.Route);
}

/** Sequence numbers that a segment takes up: its data, SYN and FIN. */
function taken(p: Packet, l4: number): number {
  const flags = tcp.flags(bytes, l4);
  const ends = (flags & tcp.SYN ? 1 : 0) + (flags & tcp.FIN ? 1 : 0);
  return p.l3 + ipv4.totalLength(bytes, p.l3) - l4 - tcp.headerLength(bytes, l4) + ends;
}
