/**
 * `podwire/testing`: what property tests of packet code need. Arbitraries are
 * fast-check's; all sizes are bounded, and everything shrinks towards short,
 * plain frames.
 */
export { address, mac, prefix } from './addresses.ts';
export { type ArbitraryCapture, capture, type Flow, flow } from './captures.ts';
export { type ArbitraryCluster, cluster } from './cluster.ts';
export type { EncapsulationOptions } from './encapsulation-laws.ts';
export { frame, nestedFrame } from './frames.ts';
export { laws } from './laws.ts';
export { arpMessage, icmpEcho, ipv4Header, tcpSegment, udpDatagram } from './messages.ts';
export { type LookupEntry, slowLookup } from './slow-lookup.ts';
