/** README.md of this folder follows from the names of the tests. Write it anew with `vitest -u`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROWS } from './rows.ts';

const HEAD = `# Behaviour checks

What Calico's functional tests (FV), the kernel's \`pmtu.sh\` (PM), its tests of routes, ICMP and ARP (FT) and
of VXLAN (VX), and WireGuard's own tests (WR, WG) demand, each as a test named by its id that sends packets
through a cluster. \`npx vitest run --config .config/vitest.ts test/behaviour\` runs them.

This file is generated from the names of the tests (\`vitest -u\`).
`;

const ID = String.raw`[A-Z]{2}\d\d(?:–\d\d)?`;

const folder = join(process.cwd(), 'test', 'behaviour');
const sources = readdirSync(folder)
  .filter((name) => name.endsWith('.test.ts') && name !== 'readme.test.ts')
  .map((name) => readFileSync(join(folder, name), 'utf8'));

/** By id: the names of its tests, or of what is still to do. */
function named(call: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const pattern = new RegExp(String.raw`(?<!\w)${call}\(\s*'(${ID}) ([^']*)'`, 'g');
  for (const [, id, rest] of sources.flatMap((text) => [...text.matchAll(pattern)])) {
    found.set(id!, [...(found.get(id!) ?? []), rest!]);
  }
  return found;
}

/** How many checks a row stands for. */
function weight(id: string): number {
  const [first, last] = id.slice(2).split('–').map(Number);
  return last === undefined ? 1 : last - first! + 1;
}

it('says of each check whether it passes', async () => {
  const done = named(String.raw`(?:it|\] as const\))`);
  const open = named(String.raw`it\.todo`);
  const tally = { yes: 0, part: 0, no: 0, out: 0 };
  const lines = ROWS.map(({ id, about, out }) => {
    const missing = (open.get(id) ?? []).join('; ');
    const passes = done.has(id);
    expect([id, passes || missing !== '' || out !== undefined]).toEqual([id, true]);
    const verdict = out !== undefined ? 'out' : !passes ? 'no' : missing === '' ? 'yes' : 'part';
    tally[verdict] += weight(id);
    const said = { out: `left out: ${out}`, no: missing, yes: 'yes', part: missing }[verdict];
    const word = { out: '', no: 'no: ', yes: '', part: 'in part; not: ' }[verdict];
    return `| ${id} | ${about} | ${word}${said} |`;
  });
  const unknown = [...done.keys(), ...open.keys()].filter((id) => !ROWS.some((r) => r.id === id));
  expect(unknown).toEqual([]);
  const all = ROWS.reduce((sum, { id }) => sum + weight(id), 0);
  expect(all).toBe(115);
  const sum = `Of ${all} checks ${tally.yes} pass in full, ${tally.part} in part, ${tally.no} not yet; ${tally.out} need IPv6 or eBPF and are left out.`;
  const table = ['| check | about | passes |', '|---|---|---|', ...lines].join('\n');
  await expect(`${HEAD}\n${sum}\n\n${table}\n`).toMatchFileSnapshot('README.md');
});
