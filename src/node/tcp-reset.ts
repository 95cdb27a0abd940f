/** A segment that belongs to no connection is answered by a reset: tcp_v4_send_reset of net/ipv4/tcp_ipv4.c. */
import { Drop } from '../drop.ts';
import { bytes, word } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import { RouteKind } from '../tables/routes.ts';
import { ANSWERED_BY_RESET } from '../trace/ring.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import { CtState, ORIGINAL } from './connection.ts';
import { isUnsummed } from './l4-sound.ts';
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
  if (!node.world.resetsStrays || !node.answersEcho) return;
  if (p.ctState !== CtState.New || !isForOneHere(node, p)) return;
  const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
  if (tcp.check(bytes, l4, p.tail) !== Drop.None) return;
  if ((tcp.flags(bytes, l4) & (tcp.ACK | tcp.SYN | tcp.RST)) === tcp.ACK) reset(node, p, l4);
}

/** nf_send_reset of nf_reject_ipv4.c: to sound segments that are no resets, whoever they were for. */
export function resetRejected(node: Node, p: Packet): void {
  const { l3 } = p;
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  if (ipv4.protocol(bytes, l3) !== ipv4.PROTO_TCP || ipv4.isFragment(bytes, l3)) return;
  if (tcp.check(bytes, l4, p.tail) !== Drop.None || (tcp.flags(bytes, l4) & tcp.RST) !== 0) return;
  if (!isUnsummed(p) && !tcp.checksumOk(bytes, l4, p.tail - l4, l3 + ipv4.field.source)) return;
  const connection = p.ct < 0 ? undefined : node.netfilter?.conntrack.connection(p.ct);
  if (connection === undefined || connection.confirmed) reset(node, p, l4, 0);
  else {
    // The answer belongs to the packet's connection (nf_ct_attach), which nobody will find again.
    const { source, destination, ports } = connection.tuples[ORIGINAL];
    answer(node, p, l4, 0, source, destination, ports);
  }
}

/** Neither a broadcast nor in a frame of one: TCP heeds no others. */
export const isForOneHere = (node: Node, p: Packet): boolean =>
  p.frameType === FrameType.Host && p.route >= 0 && node.routes.kind(p.route) === RouteKind.Local;

/** Answers a sound segment that is no reset itself (RFC 9293 section 3.5.2), with its DSCP under `mask`. */
export function reset(node: Node, p: Packet, l4: number, mask = DSCP): void {
  const tos = ipv4.tos(bytes, p.l3) & mask;
  const source = ipv4.source(bytes, p.l3);
  answer(node, p, l4, tos, source, ipv4.destination(bytes, p.l3), word(l4));
}

/** To a segment from `source`, whose ports are source << 16 | destination, for `destination`. */
function answer(
  node: Node,
  p: Packet,
  l4: number,
  tos: number,
  source: number,
  destination: number,
  ports: number,
): void {
  const e = node.world.create(LENGTH);
  if (e === null) return;
  const at = e.data + ipv4.HEADER_LEN;
  // Identification 0 and DF: it comes from no socket (ip_send_unicast_reply).
  const id = 0;
  ipv4.emit(bytes, e.data, tos, LENGTH, id, ipv4.FLAG_DF, TTL, ipv4.PROTO_TCP, destination, source);
  const acknowledges = (tcp.flags(bytes, l4) & tcp.ACK) !== 0;
  tcp.emit(
    bytes,
    at,
    ports & 0xffff,
    ports >>> 16,
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
  p.answerTo = source;
  node.world.enqueue(node, e, Room.Route);
}

/** Sequence numbers that a segment takes up: its data, SYN and FIN. */
function taken(p: Packet, l4: number): number {
  const flags = tcp.flags(bytes, l4);
  const ends = (flags & tcp.SYN ? 1 : 0) + (flags & tcp.FIN ? 1 : 0);
  return p.l3 + ipv4.totalLength(bytes, p.l3) - l4 - tcp.headerLength(bytes, l4) + ends;
}
