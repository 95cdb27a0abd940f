/** README.md of this folder follows from the names of the tests. Write it anew with `vitest -u`. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROWS } from './rows.ts';

const HEAD = `# Rows of the inventory

Every piece of command output, table and configuration in five documents about Calico has a row, and every
row a test named by it. \`npx vitest run --config .config/vitest.ts test/documents\` runs them; where the
documents are not on the machine, tests that read them are skipped with a message.

This file is generated from the names of the tests (\`vitest -u\`).
`;

const folder = join(process.cwd(), 'test', 'documents');
const sources = ['a', 'b', 'c', 'd', 'e'].map((name) =>
  readFileSync(join(folder, `${name}.test.ts`), 'utf8'),
);

/** Names of tests, and reasons of those that are still to do, by row. */
function named(pattern: RegExp): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, id, rest] of sources.flatMap((text) => [...text.matchAll(pattern)])) {
    found.set(id!, [...(found.get(id!) ?? []), rest!]);
  }
  return found;
}

it('says of each row whether it passes', async () => {
  const done = named(/\bit(?:\.skipIf\([^)]*\))?\(\s*'([A-E]\d+): ([^']*)'/g);
  const open = named(/\bit\.todo\(\s*'([A-E]\d+)[^:]*: ([^']*)'/g);
  const lines = ROWS.map(({ id, about, elsewhere }) => {
    if (elsewhere !== undefined) {
      expect(existsSync(elsewhere)).toBe(true);
      return `| ${id} | ${about} | in ${elsewhere} |`;
    }
    const missing = (open.get(id) ?? []).join('; ');
    const passes = done.has(id);
    expect([id, passes || missing !== '']).toEqual([id, true]);
    const verdict = passes ? (missing === '' ? 'yes' : `in part: ${missing}`) : `no: ${missing}`;
    return `| ${id} | ${about} | ${verdict} |`;
  });
  const unknown = [...done.keys(), ...open.keys()].filter((id) => !ROWS.some((r) => r.id === id));
  expect(unknown).toEqual([]);
  const yes = lines.filter((line) => / (yes|in test\S+) \|$/.test(line)).length;
  const table = ['| row | about | passes |', '|---|---|---|', ...lines].join('\n');
  await expect(
    `${HEAD}\n${yes} of ${lines.length} pass in full.\n\n${table}\n`,
  ).toMatchFileSnapshot('README.md');
});
