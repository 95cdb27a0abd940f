/**
 * TAI64N time stamps (cr.yp.to/libtai/tai64.html): 2^62 plus TAI seconds, then
 * nanoseconds, both big-endian, so that later stamps compare greater as bytes.
 *
 *   | 8 bytes: 0x4000000000000000 + 10 + Unix seconds | 4 bytes: nanoseconds |
 */
import type { Moment } from '../packet/moment.ts';

export const TAI64N_LEN = 12;
const EPOCH = 0x400000000000000an;
/** The kernel hides the exact clock: tai64n_now rounds down to 2^24 ns, the power of two below 20 ms. */
const WHITEN = ~(0x1000000 - 1);

export function putTai64n(b: Buffer, at: number, { seconds, nanoseconds }: Moment): void {
  b.writeBigUInt64BE(EPOCH + BigInt(seconds), at);
  b.writeUInt32BE(nanoseconds & WHITEN, at + 8);
}
