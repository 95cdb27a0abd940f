/**
 * What the two sides of a TCP connection may send by what they have told each other:
 * tcp_in_window of nf_conntrack_proto_tcp.c (6.1). Sequence numbers are signed 32-bit.
 *
 *   a segment may end before or begin after what is expected, but must touch the window
 */
import { bytes } from '../packet/arena.ts';
import { i32 } from '../wire/bytes.ts';
import * as tcp from '../wire/tcp.ts';

/** What one side is known to do: IP_CT_TCP_FLAG_. */
const SCALES = 1;
const SACKS = 2;
export const CLOSED_FIRST = 4;
const LIBERAL = 8;
export const UNACKED = 16;
export const ACKED = 32;

/** MAXACKWINCONST: how far behind an acknowledgement may be. */
const LEAST_ACK_WINDOW = 66_000;
const MAX_SHIFT = 14;

/** Whether the connection is still being opened, and how far. */
export const Opening = { Done: 0, Asked: 1, Answered: 2 } as const;
export type Opening = (typeof Opening)[keyof typeof Opening];

const CONTROLS = tcp.SYN | tcp.FIN | tcp.RST | tcp.ACK;

export const isBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0;

/** One side of a connection: what it sent, and what it lets the other send. */
export class Side {
  end = 0;
  maxEnd = 0;
  maxWindow = 0;
  maxAck = 0;
  shift = 0;
  flags = 0;

  clear(): void {
    this.end = 0;
    this.maxEnd = 0;
    this.maxWindow = 0;
    this.maxAck = 0;
    this.shift = 0;
    this.flags = 0;
  }
}

export class TcpWindow {
  readonly sides: readonly [Side, Side] = [new Side(), new Side()];
  /** The segment before, or the one that was let through without counting. */
  lastDirection = 0;
  lastSequence = 0;
  lastAck = 0;
  lastEnd = 0;
  lastWindow = 0;
  retransmissions = 0;

  /** One side's first segment is at `l4`. `halfway`: the connection has begun before it. */
  begin(l4: number, end: number, halfway: boolean): void {
    const [sender, receiver] = this.sides;
    sender.end = endOf(l4, end);
    sender.maxWindow = tcp.window(bytes, l4) || 1;
    sender.maxEnd = sender.end;
    if (!halfway) {
      readOptions(l4, sender);
      return;
    }
    // The scale of its windows is not known.
    sender.maxEnd = (sender.end + sender.maxWindow) | 0;
    sender.flags = SACKS | LIBERAL;
    receiver.flags = SACKS | LIBERAL;
  }

  /**
   * Is it in the window (tcp_in_window)? 1 it is, and moves it; 0 it is old, which
   * changes nothing; -1 it is not.
   */
  place(opening: Opening, l4: number, packetEnd: number, direction: number): number {
    const sender = this.sides[direction]!;
    const receiver = this.sides[1 - direction]!;
    const flags = tcp.flags(bytes, l4);
    const isSyn = (flags & tcp.SYN) !== 0;
    const isAck = (flags & tcp.ACK) !== 0;
    const isReset = (flags & tcp.RST) !== 0;
    let seq = tcp.sequence(bytes, l4);
    let ack = tcp.acknowledgement(bytes, l4);
    const offered = tcp.window(bytes, l4);
    let window = offered;
    let end = endOf(l4, packetEnd);
    let sack = (receiver.flags & SACKS) !== 0 ? selective(l4, ack) : ack;

    if (sender.maxWindow === 0) {
      if (isSyn) {
        this.meet(direction, l4, end, window);
        if (!isAck) return 1;
      } else {
        sender.end = end;
        sender.maxWindow = window << sender.shift || 1;
        sender.maxEnd = (end + sender.maxWindow) | 0;
        if (receiver.maxWindow === 0) {
          receiver.end = sack;
          receiver.maxEnd = sack;
        } else if (sack === ((receiver.end + 1) | 0)) receiver.end = (receiver.end + 1) | 0;
      }
    } else if (isSyn && opening !== Opening.Done && isBefore(sender.end, end)) {
      // Begun anew, with higher numbers.
      this.meet(direction, l4, end, window);
      if (direction === 1 && !isAck) return 1;
    }
    if (!isAck || (isReset && ack === 0)) {
      ack = receiver.end;
      sack = ack;
    }
    // A refusal of the SYN has no number of its own.
    if (isReset && seq === 0 && opening === Opening.Asked) {
      seq = sender.end;
      end = seq;
    }
    const inWindow = isBefore((sender.end - receiver.maxWindow - 1) | 0, end);
    const reach = Math.max(sender.maxWindow, LEAST_ACK_WINDOW);
    const timely = isBefore((receiver.end - reach - 1) | 0, sack);
    const known = isBefore(sack, (receiver.end + 1) | 0);
    if (!isBefore(seq, (sender.maxEnd + 1) | 0)) {
      const over = (end - sender.maxEnd + 1) >>> 0;
      const bold = receiver.maxWindow !== 0 && inWindow && timely && known;
      if (!bold || over > receiver.maxWindow) return pass(sender, -1);
      // More than the window allows: an answer to it must count later.
      sender.end = end;
      sender.flags |= UNACKED;
      return pass(sender, 0);
    }
    if (!known) return pass(sender, -1);
    if (!timely || (receiver.maxWindow !== 0 && !inWindow)) return pass(sender, 0);

    if (!isSyn) window <<= sender.shift;
    const span = (window + ((sack - ack) | 0)) >>> 0;
    if (sender.maxWindow < span) sender.maxWindow = span;
    if (isBefore(sender.end, end)) {
      sender.end = end;
      sender.flags |= UNACKED;
    }
    if (isAck) {
      if ((sender.flags & ACKED) === 0 || isBefore(sender.maxAck, ack)) sender.maxAck = ack;
      sender.flags |= ACKED;
    }
    if (receiver.maxWindow !== 0 && isBefore(sender.maxEnd, end)) {
      receiver.maxWindow += (end - sender.maxEnd) | 0;
    }
    const edge = (sack + window) | 0;
    if (isBefore((receiver.maxEnd - 1) | 0, edge)) {
      receiver.maxEnd = window === 0 ? (edge + 1) | 0 : edge;
    }
    if (ack === receiver.end) receiver.flags &= ~UNACKED;
    if ((flags & CONTROLS) === tcp.ACK) this.countAgain(direction, seq, ack, end, offered);
    return 1;
  }

  /** The first segment of a side, or its first again: tcp_init_sender. */
  private meet(direction: number, l4: number, end: number, window: number): void {
    const sender = this.sides[direction]!;
    const receiver = this.sides[1 - direction]!;
    sender.end = end;
    sender.maxEnd = end;
    sender.maxWindow = window || 1;
    readOptions(l4, sender);
    // Both offer scales, or nobody uses one (RFC 7323 section 2.2).
    if (direction === 0 || (sender.flags & receiver.flags & SCALES) !== 0) return;
    sender.shift = 0;
    receiver.shift = 0;
  }

  private countAgain(
    direction: number,
    seq: number,
    ack: number,
    end: number,
    window: number,
  ): void {
    const again =
      this.lastDirection === direction &&
      this.lastSequence === seq &&
      this.lastAck === ack &&
      this.lastEnd === end &&
      this.lastWindow === window;
    this.retransmissions = again ? this.retransmissions + 1 : 0;
    this.lastDirection = direction;
    this.lastSequence = seq;
    this.lastAck = ack;
    this.lastEnd = end;
    this.lastWindow = window;
  }
}

/** A side that was met halfway is believed: nf_tcp_log_invalid. */
const pass = (sender: Side, otherwise: number): number =>
  (sender.flags & LIBERAL) !== 0 ? 1 : otherwise;

/** Sequence number after the segment. */
export function endOf(l4: number, end: number): number {
  const flags = tcp.flags(bytes, l4);
  const data = end - l4 - tcp.headerLength(bytes, l4);
  const controls = ((flags & tcp.SYN) === 0 ? 0 : 1) + ((flags & tcp.FIN) === 0 ? 0 : 1);
  return (tcp.sequence(bytes, l4) + data + controls) | 0;
}

/** Offset of the first option of a kind; -1 without one, or behind a malformed one. */
function optionAt(l4: number, wanted: number): number {
  const end = l4 + tcp.headerLength(bytes, l4);
  for (let at = l4 + tcp.HEADER_LEN; at < end; ) {
    const kind = bytes[at]!;
    if (kind === tcp.OPTION_END) return -1;
    if (kind === tcp.OPTION_NOP) {
      at++;
      continue;
    }
    const length = at + 1 < end ? bytes[at + 1]! : 0;
    if (length < 2 || at + length > end) return -1;
    if (kind === wanted) return at;
    at += length;
  }
  return -1;
}

export function readOptions(l4: number, side: Side): void {
  if (tcp.headerLength(bytes, l4) === tcp.HEADER_LEN) return;
  side.flags = 0;
  side.shift = 0;
  const sack = optionAt(l4, tcp.OPTION_SACK_PERMITTED);
  if (sack >= 0 && bytes[sack + 1] === 2) side.flags |= SACKS;
  const scale = optionAt(l4, tcp.OPTION_WINDOW_SCALE);
  if (scale < 0 || bytes[scale + 1] !== 3) return;
  side.flags |= SCALES;
  side.shift = Math.min(bytes[scale + 2]!, MAX_SHIFT);
}

/** The highest number acknowledged, selectively or not. */
function selective(l4: number, ack: number): number {
  const option = optionAt(l4, tcp.OPTION_SACK);
  if (option < 0) return ack;
  let highest = ack;
  const length = bytes[option + 1]! - 2;
  if (length < 8 || length % 8 !== 0) return ack;
  for (let at = option + 6; at < option + 2 + length; at += 8) {
    const right = i32(bytes, at);
    if (isBefore(highest, right)) highest = right;
  }
  return highest;
}
