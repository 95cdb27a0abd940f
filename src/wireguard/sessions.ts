/**
 * The sessions of one peer (the kernel's struct noise_keypairs).
 *
 *   next ──first data from the initiator──► current ──new keys──► previous
 *   (a responder's, not yet confirmed)      (sends)                (still receives)
 */
import type { SessionKeys } from './handshake.ts';
import { Session } from './session.ts';
import { REJECT_AFTER_TIME } from './timers.ts';

export class Sessions {
  private previous: Session | null = null;
  current: Session | null = null;
  private next: Session | null = null;
  private readonly dropped: (index: number) => void;

  /** `dropped` hears of every index that leads nowhere any more. */
  constructor(dropped: (index: number) => void) {
    this.dropped = dropped;
  }

  /** The session to send with, at a time in microseconds. */
  usable(now: number): Session | null {
    const session = this.current;
    if (session === null || !session.sendable) return null;
    if (!session.spent && now < session.born + REJECT_AFTER_TIME) return session;
    session.sendable = false;
    return null;
  }

  /** A session from fresh keys (add_new_keypair). */
  begin(keys: SessionKeys, now: number): Session {
    const session = new Session(keys, now);
    if (session.initiator) {
      this.drop(this.previous);
      // The response proved that the other end has these keys: they are used at once. A
      // session of the other role that waits for its proof is the newer one to fall back on.
      this.previous = this.next ?? this.current;
      if (this.next !== null) this.drop(this.current);
      this.next = null;
      this.current = session;
    } else {
      this.drop(this.next);
      this.drop(this.previous);
      this.next = session;
      this.previous = null;
    }
    return session;
  }

  /** Data came by this session. True where that confirms it, so that it becomes the current one. */
  confirm(session: Session): boolean {
    if (session !== this.next) return false;
    this.drop(this.previous);
    this.previous = this.current;
    this.current = session;
    this.next = null;
    return true;
  }

  /** Nothing more is sent with these keys; what is on the way may still come (wg_noise_expire_current_peer_keypairs). */
  expire(): void {
    if (this.current !== null) this.current.sendable = false;
    if (this.next !== null) this.next.sendable = false;
  }

  /** Zeroes all keys. */
  forget(): void {
    for (const session of [this.previous, this.current, this.next]) this.drop(session);
    this.previous = null;
    this.current = null;
    this.next = null;
  }

  private drop(session: Session | null): void {
    if (session === null) return;
    this.dropped(session.localIndex);
    session.forget();
  }
}
