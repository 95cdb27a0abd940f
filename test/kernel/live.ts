/**
 * A real Linux kernel, booted now: drawn networks and traffic, and every frame of it
 * compared. `npm run test:kernel` runs it; SEED and COUNT choose the networks.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openLab } from '../../src/verify/lab.ts';
import { verifyLab } from '../../src/verify/verify.ts';

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
    const name = `01-seed-${seed}`;
    const scenarios = join(work, 'scenarios');
    mkdirSync(scenarios, { recursive: true });
    cpSync(join(lab, 'scenarios', 'common.py'), join(scenarios, 'common.py'));
    cpSync(join('test', 'kernel', 'drawn_lab.py'), join(scenarios, 'drawn_lab.py'));
    const script = `from drawn_lab import draw\n\ndef run(lab):\n    draw(lab, ${seed})\n`;
    writeFileSync(join(scenarios, `${name.replaceAll('-', '_')}.py`), script);
    const env = { ...process.env, LIMIT: '300' };
    const ended = spawnSync('bash', ['run', name], { cwd: work, encoding: 'utf8', env });
    expect(ended.stdout, ended.stderr).toContain(`${name}`);
    expect(ended.stdout, ended.stderr).toMatch(/ ok \d+s/);

    const compared = verifyLab(openLab(join(work, 'out', name)));
    expect(compared.reduce((sum, c) => sum + c.frames, 0)).toBeGreaterThan(100);
    for (const comparison of compared) {
      const { missing, different, extra } = comparison;
      const again = `again: SEED=${seed} COUNT=1 npm run test:kernel`;
      const at = `${comparison.namespace}:${comparison.interface}, ${again}`;
      expect({ missing, different, extra }, at).toEqual({ missing: 0, different: 0, extra: 0 });
    }
  });
});

if (lacks.length > 0) console.warn(`SKIPPED: no live kernel, for want of ${lacks.join(', ')}`);
