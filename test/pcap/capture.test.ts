import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import pcapParser, { type GlobalHeader, type Packet } from 'pcap-parser';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { type CaptureOptions, openCapture, readCapture } from '../../src/pcap/capture.ts';
import type { CaptureHeader } from '../../src/pcap/parser.ts';
import { installed, printed, tshark } from '../judge.ts';
import { drain, hostileScript, Maker, type Plain, realCaptures, scratch } from './samples.ts';

const folder = scratch();
const real = realCaptures();
const le = new Maker();

const faultOf = (call: () => unknown): PodwireError => {
  try {
    call();
  } catch (fault) {
    expect(fault).toBeInstanceOf(PodwireError);
    return fault as PodwireError;
  }
  throw new Error('nothing was thrown');
};

async function drainStream(stream: AsyncIterable<Buffer>, options: CaptureOptions = {}) {
  const records: Plain[] = [];
  let header: CaptureHeader | undefined;
  let fault: unknown;
  let truncated: PodwireError | undefined;
  try {
    const all = readCapture(stream, {
      ...options,
      onHeader: (h) => {
        header = h;
      },
      onTruncated: (f) => {
        truncated = f;
      },
    });
    for await (const { bytes, linkType: _, comments: __, ...rest } of all)
      records.push({ ...rest, data: bytes.toString('hex') });
  } catch (caught) {
    fault = caught;
  }
  return { records, header, fault, truncated };
}

const twoPackets = Buffer.concat([
  le.header(),
  le.record(Buffer.alloc(60, 1), { seconds: 5, fraction: 6, original: 90 }),
  le.record(Buffer.alloc(42, 2), { seconds: 7, fraction: 8 }),
]);

describe.skipIf(real.length === 0)('real captures', () => {
  const judged = installed('tshark', 'real captures are not compared with what it reads');

  it.skipIf(!judged)('hold as many packets and bytes as capinfos counts', () => {
    const table = printed('capinfos', '-T', '-M', '-c', '-d', '-r', ...real);
    const lines = table.trim().split('\n');
    expect(lines).toHaveLength(real.length);
    let packets = 0;
    for (const line of lines) {
      const [file, count, bytes] = line.split('\t');
      const { records, fault } = drain(openCapture(file!));
      expect(fault).toBeUndefined();
      expect([records.length, records.reduce((sum, r) => sum + r.originalLength, 0)]).toEqual([
        Number(count),
        Number(bytes),
      ]);
      packets += records.length;
    }
    expect(packets).toBeGreaterThan(500);
  });

  it.skipIf(!judged)('have the times, lengths and bytes that tshark prints', () => {
    const some = real.filter((_, n) => n % 12 === 0 || real[n]!.includes('calico-'));
    expect(some.length).toBeGreaterThan(3);
    for (const file of some) {
      const lines = tshark(file, ['frame.time_epoch', 'frame.cap_len', 'frame.len']);
      const ours = [...openCapture(file)].map(
        (r) =>
          `${r.seconds}.${String(r.nanoseconds).padStart(9, '0')}\t${r.bytes.length}\t${r.originalLength}`,
      );
      expect(ours).toEqual(lines);
    }
  });

  it('are read alike by pcap-parser', async () => {
    for (const file of real) {
      const theirs = await secondOpinion(file);
      const capture = openCapture(file);
      expect(capture.nanosecond).toBe(false);
      expect([capture.snapLength, capture.linkType]).toEqual(theirs.header);
      const ours = drain(capture).records.map(({ offset: _, ...rest }) => rest);
      expect(ours).toEqual(theirs.records);
    }
  });

  it('are read alike from a path, from bytes and from a stream', async () => {
    for (const file of real.filter((_, n) => n % 9 === 0)) {
      const fromPath = drain(openCapture(file)).records;
      expect(drain(openCapture(readFileSync(file))).records).toEqual(fromPath);
      const fromStream = await drainStream(createReadStream(file, { highWaterMark: 509 }));
      expect(fromStream.records).toEqual(fromPath);
      expect(fromStream.fault).toBeUndefined();
      expect(fromStream.header?.linkType).toBe(openCapture(file).linkType);
    }
  });
});

function secondOpinion(file: string) {
  return new Promise<{ header: number[]; records: Omit<Plain, 'offset'>[] }>((done, failed) => {
    const records: Omit<Plain, 'offset'>[] = [];
    let header: number[] = [];
    pcapParser
      .parse(file)
      .on('globalHeader', (h: GlobalHeader) => {
        header = [h.snapshotLength, h.linkLayerType];
      })
      .on('packet', ({ header: h, data }: Packet) => {
        records.push({
          seconds: h.timestampSeconds,
          nanoseconds: h.timestampMicroseconds * 1000,
          data: data.toString('hex'),
          originalLength: h.originalLength,
        });
      })
      .on('error', failed)
      .on('end', () => done({ header, records }));
  });
}

interface Judged {
  kind: string;
  verdict: string;
  metaAgrees?: boolean;
  accept: { packets: number; dataSha256: string | null; error: boolean }[];
  wireshark: { metaSha256: string };
}

describe('hostile captures', () => {
  const hostile = join(folder, 'hostile');
  const judged = (): Record<string, Judged> => {
    if (!existsSync(hostileScript)) return {};
    execFileSync('bash', [hostileScript, '--hostile', hostile], { stdio: 'ignore' });
    const run = spawnSync('bash', [hostileScript, hostile, join(folder, 'expected.json')]);
    if (run.status !== 0) return {};
    return JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')).files;
  };

  it('are read, cut or refused as libpcap and Wireshark do', ({ skip }) => {
    const files = Object.entries(judged());
    if (files.length === 0) {
      console.warn(`SKIPPED: ${hostileScript} made no hostile captures and verdicts`);
      skip();
    }
    expect(files.length).toBeGreaterThan(150);
    let judgedHere = 0;
    let timesCompared = 0;
    for (const [file, expected] of files) {
      const path = join(hostile, file);
      const data = createHash('sha256');
      const meta = createHash('sha256');
      let packets = 0;
      let fault: unknown;
      let exact = true;
      const start = process.cpuUsage();
      try {
        for (const r of openCapture(path)) {
          const length = Buffer.alloc(4);
          length.writeUInt32LE(r.bytes.length);
          data.update(length).update(r.bytes);
          const ns = BigInt(r.seconds) * 1_000_000_000n + BigInt(r.nanoseconds);
          meta.update(`${ns} ${r.originalLength} ${r.bytes.length}\n`);
          // Beyond that a number of seconds is rounded.
          exact &&= Number.isSafeInteger(r.seconds);
          packets++;
        }
      } catch (caught) {
        expect(caught).toBeInstanceOf(PodwireError);
        fault = caught;
      }
      const { user, system } = process.cpuUsage(start);
      const milliseconds = (user + system) / 1000;
      // 100,000 interfaces or options are much, but no lie.
      const most = file.includes('100k') ? 300 : 50;
      if (packets < 10) expect(milliseconds, file).toBeLessThan(most);
      const ours = { packets, dataSha256: data.digest('hex'), error: fault !== undefined };
      const answers = expected.accept.map((a) => ({
        packets: a.packets,
        dataSha256: a.dataSha256,
        error: a.error,
      }));
      expect(answers, file).toContainEqual(ours);
      if (exact && expected.metaAgrees && expected.verdict !== 'differ') {
        expect(meta.digest('hex'), file).toBe(expected.wireshark.metaSha256);
        timesCompared++;
      }
      judgedHere++;
    }
    expect(judgedHere).toBeGreaterThan(165);
    expect(timesCompared).toBeGreaterThan(140);
  }, 90_000);
});

describe('openCapture', () => {
  it('refuses what is no capture file, each with its own words', () => {
    const words = (source: string | Buffer, options?: CaptureOptions) => {
      const { code, message } = faultOf(() => openCapture(source, options));
      return `${code} ${message}`;
    };
    writeFileSync(join(folder, 'empty.pcap'), '');
    expect(words(folder)).toMatch(/^ERR_FILE .*: expected a capture to read, found EISDIR/);
    expect(words(join(folder, 'none'))).toMatch(
      /^ERR_FILE .*expected a readable file, found ENOENT/,
    );
    expect(words('a\0b')).toMatch(/^ERR_FILE a\\x00b: expected a readable file/);
    expect(words(join(folder, 'empty.pcap'))).toMatch(
      /^ERR_CAPTURE_FORMAT .*expected a pcap or pcapng file, found an empty one$/,
    );
    expect(words('/dev/null')).toMatch(/^ERR_CAPTURE_FORMAT/);
    expect(words('/dev/zero')).toBe(
      'ERR_CAPTURE_FORMAT /dev/zero: expected a pcap or pcapng file, found one that begins 00000000',
    );
    expect(words(Buffer.from([0xd4]), { name: 'one' })).toBe(
      'ERR_CAPTURE_FORMAT one: expected a pcap or pcapng file, found one of 1 bytes',
    );
    expect(words(twoPackets.subarray(0, 10))).toMatch(/^ERR_CAPTURE_TRUNCATED capture at byte 0: /);
    expect(words(twoPackets, { maxRecord: -1 })).toMatch(/^ERR_USAGE maxRecord/);
    expect(words(7 as unknown as string)).toBe('ERR_USAGE capture: expected a Buffer, found 7');
  });

  it('keeps the cause of a file error', () => {
    expect((faultOf(() => openCapture('/nowhere')).cause as NodeJS.ErrnoException).code).toBe(
      'ENOENT',
    );
  });

  it('takes a plain Uint8Array for a Buffer', () => {
    const plain = new Uint8Array(twoPackets) as unknown as Buffer;
    expect(drain(openCapture(plain)).records).toEqual(drain(openCapture(twoPackets)).records);
  });

  it('follows symbolic links', () => {
    writeFileSync(join(folder, 'plain.pcap'), twoPackets);
    symlinkSync('plain.pcap', join(folder, 'link.pcap'));
    expect(drain(openCapture(join(folder, 'link.pcap'))).records).toHaveLength(2);
  });

  it('reads a FIFO whose writer dawdles', async () => {
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const bytes = join(folder, 'fifo.pcap');
    writeFileSync(bytes, twoPackets);
    const line = `exec 3>"$1"; head -c 20 "$2" >&3; sleep 0.1; tail -c +21 "$2" | head -c 80 >&3; sleep 0.1; tail -c +101 "$2" >&3`;
    const writer = spawn('bash', ['-c', line, 'bash', fifo, bytes]);
    const { records, fault } = drain(openCapture(fifo));
    expect(fault).toBeUndefined();
    expect(records).toEqual(drain(openCapture(twoPackets)).records);
    writer.kill();
  });
});

describe('a cut file', () => {
  it.each([false, true])('gives every whole packet and then one fault (lenient: %s)', (lenient) => {
    for (let length = 24; length < twoPackets.length; length++) {
      const whole = length < 24 + 76 ? 0 : 1;
      const clean = length === 24 || length === 24 + 76;
      const capture = openCapture(twoPackets.subarray(0, length), { lenient, name: 'cut' });
      const { records, fault } = drain(capture);
      expect(records).toHaveLength(whole);
      const error = (lenient ? capture.truncated : fault) as PodwireError | undefined;
      expect(lenient ? fault : capture.truncated).toBeUndefined();
      expect(error?.code).toBe(clean ? undefined : 'ERR_CAPTURE_TRUNCATED');
      expect(error?.offset).toBe(clean ? undefined : 24 + 76 * whole);
      expect(capture.advance()).toBe(false);
    }
  });

  it('is no excuse for a lying length', () => {
    const file = Buffer.concat([twoPackets, le.record(Buffer.alloc(0), { captured: 2 ** 31 })]);
    const { records, fault } = drain(openCapture(file, { lenient: true }));
    expect(records).toHaveLength(2);
    expect(fault).toMatchObject({ code: 'ERR_CAPTURE_LENGTH', offset: twoPackets.length });
  });
});

describe('Capture', () => {
  it('gives views into the bytes it was opened from', () => {
    const [first, second] = [...openCapture(twoPackets)];
    expect(first!.bytes.buffer).toBe(twoPackets.buffer);
    expect(first!.bytes.byteOffset).toBe(twoPackets.byteOffset + 40);
    expect([first!.seconds, first!.nanoseconds, first!.originalLength]).toEqual([5, 6000, 90]);
    expect(second!.bytes).toEqual(Buffer.alloc(42, 2));
  });

  it('closes when a loop is left, and for good', () => {
    const path = join(folder, 'left.pcap');
    writeFileSync(path, twoPackets);
    const capture = openCapture(path);
    for (const record of capture) {
      expect(record.seconds).toBe(5);
      break;
    }
    expect(capture.advance()).toBe(false);
    expect([...capture]).toEqual([]);
    capture.close();
    capture.close();
  });

  it('leaves no descriptor open, however it ends', () => {
    const count = () => execFileSync('ls', [`/proc/${process.pid}/fd`], { encoding: 'utf8' });
    const good = join(folder, 'good.pcap');
    const cut = join(folder, 'cut.pcap');
    writeFileSync(good, twoPackets);
    writeFileSync(cut, twoPackets.subarray(0, 50));
    const before = count().split('\n').length;
    for (let n = 0; n < 50; n++) {
      drain(openCapture(good));
      drain(openCapture(cut));
      faultOf(() => openCapture(folder));
      faultOf(() => openCapture('/dev/zero'));
      faultOf(() => openCapture(good, { maxRecord: 0.5 }));
      openCapture(good).close();
    }
    expect(count().split('\n').length).toBeLessThan(before + 20);
  });

  it('reads one larger than a chunk with records across its edges', () => {
    const sizes = Array.from({ length: 900 }, (_, n) => (n * 7919) % 5003);
    const file = Buffer.concat([
      le.header(),
      ...sizes.map((size, n) => le.record(Buffer.alloc(size, n), { seconds: n })),
    ]);
    expect(file.length).toBeGreaterThan(2 * 2 ** 20);
    const path = join(folder, 'chunks.pcap');
    writeFileSync(path, file);
    const fromFile = drain(openCapture(path)).records;
    expect(fromFile.map((r) => r.data.length / 2)).toEqual(sizes);
    expect(fromFile).toEqual(drain(openCapture(file)).records);
  });
});

describe('readCapture', () => {
  it('takes pieces of any size', async () => {
    const expected = drain(openCapture(twoPackets)).records;
    for (const size of [1, 2, 3, 7, 4095, 65536]) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < twoPackets.length; at += size) {
        pieces.push(twoPackets.subarray(at, at + size), Buffer.alloc(0));
      }
      const { records, fault } = await drainStream(Readable.from(pieces));
      expect(fault).toBeUndefined();
      expect(records).toEqual(expected);
    }
  });

  it('tells of a cut stream, or reports it when lenient', async () => {
    const cut = () => Readable.from([twoPackets.subarray(0, 110)]);
    const strict = await drainStream(cut(), { name: 'net' });
    expect(strict.records).toHaveLength(1);
    expect(strict.fault).toMatchObject({
      code: 'ERR_CAPTURE_TRUNCATED',
      offset: 100,
      source: 'net',
    });
    const lenient = await drainStream(cut(), { lenient: true });
    expect(lenient.fault).toBeUndefined();
    expect(lenient.truncated?.code).toBe('ERR_CAPTURE_TRUNCATED');
    const noHeader = await drainStream(Readable.from([Buffer.alloc(0)]), { lenient: true });
    expect(noHeader.fault).toMatchObject({ code: 'ERR_CAPTURE_FORMAT' });
  });

  it('says ERR_FILE where the stream fails, and ERR_USAGE where it is none of Buffers', async () => {
    const missing = await drainStream(createReadStream(join(folder, 'nowhere')));
    expect(missing.fault).toMatchObject({ code: 'ERR_FILE' });
    const strings = Readable.from(['text']) as AsyncIterable<never>;
    expect((await drainStream(strings)).fault).toMatchObject({ code: 'ERR_USAGE' });
  });

  it('lets go of the stream when the loop is left', async () => {
    const stream = Readable.from([twoPackets]);
    for await (const record of readCapture(stream)) {
      expect(record.offset).toBe(24);
      break;
    }
    expect(stream.destroyed).toBe(true);
  });
});
