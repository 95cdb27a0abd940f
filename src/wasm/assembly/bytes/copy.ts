/** AssemblyScript. Copies 16 bytes a turn, of which one adds up what it copies: what lies behind both ends is room. */

/** Makes an unsigned 16-bit word a signed one that is less by as much. */
const BIAS: i16 = -0x8000;

export function copy(to: usize, from: usize, length: usize): void {
  const end = to + length;
  while (to + 64 <= end) {
    v128.store(to, v128.load(from));
    v128.store(to + 16, v128.load(from + 16));
    v128.store(to + 32, v128.load(from + 32));
    v128.store(to + 48, v128.load(from + 48));
    to += 64;
    from += 64;
  }
  while (to < end) {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  }
}

/** Pairs of biased words, each pair as one sum of 32 bits: one multiplication and addition. */
function pairs(bytes: v128): v128 {
  return i32x4.dot_i16x8_s(v128.xor(bytes, i16x8.splat(BIAS)), i16x8.splat(1));
}

/**
 * Copies, and gives the sum of the 16-bit words as they stand; an odd last byte counts as the
 * lower half of one. Below 2^32 up to 64 KiB.
 */
export function copySummed(to: usize, from: usize, length: usize): u32 {
  const vectors = (<u32>length + 15) >> 4;
  let left = length;
  let a = i32x4.splat(0);
  if (left >= 64) {
    let b = i32x4.splat(0);
    let c = i32x4.splat(0);
    let d = i32x4.splat(0);
    do {
      const first = v128.load(from);
      const second = v128.load(from, 16);
      const third = v128.load(from, 32);
      const fourth = v128.load(from, 48);
      v128.store(to, first);
      v128.store(to, second, 16);
      v128.store(to, third, 32);
      v128.store(to, fourth, 48);
      a = i32x4.add(a, pairs(first));
      b = i32x4.add(b, pairs(second));
      c = i32x4.add(c, pairs(third));
      d = i32x4.add(d, pairs(fourth));
      to += 64;
      from += 64;
      left -= 64;
    } while (left >= 64);
    a = i32x4.add(i32x4.add(a, b), i32x4.add(c, d));
  }
  while (left >= 16) {
    const bytes = v128.load(from);
    v128.store(to, bytes);
    a = i32x4.add(a, pairs(bytes));
    to += 16;
    from += 16;
    left -= 16;
  }
  if (left > 0) {
    const bytes = v128.load(from);
    v128.store(to, bytes);
    const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    a = i32x4.add(a, pairs(v128.and(bytes, i8x16.lt_s(places, i8x16.splat(<i8>left)))));
  }
  a = i32x4.add(a, i8x16.shuffle(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  a = i32x4.add(a, i8x16.shuffle(a, a, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  // Each vector has eight words, and each word its bias.
  return <u32>i32x4.extract_lane(a, 0) + (vectors << 18);
}
