/**
 * What it takes to make the frames of a series out of the first one, as 32-bit words that the
 * kernel (wasm/assembly/series.ts has the picture) and the TypeScript here read alike. A
 * checksum is the sum over all that stays, plus the words that change; those inside are done
 * first, because the outer ones cover them.
 */
import { putU16, u16 } from '../wire/bytes.ts';
import type { BuiltFrame } from './build.ts';
import { type Coverage, checksumOf, coverageOf, coveredSum } from './checksum-coverage.ts';
import type { PlacedField } from './series-field.ts';

/** Words before the first field. */
const HEAD_WORDS = 16;
const FIELD_WORDS = 6;
const FORMS: readonly Coverage['form'][] = ['plain', 'udp', 'partial'];

/** The words of the head, by index. */
export const head = {
  recordLength: 0,
  template: 1,
  fields: 2,
  fieldCount: 3,
  sums: 4,
  sumCount: 5,
  seconds: 6,
  fraction: 7,
  stepSeconds: 8,
  stepFraction: 9,
  perSecond: 10,
} as const;

/** A checksum with the offsets of the words that change under it. */
interface ChangingSum {
  readonly coverage: Coverage;
  readonly base: number;
  readonly words: readonly number[];
}

/** The words of a program; offsets in frames are counted from `frameAt` bytes before them. */
export function programOf(
  frame: BuiltFrame,
  fields: readonly PlacedField[],
  frameAt: number,
): Uint32Array {
  const sums = changingSums(frame, fields);
  const sumsAt = HEAD_WORDS + fields.length * FIELD_WORDS;
  const start = new Array<number>(HEAD_WORDS).fill(0);
  start[head.recordLength] = frameAt + frame.bytes.length;
  start[head.fields] = HEAD_WORDS * 4;
  start[head.fieldCount] = fields.length;
  start[head.sums] = sumsAt * 4;
  start[head.sumCount] = sums.length;
  return Uint32Array.from([
    ...start,
    ...fields.flatMap(({ at, bytes, step, span }) => [
      frameAt + at,
      bytes,
      frame.bytes.readUIntBE(at, bytes),
      step,
      span,
      0,
    ]),
    ...sums.flatMap(({ coverage: { at, form }, base, words }) => [
      frameAt + at,
      base,
      FORMS.indexOf(form),
      words.length,
      ...words.map((word) => frameAt + word),
    ]),
  ]);
}

/** From the inside out. */
function changingSums(
  { bytes, parts, contentEnd }: BuiltFrame,
  fields: readonly PlacedField[],
): ChangingSum[] {
  /** Bytes that change: fields, and checksums over them. */
  const changing = new Set<number>();
  const add = (at: number, length: number) => {
    for (let i = at; i < at + length; i++) changing.add(i);
  };
  for (const { at, bytes: length } of fields) add(at, length);
  const sums: ChangingSum[] = [];
  for (let i = parts.length - 1; i >= 0; i--) {
    const coverage = coverageOf(bytes, parts[i]!, parts[i - 1], contentEnd);
    if (coverage === undefined) continue;
    const words = changedWords(coverage, changing);
    if (words.length === 0) continue;
    const still = Buffer.from(bytes);
    for (const word of [...words, coverage.at]) putU16(still, word, 0);
    sums.push({ coverage, base: coveredSum(still, coverage), words });
    add(coverage.at, 2);
  }
  return sums;
}

/** Offsets of the covered words with a byte that changes, the checksum itself aside. */
function changedWords({ at, start, end, pseudo }: Coverage, changing: Set<number>): number[] {
  const inRange = (from: number, to: number): number[] => {
    const words = [];
    for (let word = from; word + 1 < to; word += 2) {
      if (word !== at && (changing.has(word) || changing.has(word + 1))) words.push(word);
    }
    return words;
  };
  const addresses = pseudo === undefined ? [] : inRange(pseudo.addressesAt, pseudo.addressesAt + 8);
  return [...addresses, ...inRange(start, end)];
}

/** Makes the fields of `record`, a copy of the template, those of the next frame. */
export function step(program: Uint32Array, record: Buffer): void {
  let at = HEAD_WORDS;
  for (let n = program[head.fieldCount]!; n > 0; n--, at += FIELD_WORDS) {
    putField(program, at, record);
  }
  for (let n = program[head.sumCount]!; n > 0; n--) at = putSum(program, at, record);
}

function putField(program: Uint32Array, at: number, record: Buffer): void {
  const bytes = program[at + 1]!;
  const count = program[at + 5]!;
  const value = program[at + 2]! + count;
  const most = 2 ** (8 * bytes);
  record.writeUIntBE(value % most, program[at]!, bytes);
  const next = count + program[at + 3]!;
  const span = program[at + 4]!;
  program[at + 5] = span !== 0 && next >= span ? next - span : next;
}

function putSum(program: Uint32Array, at: number, record: Buffer): number {
  const end = at + 4 + program[at + 3]!;
  let sum = program[at + 1]!;
  for (let i = at + 4; i < end; i++) sum += u16(record, program[i]!);
  putU16(record, program[at]!, checksumOf(sum, FORMS[program[at + 2]!]!));
  return end;
}
