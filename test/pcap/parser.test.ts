import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { CaptureParser } from '../../src/pcap/parser.ts';
import { Maker, type Plain } from './samples.ts';

/** Feeds `file` in pieces of the given sizes, the last of them repeated. */
function parse(file: Buffer, sizes: readonly number[], maxRecord?: number) {
  const parser = new CaptureParser(maxRecord === undefined ? {} : { maxRecord });
  const records: Plain[] = [];
  let fault: PodwireError | undefined;
  try {
    for (let at = 0, n = 0; at < file.length; n++) {
      const size = Math.max(1, sizes[Math.min(n, sizes.length - 1)]!);
      // A copy that is spoiled afterwards: nothing may be read from a piece that was used up.
      const piece = Buffer.from(file.subarray(at, at + size));
      parser.push(piece);
      while (parser.advance()) {
        records.push({
          seconds: parser.seconds,
          nanoseconds: parser.nanoseconds,
          data: parser.bytes.toString('hex', parser.start, parser.end),
          originalLength: parser.originalLength,
          offset: parser.offset,
        });
      }
      piece.fill(0xee);
      at += size;
    }
    fault = parser.truncation();
  } catch (caught) {
    fault = caught as PodwireError;
  }
  return { records, code: fault?.code, at: fault?.offset, message: fault?.message };
}

/** The obvious reader of a little-endian microsecond file, for sound times and any cut. */
function twin(file: Buffer): { records: Plain[]; cut: number | undefined } {
  const records: Plain[] = [];
  let at = 24;
  while (at + 16 <= file.length && at + 16 + file.readUInt32LE(at + 8) <= file.length) {
    const length = file.readUInt32LE(at + 8);
    records.push({
      seconds: file.readUInt32LE(at),
      nanoseconds: file.readUInt32LE(at + 4) * 1000,
      data: file.toString('hex', at + 16, at + 16 + length),
      originalLength: file.readUInt32LE(at + 12),
      offset: at,
    });
    at += 16 + length;
  }
  return { records, cut: at === file.length ? undefined : at };
}

const le = new Maker();
const packets = [0, 60, 1, 1514, 40, 0, 9000].map((length, n) =>
  le.record(Buffer.alloc(length, n + 1), { seconds: 1000 + n, fraction: n, original: length + n }),
);
const sample = Buffer.concat([le.header(), ...packets]);

describe('CaptureParser', () => {
  it('gives the same records however the input is split', () => {
    const expected = twin(sample).records;
    expect(expected).toHaveLength(7);
    for (const size of [1, 2, 3, 7, 4095, 65536, sample.length]) {
      expect(parse(sample, [size])).toMatchObject({ records: expected, code: undefined });
    }
    for (let first = 1; first < sample.length; first++) {
      const { records, code } = parse(sample, [first, sample.length]);
      expect(records).toHaveLength(7);
      expect(code).toBeUndefined();
      if (first % 97 === 0) expect(records).toEqual(expected);
    }
  });

  it('gives every whole record of a file cut anywhere, then says where', () => {
    for (let length = 24; length < sample.length; length++) {
      const file = sample.subarray(0, length);
      const { records, cut } = twin(file);
      const ours = parse(file, [length % 3 === 0 ? 1000 : length]);
      expect(ours.records.length).toBe(records.length);
      expect(ours.at).toBe(cut);
      expect(ours.code).toBe(cut === undefined ? undefined : 'ERR_CAPTURE_TRUNCATED');
    }
  });

  it('agrees with the obvious reader on any records and any splits', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.uint8Array({ maxLength: 90 }), fc.nat(), fc.nat(999_999))),
        fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1 }),
        fc.nat(40),
        (list, sizes, short) => {
          const whole = Buffer.concat([
            le.header(),
            ...list.map(([data, seconds, fraction]) =>
              le.record(Buffer.from(data), { seconds, fraction }),
            ),
          ]);
          const file = whole.subarray(0, Math.max(24, whole.length - short));
          const { records, cut } = twin(file);
          const ours = parse(file, sizes);
          expect(ours.records).toEqual(records);
          expect(ours.at).toBe(cut);
        },
      ),
    );
  });

  it('says what it expected and found of a cut file', () => {
    const start = sample.length - 9016;
    expect(parse(sample.subarray(0, start + 8), [5000]).message).toBe(
      `capture at byte ${start}: expected 16 bytes of record header, found 8 before the end of the file`,
    );
    expect(parse(sample.subarray(0, start + 17), [7]).message).toBe(
      `capture at byte ${start}: expected 9000 captured bytes, found 1 before the end of the file`,
    );
    expect(parse(sample.subarray(0, 23), [23]).message).toBe(
      'capture at byte 0: expected 24 bytes of file header, found 23 before the end of the file',
    );
    expect(parse(sample.subarray(0, 1), [1])).toMatchObject({
      code: 'ERR_CAPTURE_FORMAT',
      message: 'capture: expected a pcap or pcapng file, found one of 1 bytes',
    });
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 262_145])(
    'refuses a record of %i bytes at its header',
    (captured) => {
      const lie = le.record(Buffer.alloc(0), { captured, original: captured });
      const file = Buffer.concat([le.header(), packets[1]!, lie, Buffer.alloc(100)]);
      for (const size of [1, 16, 1000]) {
        const { records, code, at, message } = parse(file, [size]);
        expect([records.length, code, at]).toEqual([1, 'ERR_CAPTURE_LENGTH', 100]);
        expect(message).toBe(
          `capture at byte 100: expected a record of at most 262144 bytes, found ${captured}`,
        );
      }
      // The header alone is enough: not one byte of the record is waited for.
      const parser = new CaptureParser();
      parser.push(file.subarray(0, 100 + 16));
      expect(parser.advance()).toBe(true);
      expect(() => parser.advance()).toThrow(PodwireError);
      expect(() => parser.advance()).toThrow(/found/);
    },
  );

  it('takes the limit as an option, exactly', () => {
    const file = Buffer.concat([le.header(), le.record(Buffer.alloc(100))]);
    expect(parse(file, [50], 100).records).toHaveLength(1);
    expect(parse(file, [50], 99).code).toBe('ERR_CAPTURE_LENGTH');
    const large = Buffer.concat([le.header(), le.record(Buffer.alloc(300_000))]);
    expect(parse(large, [65536]).code).toBe('ERR_CAPTURE_LENGTH');
    expect(parse(large, [65536], 300_000).records[0]?.data).toHaveLength(600_000);
    for (const maxRecord of [-1, 1.5, Number.NaN, 2 ** 31]) {
      expect(() => new CaptureParser({ maxRecord })).toThrow(/^maxRecord: expected bytes/);
    }
  });

  it('carries fractions of a second or more, and keeps seconds unsigned', () => {
    const times = (magic: number, list: [number, number][]) =>
      parse(
        Buffer.concat([
          le.header({ magic }),
          ...list.map(([seconds, fraction]) => le.record(packets[0]!, { seconds, fraction })),
        ]),
        [33],
      ).records.map(({ seconds, nanoseconds }) => [seconds, nanoseconds]);
    expect(
      times(0xa1b2c3d4, [
        [0xffffffff, 999_999],
        [0x80000000, 0],
        [1, 1_000_000],
        [1, 0xffffffff],
        [0xffffffff, 1_000_001],
      ]),
    ).toEqual([
      [4294967295, 999_999_000],
      [2147483648, 0],
      [2, 0],
      [4295, 967_295_000],
      [4294967296, 1000],
    ]);
    expect(
      times(0xa1b23c4d, [
        [5, 999_999_999],
        [5, 0xffffffff],
      ]),
    ).toEqual([
      [5, 999_999_999],
      [9, 294_967_295],
    ]);
  });

  it('skips the extra header bytes of the modified format in both byte orders', () => {
    for (const maker of [le, new Maker(true)]) {
      const extra = Buffer.alloc(8, 0x77);
      const file = Buffer.concat([
        maker.header({ magic: 0xa1b2cd34 }),
        maker.record(Buffer.from('one'), { extra }),
        maker.record(Buffer.from('two!'), { extra, original: 60 }),
      ]);
      for (const size of [1, 20, 1000]) {
        const { records, code } = parse(file, [size]);
        expect(code).toBeUndefined();
        expect(records.map((r) => [Buffer.from(r.data, 'hex').toString(), r.offset])).toEqual([
          ['one', 24],
          ['two!', 51],
        ]);
        expect(records[1]?.originalLength).toBe(60);
      }
    }
  });

  it('finds the captured length of old versions where libpcap does', () => {
    const lengths = (minor: number, captured: number, original: number) => {
      const data = Buffer.alloc(10);
      const file = Buffer.concat([le.header({ minor }), le.record(data, { captured, original })]);
      const { records, code } = parse(file, [9]);
      expect(code).toBeUndefined();
      return [records[0]!.data.length / 2, records[0]!.originalLength];
    };
    expect(lengths(2, 60, 10)).toEqual([10, 60]);
    expect(lengths(3, 60, 10)).toEqual([10, 60]);
    expect(lengths(3, 10, 60)).toEqual([10, 60]);
    expect(lengths(4, 10, 60)).toEqual([10, 60]);
    expect(lengths(4, 10, 5)).toEqual([10, 5]);
  });

  it('keeps records longer than the snap length and counts them', () => {
    const parser = new CaptureParser();
    parser.push(Buffer.concat([le.header({ snapLength: 64 }), ...packets]));
    const lengths: number[] = [];
    while (parser.advance()) lengths.push(parser.end - parser.start);
    expect([lengths, parser.overlong]).toEqual([[0, 60, 1, 1514, 40, 0, 9000], 2]);
    const none = new CaptureParser();
    none.push(Buffer.concat([le.header({ snapLength: 0 }), ...packets]));
    while (none.advance());
    expect(none.overlong).toBe(0);
  });

  it('counts offsets beyond 4 GiB', () => {
    // The same piece again and again: a file of 5 GiB, of which only the arithmetic is real.
    const data = Buffer.alloc(262_144);
    const records = Buffer.concat(Array.from({ length: 40 }, () => le.record(data)));
    const parser = new CaptureParser();
    parser.push(le.header());
    expect(parser.advance()).toBe(false);
    let count = 0;
    for (let n = 0; n < 512; n++) {
      parser.push(records);
      while (parser.advance()) count++;
    }
    expect(count).toBe(512 * 40);
    const end = 24 + 512 * 40 * 262_160;
    expect(end).toBeGreaterThan(5 * 2 ** 30);
    parser.push(
      Buffer.concat([packets[1]!, le.record(data, { captured: 262_145 }).subarray(0, 16)]),
    );
    expect(parser.advance()).toBe(true);
    expect(parser.offset).toBe(end);
    expect(parser.bytes.subarray(parser.start, parser.end)).toEqual(Buffer.alloc(60, 2));
    expect(() => parser.advance()).toThrow(`capture at byte ${end + 76}: `);
  });

  it('has harmless fields before the first record and after the last', () => {
    const parser = new CaptureParser();
    const fields = () => [parser.seconds, parser.nanoseconds, parser.originalLength, parser.end];
    expect(fields()).toEqual([0, 0, 0, 0]);
    parser.push(sample);
    expect(parser.readHeader()).toBe(true);
    expect(parser.bytes.subarray(parser.start, parser.end)).toHaveLength(0);
    expect([parser.offset, ...fields().slice(0, 3)]).toEqual([0, 0, 0, 0]);
    while (parser.advance());
    parser.push(Buffer.alloc(1));
    expect(parser.advance()).toBe(false);
    expect(fields().every(Number.isInteger)).toBe(true);
  });

  it('does not take a piece before the last one is used up', () => {
    const parser = new CaptureParser();
    parser.push(sample);
    expect(parser.advance()).toBe(true);
    expect(() => parser.push(sample)).toThrow('not used up');
  });
});
