/**
 * Go's generator once more, slowly and by other means: bigints throughout, schoolbook
 * products, powers from the low bit up. Shares no code with the library.
 */

const M = 2147483647n;
const WORD = 1n << 64n;

function* lehmer(seed: bigint): Generator<bigint, never> {
  let x = seed % M === 0n ? 89482311n : seed % M;
  for (;;) {
    x = (x * 48271n) % M;
    yield x;
  }
}

function seedWords(seed: bigint, high: bigint, middle: bigint): bigint[] {
  const xs = lehmer(seed);
  for (let i = 0; i < 20; i++) xs.next();
  return Array.from({ length: 607 }, () => {
    const [a, b, c] = [xs.next().value, xs.next().value, xs.next().value];
    return ((a << high) ^ (b << middle) ^ c) % WORD;
  });
}

function times(a: BigUint64Array, b: BigUint64Array): BigUint64Array {
  const product = new BigUint64Array(1213);
  for (let i = 0; i < 607; i++) {
    const factor = a[i]!;
    if (factor === 0n) continue;
    for (let j = 0; j < 607; j++) product[i + j]! += factor * b[j]!;
  }
  for (let i = 1212; i >= 607; i--) {
    product[i - 607]! += product[i]!;
    product[i - 273]! += product[i]!;
  }
  return product.slice(0, 607);
}

/** The table by which Go mixes its seeds. */
function cookedWords(): bigint[] {
  let power = new BigUint64Array(607).fill(1n, 0, 1);
  let base = new BigUint64Array(607).fill(1n, 1, 2);
  for (let n = 7800000000000n; n > 0n; n >>= 1n) {
    if (n % 2n === 1n) power = times(power, base) as typeof power;
    base = times(base, base) as typeof base;
  }
  // As the array stands when tap is 0 and feed 334, oldest word first.
  const words = seedWords(1n, 20n, 10n);
  const sequence = Array.from({ length: 607 }, (_, i) => words[(940 - i) % 607]!);
  const vec: bigint[] = new Array<bigint>(607);
  const turn = Number(7800000000000n % 607n);
  for (let t = 0; t < 607; t++) {
    let sum = 0n;
    for (let i = 0; i < 607; i++) sum += power[i]! * sequence[i]!;
    vec[(((940 - t - turn) % 607) + 607) % 607] = sum % WORD;
    sequence.push((sequence[0]! + sequence[334]!) % WORD);
    sequence.shift();
  }
  return vec;
}

let cooked: bigint[] | undefined;

/** `rand.New(rand.NewSource(seed))`: each value is an Int63(). */
export function* int63(seed: bigint): Generator<bigint, never> {
  cooked ??= cookedWords();
  const vec = seedWords(seed, 40n, 20n).map((word, i) => word ^ cooked![i]!);
  let [tap, feed] = [0, 334];
  for (;;) {
    tap = (tap + 606) % 607;
    feed = (feed + 606) % 607;
    vec[feed] = (vec[feed]! + vec[tap]!) % WORD;
    yield vec[feed]! % (1n << 63n);
  }
}

/** The block of a pool of 2^bits that a node tries first. */
export function firstBlockTwin(node: string, bits: number): number {
  let hash = 2166136261n;
  for (const byte of new TextEncoder().encode(node)) {
    hash = ((hash * 16777619n) % (1n << 32n)) ^ BigInt(byte);
  }
  const numbers = int63(hash);
  const uint32 = () => numbers.next().value >> 31n;
  for (;;) {
    const word = (uint32() | (uint32() << 32n)) % (1n << BigInt(bits + 1));
    if (word < 1n << BigInt(bits)) return Number(word);
  }
}
