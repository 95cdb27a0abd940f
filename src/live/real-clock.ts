/** A caller's clock as moments that never go back, and a timer of Node for what is due next. */
import { found, PodwireError } from '../errors.ts';
import type { Moment } from '../packet/moment.ts';

/** The longest a timer of Node can wait. */
const LONGEST = 2 ** 31 - 1;

export class RealClock {
  private readonly read: () => number;
  /** Milliseconds of Unix time, as read last. */
  private last = 0;
  private timer: NodeJS.Timeout | undefined;

  /** `read` gives milliseconds of Unix time. */
  constructor(read: () => number) {
    this.read = read;
  }

  /** Throws ERR_USAGE where the clock gives no time. */
  now(): Moment {
    const read = this.read();
    if (!Number.isFinite(read) || read < 0) {
      throw new PodwireError('ERR_USAGE', `clock: expected milliseconds, found ${found(read)}`);
    }
    this.last = Math.max(this.last, Math.floor(read));
    const seconds = Math.floor(this.last / 1000);
    return { seconds, nanoseconds: (this.last - seconds * 1000) * 1e6 };
  }

  /** Calls `fire` when a moment has come, and no more what was to be called before; null for nothing. */
  wake(due: Moment | null, fire: () => void): void {
    clearTimeout(this.timer);
    if (due === null) return;
    const wait = due.seconds * 1000 + Math.ceil(due.nanoseconds / 1e6) - this.last;
    this.timer = setTimeout(fire, Math.min(Math.max(wait, 0), LONGEST));
  }
}
