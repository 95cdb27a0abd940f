/** ICMP for this namespace: icmp_rcv and icmp_echo of net/ipv4/icmp.c. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import { RouteKind } from '../tables/routes.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { dropped } from './drop-packet.ts';
import { echoLength, emitEcho } from './echoed-options.ts';
import type { Node } from './node.ts';
import { heedTooBig } from './path-mtu.ts';
import { heedRedirect } from './redirect.ts';
import { End, type Next, Room } from './room.ts';

const TTL = 64;

/** An echo request to an own address is answered where the namespace answers at all. */
export function icmpInput(node: Node, p: Packet): Next {
  const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
  const short = icmp.check(bytes, l4, p.tail);
  if (short !== Drop.None) return dropped(p, short);
  if (!icmp.checksumOk(bytes, l4, p.tail - l4)) return dropped(p, Drop.IcmpChecksum);
  if (icmp.type(bytes, l4) === icmp.UNREACHABLE && icmp.code(bytes, l4) === icmp.CODE_FRAG_NEEDED) {
    heedTooBig(node, l4 + icmp.HEADER_LEN, p.tail, icmp.sequence(bytes, l4));
  }
  if (icmp.type(bytes, l4) === icmp.REDIRECT) p.noteB = heedRedirect(node, p, l4);
  const asked =
    icmp.type(bytes, l4) === icmp.ECHO_REQUEST &&
    (node.answersEcho || node.world.answering) &&
    p.frameType === FrameType.Host &&
    p.route >= 0 &&
    node.routes.kind(p.route) === RouteKind.Local;
  if (asked) reply(node, p, l4);
  return End.Delivered;
}

function reply(node: Node, p: Packet, l4: number): void {
  const data = p.tail - l4;
  const stop = ipv4.headerLength(bytes, p.l3);
  const options = echoLength(p, stop);
  if (options < 0) return;
  const head = ipv4.HEADER_LEN + options;
  const e = node.world.create(head + data);
  if (e === null) return;
  const to = ipv4.source(bytes, p.l3);
  const from = ipv4.destination(bytes, p.l3);
  const at = e.data + head;
  bytes.copyWithin(at, l4, p.tail);
  const rest = (icmp.identifier(bytes, at) << 16) | icmp.sequence(bytes, at);
  // icmp_echo takes the header as it came, its code too.
  icmp.emit(bytes, at, icmp.ECHO_REPLY, icmp.code(bytes, at), rest, data);
  const id = node.identify(from, to, ipv4.PROTO_ICMP);
  const tos = ipv4.tos(bytes, p.l3);
  ipv4.emit(bytes, e.data, tos, head + data, id, 0, TTL, ipv4.PROTO_ICMP, from, to);
  if (options > 0) {
    emitEcho(node, p, stop, e.data + ipv4.HEADER_LEN, from);
    ipv4.setHeaderLength(bytes, e.data, ipv4.HEADER_LEN + options);
  }
  e.l3 = e.data;
  if (p.traced !== 0) e.traced = p.traced + 1;
  p.answer = (icmp.ECHO_REPLY << 8) + 1;
  p.answerTo = to;
  node.world.enqueue(node, e, Room.Route);
}
