/**
 * Go's math/rand source (version 1), which Calico seeds with node names. An additive
 * lagged Fibonacci generator over 64-bit words, in place:
 *
 *   index   0 ............ 273 ............ 334 ............ 606
 *                           tap walks down from 607, feed from 334;
 *                           each draw: vec[feed] += vec[tap]
 *
 * Go promises never to change the sequence (math/rand, "Go 1 compatibility").
 * Words are pairs of 32-bit halves here: bigints would cost a second per 5,000 nodes.
 */

const LENGTH = 607;
const TAP = 273;
/** Draws after which Go's authors took the state of the generator as the table of `seed`. */
const TABLE_DRAWS = 7_800_000_000_000n;

/** x ← 48271·x mod 2^31 − 1, by Schrage's method so that nothing exceeds 31 bits. */
function lehmer(x: number): number {
  const high = Math.floor(x / 44488);
  const next = 48271 * (x - high * 44488) - 3399 * high;
  return next < 0 ? next + 0x7fffffff : next;
}

/** The state of Lehmer's generator from which the words of a seed are taken. */
function warmUp(seed: number): number {
  let x = seed % 0x7fffffff;
  if (x === 0) x = 89482311;
  for (let i = 0; i < 20; i++) x = lehmer(x);
  return x;
}

interface Words {
  readonly low: Int32Array;
  readonly high: Int32Array;
}

let table: Words | undefined;

/** One stream of numbers; equal seeds give equal streams. */
export class GoRandom {
  readonly #low = new Int32Array(LENGTH);
  readonly #high = new Int32Array(LENGTH);
  #tap = 0;
  #feed = LENGTH - TAP;

  /** `seed`: an integer from 0 to 2^53 − 1. */
  constructor(seed: number) {
    table ??= mixingTable();
    const { low, high } = table;
    let x = warmUp(seed);
    for (let i = 0; i < LENGTH; i++) {
      const first = lehmer(x);
      const second = lehmer(first);
      x = lehmer(second);
      // first·2^40 ^ second·2^20 ^ x
      this.#low[i] = (second << 20) ^ x ^ low[i]!;
      this.#high[i] = (first << 8) ^ (second >>> 12) ^ high[i]!;
    }
  }

  /** The next 32-bit number: the upper half of a word without its sign bit, and one bit more. */
  uint32(): number {
    this.#tap = this.#tap === 0 ? LENGTH - 1 : this.#tap - 1;
    this.#feed = this.#feed === 0 ? LENGTH - 1 : this.#feed - 1;
    const low = (this.#low[this.#feed]! >>> 0) + (this.#low[this.#tap]! >>> 0);
    const carry = low > 0xffffffff ? 1 : 0;
    const high = (this.#high[this.#feed]! + this.#high[this.#tap]! + carry) | 0;
    this.#low[this.#feed] = low | 0;
    this.#high[this.#feed] = high;
    return ((high << 1) | ((low | 0) >>> 31)) >>> 0;
  }

  /**
   * A number below 2^bits as math/big's Int.Rand draws it on a 64-bit machine: two
   * draws a word, one bit too many is kept, and what is too large is thrown away.
   * `bits`: 0 to 31.
   */
  below2to(bits: number): number {
    const limit = 2 ** bits;
    const mask = 2 ** (bits + 1) - 1;
    for (;;) {
      const low = this.uint32();
      this.uint32();
      const value = (low & mask) >>> 0;
      if (value < limit) return value;
    }
  }
}

/**
 * The 607 words that Go mixes into every seed: the same generator, seeded simply,
 * after 7.8·10^12 draws (gen_cooked.go). The sequence obeys z[i+607] = z[i+334] + z[i],
 * so z[N+t] = Σ c[i]·z[i+t] where Σ c[i]·x^i = x^N mod x^607 − x^334 − 1, coefficients
 * mod 2^64. That is 43 squarings in place of 7.8·10^12 additions.
 */
function mixingTable(): Words {
  const start: bigint[] = new Array<bigint>(LENGTH);
  let x = warmUp(1);
  for (let i = 0; i < LENGTH; i++) {
    const first = lehmer(x);
    const second = lehmer(first);
    x = lehmer(second);
    start[i] = (BigInt(first) << 20n) ^ (BigInt(second) << 10n) ^ BigInt(x);
  }
  // Draws run downwards from feed, so the oldest word stands just below it.
  const z = start.map((_, i) => start[(2 * LENGTH - TAP - 1 - i) % LENGTH]!);
  for (let i = LENGTH; i < 2 * LENGTH - 1; i++) {
    z.push(BigInt.asUintN(64, z[i - LENGTH]! + z[i - TAP]!));
  }
  const power = powerOfX(TABLE_DRAWS);
  const after = multiply(power.toReversed(), z).slice(LENGTH - 1, 2 * LENGTH - 1);

  // TABLE_DRAWS mod 607 draws past a whole round, feed stands that much lower.
  const shift = Number(TABLE_DRAWS % BigInt(LENGTH));
  const low = new Int32Array(LENGTH);
  const high = new Int32Array(LENGTH);
  after.forEach((word, i) => {
    const at = (3 * LENGTH - TAP - 1 - i - shift) % LENGTH;
    low[at] = Number(BigInt.asIntN(32, word));
    high[at] = Number(BigInt.asIntN(32, word >> 32n));
  });
  return { low, high };
}

/** Coefficients of x^n mod x^607 − x^334 − 1, lowest first. */
function powerOfX(n: bigint): bigint[] {
  let power = [1n, ...new Array<bigint>(LENGTH - 1).fill(0n)];
  for (const bit of n.toString(2)) {
    const square = multiply(power, power);
    if (bit === '1') square.unshift(0n);
    for (let i = square.length - 1; i >= LENGTH; i--) {
      const top = square[i]!;
      square[i - LENGTH] = square[i - LENGTH]! + top;
      square[i - TAP] = square[i - TAP]! + top;
    }
    power = square.slice(0, LENGTH).map((c) => BigInt.asUintN(64, c));
  }
  return power;
}

/** Hexadecimal digits of a slot: two 64-bit factors, and 2^16 of their products summed. */
const SLOT = 36;

/**
 * Product of two polynomials, coefficients mod 2^64. Both are written into one long
 * integer each, a slot per coefficient (Kronecker's substitution), so that one
 * multiplication of the engine's does all of them.
 */
function multiply(a: readonly bigint[], b: readonly bigint[]): bigint[] {
  const length = a.length + b.length - 1;
  const digits = (packed(a) * packed(b)).toString(16).padStart(length * SLOT, '0');
  const product: bigint[] = [];
  for (let end = digits.length; end > 0; end -= SLOT) {
    product.push(BigInt(`0x${digits.slice(end - 16, end)}`));
  }
  return product;
}

const packed = (coefficients: readonly bigint[]): bigint =>
  BigInt(
    `0x${coefficients
      .toReversed()
      .map((c) => c.toString(16).padStart(SLOT, '0'))
      .join('')}`,
  );
