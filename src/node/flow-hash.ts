/**
 * A keyed 32-bit hash of an inner packet's flow. Linux uses SipHash with a key
 * drawn at boot, so its values cannot be predicted; what can be kept is which
 * fields count (skb_get_hash, __flow_hash_consistentify): addresses, protocol and
 * ports, ordered so that both directions hash alike; no ports for ICMP and for
 * fragments, the first one included.
 */
import { PROTO_TCP, PROTO_UDP } from '../wire/ipv4.ts';

/** One round of a 32-bit mixer (the finaliser of MurmurHash3 over key and word). */
export function mix(key: number, word: number): number {
  let h = Math.imul(key ^ word, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16) ^ Math.imul(key, 0x9e3779b1);
}

export const hasPorts = (protocol: number): boolean =>
  protocol === PROTO_TCP || protocol === PROTO_UDP;

/** Addresses signed; ports 0 where the protocol has none. */
export function flowHash(
  seed: number,
  source: number,
  destination: number,
  protocol: number,
  sourcePort: number,
  destinationPort: number,
): number {
  const forwards =
    source >>> 0 < destination >>> 0 || (source === destination && sourcePort < destinationPort);
  const ports = forwards
    ? (sourcePort << 16) | destinationPort
    : (destinationPort << 16) | sourcePort;
  const hash = mix(mix(seed, forwards ? source : destination), forwards ? destination : source);
  return mix(mix(hash, ports), protocol);
}
