/** A machine without the judges still passes the tests: what needs one asks first whether it is there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { installed } from './judge.ts';

const CALLED =
  /(?:printed|execFileSync|spawnSync|spawn)\(\s*'(?:tshark|tcpdump|capinfos|editcap|mergecap)'|\btshark\(/;

it('every test that calls a judge asks whether it is installed', () => {
  const callers = readdirSync('test', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts') && file !== 'judge.test.ts')
    .map((file) => ({ file, text: readFileSync(join('test', file), 'utf8') }))
    .filter(({ text }) => CALLED.test(text));
  expect(callers.length).toBeGreaterThan(10);
  expect(callers.filter(({ text }) => !/\binstalled\('/.test(text)).map((c) => c.file)).toEqual([]);
});

it('a program that is nowhere is not installed', () => {
  expect(installed('podwire-no-such-judge', 'which is expected here')).toBe(false);
  expect(installed('node', 'which runs this')).toBe(true);
});
