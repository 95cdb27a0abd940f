/**
 * The Internet checksum: RFC 1071 (the sum) and RFC 1624 (its update).
 * A "sum" is the running total of big-endian 16-bit words, not yet folded.
 * Adding a packet of 64 KiB to a folded sum stays far below 2^31.
 */
import { type Bytes, putU16, u16 } from './bytes.ts';

/** Sums below this many bytes are not worth a view. */
const SHORT = 16;
/** From here on the call of a kernel costs less than it saves. */
const LONG = 96;

/** The folded sum of `length` bytes from `at`, all of them in the kernel's memory. */
type SumKernel = (at: number, length: number) => number;

let kernelMemory: Bytes | null = null;
let kernelSum: SumKernel = () => 0;

/** From now on, what lies in this Buffer is summed by a kernel, where it lies: packet/arena.ts. */
export function useKernel(memory: Bytes, sum: SumKernel): void {
  kernelMemory = memory;
  kernelSum = sum;
}

let viewed: Bytes | null = null;
let view: DataView = new DataView(new ArrayBuffer(0));

/** Nearly all calls are about one Buffer, the arena: its view is kept. */
function viewOf(b: Bytes): DataView {
  if (b !== viewed) {
    viewed = b;
    view = new DataView(b.buffer, b.byteOffset, b.length);
  }
  return view;
}

/**
 * Adds `length` bytes from `at` to a sum. An odd last byte counts as the upper
 * half of a word, so only the last piece of a message may be odd.
 */
export function add(sum: number, b: Bytes, at: number, length: number): number {
  if (length >= LONG && b === kernelMemory && at + length <= b.length) {
    return sum + kernelSum(at, length);
  }
  const even = at + (length & ~1);
  let from = at;
  let upper = 0;
  let lower = 0;
  if (length >= SHORT) {
    const words = viewOf(b);
    // A length that a header claims may lie behind the end: what is not there is left to the loop below.
    const end = Math.min(even, b.length);
    for (; from <= end - 16; from += 16) {
      const w = words.getInt32(from);
      const x = words.getInt32(from + 4);
      const y = words.getInt32(from + 8);
      const z = words.getInt32(from + 12);
      upper = (upper + (w >>> 16) + (x >>> 16) + (y >>> 16) + (z >>> 16)) | 0;
      lower = (lower + (w & 0xffff) + (x & 0xffff) + (y & 0xffff) + (z & 0xffff)) | 0;
    }
    for (; from <= end - 4; from += 4) {
      const w = words.getInt32(from);
      upper = (upper + (w >>> 16)) | 0;
      lower = (lower + (w & 0xffff)) | 0;
    }
  }
  let total = sum + upper + lower;
  for (let i = from; i < even; i += 2) total += (b[i]! << 8) | b[i + 1]!;
  if (length & 1) total += b[even]! << 8;
  return total;
}

/** Of a 32-bit word, the two halves: what it adds to a sum. */
export const halves = (word: number): number => (word >>> 16) + (word & 0xffff);

/** Folds a sum to 16 bits with end-around carry. */
export function fold(sum: number): number {
  let folded = (sum & 0xffff) + (sum >>> 16);
  folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}

/** The checksum field for a sum. */
export const finish = (sum: number): number => ~fold(sum) & 0xffff;

/**
 * The pseudo-header of TCP and UDP over IPv4 (RFC 9293 section 3.1, RFC 768):
 * addresses at `addressesAt`, protocol, and the length of the L4 message.
 */
export const pseudoHeader = (
  b: Bytes,
  addressesAt: number,
  protocol: number,
  length: number,
): number => add(protocol + length, b, addressesAt, 8);

/**
 * RFC 1624 equation 3 on the field at `at`: one 16-bit word went from `before`
 * to `after`. Follows Linux csum_replace2, bit for bit.
 */
export function replaceWord(b: Bytes, at: number, before: number, after: number): void {
  putU16(b, at, ~fold((~u16(b, at) & 0xffff) + (~before & 0xffff) + after) & 0xffff);
}
