/**
 * AssemblyScript. Records of a classic little-endian pcap, each made from one template by
 * changing a few fields, with the checksums over them. The program at address 0 is laid out
 * by src/frame/series-program.ts: words of 32 bits.
 *
 *   0 record length   1 template   2 fields   3 their number   4 sums   5 their number
 *   6 seconds   7 fraction   8, 9 the same from record to record   10 fractions a second
 *
 *   field: offset, bytes, first value, step, span (0: all), count so far
 *   sum:   offset, base, form (0 plain, 1 UDP, 2 partial), number of words, their offsets
 */

const FIELD: usize = 24;

// @ts-expect-error: of AssemblyScript
function word(index: usize): u32 {
  return load<u32>(index << 2);
}

/** The template, 16 bytes a turn: what lies behind both ends is room. */
function copy(to: usize, from: usize, length: usize): void {
  const end = to + length;
  while (to < end) {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  }
}

function putTime(out: usize): void {
  let seconds = word(6);
  let fraction = word(7);
  store<u32>(out, seconds);
  store<u32>(out + 4, fraction);
  seconds += word(8);
  fraction += word(9);
  if (fraction >= word(10)) {
    fraction -= word(10);
    seconds++;
  }
  store<u32>(6 << 2, seconds);
  store<u32>(7 << 2, fraction);
}

function putField(at: usize, field: usize): void {
  const count = load<u32>(field + 20);
  const value = load<u32>(field + 8) + count;
  const bytes = load<u32>(field + 4);
  if (bytes === 2) store<u16>(at, bswap<u16>(<u16>value));
  else if (bytes === 4) store<u32>(at, bswap<u32>(value));
  else if (bytes === 1) store<u8>(at, <u8>value);
  else {
    store<u16>(at, bswap<u16>(<u16>(value >> 8)));
    store<u8>(at + 2, <u8>value);
  }
  const next = count + load<u32>(field + 12);
  const span = load<u32>(field + 16);
  store<u32>(field + 20, span !== 0 && next >= span ? next - span : next);
}

/** Writes a checksum; gives where the next one is described. */
function putSum(out: usize, sum: usize): usize {
  let total = load<u32>(sum + 4);
  const form = load<u32>(sum + 8);
  const end = sum + 16 + ((<usize>load<u32>(sum + 12)) << 2);
  for (let at = sum + 16; at < end; at += 4) {
    total += bswap<u16>(load<u16>(out + load<u32>(at)));
  }
  total = (total & 0xffff) + (total >> 16);
  total = (total & 0xffff) + (total >> 16);
  if (form !== 2) total ^= 0xffff;
  if (form === 1 && total === 0) total = 0xffff;
  store<u16>(out + load<u32>(sum), bswap<u16>(<u16>total));
  return end;
}

/** Writes `count` records from `out` on; 16 bytes behind them may be overwritten. */
export function records(out: usize, count: u32): void {
  const length = <usize>word(0);
  const template = <usize>word(1);
  const fields = <usize>word(2);
  const fieldsEnd = fields + <usize>word(3) * FIELD;
  const sums = <usize>word(4);
  const sumCount = word(5);
  for (let n: u32 = 0; n < count; n++) {
    copy(out, template, length);
    putTime(out);
    for (let field = fields; field < fieldsEnd; field += FIELD) {
      putField(out + load<u32>(field), field);
    }
    let sum = sums;
    for (let i: u32 = 0; i < sumCount; i++) sum = putSum(out, sum);
    out += length;
  }
}
