import { execFileSync, spawn } from 'node:child_process';
import type * as fs from 'node:fs';
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter, plainRecords } from '../../src/pcap/writer.ts';
import { slowBlocks } from './blocks.ts';
import { compileForChildren } from './child.ts';
import { drain, scratch } from './samples.ts';

/** Bytes that `writeSync` still takes before it fails as `code`; a full disk on demand. */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY, code: 'ENOSPC', most: 2 ** 31 }));

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  const writeSync = (fd: number, bytes: Buffer, at: number, length: number, position: null) => {
    if (disk.room === 0)
      throw Object.assign(new Error(`${disk.code}: injected`), { code: disk.code });
    const written = real.writeSync(fd, bytes, at, Math.min(length, disk.room, disk.most), position);
    disk.room -= written;
    return written;
  };
  return { ...real, writeSync };
});

afterEach(() => {
  disk.room = Number.POSITIVE_INFINITY;
  disk.code = 'ENOSPC';
  disk.most = 2 ** 31;
});

const folder = scratch();
let serial = 0;
const fresh = (): string => {
  const path = join(folder, String(serial++));
  mkdirSync(path);
  return path;
};
const child = compileForChildren();

const faultOf = (call: () => unknown): PodwireError => {
  try {
    call();
  } catch (fault) {
    expect(fault).toBeInstanceOf(PodwireError);
    return fault as PodwireError;
  }
  throw new Error('nothing was thrown');
};

/** A capture of `count` packets of `size` bytes. */
function fill(writer: CaptureWriter, count: number, size = 100): void {
  for (let n = 0; n < count; n++) writer.write(n, 0, Buffer.alloc(size, n));
}
const countIn = (path: string): number => {
  const { records, fault } = drain(openCapture(path));
  expect(fault).toBeUndefined();
  return records.length;
};

describe('a path', () => {
  it('has its file only when the capture is whole', () => {
    const path = join(fresh(), 'out.pcap');
    const writer = new CaptureWriter(path);
    fill(writer, 5);
    writer.flush();
    expect(existsSync(path)).toBe(false);
    expect(countIn(`${path}.partial`)).toBe(5);
    writer.close();
    expect(countIn(path)).toBe(5);
    expect(existsSync(`${path}.partial`)).toBe(false);
  });

  it('gives a valid capture of no packets', () => {
    const path = join(fresh(), 'none.pcap');
    new CaptureWriter(path).close();
    expect(statSync(path).size).toBe(24);
    expect(countIn(path)).toBe(0);
  });

  it('replaces an old file at the end, keeping its mode', () => {
    const path = join(fresh(), 'old.pcap');
    writeFileSync(path, 'old');
    chmodSync(path, 0o640);
    const writer = new CaptureWriter(path);
    fill(writer, 2);
    writer.flush();
    expect(readFileSync(path, 'utf8')).toBe('old');
    writer.close();
    expect(countIn(path)).toBe(2);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('may be the file that is being read', () => {
    const path = join(fresh(), 'same.pcap');
    const first = new CaptureWriter(path);
    fill(first, 30_000);
    first.close();
    const capture = openCapture(path);
    const writer = new CaptureWriter(path);
    for (const r of capture) writer.write(r.seconds + 1, r.nanoseconds, r.bytes);
    writer.close();
    expect(countIn(path)).toBe(30_000);
  });

  it('follows links, also to what is not there yet', () => {
    const dir = fresh();
    mkdirSync(join(dir, 'deep'));
    writeFileSync(join(dir, 'deep', 'there.pcap'), 'old');
    symlinkSync('deep/there.pcap', join(dir, 'a'));
    symlinkSync('deep', join(dir, 'folder'));
    symlinkSync('../new.pcap', join(dir, 'deep', 'b'));
    for (const link of ['a', 'folder/b']) {
      const writer = new CaptureWriter(join(dir, link));
      fill(writer, 3);
      writer.close();
      expect(lstatSync(join(dir, link)).isSymbolicLink()).toBe(true);
      expect(countIn(join(dir, link))).toBe(3);
    }
    expect(readdirSync(dir).sort()).toEqual(['a', 'deep', 'folder', 'new.pcap']);
    expect(readdirSync(join(dir, 'deep')).sort()).toEqual(['b', 'there.pcap']);
  });

  it('does not follow a link planted at its partial name', () => {
    const dir = fresh();
    writeFileSync(join(dir, 'victim'), 'precious');
    symlinkSync('victim', join(dir, 'out.pcap.partial'));
    const writer = new CaptureWriter(join(dir, 'out.pcap'));
    fill(writer, 1);
    writer.close();
    expect(readFileSync(join(dir, 'victim'), 'utf8')).toBe('precious');
    expect(readdirSync(dir).sort()).toEqual(['out.pcap', 'victim']);
  });

  it('says what is wrong with it', () => {
    const dir = fresh();
    symlinkSync('loop', join(dir, 'loop'));
    mkdirSync(join(dir, 'taken.partial'));
    const words = (path: string) => {
      const { code, message } = faultOf(() => new CaptureWriter(path));
      expect(code).toBe('ERR_FILE');
      return message;
    };
    expect(words(dir)).toBe(`${dir}: expected a file to write, found a directory`);
    expect(words(join(dir, 'no', 'folder'))).toContain('found ENOENT');
    expect(words(join(dir, 'loop'))).toContain('found ELOOP');
    expect(words(join(dir, 'taken'))).toContain('expected a file to write, found');
    expect(words('')).toBe('expected a file to write, found no name');
    expect(faultOf(() => new CaptureWriter(9999)).message).toContain('descriptor 9999: ');
  });

  it('is written in place where it is a device', () => {
    const writer = new CaptureWriter('/dev/null');
    fill(writer, 5000);
    writer.close();
    expect(writer.count).toBe(5000);
    expect(existsSync('/dev/null.partial')).toBe(false);
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  it('tells of a full device', () => {
    const writer = new CaptureWriter('/dev/full');
    fill(writer, 3);
    const fault = faultOf(() => writer.close());
    expect(fault).toMatchObject({ code: 'ERR_FILE', source: '/dev/full' });
    expect(fault.message).toMatch(/^\/dev\/full: expected to write, found ENOSPC/);
    expect((fault.cause as NodeJS.ErrnoException).code).toBe('ENOSPC');
    expect(writer.count).toBe(0);
    expect(faultOf(() => writer.write(1, 0, Buffer.alloc(1)))).toBe(fault);
    writer.close();
  });
});

describe('a FIFO', () => {
  it('is written in place', async () => {
    const fifo = join(fresh(), 'fifo');
    execFileSync('mkfifo', [fifo]);
    const copy = `${fifo}.copy`;
    const ended = child.bash(`cat ${fifo} > ${copy}`);
    const writer = new CaptureWriter(fifo);
    fill(writer, 10_000, 200);
    writer.close();
    expect(lstatSync(fifo).isFIFO()).toBe(true);
    expect((await ended).status).toBe(0);
    expect(countIn(copy)).toBe(10_000);
  });

  it('may lose its reader without noise', () => {
    const fifo = join(fresh(), 'fifo');
    execFileSync('mkfifo', [fifo]);
    spawn('head', ['-c', '100', fifo], { stdio: 'ignore' });
    const writer = new CaptureWriter(fifo);
    expect(writer.closedByReader).toBe(false);
    for (let n = 0; n < 1000 && !writer.closedByReader; n++) fill(writer, 1000);
    expect(writer.closedByReader).toBe(true);
    const { count } = writer;
    fill(writer, 1000);
    expect(writer.count).toBe(count);
    writer.close();
  });
});

describe('a descriptor', () => {
  it('is left open, and its file cut back only where all was appended', () => {
    const path = join(fresh(), 'fd');
    const fd = openSync(path, 'w');
    const writer = new CaptureWriter(fd);
    fill(writer, 2, 10);
    writer.close();
    expect(countIn(path)).toBe(2);

    disk.room = 24 + 26 + 5;
    const second = new CaptureWriter(fd);
    fill(second, 2, 10);
    expect(faultOf(() => second.close()).message).toContain(`descriptor ${fd}: expected to write`);
    closeSync(fd);
    expect(statSync(path).size).toBe(76 + 50);

    disk.room = 40;
    const inside = openSync(path, 'r+');
    const third = new CaptureWriter(inside);
    fill(third, 2, 10);
    faultOf(() => third.close());
    closeSync(inside);
    expect(statSync(path).size).toBe(126);
  });
});

describe('a failing disk', () => {
  it('leaves whole records, at whichever byte it fails', () => {
    const dir = fresh();
    const sizes = [0, 30, 1, 17];
    const total = 24 + sizes.reduce((sum, size) => sum + 16 + size, 0);
    const ends = [24];
    for (const size of sizes) ends.push(ends.at(-1)! + 16 + size);
    for (const flushEach of [false, true]) {
      for (let room = 0; room < total; room++) {
        const path = join(dir, `${flushEach}-${room}.pcap`);
        Object.assign(disk, { room, code: room % 2 ? 'ENOSPC' : 'EIO', most: 1 + (room % 9) });
        const writer = new CaptureWriter(path);
        const fault = faultOf(() => {
          for (const size of sizes) {
            writer.write(1, 0, Buffer.alloc(size, 9));
            if (flushEach) writer.flush();
          }
          writer.close();
        });
        expect(fault).toMatchObject({ code: 'ERR_FILE', source: path });
        expect((fault.cause as NodeJS.ErrnoException).code).toBe(disk.code);
        expect(existsSync(path)).toBe(false);
        const whole = ends.filter((end) => end <= room).length - 1;
        expect(writer.count).toBe(Math.max(0, whole));
        if (whole < 0) expect(existsSync(`${path}.partial`)).toBe(false);
        else expect(countIn(`${path}.partial`)).toBe(whole);
        writer.close();
      }
    }
  });

  it('leaves whole records of those that are made elsewhere', () => {
    const dir = fresh();
    const record = Buffer.alloc(16 + 1000);
    record.writeUInt32LE(1000, 8);
    record.writeUInt32LE(1000, 12);
    const many = Buffer.concat(new Array<Buffer>(50).fill(record));
    const total = 24 + 16 + 10 + many.length + record.length;
    for (let room = 0; room < total; room += 333) {
      const path = join(dir, `${room}.pcap`);
      Object.assign(disk, { room, code: 'ENOSPC', most: 20_000 });
      const writer = new CaptureWriter(path);
      const fault = faultOf(() => {
        writer.write(1, 0, Buffer.alloc(10, 9));
        const { append } = plainRecords(writer, 1000)!;
        append(many, 50);
        append(record, 1);
        writer.close();
      });
      expect(fault).toMatchObject({ code: 'ERR_FILE', source: path });
      const whole = room < 50 ? 0 : 1 + Math.floor((room - 50) / record.length);
      expect(writer.count).toBe(whole);
      if (room >= 24) expect(countIn(`${path}.partial`)).toBe(whole);
    }
  });

  it('leaves whole blocks of a pcapng, and counts packets only', () => {
    const dir = fresh();
    const write = (writer: CaptureWriter): void => {
      for (const size of [0, 30, 1, 17]) {
        writer.secrets('a key');
        writer.write(1, 0, Buffer.alloc(size, 9), 0, size, size, 'why');
      }
    };
    const pieces: Buffer[] = [];
    const plain = new CaptureWriter((chunk) => pieces.push(Buffer.from(chunk)), {
      format: 'pcapng',
    });
    write(plain);
    plain.close();
    const file = Buffer.concat(pieces);
    const section = file.readUInt32LE(4);
    const head = section + file.readUInt32LE(section + 4);
    for (let room = 0; room < file.length; room += 3) {
      const path = join(dir, `${room}.pcapng`);
      Object.assign(disk, { room, code: 'ENOSPC', most: 1 + (room % 9) });
      const writer = new CaptureWriter(path);
      const fault = faultOf(() => {
        write(writer);
        writer.close();
      });
      expect(fault).toMatchObject({ code: 'ERR_FILE', source: path });
      expect(existsSync(path)).toBe(false);
      if (room < head) {
        expect(existsSync(`${path}.partial`)).toBe(false);
        continue;
      }
      const { records } = slowBlocks(file.subarray(0, room));
      expect(writer.count).toBe(records.length);
      expect(countIn(`${path}.partial`)).toBe(records.length);
    }
  });

  it('does not touch the old file', () => {
    const path = join(fresh(), 'old.pcap');
    writeFileSync(path, 'old');
    disk.room = 300_000;
    const writer = new CaptureWriter(path);
    faultOf(() => fill(writer, 100_000));
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(countIn(`${path}.partial`)).toBe(writer.count);
    expect(writer.count).toBe(Math.floor((300_000 - 24) / 116));
  });

  it('is the real one: a file size limit in the middle of a record', async () => {
    const path = join(fresh(), 'limited.pcap');
    const script = child.script(
      'limited',
      `process.on('SIGXFSZ', () => {});
       const writer = new CaptureWriter(process.argv[2]);
       try { for (let n = 0; ; n++) writer.write(n, 0, Buffer.alloc(1000)); }
       catch (fault) { console.log(fault.code, fault.cause.code, writer.count); }`,
    );
    const { stdout, stderr } = await child.bash(`ulimit -f 777; node ${script} ${path}`);
    const count = Math.floor((777 * 1024 - 24) / 1016);
    expect([stdout, stderr]).toEqual([`ERR_FILE EFBIG ${count}\n`, '']);
    expect(countIn(`${path}.partial`)).toBe(count);
  });
});

describe('a killed process', () => {
  it('never leaves a broken file under the final name', async () => {
    const dir = fresh();
    const script = child.script(
      'killed',
      `const writer = new CaptureWriter(process.argv[2]);
       console.log('ready');
       for (let n = 0; n < 400_000; n++) writer.write(n, 0, Buffer.alloc(1000));
       writer.close();`,
    );
    const endings = await Promise.all(
      [0, 10, 30, 60, 100, 150].map(async (delay) => {
        const path = join(dir, `${delay}.pcap`);
        const run = spawn(process.execPath, [script, path]);
        await new Promise((ready) => run.stdout.once('data', ready));
        setTimeout(() => run.kill('SIGKILL'), delay);
        await new Promise((done) => run.once('close', done));
        if (existsSync(path)) return countIn(path) === 400_000;
        // Empty is possible: the kill may come before the first batch.
        if (statSync(`${path}.partial`).size === 0) return true;
        const rest = openCapture(`${path}.partial`, { lenient: true });
        return drain(rest).fault === undefined;
      }),
    );
    expect(endings).toEqual([true, true, true, true, true, true]);
    expect(existsSync(join(dir, '0.pcap'))).toBe(false);
  });
});
