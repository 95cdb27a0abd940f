/** Standard streams need a process of their own; see child.ts. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCapture } from '../../src/pcap/capture.ts';
import { errnoOf } from '../../src/pcap/descriptor.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { compileForChildren } from './child.ts';
import { Maker, scratch } from './samples.ts';

const folder = scratch();
const child = compileForChildren();
const le = new Maker();
const sample = join(folder, 'sample.pcap');
const packets = Array.from({ length: 3000 }, (_, n) => le.record(Buffer.alloc(n % 700, n)));
writeFileSync(sample, Buffer.concat([le.header(), ...packets]));

const count = child.script(
  'count',
  `try {
     let records = 0, bytes = 0;
     for (const r of openCapture('-')) { records++; bytes += r.bytes.length; }
     console.log(records, bytes);
   } catch (fault) { console.log(fault.name, fault.code, fault.message); process.exitCode = 3; }`,
);
const expected = `3000 ${packets.reduce((sum, p) => sum + p.length - 16, 0)}\n`;

describe('standard input', () => {
  it('is read from a file and from a pipe', async () => {
    expect((await child.bash(`node ${count} < ${sample}`)).stdout).toBe(expected);
    expect((await child.bash(`cat ${sample} | node ${count}`)).stdout).toBe(expected);
  });

  it('is waited for, also where it does not block', async () => {
    const slow = `(head -c 30 ${sample}; sleep 0.2; tail -c +31 ${sample})`;
    expect((await child.bash(`${slow} | node ${count}`)).stdout).toBe(expected);
    // Opened for writing too, the FIFO never ends; so the records are counted down.
    const eagain = child.script(
      'eagain',
      `import { spawn } from 'node:child_process';
       const [, , fifo, sample] = process.argv;
       fs.closeSync(0);
       if (fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK) !== 0) throw 0;
       let code; try { fs.readSync(0, Buffer.alloc(1)); } catch (fault) { code = fault.code; }
       const line = '(head -c 1000 "$0"; sleep 0.2; tail -c +1001 "$0") > "$1"';
       spawn('bash', ['-c', line, sample, fifo], { stdio: 'ignore' });
       const capture = openCapture('-');
       let records = 0, bytes = 0;
       while (records < 3000 && capture.advance()) { records++; bytes += capture.end - capture.start; }
       console.log(code, records, bytes);`,
    );
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    expect((await child.bash(`node ${eagain} ${fifo} ${sample}`)).stdout).toBe(
      `EAGAIN ${expected}`,
    );
  });

  it('says what is wrong with it', async () => {
    const empty = await child.bash(`node ${count} < /dev/null`);
    expect(empty.stdout).toBe(
      'PodwireError ERR_CAPTURE_FORMAT -: expected a pcap or pcapng file, found an empty one\n',
    );
    const closed = await child.bash(`node ${count} <&-`);
    expect(closed.stdout).toMatch(/^PodwireError ERR_(FILE|CAPTURE_FORMAT) -: /);
    const directory = await child.bash(`node ${count} < ${folder}`);
    expect(directory.stdout).toMatch(/^PodwireError ERR_FILE -: expected a capture to read/);
    const gzip = await child.bash(`gzip -c ${sample} | node ${count}`);
    expect(gzip.stdout).toContain('gzip-compressed; decompress first');
    const cut = await child.bash(`head -c 1000 ${sample} | node ${count}`);
    expect([cut.status, cut.stdout.slice(0, 36)]).toEqual([
      3,
      'PodwireError ERR_CAPTURE_TRUNCATED -',
    ]);
  });

  it('costs no memory for its length, nor for what a length claims', async () => {
    const size = child.script(
      'size',
      `let records = 0, code = '';
       const before = process.memoryUsage.rss();
       try { const c = openCapture('-'); while (c.advance()) records++; } catch (f) { code = f.code; }
       console.log(records, code, Math.round((process.resourceUsage().maxRSS * 1024 - before) / 2 ** 20));`,
    );
    const lie = join(folder, 'lie.pcap');
    const claim = le.record(Buffer.alloc(0), { captured: 2 ** 31 - 1 });
    writeFileSync(lie, Buffer.concat([le.header(), packets[5]!, claim]));
    const big = child.script(
      'big',
      `const w = new CaptureWriter('-'); const b = Buffer.alloc(1400);
       for (let n = 0; n < 380_000; n++) w.write(n, 0, b); w.close();`,
    );
    const honest = await child.bash(`node ${big} | node ${size}`);
    const [records, , honestMegabytes] = honest.stdout.split(' ');
    expect(Number(records)).toBe(380_000);
    expect(Number(honestMegabytes)).toBeLessThan(30);
    const lying = await child.bash(
      `(cat ${lie}; head -c 200M /dev/zero) 2>/dev/null | node ${size}`,
    );
    expect(lying.stdout).toMatch(/^1 ERR_CAPTURE_LENGTH \d+\n$/);
    expect(Number(lying.stdout.split(' ')[2])).toBeLessThan(10);
  });
});

describe('standard output', () => {
  const copy = child.script(
    'copy',
    `const w = new CaptureWriter(process.argv[3] ?? '-');
     for (let n = 0; n < Number(process.argv[2]); n++) {
       for (const r of openCapture(${JSON.stringify(sample)})) {
         w.write(r.seconds, r.nanoseconds, r.bytes, 0, r.bytes.length, r.originalLength);
       }
     }
     w.close();
     console.error('count', w.count, w.closedByReader);`,
  );

  it('takes a capture, into a file or a pipe', async () => {
    const out = join(folder, 'out.pcap');
    expect((await child.bash(`node ${copy} 1 > ${out}`)).status).toBe(0);
    expect(readFileSync(out).equals(readFileSync(sample))).toBe(true);
    expect((await child.bash(`node ${copy} 1 | cmp - ${sample}`)).status).toBe(0);
    expect((await child.bash(`node ${copy} 1 | cat > ${out}`)).status).toBe(0);
    expect(readFileSync(out).equals(readFileSync(sample))).toBe(true);
  });

  it('is meant by /dev/stdout too', async () => {
    expect((await child.bash(`node ${copy} 1 /dev/stdout | cmp - ${sample}`)).status).toBe(0);
    const out = join(folder, 'dev.pcap');
    expect((await child.bash(`node ${copy} 1 /dev/stdout > ${out}`)).status).toBe(0);
    expect(readFileSync(out).equals(readFileSync(sample))).toBe(true);
  });

  it('may close early: no noise, no failure', async () => {
    const ended = await child.bash(`node ${copy} 20 | head -c 100 | wc -c`);
    expect(ended.stdout.trim()).toBe('100');
    expect(ended.stderr).toMatch(/^count \d+ true\n$/);
    expect(ended.status).toBe(0);
  });

  it('waits for a slow reader, also where it does not block', async () => {
    const fifo = join(folder, 'slow');
    const out = join(folder, 'slow.pcap');
    execFileSync('mkfifo', [fifo]);
    const ended = child.bash(`(sleep 0.2; cat) < ${fifo} > ${out}`);
    const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    const writer = new CaptureWriter(fd);
    for (const r of openCapture(sample)) writer.write(r.seconds, r.nanoseconds, r.bytes);
    writer.close();
    // The pipe holds 64 KiB, so all of it has passed the reader's sleep by now.
    closeSync(fd);
    expect((await ended).status).toBe(0);
    expect(readFileSync(out).equals(readFileSync(sample))).toBe(true);
  });

  it('tells of a full disk', async () => {
    const ended = await child.bash(`node ${copy} 1 > /dev/full`);
    expect(ended.status).not.toBe(0);
    expect(ended.stderr).toContain('-: expected to write, found ENOSPC');
  });
});

it('what a call failed with has a name only if it came from the system', () => {
  const cause = Object.assign(new Error('broken'), { code: 'EIO' });
  expect([errnoOf(cause), errnoOf(new Error('x')), errnoOf('text')]).toEqual(['EIO', '', '']);
});
