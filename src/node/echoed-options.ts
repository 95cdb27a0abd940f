/**
 * The options of a packet, in the answer to it: __ip_options_echo and ip_options_build
 * of net/ipv4/ip_options.c. A recorded route and a timestamp go back, with the slot of
 * the answering node filled, and a security label as it is; all others are left out.
 */
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { putI32 } from '../wire/bytes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import {
  END,
  isOwnNext,
  MILLISECONDS_A_DAY,
  NOP,
  RECORD_ROUTE,
  SECURITY_LABEL,
  TIME_AND_ADDRESS,
  TIME_OF_ADDRESSES,
  TIMESTAMP,
} from './ip-options.ts';
import type { Node } from './node.ts';

/**
 * Where an option of `p` starts, in the header up to `stop`; 0: it has none. A label is
 * noted before its fault is found, the others after.
 */
function find(p: Packet, kind: number, stop: number): number {
  const end = p.l3 + (kind === SECURITY_LABEL ? ipv4.headerLength(bytes, p.l3) : stop);
  for (let at = p.l3 + ipv4.HEADER_LEN; at < end; ) {
    const found = bytes[at]!;
    if (found === END) return 0;
    if (found === NOP) {
      at++;
      continue;
    }
    const length = at + 1 < end ? bytes[at + 1]! : 0;
    if (length < 2 || at + length > end) return 0;
    if (found === kind) return at < p.l3 + stop ? at : 0;
    at += length;
  }
  return 0;
}

/**
 * Bytes of options an answer to `p` carries, a multiple of 4; -1 where it cannot be
 * given, since half a slot is left. `stop`: the header's length, or where its fault is.
 */
export function echoLength(p: Packet, stop: number): number {
  if (stop <= ipv4.HEADER_LEN) return 0;
  let length = 0;
  const route = find(p, RECORD_ROUTE, stop);
  if (route > 0) {
    if (p.recordRoute !== 0 && isHalf(route)) return -1;
    length += bytes[route + 1]!;
  }
  const time = find(p, TIMESTAMP, stop);
  if (time > 0) {
    if (p.recordTime && isHalf(time)) return -1;
    length += bytes[time + 1]!;
  }
  const label = find(p, SECURITY_LABEL, stop);
  if (label > 0) length += bytes[label + 1]!;
  return (length + 3) & ~3;
}

const isHalf = (at: number): boolean =>
  bytes[at + 2]! <= bytes[at + 1]! && bytes[at + 2]! + 3 > bytes[at + 1]!;

/** Writes the options at `to`; `from` is the source of the answer. */
export function emitEcho(node: Node, p: Packet, stop: number, to: number, from: number): void {
  const end = to + echoLength(p, stop);
  let at = to;
  const route = find(p, RECORD_ROUTE, stop);
  if (route > 0) {
    at = copy(route, at);
    const pointer = bytes[route + 2]!;
    if (p.recordRoute !== 0 && pointer <= bytes[route + 1]!) {
      const start = at - bytes[route + 1]!;
      putI32(bytes, start + pointer - 1, from);
      bytes[start + 2] = pointer + 4;
    }
  }
  const time = find(p, TIMESTAMP, stop);
  if (time > 0) {
    at = copy(time, at);
    if (p.recordTime) stamp(node, at - bytes[time + 1]!, from);
  }
  const label = find(p, SECURITY_LABEL, stop);
  if (label > 0) at = copy(label, at);
  bytes.fill(END, at, end);
}

function copy(option: number, to: number): number {
  const length = bytes[option + 1]!;
  bytes.copyWithin(to, option, option + length);
  return to + length;
}

function stamp(node: Node, at: number, from: number): void {
  const pointer = bytes[at + 2]!;
  if (pointer > bytes[at + 1]!) return;
  const now = node.world.milliseconds() % MILLISECONDS_A_DAY;
  const flag = bytes[at + 3]! & 15;
  const isChosen = flag === TIME_OF_ADDRESSES;
  if (isChosen && (pointer + 7 > bytes[at + 1]! || !isOwnNext(node, at))) return;
  if (flag === TIME_AND_ADDRESS) putI32(bytes, at + pointer - 1, from);
  const slot = flag === TIME_AND_ADDRESS || isChosen ? pointer + 4 : pointer;
  putI32(bytes, at + slot - 1, now);
  bytes[at + 2] = slot + 4;
}
