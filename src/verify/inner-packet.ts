/** Headers inside the headers of tunnels, IPIP and VXLAN. */
import type { Bytes } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';

/** Tunnels in tunnels that are looked into. */
export const MAX_DEPTH = 4;

/** Where the packet inside a tunnel's packet starts, whether or not it is there; null for other packets. */
export function insideTunnel(b: Bytes, at: number, ports: readonly number[]): number | null {
  const l4 = at + ipv4.headerLength(b, at);
  const protocol = ipv4.protocol(b, at);
  if (protocol === ipv4.PROTO_IPIP) return l4;
  if (protocol !== ipv4.PROTO_UDP || !ports.includes(udp.destinationPort(b, l4))) return null;
  return l4 + udp.HEADER_LEN + vxlan.HEADER_LEN + ethernet.HEADER_LEN;
}

/** The innermost of the headers that are there, from the one at `outer` on. */
export function innermost(b: Bytes, outer: number, end: number, ports: readonly number[]): number {
  let at = outer;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const next = insideTunnel(b, at, ports);
    if (next === null || end - next < ipv4.HEADER_LEN || ipv4.version(b, next) !== 4) return at;
    at = next;
  }
  return at;
}
