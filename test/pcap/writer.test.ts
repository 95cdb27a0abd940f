import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter, type WriterOptions } from '../../src/pcap/writer.ts';
import { installed, tshark } from '../judge.ts';
import { drain, Maker, realCaptures, scratch } from './samples.ts';

const folder = scratch();
const real = realCaptures();

/** What a writer gives to a function, piece by piece. */
function collect(options: WriterOptions, use: (writer: CaptureWriter) => void): Buffer[] {
  const pieces: Buffer[] = [];
  const writer = new CaptureWriter((chunk) => pieces.push(Buffer.from(chunk)), options);
  use(writer);
  writer.close();
  return pieces;
}

const written = (options: WriterOptions, use: (writer: CaptureWriter) => void): Buffer =>
  Buffer.concat(collect(options, use));

const faultOf = (call: () => unknown): PodwireError => {
  try {
    call();
  } catch (fault) {
    expect(fault).toBeInstanceOf(PodwireError);
    return fault as PodwireError;
  }
  throw new Error('nothing was thrown');
};

describe('CaptureWriter', () => {
  it.skipIf(real.length === 0)('rewrites every real capture byte for byte', () => {
    for (const file of real) {
      const capture = openCapture(file);
      const { linkType, fcsLength, snapLength, nanosecond, bigEndian } = capture;
      const path = join(folder, 'copy.pcap');
      const writer = new CaptureWriter(path, {
        linkType,
        fcsLength,
        snapLength,
        nanosecond,
        bigEndian,
      });
      while (capture.advance()) {
        const { seconds, nanoseconds, bytes, start, end, originalLength } = capture;
        writer.write(seconds, nanoseconds, bytes, start, end, originalLength);
      }
      writer.close();
      expect(readFileSync(path).equals(readFileSync(file)), file).toBe(true);
    }
  });

  it.skipIf(real.length === 0)('begins as tcpdump’s files do, with no options at all', () => {
    const calico = real.find((file) => file.endsWith('calico-bgp.pcap'));
    expect(written({}, () => {})).toEqual(readFileSync(calico!).subarray(0, 24));
  });

  it('is undone by reading, in both precisions and byte orders', () => {
    const record = fc.record({
      seconds: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      nanoseconds: fc.nat(999_999_999),
      data: fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b)),
      more: fc.nat(70_000),
    });
    fc.assert(
      fc.property(
        fc.array(record),
        fc.boolean(),
        fc.boolean(),
        fc.nat(65_534),
        (records, nanosecond, bigEndian, linkType) => {
          const file = written({ nanosecond, bigEndian, linkType }, (writer) => {
            for (const { seconds, nanoseconds, data, more } of records) {
              writer.write(seconds, nanoseconds, data, 0, data.length, data.length + more);
            }
            expect(writer.count).toBe(records.length);
          });
          const capture = openCapture(file);
          expect(capture).toMatchObject({ nanosecond, bigEndian, linkType, snapLength: 262_144 });
          const { records: back, fault } = drain(capture);
          expect(fault).toBeUndefined();
          expect(back.map(({ offset: _, ...rest }) => rest)).toEqual(
            records.map(({ seconds, nanoseconds, data, more }) => ({
              seconds,
              nanoseconds: nanosecond ? nanoseconds : nanoseconds - (nanoseconds % 1000),
              data: data.toString('hex'),
              originalLength: data.length + more,
            })),
          );
        },
      ),
    );
  });

  const judged = installed('tshark', 'written captures are not read by it');

  it.skipIf(!judged)('writes what tshark reads back, in both precisions and byte orders', () => {
    for (const nanosecond of [false, true]) {
      for (const bigEndian of [false, true]) {
        const path = join(folder, `tshark-${nanosecond}-${bigEndian}.pcap`);
        const writer = new CaptureWriter(path, { nanosecond, bigEndian, snapLength: 50 });
        writer.write(1, 2_000_999, Buffer.alloc(60));
        writer.write(2_000_000_000, 999_999_999, Buffer.alloc(49), 0, 49, 1500);
        writer.close();
        const lines = tshark(path, ['frame.time_epoch', 'frame.cap_len', 'frame.len']);
        expect(lines).toEqual(
          nanosecond
            ? ['1.002000999\t50\t60', '2000000000.999999999\t49\t1500']
            : ['1.002000000\t50\t60', '2000000000.999999000\t49\t1500'],
        );
      }
    }
  });

  it('writes the bytes a plain maker writes', () => {
    for (const maker of [new Maker(), new Maker(true)]) {
      const bytes = Buffer.from('0123456789');
      const file = written({ bigEndian: maker.bigEndian, link: 1 } as WriterOptions, (writer) => {
        writer.write(7, 8_999, bytes, 2, 6);
        writer.write(0xffffffff, 0, bytes, 10);
      });
      expect(file).toEqual(
        Buffer.concat([
          maker.header(),
          maker.record(Buffer.from('2345'), { seconds: 7, fraction: 8 }),
          maker.record(Buffer.alloc(0), { seconds: 0xffffffff }),
        ]),
      );
    }
  });

  it('cuts to the snap length and keeps the original one; 0 is no limit', () => {
    const long = Buffer.alloc(300_000, 5);
    const lengths = (options: WriterOptions) => {
      const file = written(options, (writer) => writer.write(1, 0, long));
      const [record] = openCapture(file, { maxRecord: 400_000 });
      return [record!.bytes.length, record!.originalLength];
    };
    expect(lengths({})).toEqual([262_144, 300_000]);
    expect(lengths({ snapLength: 96 })).toEqual([96, 300_000]);
    expect(lengths({ snapLength: 0 })).toEqual([300_000, 300_000]);
  });

  it('hands over whole records only, in batches', () => {
    const sizes = Array.from({ length: 4000 }, (_, n) => (n * 131) % 1500);
    sizes[1000] = 262_144;
    sizes[2000] = 262_144;
    const pieces = collect({}, (writer) => {
      for (const size of sizes) writer.write(1, 0, Buffer.alloc(size));
    });
    expect(pieces.length).toBeGreaterThan(8);
    expect(pieces.length).toBeLessThan(24);
    let records = 0;
    for (const [n, piece] of pieces.entries()) {
      expect(piece.length).toBeLessThanOrEqual(262_144 + 16 + 24);
      const file = n === 0 ? piece : Buffer.concat([new Maker().header(), piece]);
      const { records: these, fault } = drain(openCapture(file));
      expect(fault).toBeUndefined();
      records += these.length;
    }
    expect(records).toBe(4000);
  });

  it('flushes when told, the file header first', () => {
    const pieces: number[] = [];
    const writer = new CaptureWriter((chunk) => pieces.push(chunk.length));
    writer.flush();
    writer.flush();
    writer.write(1, 0, Buffer.alloc(4));
    writer.flush();
    writer.close();
    expect(pieces).toEqual([24, 20]);
  });

  it('refuses times the format cannot hold, and goes on', () => {
    const file = written({}, (writer) => {
      for (const seconds of [-1, 2 ** 32, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        const fault = faultOf(() => writer.write(seconds, 0, Buffer.alloc(1)));
        expect(fault.code).toBe('ERR_CAPTURE_FORMAT');
        expect(fault.message).toBe(
          `output: expected whole seconds from 0 to 4294967295, found ${seconds}`,
        );
      }
      for (const nanoseconds of [-1, 1e9, 1.5, Number.NaN]) {
        const fault = faultOf(() => writer.write(1, nanoseconds, Buffer.alloc(1)));
        expect(fault.message).toContain('expected whole nanoseconds from 0 to 999999999');
      }
      writer.write(3, 0, Buffer.alloc(1));
    });
    expect(drain(openCapture(file)).records.map((r) => r.seconds)).toEqual([3]);
  });

  it('refuses wrong arguments', () => {
    const codes = (options: WriterOptions) => faultOf(() => new CaptureWriter(() => {}, options));
    expect(codes({ linkType: 65535 }).message).toBe(
      'linkType: expected an integer from 0 to 65534, found 65535',
    );
    expect(codes({ snapLength: -1 }).code).toBe('ERR_USAGE');
    expect(codes({ fcsLength: 3 }).message).toBe(
      'fcsLength: expected an even number of bytes, found 3',
    );
    const writer = new CaptureWriter(() => {});
    for (const [start, end] of [
      [-1, 2],
      [3, 2],
      [0, 5],
      [Number.NaN, 2],
    ]) {
      const fault = faultOf(() => writer.write(1, 0, Buffer.alloc(4), start, end));
      expect(fault.message).toBe(
        `write: expected a range within 4 bytes, found "${start} to ${end}"`,
      );
    }
    expect(faultOf(() => writer.write(1, 0, Buffer.alloc(4), 0, 4, 2 ** 32)).code).toBe(
      'ERR_USAGE',
    );
    expect(writer.count).toBe(0);
    writer.close();
    writer.close();
    expect(faultOf(() => writer.write(1, 0, Buffer.alloc(4))).message).toBe(
      'output: expected an open writer, found a closed one',
    );
  });

  it('passes on what a function throws, and is done then', () => {
    const boom = new Error('boom');
    const writer = new CaptureWriter(() => {
      throw boom;
    });
    writer.write(1, 0, Buffer.alloc(4));
    expect(() => writer.flush()).toThrow(boom);
    expect(() => writer.write(1, 0, Buffer.alloc(4))).toThrow(boom);
    expect(writer.count).toBe(0);
    writer.close();
  });
});
