/**
 * A moment of virtual time: whole seconds and nanoseconds, exact over the whole
 * range a capture can hold.
 */
export const NANOSECONDS = 1_000_000_000;

export interface Moment {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export const isBefore = (a: Moment, b: Moment): boolean =>
  a.seconds < b.seconds || (a.seconds === b.seconds && a.nanoseconds < b.nanoseconds);

export function later(from: Moment, milliseconds: number): Moment {
  const total = from.nanoseconds + Math.round(milliseconds * 1e6);
  const whole = Math.floor(total / NANOSECONDS);
  return { seconds: from.seconds + whole, nanoseconds: total - whole * NANOSECONDS };
}

export const millisecondsOf = ({ seconds, nanoseconds }: Moment): number =>
  seconds * 1000 + Math.floor(nanoseconds / 1e6);

/** The same in 32 bits, signed: jiffies, which differences are taken of. */
export const ticksOf = ({ seconds, nanoseconds }: Moment): number =>
  (Math.imul(seconds, 1000) + ((nanoseconds / 1e6) | 0)) | 0;
