/**
 * Times of pcapng: 64-bit counts of ticks since 1970, a tick being 10^-n or
 * 2^-n seconds as the interface says (if_tsresol), plus whole seconds
 * (if_tsoffset). A double holds neither the ticks nor their product, so the
 * usual resolutions are divided 16 bits at a time and the rest as bigints.
 */

const NANOSECONDS = 1_000_000_000;
/** Seconds in 64 bits of ticks stay below 2^53 from this power of ten on. */
const SMALLEST_QUICK = 4;
/** Remainder times 2^16 stays below 2^53 up to this power of ten. */
const LARGEST_QUICK = 11;
const BINARY = 0x80;

/** Of one interface. */
export class TickClock {
  /** Finer than microseconds. */
  readonly nanosecond: boolean;
  readonly #quick: boolean;
  readonly #unit: number;
  readonly #wide: bigint;
  readonly #offset: bigint;
  readonly #offsetSeconds: number;

  /** `resolution` as if_tsresol has it: n, or 128 + n for powers of two. */
  constructor(resolution: number, offset = 0n) {
    const exponent = resolution & 0x7f;
    const binary = (resolution & BINARY) !== 0;
    this.#wide = binary ? 1n << BigInt(exponent) : 10n ** BigInt(exponent);
    this.nanosecond = this.#wide > 1_000_000n;
    this.#quick = !binary && exponent >= SMALLEST_QUICK && exponent <= LARGEST_QUICK;
    this.#unit = this.#quick ? 10 ** exponent : 1;
    this.#offset = offset;
    this.#offsetSeconds = Number(offset);
  }

  /** Since 1970. Negative, or beyond 2^53 and rounded, only where the file says so. */
  seconds(high: number, low: number): number {
    if (!this.#quick) return Number(ticks(high, low) / this.#wide + this.#offset);
    const unit = this.#unit;
    const a = (high % unit) * 0x10000 + (low >>> 16);
    const b = (a % unit) * 0x10000 + (low & 0xffff);
    const whole = Math.floor(high / unit) * 0x10000 + Math.floor(a / unit);
    return whole * 0x10000 + Math.floor(b / unit) + this.#offsetSeconds;
  }

  /** 0 to 999,999,999, rounded down. */
  nanoseconds(high: number, low: number): number {
    if (!this.#quick) {
      const rest = ticks(high, low) % this.#wide;
      return Number((rest * BigInt(NANOSECONDS)) / this.#wide);
    }
    const unit = this.#unit;
    const a = (high % unit) * 0x10000 + (low >>> 16);
    const rest = ((a % unit) * 0x10000 + (low & 0xffff)) % unit;
    return unit <= NANOSECONDS
      ? rest * (NANOSECONDS / unit)
      : Math.floor(rest / (unit / NANOSECONDS));
  }
}

const ticks = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low);

/** What nearly every interface uses, shared: a hostile file may have many interfaces. */
export const MICROSECOND_CLOCK: TickClock = new TickClock(6);
export const NANOSECOND_CLOCK: TickClock = new TickClock(9);

/** Seconds that 64 bits of nanoseconds hold; reached in the year 2554. */
export const MAX_TICK_SECONDS = 18_446_744_072;

/** The high 32 bits of `seconds * unit + fraction`; unit at most 10^9. */
export function ticksHigh(seconds: number, fraction: number, unit: number): number {
  const a = Math.floor(seconds / 0x10000) * unit;
  const low = (a % 0x10000) * 0x10000 + (seconds % 0x10000) * unit + fraction;
  return Math.floor(a / 0x10000) + Math.floor(low / 0x1_0000_0000);
}

/** The low 32 bits. */
export function ticksLow(seconds: number, fraction: number, unit: number): number {
  const a = Math.floor(seconds / 0x10000) * unit;
  return ((a % 0x10000) * 0x10000 + (seconds % 0x10000) * unit + fraction) % 0x1_0000_0000;
}
