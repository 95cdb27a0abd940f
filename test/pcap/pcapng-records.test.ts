import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { type Capture, openCapture } from '../../src/pcap/capture.ts';
import { CaptureParser } from '../../src/pcap/parser.ts';
import { installed, printed, tshark } from '../judge.ts';
import { BlockMaker, type PlainPacket, slowBlocks } from './blocks.ts';
import { drain, hostileScript, realCaptures, scratch } from './samples.ts';

const folder = scratch();
const le = new BlockMaker();
const be = new BlockMaker(true);
const option = (code: number, value: string | number[]): [number, Buffer] => [
  code,
  Buffer.from(value as string),
];

const plainOf = (c: CaptureParser | Capture): PlainPacket => ({
  seconds: c.seconds,
  nanoseconds: c.nanoseconds,
  data: c.bytes.toString('hex', c.start, c.end),
  originalLength: c.originalLength,
  offset: c.offset,
  link: c.interface.linkType,
  name: c.interface.name,
  comments: [...c.comments],
});

/** Everything of a file given in pieces of these sizes, the last size again and again. */
function parse(file: Buffer, sizes: readonly number[]) {
  const parser = new CaptureParser();
  const records: PlainPacket[] = [];
  let fault: unknown;
  try {
    for (let at = 0, n = 0; at < file.length; n++) {
      const size = sizes[Math.min(n, sizes.length - 1)]!;
      parser.push(file.subarray(at, at + size));
      at += size;
      while (parser.advance()) records.push(plainOf(parser));
    }
    fault = parser.truncation();
  } catch (caught) {
    fault = caught;
  }
  if (fault !== undefined) expect(fault).toBeInstanceOf(PodwireError);
  return { records, fault: fault as PodwireError | undefined, parser };
}

const bytes = (length: number, fill = 1) => Buffer.alloc(length, fill);

/** One of everything that may stand in a file, in one byte order. */
const everything = (m: BlockMaker): Buffer[] => [
  m.section([option(4, 'a test'), option(1, 'of the section')]),
  m.interface(1, 262144, [option(2, 'eth0'), option(9, [9]), option(13, [4])]),
  m.interface(101, 0, [option(2, 'tunl0'), option(3, 'IPIP')]),
  m.packet(bytes(60), { ticks: 1_700_000_000_123_456_789n, options: [option(1, 'first')] }),
  m.packet(bytes(0), { on: 1, ticks: 1_700_000_000_123_456n }),
  m.block(4, Buffer.alloc(32)),
  m.secrets(0x57474b4c, Buffer.from('KEY')),
  m.packet(bytes(1), {
    original: 9000,
    options: [option(1, 'one'), option(2, 'x'), option(1, '')],
  }),
  m.simple(bytes(43)),
  m.block(0xbad, Buffer.alloc(48)),
  m.packet(bytes(44, 3), { obsolete: true, on: 1, options: [option(1, 'old')] }),
  m.block(0x0badcafe, Buffer.alloc(4)),
  m.block(5, Buffer.alloc(16)),
  m.packet(bytes(1514, 4), { on: 1 }),
];
const sample = Buffer.concat([...everything(le), ...everything(be), ...everything(le)]);

describe('a pcapng', () => {
  it('gives what the obvious reader gives, however it is split', () => {
    const { records } = slowBlocks(sample);
    expect(records).toHaveLength(18);
    expect(records[0]).toMatchObject({ seconds: 1_700_000_000, nanoseconds: 123_456_789 });
    for (const size of [1, 2, 3, 7, 64, 4095, sample.length]) {
      const { records: ours, fault } = parse(sample, [size]);
      expect(fault).toBeUndefined();
      expect(ours).toEqual(records);
    }
    for (let first = 1; first < sample.length; first += 5) {
      expect(parse(sample, [first, sample.length]).records).toEqual(records);
    }
  });

  it('gives every whole packet of a file cut anywhere, then names block and offset', () => {
    const one = Buffer.concat(everything(be));
    for (let length = 200; length < one.length; length++) {
      const { records, cut } = slowBlocks(one.subarray(0, length));
      const { records: ours, fault } = parse(one.subarray(0, length), [
        length % 3 === 0 ? 31 : length,
      ]);
      expect(ours).toEqual(records);
      expect(fault?.offset).toBe(cut);
      expect(fault?.code).toBe(cut === undefined ? undefined : 'ERR_CAPTURE_TRUNCATED');
    }
    const cut = Buffer.concat([le.section(), le.interface(), le.packet(bytes(60))]);
    expect(parse(cut.subarray(0, cut.length - 3), [4096]).fault?.message).toBe(
      'capture at byte 48: enhanced packet block: expected 92 bytes, found 89 before the end of the file',
    );
  });

  it('agrees with the obvious reader on any blocks, splits and cuts', () => {
    const piece = fc.oneof(
      fc.record({
        kind: fc.constantFrom('packet' as const, 'obsolete' as const, 'simple' as const),
        length: fc.nat(70),
        ticks: fc.bigInt(0n, 2n ** 64n - 1n),
        on: fc.nat(5),
        comments: fc.array(fc.string({ maxLength: 9 }), { maxLength: 2 }),
      }),
      fc.record({
        kind: fc.constantFrom('interface' as const),
        link: fc.nat(300),
        snap: fc.constantFrom(0, 30, 65535),
        resolution: fc.constantFrom(0, 3, 6, 9, 10, 11, 12, 19, 128, 138, 158, 191),
        from: fc.constantFrom(0n, 1n, -5n, 2n ** 40n),
      }),
      fc.record({ kind: fc.constantFrom('section' as const, 'other' as const), big: fc.boolean() }),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
        fc.nat(90),
        (pieces, sizes, short) => {
          let m = le;
          let known = 1;
          const blocks = [le.section(), le.interface()];
          for (const p of pieces) {
            if (p.kind === 'section') {
              m = p.big ? be : le;
              blocks.push(m.section(), m.interface(101, 60, [option(9, [9])]));
              known = 1;
            } else if (p.kind === 'other') blocks.push(m.block(p.big ? 99 : 4, bytes(8)));
            else if (p.kind === 'interface') {
              const from = Buffer.alloc(8);
              if (m.bigEndian) from.writeBigInt64BE(p.from);
              else from.writeBigInt64LE(p.from);
              const options = [option(9, [p.resolution]), [14, from] as [number, Buffer]];
              blocks.push(m.interface(p.link, p.snap, options));
              known++;
            } else if (p.kind === 'simple') blocks.push(m.simple(bytes(p.length)));
            else if ('ticks' in p) {
              const on = p.on % known;
              const options = p.comments.map((text) => option(1, text));
              const obsolete = p.kind === 'obsolete';
              blocks.push(m.packet(bytes(p.length), { on, ticks: p.ticks, options, obsolete }));
            }
          }
          const whole = Buffer.concat(blocks);
          const file = whole.subarray(0, Math.max(48, whole.length - short));
          const twin = slowBlocks(file);
          const ours = parse(file, sizes);
          const strip = (r: PlainPacket) => ({
            ...r,
            comments: r.comments.map((c) => c.split('\0')[0]),
          });
          expect(ours.records.map(strip)).toEqual(twin.records.map(strip));
          expect(ours.fault?.offset).toBe(twin.cut);
        },
      ),
    );
  });

  it('tells interfaces and secrets', () => {
    const capture = openCapture(sample);
    expect([capture.format, capture.linkType, capture.nanosecond]).toEqual(['pcapng', 1, true]);
    expect(capture.interface).toMatchObject({ name: 'eth0', fcsLength: 4, snapLength: 262144 });
    expect(capture.advance() && capture.advance()).toBe(true);
    expect(capture.interface).toMatchObject({ name: 'tunl0', description: 'IPIP', linkType: 101 });
    expect([capture.nanosecond, capture.snapLength, capture.bigEndian]).toEqual([false, 0, false]);
    expect(drain(capture).records).toHaveLength(16);
    expect(capture.secrets.map(({ type, data }) => [type, data.toString()])).toEqual(
      Array(3).fill([0x57474b4c, 'KEY']),
    );
    // One record had more bytes than the 1,514 of nobody; none has more than its interface promised.
    expect(capture.overlong).toBe(0);
  });

  it('keeps at most a mebibyte of secrets, and skips a damaged block of them', () => {
    const file = [le.section(), le.interface()];
    for (let n = 0; n < 20; n++) file.push(le.secrets(1, Buffer.alloc(100_000)));
    file.push(le.block(10, Buffer.concat([le.u32(1), le.u32(5000)])), le.packet(bytes(5)));
    const { records, parser, fault } = parse(Buffer.concat(file), [70_000]);
    expect([records.length, parser.secrets.length, fault]).toEqual([1, 10, undefined]);
  });

  it('keeps packets longer than the snap length of their own interface, and counts them', () => {
    const file = Buffer.concat([
      le.section(),
      le.interface(1, 20),
      le.interface(1, 0),
      le.packet(bytes(21)),
      le.packet(bytes(21), { on: 1 }),
      le.packet(bytes(20)),
      le.packet(bytes(22), { obsolete: true }),
      le.simple(bytes(30)),
    ]);
    const { records, parser } = parse(file, [file.length]);
    expect(records.map((r) => r.data.length / 2)).toEqual([21, 21, 20, 22, 20]);
    expect(parser.overlong).toBe(2);
  });

  it.each([
    [
      'no packet before an interface',
      [le.packet(bytes(4))],
      'enhanced packet block: expected one of the section’s 0 interfaces, found number 0',
    ],
    [
      'a second length that differs',
      [le.interface(), le.block(6, Buffer.alloc(32), 44, 48)],
      'enhanced packet block: expected its length 44 again, found 48',
    ],
    [
      'a length of 0',
      [le.interface(), le.block(9, bytes(8), 0)],
      'type 9 block: expected a length of 12 to 16777216 bytes in fours, found 0',
    ],
    [
      'an odd length',
      [le.interface(), le.block(9, bytes(9))],
      'type 9 block: expected a length of 12 to 16777216 bytes in fours, found 21',
    ],
    [
      'a huge length',
      [le.interface(), le.block(6, bytes(32), 0x7ffffffc)],
      'enhanced packet block: expected a length of 32 to 16777216 bytes in fours, found 2147483644',
    ],
    [
      'more bytes than the block has',
      [le.interface(), le.packet(bytes(8), { captured: 9 })],
      'enhanced packet block: expected at most 8 captured bytes in it, found 9',
    ],
    [
      'too long a packet',
      [le.interface(), le.packet(bytes(8), { captured: 2 ** 31 })],
      'enhanced packet block: expected a packet of at most 262144 bytes, found 2147483648',
    ],
    [
      'an option beyond its block',
      [le.block(1, Buffer.concat([bytes(8), le.u16(2), le.u16(9), bytes(4)]))],
      'interface description block: expected its options within it, found one beyond',
    ],
    [
      'another version',
      [le.section([], 2, 0)],
      'section header block: expected version 1.0, found 2.0',
    ],
    [
      'no interface at all',
      [],
      'interface description block: expected one, found the end of the file',
    ],
  ])('refuses %s, saying where', (_, blocks, message) => {
    const file = Buffer.concat([le.section(), ...blocks]);
    for (const size of [1, 13, file.length]) {
      const { records, fault } = parse(file, [size]);
      expect(records).toEqual([]);
      expect(fault?.message.replace("'", '’')).toMatch(
        new RegExp(`^capture at byte \\d+: ${message}$`),
      );
    }
  });

  it('needs no more than the header of a packet to refuse its length', () => {
    const parser = new CaptureParser();
    const lie = le.packet(bytes(8), { captured: 2 ** 31 }).subarray(0, 28);
    lie.writeUInt32LE(16_000_000, 4);
    parser.push(Buffer.concat([le.section(), le.interface(), lie]));
    expect(() => parser.advance()).toThrow('found 2147483648');
  });

  it('bounds the interfaces of a section', () => {
    const many = Buffer.concat([le.section(), ...Array(131_073).fill(le.interface())]);
    expect(parse(many, [1 << 20]).fault?.message).toMatch(/expected at most 131072 in a section/);
  });
});

const edited = realCaptures().length > 0 && installed('mergecap', 'its files are not read');

describe.skipIf(!edited)('real captures as editcap and mergecap write them', () => {
  const some = realCaptures().filter((_, n) => n % 17 === 0);

  it('are read from pcapng as from pcap', () => {
    const plain = (file: string) => {
      const { records, fault } = drain(openCapture(file));
      expect(fault).toBeUndefined();
      return records.map(({ offset: _, ...rest }) => rest);
    };
    expect(some.length).toBeGreaterThan(5);
    for (const [n, file] of some.entries()) {
      const ng = join(folder, `real-${n}.pcapng`);
      const nano = join(folder, `real-${n}.pcap`);
      printed('editcap', '-F', 'pcapng', '-a', '1:a comment of ours', file, ng);
      printed('editcap', '-F', 'nsecpcap', file, nano);
      const expected = plain(file);
      expect(plain(ng)).toEqual(expected);
      expect(plain(nano)).toEqual(expected);
      if (expected.length > 0) {
        const [first] = openCapture(ng);
        expect(first!.comments).toEqual(['a comment of ours']);
      }
    }
  });

  it('are read of every link type, interface and section as tshark prints them', () => {
    const links = [1, 101, 113, 276, 127, 228].map((link) => {
      const file = join(folder, `link-${link}.pcapng`);
      writeFileSync(
        file,
        Buffer.concat([
          le.section(),
          le.interface(link, 0, [option(2, `if${link}`), option(9, [9])]),
          le.packet(bytes(64), { ticks: BigInt(link) * 1_234_567_891_011n }),
        ]),
      );
      return file;
    });
    const merged = join(folder, 'merged.pcapng');
    printed('mergecap', '-F', 'pcapng', '-w', merged, ...links, ...some.slice(0, 3));
    const fields = ['frame.time_epoch', 'frame.cap_len', 'frame.len', 'frame.interface_name'];
    const lines = tshark(merged, fields);
    const capture = openCapture(merged);
    const ours: string[] = [];
    while (capture.advance()) {
      const time = `${capture.seconds}.${String(capture.nanoseconds).padStart(9, '0')}`;
      const { name } = capture.interface;
      const length = capture.end - capture.start;
      ours.push(`${time}\t${length}\t${capture.originalLength}\t${name ?? ''}`);
    }
    const nameless = (line: string) => line.replace(/	([Uu]nknown)?$/, '');
    expect(ours.map(nameless)).toEqual(lines.map(nameless));
    expect(ours.length).toBeGreaterThan(6);
  });
});

describe('mutations of a pcapng', () => {
  it('are read, cut or refused as libpcap or Wireshark does', ({ skip }) => {
    if (!existsSync(hostileScript)) {
      console.warn(`SKIPPED: no judge at ${hostileScript}`);
      skip();
    }
    const mutants = join(folder, 'mutants');
    mkdirSync(mutants);
    const whole = Buffer.concat([
      le.section([option(4, 'a test')]),
      le.interface(1, 262144, [option(2, 'eth0'), option(9, [9])]),
      le.packet(bytes(20), { options: [option(1, 'first')] }),
      le.packet(bytes(9)),
      le.simple(bytes(13)),
      le.packet(bytes(6), { obsolete: true }),
      le.packet(bytes(44)),
    ]);
    fc.sample(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.constantFrom(0, 1, 4, 0x7f, 0xff)), {
        minLength: 1,
        maxLength: 2,
      }),
      { numRuns: 60, seed: 3 },
    ).forEach((changes, n) => {
      const file = Buffer.from(whole);
      for (const [at, value] of changes) file[at] = value;
      writeFileSync(join(mutants, `m${n}.pcapng`), file);
    });
    const verdicts = join(folder, 'mutants.json');
    expect(spawnSync('bash', [hostileScript, mutants, verdicts]).status).toBe(0);
    const { files } = JSON.parse(readFileSync(verdicts, 'utf8'));
    let judged = 0;
    const wrong: string[] = [];
    for (const [name, expected] of Object.entries<{
      accept: { packets: number; dataSha256: string | null; error: boolean }[];
    }>(files)) {
      const sum = createHash('sha256');
      let packets = 0;
      let error = false;
      try {
        for (const { bytes: b } of openCapture(join(mutants, name))) {
          sum.update(le.u32(b.length)).update(b);
          packets++;
        }
      } catch (fault) {
        expect(fault).toBeInstanceOf(PodwireError);
        error = true;
      }
      const ours = { packets, dataSha256: sum.digest('hex'), error };
      const answers = expected.accept.map(({ packets: p, dataSha256, error: e }) => ({
        packets: p,
        dataSha256: dataSha256 ?? ours.dataSha256,
        error: e,
      }));
      if (!answers.some((a) => JSON.stringify(a) === JSON.stringify(ours))) {
        wrong.push(`${name}: ${JSON.stringify(ours)}, not ${JSON.stringify(expected.accept)}`);
      }
      judged++;
    }
    expect(wrong).toEqual([]);
    expect(judged).toBe(60);
  }, 120_000);
});
