/**
 * The state of a TCP connection as a bystander can tell it: nf_conntrack_proto_tcp.c
 * (6.1). A segment moves the state, is let through without moving it (the two ends
 * may know better), or belongs to no conversation that could be going on.
 */
import { bytes } from '../packet/arena.ts';
import * as tcp from '../wire/tcp.ts';
import type { ConntrackTimeouts } from './conntrack-timeouts.ts';
import {
  ACKED,
  CLOSED_FIRST,
  endOf,
  isBefore,
  Opening,
  readOptions,
  Side,
  TcpWindow,
  UNACKED,
} from './tcp-window.ts';

export const TcpState = {
  None: 0,
  SynSent: 1,
  SynReceived: 2,
  Established: 3,
  FinWait: 4,
  CloseWait: 5,
  LastAck: 6,
  TimeWait: 7,
  Closed: 8,
  /** A SYN from both sides. */
  SynSent2: 9,
} as const;
const INVALID = 10;
const IGNORE = 11;

/** What a segment is by its flags. */
const Kind = { Syn: 0, SynAck: 1, Fin: 2, Ack: 3, Reset: 4, None: 5 } as const;

/** Rows of states after a segment: by the state before, in the order of `TcpState`. */
const row = (text: string): readonly number[] => text.split(' ').map((name) => NAMES.indexOf(name));
const NAMES: readonly string[] = [
  'no',
  'ss',
  'sr',
  'es',
  'fw',
  'cw',
  'la',
  'tw',
  'cl',
  's2',
  'iv',
  'ig',
];
const RESET = row('iv cl cl cl cl cl cl cl cl cl');
const NOTHING = row('iv iv iv iv iv iv iv iv iv iv');
const FINISH = row('iv iv fw fw la la la tw cl iv');

/** By direction and kind. */
const NEXT: readonly (readonly (readonly number[])[])[] = [
  [
    row('ss ss ig ig ig ig ig ss ss s2'),
    row('iv iv sr iv iv iv iv iv iv sr'),
    FINISH,
    row('es iv es es cw cw tw tw cl iv'),
    RESET,
    NOTHING,
  ],
  [
    row('iv s2 iv iv iv iv iv ss iv s2'),
    row('iv sr ig ig ig ig ig ig ig sr'),
    FINISH,
    row('iv ig sr es cw cw tw tw cl ig'),
    RESET,
    NOTHING,
  ],
];

/** States that a reset ends without further questions: tcp_can_early_drop. */
const CLOSING: readonly number[] = [
  TcpState.FinWait,
  TcpState.CloseWait,
  TcpState.LastAck,
  TcpState.TimeWait,
  TcpState.Closed,
];
const MAX_RETRANSMISSIONS = 3;

/** What is to be done with a segment of a known connection. */
export const Heed = {
  Accept: 0,
  Invalid: 1,
  /** Invalid, and the entry ends when what is not acknowledged does, at the latest. */
  Shorten: 2,
  /** The connection has ended, this begins another. */
  Again: 3,
  /** The last segment of a connection that never was. */
  Kill: 4,
} as const;
export type Heed = (typeof Heed)[keyof typeof Heed];

export class TcpFlow {
  state = 0;
  /** How long it lasts without another segment, ms. */
  timeout = 0;
  /** It has been seen to work both ways: not the first to go when room is short. */
  assured = false;
  private readonly window = new TcpWindow();
  private lastKind: number = Kind.None;
  private lastShift = 0;
  private lastFlags = 0;
  private simultaneous = false;
  private challenged = false;
  private readonly timeouts: ConntrackTimeouts;

  private constructor(timeouts: ConntrackTimeouts) {
    this.timeouts = timeouts;
  }

  /** A connection begun by the segment at `l4`; null where none begins so (tcp_new). */
  static begin(l4: number, end: number, timeouts: ConntrackTimeouts): TcpFlow | null {
    const kind = kindOf(l4);
    const state = NEXT[0]![kind]![TcpState.None]!;
    if (state === INVALID) return null;
    const flow = new TcpFlow(timeouts);
    flow.window.begin(l4, end, state !== TcpState.SynSent);
    return flow;
  }

  /** One segment: tcp_packet. `replied`: one went the other way before it. */
  heed(l4: number, end: number, direction: number, replied: boolean): Heed {
    const kind = kindOf(l4);
    let before = this.state;
    let next = NEXT[direction]![kind]![before]!;
    const sender = this.window.sides[direction]!;
    const receiver = this.window.sides[1 - direction]!;
    if (next === INVALID) return Heed.Invalid;
    if (next === TcpState.SynSent && before >= TcpState.TimeWait) {
      const closed = ((sender.flags | receiver.flags) & CLOSED_FIRST) !== 0;
      if (closed || (this.window.lastDirection === direction && this.lastKind === Kind.Reset)) {
        return Heed.Again;
      }
      next = IGNORE;
    }
    if (next === IGNORE) {
      if (!this.answersIgnored(kind, l4, direction)) {
        this.ignore(kind, l4, end, direction);
        return Heed.Accept;
      }
      this.adopt();
      before = TcpState.SynSent;
      this.state = before;
      next = TcpState.SynReceived;
    }
    if (next === TcpState.SynSent2) this.simultaneous = true;
    const acked = direction === 1 && kind === Kind.Ack;
    if (next === TcpState.SynReceived && acked && this.simultaneous) next = TcpState.Established;
    if (next === TcpState.TimeWait && this.isChallenge(kind, direction, before)) return Heed.Accept;
    if (next === TcpState.Closed && kind === Kind.Reset) {
      // What is closing may end at once, whatever the number.
      if (CLOSING.includes(before)) return this.enter(kind, direction, before, next, replied);
      const exact = this.judgeReset(tcp.sequence(bytes, l4), direction, receiver);
      if (exact < 0) return Heed.Invalid;
      // Not at the very edge: the other end may ask first (RFC 5961 section 3.2).
      if (exact === 0) next = before;
      if (this.answersOpening(l4, direction, replied)) {
        return this.enter(kind, direction, before, next, replied);
      }
    }
    const place = this.window.place(this.opening, l4, end, direction);
    if (place < 0) return this.doubt(kind, direction);
    if (place === 0) return Heed.Accept;
    return this.enter(kind, direction, before, next, replied);
  }

  private get opening(): Opening {
    if (this.state === TcpState.SynSent) return Opening.Asked;
    return this.state === TcpState.SynReceived ? Opening.Answered : Opening.Done;
  }

  /** 1: it ends the connection; 0: it may; -1: it is none of this connection's. */
  private judgeReset(seq: number, direction: number, receiver: Side): number {
    // After a SYN that was let through it may come from a newer conversation.
    if ((receiver.flags & ACKED) === 0 || this.lastKind === Kind.Syn) return 1;
    const established = this.state === TcpState.Established && this.assured;
    if (seq === 0 && !established) return 1;
    if (isBefore(seq, receiver.maxAck)) return -1;
    if (!established || seq === receiver.maxAck) return 1;
    const train =
      this.lastKind === Kind.Ack &&
      this.window.lastDirection === direction &&
      seq === this.window.lastEnd;
    return train ? 1 : 0;
  }

  /** An end that is out of the window, after one from the other side: nf_tcp_handle_invalid. */
  private doubt(kind: number, direction: number): Heed {
    if (!this.assured || (kind !== Kind.Reset && kind !== Kind.Fin)) return Heed.Invalid;
    const other = this.lastKind === Kind.Reset || this.lastKind === Kind.Fin;
    if (other && this.window.lastDirection !== direction) return Heed.Shorten;
    this.lastKind = kind;
    this.window.lastDirection = direction;
    return Heed.Invalid;
  }

  /** The answer to a SYN out of place is no acknowledgement of the last FIN (RFC 5961 section 4). */
  private isChallenge(kind: number, direction: number, before: number): boolean {
    const is =
      before === TcpState.LastAck &&
      kind === Kind.Ack &&
      this.window.lastDirection !== direction &&
      this.lastKind === Kind.Syn &&
      this.challenged;
    if (is) this.challenged = false;
    return is;
  }

  private enter(
    kind: number,
    direction: number,
    before: number,
    next: number,
    replied: boolean,
  ): Heed {
    this.lastKind = kind;
    this.window.lastDirection = direction;
    this.state = next;
    const [a, b] = this.window.sides;
    if (before !== next && next === TcpState.FinWait)
      this.window.sides[direction]!.flags |= CLOSED_FIRST;
    const { tcp: lasting, retransmitted, unacknowledged } = this.timeouts;
    const { retransmissions, lastWindow } = this.window;
    let timeout = lasting[next]!;
    if (retransmissions >= MAX_RETRANSMISSIONS && timeout > retransmitted) timeout = retransmitted;
    else if (kind === Kind.Reset) timeout = lasting[TcpState.Closed]!;
    else if (((a.flags | b.flags) & UNACKED) !== 0 && timeout > unacknowledged)
      timeout = unacknowledged;
    else if (lastWindow === 0) timeout = Math.min(timeout, retransmitted);
    if (!replied) {
      if (kind === Kind.Reset) return Heed.Kill;
      // A SYN again does not keep the entry: its port could never be used anew.
      if (kind === Kind.Syn && before === TcpState.SynSent) return Heed.Accept;
      if (next === TcpState.Established) timeout = Math.min(timeout, unacknowledged);
    } else if (next === TcpState.Established) {
      if (before === TcpState.SynReceived || before === TcpState.Established) this.assured = true;
    }
    this.timeout = timeout;
    return Heed.Accept;
  }

  /** A SYN ACK that answers a SYN which was let through: the two ends are ahead of us. */
  private answersIgnored(kind: number, l4: number, direction: number): boolean {
    return (
      kind === Kind.SynAck &&
      this.lastKind === Kind.Syn &&
      this.window.lastDirection !== direction &&
      tcp.acknowledgement(bytes, l4) === this.window.lastEnd
    );
  }

  /** A reset that answers a SYN or an ACK which was let through: half open, and out of any window. */
  private answersOpening(l4: number, direction: number, replied: boolean): boolean {
    const { lastDirection, lastEnd, lastAck } = this.window;
    if (lastDirection === direction) return false;
    const acks = tcp.acknowledgement(bytes, l4) === lastEnd;
    if (replied && this.lastKind === Kind.Syn) return acks;
    if (this.assured || this.lastKind !== Kind.Ack) return false;
    return acks || tcp.sequence(bytes, l4) === lastAck;
  }

  private ignore(kind: number, l4: number, end: number, direction: number): void {
    this.lastKind = kind;
    this.window.lastDirection = direction;
    this.window.lastSequence = tcp.sequence(bytes, l4);
    this.window.lastAck = tcp.acknowledgement(bytes, l4);
    this.window.lastEnd = endOf(l4, end);
    this.window.lastWindow = tcp.window(bytes, l4);
    if (kind !== Kind.Syn || direction !== 0) return;
    OFFERED.clear();
    readOptions(l4, OFFERED);
    this.lastFlags = OFFERED.flags;
    this.lastShift = OFFERED.shift;
    this.challenged = this.state === TcpState.LastAck;
  }

  private adopt(): void {
    const side = this.window.sides[this.window.lastDirection]!;
    side.end = this.window.lastEnd;
    side.maxEnd = this.window.lastEnd;
    side.maxWindow = this.window.lastWindow || 1;
    side.shift = this.lastShift;
    side.flags = this.lastFlags;
    this.window.sides[1 - this.window.lastDirection]!.clear();
  }
}

/** Options of a SYN that is let through: read here, kept on the flow. */
const OFFERED = new Side();

function kindOf(l4: number): number {
  const flags = tcp.flags(bytes, l4);
  if ((flags & tcp.RST) !== 0) return Kind.Reset;
  if ((flags & tcp.SYN) !== 0) return (flags & tcp.ACK) !== 0 ? Kind.SynAck : Kind.Syn;
  if ((flags & tcp.FIN) !== 0) return Kind.Fin;
  return (flags & tcp.ACK) !== 0 ? Kind.Ack : Kind.None;
}
