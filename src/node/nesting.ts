/** Packets in tunnels, in tunnels: what a packet is told when it enters one, and when it has left it. */
import type { Packet } from '../packet/packet.ts';

/** Deepest nesting of tunnels one packet may enter: XMIT_RECURSION_LIMIT of the kernel is 8, 4 here. */
export const MAX_WRAPS = 4;

/** The outer headers are written: from here on the packet is one of this namespace's own. */
export function enterTunnel(p: Packet, device: number): void {
  p.tunnel = device;
  p.wraps++;
  p.depth++;
  // Routers outside take from another TTL than that of what is bridged inside.
  p.carried += p.bridges;
  p.bridges = 0;
  p.forgetFlow();
  p.input = -1;
}

/** The outer headers are off: the packet may enter a tunnel again. */
export function leaveTunnel(p: Packet): void {
  p.forgetFlow();
  p.tunnel = -1;
  p.l3 = -1;
  if (p.wraps > 0) p.wraps--;
  if (p.depth > 0) p.depth--;
  p.bridges = p.carried;
  if (p.depth === 0) p.carried = 0;
}
