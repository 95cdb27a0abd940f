/**
 * IP in IP, RFC 2003: no header of its own, an IPv4 header with protocol 4
 * before another IPv4 header.
 *
 *    0 | outer IPv4, protocol 4 (20) | inner IPv4 ... |
 *
 * The rules for ECN on the outer header and at the end of the tunnel are shared
 * with VXLAN; they are those of RFC 6040 as Linux implements it
 * (INET_ECN_encapsulate, __INET_ECN_decapsulate), checked on a real kernel.
 */
import { ECN_CE, ECN_ECT0, ECN_MASK } from './ipv4.ts';

/** Bytes a tunnel adds. */
export const OVERHEAD = 20;

/** The outer TOS of a tunnel that inherits none: only ECN is copied, CE as ECT(0). */
export function outerTos(innerTos: number): number {
  const ecn = innerTos & ECN_MASK;
  return ecn === ECN_CE ? ECN_ECT0 : ecn;
}

/** The inner ECN after decapsulation, or -1 for a packet that must be dropped. */
export function innerEcn(outer: number, inner: number): number {
  const from = outer & ECN_MASK;
  const ecn = inner & ECN_MASK;
  if (from === ECN_CE) return ecn === 0 ? -1 : ECN_CE;
  return from === 1 && ecn === ECN_ECT0 ? 1 : ecn;
}
