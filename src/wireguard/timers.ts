/**
 * The constants of WireGuard's state machine and a peer's five timers (whitepaper
 * section 6; the kernel's messages.h and timers.c). Times are microseconds:
 * whole numbers, exact in a double for 285 years.
 */
const SECOND = 1_000_000;

export const REKEY_AFTER_TIME = 120 * SECOND;
export const REJECT_AFTER_TIME = 180 * SECOND;
export const REKEY_TIMEOUT = 5 * SECOND;
/** Added to REKEY_TIMEOUT, at random below this: HZ/3 jiffies. */
export const REKEY_JITTER = Math.floor(SECOND / 3);
export const KEEPALIVE_TIMEOUT = 10 * SECOND;
/** Retries before giving up: REKEY_ATTEMPT_TIME of 90 s over REKEY_TIMEOUT. */
export const MAX_ATTEMPTS = 18;
/** At most 50 initiations a second from one peer (INITIATIONS_PER_SECOND). */
export const INITIATION_SPACING = SECOND / 50;
/** Packets that wait for a session before the oldest is lost (MAX_STAGED_PACKETS). */
export const MAX_STAGED = 128;
/** COOKIE_SECRET_MAX_AGE, and what an initiator allows for the way (COOKIE_SECRET_LATENCY). */
export const COOKIE_LIFETIME = 120 * SECOND;
export const COOKIE_MARGIN = 5 * SECOND;

export const TimerKind = {
  /** A handshake was not answered. */
  Retransmit: 0,
  /** Data came and nothing went back. */
  Keepalive: 1,
  /** Data went and nothing came back. */
  NewHandshake: 2,
  /** No new keys for long: forget the old ones. */
  Zero: 3,
  Persistent: 4,
} as const;
type TimerKind = (typeof TimerKind)[keyof typeof TimerKind];

const NEVER = Number.POSITIVE_INFINITY;

export class PeerTimers {
  private readonly due = new Float64Array(Object.keys(TimerKind).length).fill(NEVER);
  private readonly armed: (due: number) => void;

  /** `armed` hears of every time that is set. */
  constructor(armed: (due: number) => void) {
    this.armed = armed;
  }

  set(kind: TimerKind, due: number): void {
    this.due[kind] = due;
    this.armed(due);
  }

  cancel(kind: TimerKind): void {
    this.due[kind] = NEVER;
  }

  cancelAll(): void {
    this.due.fill(NEVER);
  }

  pending(kind: TimerKind): boolean {
    return this.due[kind] !== NEVER;
  }

  /** Whether it is due; it is then off. */
  take(kind: TimerKind, now: number): boolean {
    if (this.due[kind]! > now) return false;
    this.due[kind] = NEVER;
    return true;
  }

  /** The earliest, or Infinity. */
  next(): number {
    return Math.min(...this.due);
  }
}
