/**
 * A real Linux kernel, booted now: drawn networks and traffic, and every frame of it
 * compared. `npm run test:kernel` runs it; SEED and COUNT choose the networks.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tableChanges } from '../../src/verify/changes.ts';
import type { Lab } from '../../src/verify/lab.ts';
import { openLab } from '../../src/verify/open-lab.ts';
import { type LabEdit, verifyLab } from '../../src/verify/verify.ts';

const lab = join('..', 'shared', 'oracle');
const has = (program: string): boolean => !spawnSync(program, ['--version']).error;
const lacks = [
  ...(existsSync(join(lab, 'run')) ? [] : ['the lab']),
  ...(existsSync('/usr/lib/uml/modules') && has('linux') ? [] : ['User Mode Linux']),
  ...(has('ethtool') && has('ping') ? [] : ['ethtool and ping']),
  ...(process.getuid?.() === 0 ? [] : ['root, which the lab needs']),
];
const first = Number(process.env['SEED'] ?? 1);
const seeds = Array.from({ length: Number(process.env['COUNT'] ?? 3) }, (_, i) => first + i);

// The kernel in the process sees the file system, but has a /tmp of its own.
const work = join(homedir(), `.podwire-kernel-${process.pid}`);

describe.skipIf(lacks.length > 0)('a live kernel', () => {
  for (const part of ['lib', 'run']) {
    if (lacks.length === 0) cpSync(join(lab, part), join(work, part), { recursive: true });
  }
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  it.each(seeds)('SEED=%i: every frame on every interface is its own', (seed) => {
    const again = `again: SEED=${seed} COUNT=1 npm run test:kernel`;
    const once = disagreements(seed);
    if (once.length === 0) return;
    // The kernel’s clock goes on while the machine is busy: what it does once may be chance.
    console.warn(`SEED=${seed} DISAGREES: ${JSON.stringify(once)}\nIt runs a second time.`);
    expect(disagreements(seed), `disagreed twice; ${again}`).toEqual([]);
    console.warn(
      `SEED=${seed} DISAGREED ONCE, and not the second time: a matter of time. ${again}`,
    );
  });
});

interface Disagreement {
  readonly interface: string;
  readonly missing: number;
  readonly different: number;
  readonly extra: number;
}

/** Where the kernel, booted now, and the emulation do not agree. */
function disagreements(seed: number): Disagreement[] {
  const recording = openLab(record(seed));
  const compared = verifyLab(recording, { edits: editsOf(recording) });
  expect(compared.reduce((sum, c) => sum + c.frames, 0)).toBeGreaterThan(100);
  return compared
    .map(({ namespace, interface: device, missing, different, extra }) => ({
      interface: `${namespace}:${device}`,
      missing,
      different,
      extra,
    }))
    .filter(({ missing, different, extra }) => missing + different + extra > 0);
}

/** Boots a kernel and lets it do what the seed says; the folder of the recording. */
function record(seed: number): string {
  const name = `01-seed-${seed}`;
  const scenarios = join(work, 'scenarios');
  mkdirSync(scenarios, { recursive: true });
  cpSync(join(lab, 'scenarios', 'common.py'), join(scenarios, 'common.py'));
  cpSync(join('test', 'kernel', 'drawn_lab.py'), join(scenarios, 'drawn_lab.py'));
  const script = `from drawn_lab import draw\n\ndef run(lab):\n    draw(lab, ${seed})\n`;
  writeFileSync(join(scenarios, `${name.replaceAll('-', '_')}.py`), script);
  const env = { ...process.env, LIMIT: '600' };
  const ended = spawnSync('bash', ['run', name], { cwd: work, encoding: 'utf8', env });
  expect(ended.stdout, ended.stderr).toMatch(new RegExp(`^${name} .*ok \\d+s`, 'm'));
  return join(work, 'out', name);
}

/** The network was changed at one event, if at all; its tables of before and after say how. */
function editsOf({ events, plan, after }: Lab): LabEdit[] {
  const at = events.find(({ label }) => label.startsWith('change: '))?.at;
  if (at === undefined || after === undefined) return [];
  return tableChanges(plan, after).map(({ apply }) => ({ at, apply }));
}

if (lacks.length > 0) console.warn(`SKIPPED: no live kernel, for want of ${lacks.join(', ')}`);
