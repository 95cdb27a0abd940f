/**
 * A frame with the bytes zeroed that no table can tell: identification and header
 * checksum of tunnel headers and of what nodes make themselves (ICMP errors, echo
 * replies), source port and checksum of VXLAN, what keys randomise in WireGuard's
 * messages. That the checksums are right is checked first.
 */
import { udpState } from '../frame/checksum-state.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import { isLocalSum } from './local-sum.ts';
import { maskMessage } from './mask-wireguard.ts';

export interface Masked {
  readonly hex: string;
  /** Checksums of masked headers that are wrong. */
  readonly faults: readonly string[];
}

/** What tells a network's own frames from those of its pods. */
export interface Insider {
  /** Whether an address is a node's or router's own. */
  isNode(address: number): boolean;
  /** Whether some namespace has an address; a service's has none. */
  isHeld(address: number): boolean;
  /** UDP ports of its VXLAN devices. */
  readonly vxlanPorts: readonly number[];
  /** UDP ports that its WireGuard devices listen on. */
  readonly wireguardPorts: readonly number[];
  /** The packet inside a WireGuard data message, where the keys are known. */
  plain(b: Buffer, at: number, end: number): Buffer | undefined;
}

/** `raw`: no Ethernet header. */
export function maskFrame(frame: Buffer, raw: boolean, insider: Insider): Masked {
  const b = Buffer.from(frame);
  const faults: string[] = [];
  if (raw) maskPacket(b, 0, insider, faults, 0);
  else maskEthernet(b, 0, insider, faults, 0);
  return { hex: b.toString('hex'), faults };
}

function maskEthernet(
  b: Buffer,
  at: number,
  insider: Insider,
  faults: string[],
  depth: number,
): void {
  if (b.length - at < ethernet.HEADER_LEN) return;
  if (ethernet.type(b, at) === ethernet.TYPE_IPV4) {
    maskPacket(b, at + ethernet.HEADER_LEN, insider, faults, depth);
  }
}

function maskPacket(
  b: Buffer,
  at: number,
  insider: Insider,
  faults: string[],
  depth: number,
): void {
  if (depth > 3 || ipv4.check(b, at, b.length) !== 0) return;
  const l4 = at + ipv4.headerLength(b, at);
  const protocol = ipv4.protocol(b, at);
  const fromNode = insider.isNode(ipv4.source(b, at));
  const later = ipv4.fragmentOffset(b, at) !== 0;
  const isVxlan =
    protocol === ipv4.PROTO_UDP &&
    !later &&
    b.length - l4 >= 16 &&
    insider.vxlanPorts.includes(udp.destinationPort(b, l4));
  const isWireguard = fromNode && protocol === ipv4.PROTO_UDP && holdsWireguard(b, at, insider);
  const tunnel =
    fromNode &&
    (protocol === ipv4.PROTO_IPIP ||
      isVxlan ||
      isWireguard ||
      (later && protocol === ipv4.PROTO_UDP));
  const made = protocol === ipv4.PROTO_ICMP && isMade(b, at, l4, insider);
  if (isVxlan) {
    const whole = !ipv4.isFragment(b, at);
    const state = whole ? udpState(b, l4, at, true) : 'unverifiable';
    if (fromNode && state === 'wrong' && !isLocalSum(b, at, l4)) faults.push('udp');
    maskEthernet(b, l4 + udp.HEADER_LEN + vxlan.HEADER_LEN, insider, faults, depth + 1);
    if (fromNode) {
      b.fill(0, l4, l4 + 2);
      // One left to the hardware depends on nothing that is free.
      if (state !== 'partial') b.fill(0, l4 + udp.field.checksum, l4 + udp.field.checksum + 2);
    }
  }
  if (isWireguard) {
    const end = at + ipv4.totalLength(b, at);
    if (later) b.fill(0, l4, end);
    else {
      const state = ipv4.isFragment(b, at) ? 'unverifiable' : udpState(b, l4, at, true);
      if (state === 'wrong') faults.push('udp');
      const inner = maskMessage(b, l4 + udp.HEADER_LEN, end, insider);
      if (inner >= 0) maskPacket(b, inner, insider, faults, depth + 1);
      if (state !== 'partial') b.fill(0, l4 + udp.field.checksum, l4 + udp.field.checksum + 2);
    }
  }
  if (protocol === ipv4.PROTO_IPIP && !later) maskPacket(b, l4, insider, faults, depth + 1);
  if (made && !later && icmp.isError(icmp.type(b, l4))) {
    if (!icmp.checksumOk(b, l4, b.length - l4) && depth === 0) faults.push('icmp');
    maskQuote(b, l4, insider);
  }
  // A clock is no table: times that nodes wrote into options are free.
  const timed = blankTimes(b, at);
  if (timed) b.fill(0, at + ipv4.field.checksum, at + ipv4.field.checksum + 2);
  const laterPart = fromNode && later && protocol === ipv4.PROTO_ICMP;
  if (!tunnel && !made && !laterPart) return;
  if (!timed && !ipv4.checksumOk(b, at)) faults.push('ipv4');
  b.fill(0, at + ipv4.field.identification, at + ipv4.field.identification + 2);
  b.fill(0, at + ipv4.field.checksum, at + ipv4.field.checksum + 2);
}

/**
 * A message of WireGuard between nodes. Fragments after the first show no port; what
 * is encrypted looks like nothing, so all such between nodes that encrypt count.
 */
function holdsWireguard(b: Buffer, at: number, { wireguardPorts, isNode }: Insider): boolean {
  if (wireguardPorts.length === 0) return false;
  if (ipv4.fragmentOffset(b, at) !== 0) return isNode(ipv4.destination(b, at));
  const l4 = at + ipv4.headerLength(b, at);
  const end = at + ipv4.totalLength(b, at);
  if (end - l4 < udp.HEADER_LEN) return false;
  return wireguardPorts.includes(udp.destinationPort(b, l4));
}

/** What a node's kernel makes by itself: errors, also in the name of a service, and echo replies. */
function isMade(b: Buffer, at: number, l4: number, { isNode, isHeld }: Insider): boolean {
  if (l4 >= b.length) return false;
  const from = ipv4.source(b, at);
  const isError = icmp.isError(icmp.type(b, l4));
  if (isNode(from)) return isError || icmp.type(b, l4) === icmp.ECHO_REPLY;
  return isError && !isHeld(from);
}

/** A tunnel header that an error quotes; the ICMP checksum hangs on it. */
function maskQuote(b: Buffer, l4: number, insider: Insider): void {
  const quote = l4 + icmp.HEADER_LEN;
  if (ipv4.check(b, quote, Number.POSITIVE_INFINITY) === 0 && blankTimes(b, quote)) {
    b.fill(0, quote + ipv4.field.checksum, quote + ipv4.field.checksum + 2);
    b.fill(0, l4 + icmp.field.checksum, l4 + icmp.field.checksum + 2);
  }
  if (b.length - quote < ipv4.HEADER_LEN || !insider.isNode(ipv4.source(b, quote))) return;
  const port = quotedVxlan(b, quote, insider);
  if (ipv4.protocol(b, quote) !== ipv4.PROTO_IPIP && port < 0) return;
  if (port > 0) b.fill(0, port, port + 2);
  if (port > 0) b.fill(0, port + udp.field.checksum, port + udp.field.checksum + 2);
  b.fill(0, quote + ipv4.field.identification, quote + ipv4.field.identification + 2);
  b.fill(0, quote + ipv4.field.checksum, quote + ipv4.field.checksum + 2);
  b.fill(0, l4 + icmp.field.checksum, l4 + icmp.field.checksum + 2);
}

/** Where the source port of a quoted VXLAN packet stands, 0 where it is in another fragment; -1 for other packets. */
function quotedVxlan(b: Buffer, quote: number, { vxlanPorts }: Insider): number {
  if (vxlanPorts.length === 0 || ipv4.protocol(b, quote) !== ipv4.PROTO_UDP) return -1;
  if (ipv4.fragmentOffset(b, quote) !== 0) return 0;
  const l4 = quote + ipv4.headerLength(b, quote);
  const isTunnel =
    b.length - l4 >= udp.HEADER_LEN && vxlanPorts.includes(udp.destinationPort(b, l4));
  return isTunnel ? l4 : -1;
}

const TIMESTAMP = 68;

/** Zeroes the times that were written into a timestamp option (RFC 791). */
function blankTimes(b: Buffer, at: number): boolean {
  const end = Math.min(at + ipv4.headerLength(b, at), b.length);
  for (let o = at + ipv4.HEADER_LEN; o < end && b[o] !== 0; ) {
    const length = b[o] === 1 ? 1 : (b[o + 1] ?? 0);
    if (length < 1 || o + length > end) return false;
    if (b[o] === TIMESTAMP && length >= 4) {
      const addressed = (b[o + 3]! & 15) !== 0;
      const written = Math.min(o + b[o + 2]! - 1, o + length);
      for (let slot = o + 4; slot < written; slot += addressed ? 8 : 4) {
        b.fill(0, slot + (addressed ? 4 : 0), Math.min(slot + (addressed ? 8 : 4), written));
      }
      return written > o + 4;
    }
    o += length;
  }
  return false;
}
