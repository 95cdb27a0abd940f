/**
 * The Internet checksum: RFC 1071 (the sum) and RFC 1624 (its update).
 * A "sum" is the running total of big-endian 16-bit words, not yet folded.
 * Adding a packet of 64 KiB to a folded sum stays far below 2^31.
 */
import { type Bytes, putU16, u16 } from './bytes.ts';

/** Sums below this many bytes are not worth a view. */
const SHORT = 48;

let viewed: ArrayBufferLike | null = null;
let view: DataView = new DataView(new ArrayBuffer(0));

/** Reads 32 bits at a time. Nearly all calls are about one memory, the arena: its view is kept. */
function viewOf(b: Bytes): DataView {
  if (b.buffer !== viewed) {
    viewed = b.buffer;
    view = new DataView(b.buffer);
  }
  return view;
}

/**
 * Adds `length` bytes from `at` to a sum. An odd last byte counts as the upper
 * half of a word, so only the last piece of a message may be odd.
 */
export function add(sum: number, b: Bytes, at: number, length: number): number {
  const even = at + (length & ~1);
  let total = sum;
  let from = at;
  if (length >= SHORT) {
    const words = viewOf(b);
    const base = b.byteOffset;
    // A length that a header claims may lie behind the end: what is not there is left to the loop below.
    const last = Math.min(at + (length & ~7), b.length) - 8;
    for (; from <= last; from += 8) {
      const x = words.getInt32(base + from);
      const y = words.getInt32(base + from + 4);
      total += (x >>> 16) + (x & 0xffff) + (y >>> 16) + (y & 0xffff);
    }
  }
  for (let i = from; i < even; i += 2) total += (b[i]! << 8) | b[i + 1]!;
  if (length & 1) total += b[even]! << 8;
  return total;
}

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
