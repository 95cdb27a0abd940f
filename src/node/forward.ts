/** A router's duty on transit packets: ip_forward of net/ipv4/ip_forward.c. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { dropped } from './drop-packet.ts';
import { refuse, sendError } from './icmp-error.ts';
import { fillOptions } from './ip-options.ts';
import { letsRedirect } from './netfilter.ts';
import type { Node } from './node.ts';
import { routeMtu } from './output.ts';
import { type Next, Room } from './room.ts';
import { longestPiece } from './segment.ts';

/** Notes: A the MTU of the way out, B the TTL after this hop. */
export function forward(node: Node, p: Packet): Next {
  const { l3 } = p;
  if (p.frameType !== FrameType.Host) return dropped(p, Drop.UnicastInGroupFrame);
  if (ipv4.ttl(bytes, l3) <= 1) return refuse(node, p, Drop.TtlExpired, icmp.TIME_EXCEEDED, 0);
  const mtu = routeMtu(node, p);
  p.noteA = mtu;
  p.noteB = ipv4.ttl(bytes, l3) - 1;
  // What was put together from fragments or segments counts by the longest of them (ip_exceeds_mtu).
  if ((p.fragMax || longestPiece(p)) > mtu && ipv4.dontFragment(bytes, l3)) {
    return refuse(node, p, Drop.PacketTooBig, icmp.UNREACHABLE, icmp.CODE_FRAG_NEEDED, mtu);
  }
  ipv4.decrementTtl(bytes, l3);
  p.bridges = 0;
  if (p.depth === 0) p.hops = 0;
  if (p.redirect) redirect(node, p);
  if (ipv4.headerLength(bytes, l3) > ipv4.HEADER_LEN) fillOptions(node, p);
  return Room.ForwardFilter;
}

/** "You could have gone directly": ip_rt_send_redirect. The packet goes on all the same. */
function redirect(node: Node, p: Packet): void {
  const to = ipv4.source(bytes, p.l3);
  node.world.audit?.shared(node, 'the limit of ICMP errors');
  const slack = node.lateness?.redirect(node, p) ?? 0;
  if (!node.icmpLimit.allowRedirect(to, node.world.milliseconds(), slack)) return;
  if (!letsRedirect(node, p)) return;
  sendError(node, p, icmp.REDIRECT, icmp.CODE_REDIRECT_HOST, p.nextHop);
}
