/**
 * Which counters of a receiving key were seen: a ring of 8,192 bits as in the
 * kernel's counter_validate, of which 8,128 may lie behind the greatest.
 *
 *   ring of 256 words:   … | word of greatest - 32 | word of greatest | oldest … |
 *
 * Counters have 64 bits, given as two unsigned halves: a double stops at 2^53.
 * To be asked only after the tag was verified, or one forged packet moves the window.
 */
const BITS = 8192;
const WORDS = BITS / 32;
/** How far behind the greatest a counter may be: the kernel's COUNTER_WINDOW_SIZE, on 64 bits. */
const WINDOW = BITS - 64;
/** REJECT_AFTER_MESSAGES of the kernel, 2^64 - 1 - 8128 - 1: this counter and those above are refused. */
export const REJECT_HIGH = 0xffffffff;
export const REJECT_LOW = 2 ** 32 - 1 - WINDOW - 1;

export class ReplayWindow {
  private readonly seen = new Uint32Array(WORDS);
  /** One more than the greatest counter, as the kernel counts; 0 before the first. */
  private high = 0;
  private low = 0;
  private readonly limitHigh: number;
  private readonly limitLow: number;

  /** A limit other than the kernel's is what other implementations have. */
  constructor(limitHigh = REJECT_HIGH, limitLow = REJECT_LOW) {
    this.limitHigh = limitHigh;
    this.limitLow = limitLow;
  }

  /** Whether this counter is new; from now on it is not. */
  accept(counterHigh: number, counterLow: number): boolean {
    if (!below(counterHigh, counterLow, this.limitHigh, this.limitLow)) return false;
    const low = (counterLow + 1) >>> 0;
    const high = low === 0 ? counterHigh + 1 : counterHigh;
    // Inexact only where it is far beyond 2^13.
    const ahead = (high - this.high) * 2 ** 32 + (low - this.low);
    if (ahead < -WINDOW) return false;
    if (ahead > 0) this.advance(high, low);
    const word = (low >>> 5) & (WORDS - 1);
    const bit = 1 << (low & 31);
    const before = this.seen[word]!;
    this.seen[word] = before | bit;
    return (before & bit) === 0;
  }

  /** The greatest counter below the limit was seen, so that none can be greater. */
  get exhausted(): boolean {
    return !below(this.high, this.low, this.limitHigh, this.limitLow);
  }

  private advance(high: number, low: number): void {
    const from = this.low >>> 5;
    const words = (high - this.high) * 2 ** 27 + ((low >>> 5) - from);
    const clear = Math.min(words, WORDS);
    for (let i = 1; i <= clear; i++) this.seen[(from + i) & (WORDS - 1)] = 0;
    this.high = high;
    this.low = low;
  }
}

/** Whether one 64-bit number is less than another, both as unsigned halves. */
export const below = (aHigh: number, aLow: number, bHigh: number, bLow: number): boolean =>
  aHigh < bHigh || (aHigh === bHigh && aLow < bLow);
