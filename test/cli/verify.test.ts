/** `podwire verify` on a recorded network as it is, and with one byte of one capture changed. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openCapture } from '../../src/pcap/capture.ts';
import { compileProgram } from './program.ts';

const LAB = join('..', 'shared', 'oracle', 'out', '02-same-node');
const program = compileProgram();

/** A copy that may be written to. */
function copyLab(name: string): string {
  const folder = join(program.folder, name);
  mkdirSync(folder);
  for (const file of readdirSync(LAB)) {
    copyFileSync(join(LAB, file), join(folder, file));
    chmodSync(join(folder, file), 0o644);
  }
  return folder;
}

/** Where in the file the n-th frame's bytes start, from 0. */
function frameStart(file: string, n: number): number {
  let at = 24;
  for (const { bytes } of [...openCapture(file)].slice(0, n)) at += 16 + bytes.length;
  return at + 16;
}

if (!existsSync(LAB)) {
  console.warn(`SKIPPED: no recorded lab at ${LAB}`);
  it.skip('podwire verify on a recorded lab', () => {});
} else {
  describe('podwire verify', () => {
    let whole = '';
    let broken = '';
    /** Number of the frame that is changed, from 1. */
    let frame = 0;
    beforeAll(() => {
      whole = copyLab('whole');
      broken = copyLab('broken');
      const file = join(broken, 'a2.eth0.pcap');
      const fromNode = (bytes: Buffer): boolean =>
        bytes.toString('hex', 6, 14) === 'eeeeeeeeeeee0800';
      frame = [...openCapture(file)].findIndex(({ bytes }) => fromNode(bytes)) + 1;
      expect(frame).toBeGreaterThan(0);
      const capture = readFileSync(file);
      const ttl = frameStart(file, frame - 1) + 14 + 8;
      expect(capture[ttl]).toBe(63);
      capture[ttl] = 61;
      writeFileSync(file, capture);
    });

    it('exits with 0 where all agrees, and says so in counts', () => {
      const { status, stdout, stderr } = program.podwire(['verify', whole]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(/^a2:eth0 +\d+ frames: \d+ equal/m);
      expect(stdout).not.toMatch(/different|missing|extra/);
    });

    it('exits with 1 for one byte, and names frame, field and both values', () => {
      const { status, stdout } = program.podwire(['verify', broken]);
      expect(status).toBe(1);
      expect(stdout).toContain(
        `a2:eth0 frame ${frame}, ipv4.ttl\n    recorded: 61\n    made:     63`,
      );
    });

    it('--json has interfaces, totals that are their sums, and the differences', () => {
      const { status, stdout } = program.podwire(['verify', broken, '--json']);
      expect(status).toBe(1);
      const report = JSON.parse(stdout);
      expect(Object.keys(report)).toEqual([
        'interfaces',
        'totals',
        'differences',
        'changes',
        'losses',
        'unheard',
      ]);
      const counts = ['frames', 'equal', 'equalOutsideFree', 'different', 'missing', 'extra'];
      expect(Object.keys(report.totals)).toEqual(counts);
      for (const one of report.interfaces) {
        expect(Object.keys(one)).toEqual(['namespace', 'interface', ...counts]);
        expect(one.equal + one.equalOutsideFree + one.different + one.missing).toBe(one.frames);
      }
      for (const count of counts) {
        const sum = report.interfaces.reduce(
          (total: number, one: Record<string, number>) => total + one[count]!,
          0,
        );
        expect(report.totals[count], count).toBe(sum);
      }
      // The pod's interface, and the node's end of the same veth, which shares the capture.
      expect(report.totals).toMatchObject({ different: 2, missing: 0, extra: 0 });
      expect(report.differences.length).toBe(2);
      expect(report.differences[0]).toEqual({
        namespace: expect.any(String),
        interface: expect.any(String),
        frame,
        field: 'ipv4.ttl',
        expected: '61',
        got: '63',
        decision: expect.any(String),
      });
      expect(report.differences.map((d: { namespace: string }) => d.namespace)).toContain('a2');
    });

    it('exits with 2 for frames cut by a snapshot length, and names the first', () => {
      const cut = copyLab('cut');
      const file = join(cut, 'a2.eth0.pcap');
      const capture = readFileSync(file);
      // The original length stands before the bytes; the second frame says that it had one more.
      const at = frameStart(file, 1) - 4;
      capture.writeUInt32LE(capture.readUInt32LE(at) + 1, at);
      writeFileSync(file, capture);
      const { status, stdout, stderr } = program.podwire(['verify', cut]);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toMatch(/a2\.eth0\.pcap: expected whole frames, found frame 2 cut to \d+ of/);
    });

    it('exits with 2 where there is no recording, and names the file', () => {
      const { status, stdout, stderr } = program.podwire(['verify', program.folder]);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toContain('scenario.json');
    });
  });
}
