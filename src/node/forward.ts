/** A router's duty on transit packets: ip_forward of net/ipv4/ip_forward.c. */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import { FrameType, type Packet } from '../packet/packet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { dropped } from './drop-packet.ts';
import type { Node } from './node.ts';
import { routeMtu } from './output.ts';
import { type Next, Room } from './room.ts';

/** Options that a router must fill in or refuse: record route, timestamp, source routes. */
const REWRITTEN = [7, 68, 131, 137];

/** Notes: A the MTU of the way out, B the TTL after this hop. */
export function forward(node: Node, p: Packet): Next {
  if (p.frameType !== FrameType.Host) return dropped(p, Drop.UnicastInGroupFrame);
  if (ipv4.ttl(bytes, p.l3) <= 1) return dropped(p, Drop.TtlExpired);
  const mtu = routeMtu(node, p);
  p.noteA = mtu;
  p.noteB = ipv4.ttl(bytes, p.l3) - 1;
  if (p.length > mtu) {
    return dropped(
      p,
      ipv4.dontFragment(bytes, p.l3) ? Drop.PacketTooBig : Drop.FragmentationNeeded,
    );
  }
  if (ipv4.headerLength(bytes, p.l3) > ipv4.HEADER_LEN && needsRewriting(p.l3)) {
    return dropped(p, Drop.OptionsUnsupported);
  }
  ipv4.decrementTtl(bytes, p.l3);
  return Room.Output;
}

/** Whether an option on the way must be changed, or the list cannot be walked. */
function needsRewriting(l3: number): boolean {
  const end = l3 + ipv4.headerLength(bytes, l3);
  let at = l3 + ipv4.HEADER_LEN;
  while (at < end) {
    const kind = bytes[at]!;
    if (kind === 0) return false;
    if (kind === 1) {
      at++;
      continue;
    }
    if (at + 1 >= end || bytes[at + 1]! < 2 || at + bytes[at + 1]! > end) return true;
    if (REWRITTEN.includes(kind)) return true;
    at += bytes[at + 1]!;
  }
  return false;
}
