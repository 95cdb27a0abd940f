import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CaptureParser } from '../../src/pcap/parser.ts';
import { Maker } from './samples.ts';

const le = new Maker();

/** Lengths of the whole records in `b[from..to)`. */
function wholeRecords(b: Buffer, from: number, to: number): number[] {
  const lengths: number[] = [];
  for (let at = from; at + 16 <= to; ) {
    const length = b.readUInt32LE(at + 8);
    if (at + 16 + length > to) break;
    lengths.push(length);
    at += 16 + length;
  }
  return lengths;
}

/** Reads all, `turns` telling how many records are taken at hand where the parser stands, in turn. */
function read(file: Buffer, size: number, turns: readonly number[]): number[] {
  const parser = new CaptureParser();
  const found: number[] = [];
  let turn = 0;
  for (let at = 0; at < file.length; at += size) {
    parser.push(file.subarray(at, at + size));
    while (parser.advance()) {
      const wanted = turns[turn++ % turns.length]!;
      const { bytes, recordStart, handEnd } = parser;
      const taken = wholeRecords(bytes, recordStart, handEnd).slice(0, wanted);
      if (taken.length === 0) found.push(parser.end - parser.start);
      else {
        found.push(...taken);
        parser.skipTo(taken.reduce((to, length) => to + 16 + length, recordStart));
      }
    }
  }
  expect(parser.truncation()).toBe(undefined);
  return found;
}

describe('records at hand', () => {
  it('are taken in any number, and the parser goes on behind them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 1, 20, 60, 300), { maxLength: 60 }),
        fc.integer({ min: 1, max: 2000 }),
        fc.array(fc.constantFrom(0, 0, 1, 2, 7, 100), { minLength: 1, maxLength: 6 }),
        (lengths, size, turns) => {
          const records = lengths.map((length) =>
            le.record(Buffer.alloc(length), { seconds: 1, fraction: 2 }),
          );
          const file = Buffer.concat([le.header(), ...records]);
          expect(read(file, size, turns)).toEqual(lengths);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are past what a scan notes at once', () => {
    const record = le.record(Buffer.alloc(4), { seconds: 1, fraction: 2 });
    const file = Buffer.concat([le.header(), ...new Array<Buffer>(10_000).fill(record)]);
    for (const turns of [[9000], [3000, 1, 0], [2048, 0], [2047, 2]]) {
      expect(read(file, file.length, turns)).toHaveLength(10_000);
    }
  });

  it('say whether they are those of a plain pcap', () => {
    const parse = (header: Buffer): CaptureParser => {
      const parser = new CaptureParser();
      parser.push(header);
      parser.readHeader();
      return parser;
    };
    expect(parse(le.header()).plainMost).toBeGreaterThan(0);
    const bigEndian = Buffer.from(le.header());
    for (const [at, length] of [
      [0, 4],
      [4, 2],
      [6, 2],
      [16, 4],
      [20, 4],
    ] as const) {
      bigEndian.subarray(at, at + length).reverse();
    }
    expect(parse(bigEndian).plainMost).toBe(-1);
  });
});
