/**
 * IPv4 options on the way in and on the way through: ip_options_compile and
 * ip_forward_options of net/ipv4/ip_options.c. A timestamp is written when the
 * packet comes in, with the address the sender knows; a recorded route when it
 * goes out, with the address of the way out.
 */
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { RouteKind } from '../tables/routes.ts';
import { i32, putI32 } from '../wire/bytes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Node } from './node.ts';
import { routeSource, selectSource } from './source.ts';

export const END = 0;
export const NOP = 1;
export const RECORD_ROUTE = 7;
export const TIMESTAMP = 68;
const LOOSE_ROUTE = 131;
const STRICT_ROUTE = 137;
const ROUTER_ALERT = 148;
/** CIPSO: no node knows a domain of interpretation (cipso_v4_validate). */
export const SECURITY_LABEL = 134;
/** Timestamp flags, lower four bits of its fourth byte. */
const TIME_ONLY = 0;
export const TIME_AND_ADDRESS = 1;
export const TIME_OF_ADDRESSES = 3;

export const MILLISECONDS_A_DAY = 86_400_000;

/** What `compileOptions` answers besides the offset of a fault. */
export const Options = { Sound: 0, SourceRoute: -1 } as const;

/**
 * Checks the options of the header at `l3` and takes the slots this node will
 * fill. The header's checksum stays as it came until the packet goes on, so that an
 * ICMP error in between quotes a wrong one, as Linux does. 0 sound, -1 a source route, else the offset of the faulty byte in the
 * header, for the ICMP parameter problem.
 */
export function compileOptions(node: Node, p: Packet, millisecondsOfDay: number): number {
  const { l3 } = p;
  const end = l3 + ipv4.headerLength(bytes, l3);
  p.recordRoute = 0;
  p.recordTime = false;
  p.optionsChanged = false;
  for (let at = l3 + ipv4.HEADER_LEN; at < end; ) {
    const kind = bytes[at]!;
    if (kind === END) {
      if (clearRest(at + 1, end)) p.optionsChanged = true;
      break;
    }
    if (kind === NOP) {
      at++;
      continue;
    }
    const left = end - at;
    const length = left < 2 ? 0 : bytes[at + 1]!;
    if (length < 2 || length > left) return at - l3;
    if (kind === LOOSE_ROUTE || kind === STRICT_ROUTE) return Options.SourceRoute;
    let fault = -1;
    if (kind === RECORD_ROUTE) fault = recordRoute(node, p, at, length);
    else if (kind === TIMESTAMP) fault = recordTime(node, p, at, length, millisecondsOfDay);
    else if (kind === ROUTER_ALERT && length < 4) fault = at + 1;
    else if (kind === SECURITY_LABEL) fault = length < 8 ? at + 1 : at + 2;
    if (fault >= 0) return fault - l3;
    at += length;
  }
  return Options.Sound;
}

/** Bytes behind the end of the list are zeroed. */
function clearRest(from: number, end: number): boolean {
  let changed = false;
  for (let at = from; at < end; at++) {
    if (bytes[at] !== END) changed = true;
    bytes[at] = END;
  }
  return changed;
}

/** Where the fault is, or -1. The pointer counts from 1 and starts at 4. */
function recordRoute(node: Node, p: Packet, at: number, length: number): number {
  if (p.recordRoute !== 0) return at;
  if (length < 3) return at + 1;
  const pointer = bytes[at + 2]!;
  if (pointer < 4) return at + 2;
  if (pointer > length) return -1;
  if (pointer + 3 > length) return at + 2;
  // A router writes the address of the way out over it.
  putI32(bytes, at + pointer - 1, specificAddress(node, p));
  p.recordRoute = at + pointer - 1 - p.l3;
  bytes[at + 2] = pointer + 4;
  p.optionsChanged = true;
  return -1;
}

function recordTime(node: Node, p: Packet, at: number, length: number, now: number): number {
  if (p.recordTime) return at;
  if (length < 4) return at + 1;
  const pointer = bytes[at + 2]!;
  if (pointer < 5) return at + 2;
  const flag = bytes[at + 3]! & 15;
  // Where the sender chose the addresses, nobody counts who found no room.
  if (pointer > length && flag === TIME_OF_ADDRESSES) return -1;
  p.optionsChanged = true;
  if (pointer > length) {
    const overflow = bytes[at + 3]! >>> 4;
    if (overflow === 15) return at + 3;
    bytes[at + 3] = (bytes[at + 3]! & 15) | ((overflow + 1) << 4);
    p.recordTime = true;
    return -1;
  }
  if (pointer + 3 > length) return at + 2;
  const slot = at + pointer - 1;
  if (flag === TIME_ONLY) {
    putI32(bytes, slot, now);
    bytes[at + 2] = pointer + 4;
    p.recordTime = true;
  } else if (flag === TIME_AND_ADDRESS) {
    if (pointer + 7 > length) return at + 2;
    putI32(bytes, slot, specificAddress(node, p));
    putI32(bytes, slot + 4, now);
    bytes[at + 2] = pointer + 8;
    p.recordTime = true;
  } else if (flag === TIME_OF_ADDRESSES) {
    if (pointer + 7 > length) return at + 2;
    if (!isOwnNext(node, at)) return -1;
    putI32(bytes, slot + 4, now);
    bytes[at + 2] = pointer + 8;
    p.recordTime = true;
  }
  return -1;
}

/** Of an option with addresses that the sender chose: whether the next is this node's (inet_addr_type). */
export const isOwnNext = (node: Node, at: number): boolean =>
  node.local.find(i32(bytes, at + bytes[at + 2]! - 1)) >= 0;

/** The address this node is known by to the sender: fib_compute_spec_dst. */
function specificAddress(node: Node, p: Packet): number {
  if (p.route >= 0 && node.routes.kind(p.route) === RouteKind.Local) {
    return ipv4.destination(bytes, p.l3);
  }
  const from = ipv4.source(bytes, p.l3);
  const back = node.lookup(from, 0, 0, -1, ipv4.tos(bytes, p.l3));
  if (back >= 0 && node.routes.device(back) >= 0) return routeSource(node, back, from);
  return selectSource(node, p.input, from);
}

/** Writes the address of the way out into the slot for record route, and the checksum: ip_forward_options. */
export function fillOptions(node: Node, p: Packet): void {
  if (!p.optionsChanged) return;
  if (p.recordRoute !== 0) {
    const address = routeSource(node, p.route, ipv4.destination(bytes, p.l3));
    putI32(bytes, p.l3 + p.recordRoute, address);
  }
  ipv4.fillChecksum(bytes, p.l3);
}
