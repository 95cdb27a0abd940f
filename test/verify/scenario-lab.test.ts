/** What a recording says of itself. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openScenario } from '../../src/verify/scenario-lab.ts';

it('neighbours: nobody knew anybody, the tables list all, or it is not said', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-lab-'));
  try {
    const known = (said: object): string => {
      const topology = { namespaces: {}, segments: {} };
      const scenario = { topology, captures: [], events: [], ...said };
      writeFileSync(join(folder, 'scenario.json'), JSON.stringify(scenario));
      writeFileSync(join(folder, 'tables.before.txt'), '');
      return openScenario(folder).neighbours;
    };
    expect(known({ neighbours: 'cold' })).toBe('cold');
    expect(known({ neighbours: 'static' })).toBe('listed');
    expect(known({})).toBe('warm');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
