/** `replay --jobs`, `--shard` and `--merge` as processes: the same files as without. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { compileProgram } from './program.ts';

// Each test is several processes.
vi.setConfig({ testTimeout: 120_000 });

const program = compileProgram();
const { folder } = program;
const CLUSTER = 'fixtures/calico-vxlan';
const IN = 'k8s-node1:calid2918f95dae';

function capture(name: string, to: string, format: 'pcap' | 'pcapng'): string {
  const file = join(folder, name);
  const writer = new CaptureWriter(file, { format });
  for (let i = 0; i < 600; i++) {
    const frame = buildFrame([
      { layer: 'ethernet', src: '02:00:00:00:00:01', dst: 'ee:ee:ee:ee:ee:ee' },
      { layer: 'ipv4', src: '10.2.36.71', dst: to, df: true },
      { layer: 'udp', srcPort: 20_000 + ((i * 7) % 40), dstPort: 53 },
      { layer: 'payload', bytes: new Uint8Array(i % 90).fill(i) },
    ]);
    writer.write(1_700_000_000 + i, i * 1000, frame);
  }
  writer.close();
  return file;
}

const plain = capture('plain.pcap', '10.2.169.136', 'pcap');
const other = capture('other.pcapng', '10.2.169.136', 'pcapng');
const outside = capture('outside.pcap', '8.8.8.8', 'pcap');

/** The files and the report of a replay; `NAME` stands for a folder of its own. */
function outcome(name: string, ...args: string[]) {
  const { status, stdout, stderr } = program.bash(
    `podwire replay ${CLUSTER} ${args.join(' ').replaceAll('NAME', join(folder, name))}`,
  );
  const at = join(folder, name);
  const files = existsSync(at)
    ? Object.fromEntries(
        readdirSync(at)
          .filter((file) => !file.startsWith('part'))
          .sort()
          .map((file) => [file, readFileSync(join(at, file), 'hex')]),
      )
    : {};
  return { status, stdout: stdout.replaceAll(join(folder, name), 'NAME'), stderr, files };
}

const ALL = [
  `--inject ${IN}=${plain}`,
  `--inject default/client:eth0=${other}`,
  '--capture-all NAME',
  '--capture k8s-node2:enp1s0=NAME.pcap',
  '--keylog NAME.keys',
  '--json',
];

describe('replay --jobs', () => {
  const one = outcome('one', ...ALL);

  it.each([2, 3])('%i: writes the files and the report of one', (jobs) => {
    const many = outcome(`many${jobs}`, ...ALL, `--jobs ${jobs}`);
    expect(many.stderr).toBe(`podwire: ${jobs} jobs\n`);
    expect(many).toEqual({ ...one, stderr: many.stderr });
    expect(Object.keys(one.files).length).toBeGreaterThan(5);
    for (const name of ['.pcap', '.keys']) {
      const bytes = (stem: string) => readFileSync(join(folder, `${stem}${name}`));
      expect(bytes(`many${jobs}`)).toEqual(bytes('one'));
    }
  });

  it('says why one job did it, and does it', () => {
    const args = [`--inject ${IN}=${outside}`, '--capture-all NAME', '--json'];
    const alone = outcome('nat1', ...args);
    const many = outcome('nat2', ...args, '--jobs 2');
    expect(many.stderr).toBe('podwire: 1 job, not 2: flows share address translation\n');
    expect(many).toEqual({ ...alone, stderr: many.stderr });
  });

  it('leaves what can be read only once to one job', () => {
    const { status, stderr } = program.bash(
      `podwire replay ${CLUSTER} --inject ${IN}=- --jobs 2 < ${plain}`,
    );
    expect([status, stderr]).toEqual([0, 'podwire: 1 job, not 2: - can be read only once\n']);
  });

  it('writes into a pipe, also one that is closed early', () => {
    const line = (jobs: number, then: string) =>
      `podwire replay ${CLUSTER} --inject ${IN}=${plain} --capture k8s-node1:enp1s0=- --jobs ${jobs} | ${then}`;
    const whole = program.bash(line(1, 'sha256sum')).stdout;
    expect(program.bash(line(2, 'sha256sum')).stdout).toBe(whole);
    expect(program.bash(line(2, 'head -c 30 | wc -c')).stdout.trim()).toBe('30');
  });

  it('ends with the error of a cut input, after all that stood before', () => {
    const cut = join(folder, 'cut.pcap');
    writeFileSync(cut, readFileSync(plain).subarray(0, -3));
    const args = [`--inject ${IN}=${cut}`, '--capture-all NAME'];
    const alone = outcome('cut1', ...args);
    const many = outcome('cut2', ...args, '--jobs 2');
    expect(alone.status).toBe(2);
    expect(many).toEqual({ ...alone, stderr: many.stderr });
    expect(many.stderr).toContain(alone.stderr);
    expect(outcome('cut3', ...args, '--jobs 2 --lenient').status).toBe(0);
  });

  it.each(['0', '-1', 'x', '2.5', '65', '1e3'])('refuses %s jobs', (jobs) => {
    const { status, stderr } = outcome('bad', ...ALL, `--jobs=${jobs}`);
    expect(status).toBe(2);
    expect(stderr).toContain('expected 1 to 64');
  });

  it('refuses an input that is not there, as one job does', () => {
    const args = [`--inject ${IN}=${join(folder, 'none.pcap')}`];
    const [alone, many] = [outcome('no', ...args), outcome('no', ...args, '--jobs 2')];
    expect([many.status, many.stderr.split('\n').at(-2)]).toEqual([2, alone.stderr.trim()]);
  });
});

describe('replay --shard and --merge', () => {
  it('come to the files and the report of one machine', () => {
    const one = outcome('single', ...ALL);
    const parts = [0, 1, 2].map((i) => join(folder, `part-${i}`));
    for (const [i, part] of parts.entries()) {
      const made = outcome('shards', ...ALL.slice(0, 4), `--shard ${i}/3 --part ${part}`);
      expect([made.status, made.stdout]).toEqual([0, '']);
      expect(made.stderr).toMatch(new RegExp(`^podwire: part ${i} of 3, [0-9]+ frames\n$`));
    }
    const merged = outcome('together', ...ALL, `--merge ${parts.join(' ')}`);
    expect(merged).toEqual(one);
  });

  it('name what cannot be split', () => {
    const part = join(folder, 'part-nat');
    const made = [0, 1].map((i) =>
      outcome('shards', `--inject ${IN}=${outside}`, `--shard ${i}/2 --part ${part}-${i}`),
    );
    expect(made.map(({ status }) => status)).toEqual([2, 2]);
    const merged = outcome('x', `--inject ${IN}=${outside}`, `--merge ${part}-0 ${part}-1`);
    for (const { status, stderr } of [...made, merged]) {
      expect(status).toBe(2);
      expect(stderr).toContain('they share address translation; replay the whole');
    }
  });

  it.each(['3/3', 'x', '1', '-1/2', '0/0'])('refuses the part %s', (shard) => {
    const { status, stderr } = outcome('bad', ...ALL, `--shard=${shard} --part x`);
    expect([status, stderr.includes('expected I/N')]).toEqual([2, true]);
  });

  it('refuses one without the other', () => {
    expect(outcome('bad', ...ALL, '--shard 0/2').stderr).toContain('--part FILE');
    expect(outcome('bad', ...ALL, '--shard 0/2 --part x --jobs 2').status).toBe(2);
  });
});
