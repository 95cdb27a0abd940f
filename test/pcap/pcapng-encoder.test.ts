import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter, type WriterOptions } from '../../src/pcap/writer.ts';
import { installed, printed, tshark } from '../judge.ts';
import { slowBlocks } from './blocks.ts';
import { scratch } from './samples.ts';

const folder = scratch();
const judged = installed('tshark', 'written pcapng files are not read by it');

function written(options: WriterOptions, use: (writer: CaptureWriter) => void): Buffer {
  const pieces: Buffer[] = [];
  const writer = new CaptureWriter((chunk) => pieces.push(Buffer.from(chunk)), {
    format: 'pcapng',
    ...options,
  });
  use(writer);
  writer.close();
  return Buffer.concat(pieces);
}

const record = fc.record({
  seconds: fc.oneof(fc.nat(2 ** 31 - 1), fc.integer({ min: 0, max: 18_446_744_072 })),
  nanoseconds: fc.nat(999_999_999),
  data: fc.uint8Array({ maxLength: 90 }).map((b) => Buffer.from(b)),
  more: fc.nat(70_000),
  comment: fc.string({ unit: 'grapheme', maxLength: 20 }),
  secret: fc.option(fc.string({ maxLength: 20 }), { nil: undefined }),
});
type Sample = typeof record extends fc.Arbitrary<infer T> ? T : never;

const writeAll = (writer: CaptureWriter, records: readonly Sample[]): void => {
  for (const { seconds, nanoseconds, data, more, comment, secret } of records) {
    if (secret !== undefined) writer.secrets(secret);
    writer.write(seconds, nanoseconds, data, 0, data.length, data.length + more, comment);
  }
};

describe('a written pcapng', () => {
  it('is read back the same, by us and by the obvious reader', () => {
    fc.assert(
      fc.property(
        fc.array(record),
        fc.boolean(),
        fc.boolean(),
        fc.nat(65_534),
        fc.string({ maxLength: 20 }),
        (records, nanosecond, bigEndian, linkType, interfaceName) => {
          const name = interfaceName.replaceAll('\0', '');
          const options = { nanosecond, bigEndian, linkType, interfaceName: name, fcsLength: 4 };
          const file = written(options, (writer) => {
            writeAll(writer, records);
            expect([writer.count, writer.format]).toEqual([records.length, 'pcapng']);
          });
          const expected = records.map(({ seconds, nanoseconds, data, more, comment }) => ({
            seconds,
            nanoseconds: nanosecond ? nanoseconds : nanoseconds - (nanoseconds % 1000),
            data: data.toString('hex'),
            originalLength: data.length + more,
            comments: comment === '' ? [] : [comment.split('\0')[0]],
          }));
          const capture = openCapture(file);
          expect(capture).toMatchObject({ linkType, bigEndian, nanosecond, fcsLength: 4 });
          expect(capture.interface.name ?? '').toBe(name);
          const ours = [...capture].map(({ bytes, offset: _, linkType: __, ...rest }) => ({
            ...rest,
            data: bytes.toString('hex'),
          }));
          expect(ours).toEqual(expected);
          expect(capture.secrets.map(({ data }) => data.toString())).toEqual(
            records.flatMap(({ secret }) => (secret === undefined ? [] : [secret])),
          );
          const twin = slowBlocks(file);
          expect(twin.cut).toBeUndefined();
          expect(twin.records.map(({ seconds, nanoseconds }) => [seconds, nanoseconds])).toEqual(
            expected.map(({ seconds, nanoseconds }) => [seconds, nanoseconds]),
          );
        },
      ),
    );
  });

  it.skipIf(!judged)('is to tshark and capinfos what was written', () => {
    for (const bigEndian of [false, true]) {
      for (const nanosecond of [false, true]) {
        const path = join(folder, `${bigEndian}-${nanosecond}.pcapng`);
        const options = { bigEndian, nanosecond, interfaceName: 'k8s-node1:tunl0', linkType: 101 };
        const writer = new CaptureWriter(path, { ...options, snapLength: 50 });
        writer.secrets('LOCAL_STATIC_PRIVATE_KEY = AKeZaHwBxjiKLFnkY2unvEdOTtg4AL+M9dQXfopFVFk=\n');
        writer.write(1, 2_000_999, Buffer.alloc(60), 0, 60, 60, 'dropped: ttl-expired');
        writer.write(2_000_000_000, 999_999_999, Buffer.alloc(49), 0, 49, 1500);
        writer.write(3, 0, Buffer.alloc(0));
        writer.close();
        const fields = ['time_epoch', 'cap_len', 'len', 'interface_name', 'comment'];
        const lines = tshark(
          path,
          fields.map((field) => `frame.${field}`),
        );
        const digits = nanosecond ? ['000999', '999'] : ['000000', '000'];
        const on = 'k8s-node1:tunl0';
        expect(lines).toEqual([
          `1.002${digits[0]}\t50\t60\t${on}\tdropped: ttl-expired`,
          `2000000000.999999${digits[1]}\t49\t1500\t${on}\t`,
          `3.000000000\t0\t0\t${on}\t`,
        ]);
        const facts = printed('capinfos', '-E', '-t', '-c', path);
        expect(facts).toMatch(/File type: +Wireshark\/... - pcapng/);
        expect(facts).toMatch(/File encapsulation: +Raw IP/);
        expect(printed('editcap', '-F', 'pcapng', path, join(folder, 'again.pcapng'))).toBe('');
      }
    }
  });

  it('is readable after every chunk that left', () => {
    const pieces: Buffer[] = [];
    const writer = new CaptureWriter((chunk) => pieces.push(Buffer.from(chunk)), {
      format: 'pcapng',
    });
    for (let n = 0; n < 3000; n++) {
      if (n % 100 === 0) writer.secrets(`KEY ${n}`);
      writer.write(
        n,
        0,
        Buffer.alloc(n % 700, n),
        0,
        n % 700,
        700,
        n % 3 === 0 ? `number ${n}` : '',
      );
    }
    writer.close();
    expect(pieces.length).toBeGreaterThan(3);
    for (let n = 1; n <= pieces.length; n++) {
      const { records, cut } = slowBlocks(Buffer.concat(pieces.slice(0, n)));
      expect(cut).toBeUndefined();
      if (n === pieces.length) expect(records).toHaveLength(3000);
    }
  });

  it('is chosen by the name of the file', () => {
    for (const [name, format] of [
      ['a.pcapng', 'pcapng'],
      ['b.PCAPNG', 'pcapng'],
      ['c.pcap', 'pcap'],
      ['d', 'pcap'],
    ] as const) {
      const writer = new CaptureWriter(join(folder, name));
      expect(writer.format).toBe(format);
      writer.close();
      expect(openCapture(join(folder, name)).format).toBe(format);
    }
  });

  it('has bounds for times, names and comments; a pcap has no secrets', () => {
    const far = written({}, (writer) => {
      writer.write(18_446_744_072, 999_999_999, Buffer.alloc(1), 0, 1, 1, 'é'.repeat(20_000));
      expect(() => writer.write(18_446_744_073, 0, Buffer.alloc(1))).toThrow(
        /expected whole seconds from 0 to 18446744072, found 18446744073/,
      );
      expect(() => writer.write(0.5, 0, Buffer.alloc(1))).toThrow(/found 0.5/);
    });
    const [record] = openCapture(far);
    expect(record).toMatchObject({ seconds: 18_446_744_072, nanoseconds: 999_999_999 });
    expect(record!.comments[0]).toHaveLength(16_000);
    expect(openCapture(written({ interfaceName: 'n'.repeat(999) }, () => {})).interface.name).toBe(
      'n'.repeat(255),
    );
    expect(() => written({ format: 'pcap' }, (writer) => writer.secrets('x'))).toThrow(
      /secrets: expected a pcapng, found "pcap"/,
    );
  });
});
