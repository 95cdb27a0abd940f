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
import { copy } from './bytes/copy';

const FIELD: usize = 24;
/** Bytes of records that are made together, one thing of all after the other: they stay in the first cache. */
const GROUP: usize = 16384;

// @ts-expect-error: of AssemblyScript
function word(index: usize): u32 {
  return load<u32>(index << 2);
}

/** The templates with their times. */
function putTemplates(out: usize, end: usize, length: usize): void {
  const template = <usize>word(1);
  const stepSeconds = word(8);
  const stepFraction = word(9);
  const perSecond = word(10);
  let seconds = word(6);
  let fraction = word(7);
  for (; out < end; out += length) {
    copy(out, template, length);
    store<u32>(out, seconds);
    store<u32>(out + 4, fraction);
    seconds += stepSeconds;
    fraction += stepFraction;
    if (fraction >= perSecond) {
      fraction -= perSecond;
      seconds++;
    }
  }
  store<u32>(6 << 2, seconds);
  store<u32>(7 << 2, fraction);
}

function putValue(at: usize, bytes: u32, value: u32): void {
  if (bytes === 2) store<u16>(at, bswap<u16>(<u16>value));
  else if (bytes === 4) store<u32>(at, bswap<u32>(value));
  else if (bytes === 1) store<u8>(at, <u8>value);
  else {
    store<u16>(at, bswap<u16>(<u16>(value >> 8)));
    store<u8>(at + 2, <u8>value);
  }
}

/** A field of all records. */
function putField(out: usize, end: usize, length: usize, field: usize): void {
  const offset = <usize>load<u32>(field);
  const bytes = load<u32>(field + 4);
  const first = load<u32>(field + 8);
  const step = load<u32>(field + 12);
  const span = load<u32>(field + 16);
  let count = load<u32>(field + 20);
  for (; out < end; out += length) {
    putValue(out + offset, bytes, first + count);
    count += step;
    if (span !== 0 && count >= span) count -= span;
  }
  store<u32>(field + 20, count);
}

/** A checksum of all records; gives where the next one is described. */
function putSum(out: usize, end: usize, length: usize, sum: usize): usize {
  const offset = <usize>load<u32>(sum);
  const base = load<u32>(sum + 4);
  const form = load<u32>(sum + 8);
  const first = <usize>load<u32>(sum + 16);
  const wordsEnd = sum + 16 + ((<usize>load<u32>(sum + 12)) << 2);
  for (; out < end; out += length) {
    let total = base + bswap<u16>(load<u16>(out + first));
    for (let at = sum + 20; at < wordsEnd; at += 4) {
      total += bswap<u16>(load<u16>(out + load<u32>(at)));
    }
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    if (form !== 2) total ^= 0xffff;
    if (form === 1 && total === 0) total = 0xffff;
    store<u16>(out + offset, bswap<u16>(<u16>total));
  }
  return wordsEnd;
}

/** Writes `count` records from `out` on; 16 bytes behind them may be overwritten. */
export function records(out: usize, count: u32): void {
  const length = <usize>word(0);
  const fields = <usize>word(2);
  const fieldsEnd = fields + <usize>word(3) * FIELD;
  const sums = <usize>word(4);
  const sumCount = word(5);
  const end = out + <usize>count * length;
  const group = length * (GROUP / length + 1);
  while (out < end) {
    const groupEnd = out + group < end ? out + group : end;
    putTemplates(out, groupEnd, length);
    for (let field = fields; field < fieldsEnd; field += FIELD) {
      putField(out, groupEnd, length, field);
    }
    let sum = sums;
    for (let i: u32 = 0; i < sumCount; i++) sum = putSum(out, groupEnd, length, sum);
    out = groupEnd;
  }
}
