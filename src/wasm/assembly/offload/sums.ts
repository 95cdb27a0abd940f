/**
 * AssemblyScript. Sums of 16-bit words as this machine has them, low byte first: of ones'
 * complement it makes no difference (RFC 1071 section 2). Lengths are turned for it.
 */

export function halves(word: u32): u32 {
  return (word >> 16) + (word & 0xffff);
}

/** The sum of the halves of two words, of less than 19 bits. */
export function words(two: u64): u32 {
  const sum = (two & 0xffffffff) + (two >> 32);
  return <u32>(sum & 0xffff) + <u32>(sum >> 16);
}

/** Of a total below 2^32. */
export function fold(total: u32): u32 {
  total = (total & 0xffff) + (total >> 16);
  return (total & 0xffff) + (total >> 16);
}

export function turned(value: u32): u32 {
  return bswap<u16>(<u16>value);
}
