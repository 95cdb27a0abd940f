/**
 * AssemblyScript. The sum of RFC 1071 over memory that packets lie in, 64 bytes a turn.
 * Words are added as the machine has them (RFC 1071 section 2, byte order independence)
 * and turned once, at the end.
 */

/** Makes an unsigned 16-bit word a signed one that is less by as much. */
const BIAS: i16 = -0x8000;

/** Pairs of biased words of 16 bytes, each pair as one sum of 32 bits: one multiplication and addition. */
function pairs(at: usize): v128 {
  return i32x4.dot_i16x8_s(v128.xor(v128.load(at), i16x8.splat(BIAS)), i16x8.splat(1));
}

/**
 * The folded sum of the big-endian 16-bit words in `length` bytes from `at`; an odd last
 * byte counts as the upper half of a word. Right up to 256 KiB, where a lane could overflow.
 */
export function sum(at: usize, length: u32): u32 {
  const end = at + <usize>length;
  const start = at;
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  while (at + 64 <= end) {
    a = i32x4.add(a, pairs(at));
    b = i32x4.add(b, pairs(at + 16));
    c = i32x4.add(c, pairs(at + 32));
    d = i32x4.add(d, pairs(at + 48));
    at += 64;
  }
  while (at + 16 <= end) {
    a = i32x4.add(a, pairs(at));
    at += 16;
  }
  a = i32x4.add(i32x4.add(a, b), i32x4.add(c, d));
  let total =
    <i64>i32x4.extract_lane(a, 0) +
    <i64>i32x4.extract_lane(a, 1) +
    <i64>i32x4.extract_lane(a, 2) +
    <i64>i32x4.extract_lane(a, 3) +
    0x8000 * <i64>((at - start) >> 1);
  if (at + 8 <= end) {
    total += <i64>load<u32>(at) + <i64>load<u32>(at + 4);
    at += 8;
  }
  while (at + 2 <= end) {
    total += <i64>load<u16>(at);
    at += 2;
  }
  if (at < end) total += <i64>load<u8>(at);
  total = (total & 0xffff) + (total >> 16);
  total = (total & 0xffff) + (total >> 16);
  total = (total & 0xffff) + (total >> 16);
  const folded = <u32>total;
  return ((folded & 0xff) << 8) | (folded >> 8);
}
