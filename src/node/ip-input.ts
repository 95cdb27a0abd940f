/** IPv4 header checks: ip_rcv_core of net/ipv4/ip_input.c. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { dropped } from './drop-packet.ts';
import type { Node } from './node.ts';
import { type Next, Room } from './room.ts';

/** Cuts Ethernet padding; a packet leaves this room with `l3` set and every header field sound. */
export function ipInput(_node: Node, p: Packet): Next {
  const wrong = ipv4.check(bytes, p.data, p.tail);
  if (wrong !== Drop.None) return dropped(p, wrong);
  if (!ipv4.checksumOk(bytes, p.data)) return dropped(p, Drop.Ipv4Checksum);
  p.l3 = p.data;
  p.trim(ipv4.totalLength(bytes, p.l3));
  return Room.Prerouting;
}
