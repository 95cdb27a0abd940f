/** A real cluster is rarely captured on every interface. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openLab } from '../../src/verify/open-lab.ts';
import { unheardSenders } from '../../src/verify/unheard.ts';
import { verifyLab } from '../../src/verify/verify.ts';

interface Capture {
  readonly namespace: string;
  readonly interface: string;
  readonly file?: string;
  readonly sameAs?: string;
}

const LAB = join('..', 'shared', 'oracle', 'out', '04-vxlan');
const isPod = ({ namespace }: Capture): boolean => /^[abc]\d$/.test(namespace);

if (!existsSync(LAB)) {
  console.warn('SKIPPED: no recorded lab here');
  it.skip('is not here', () => {});
} else {
  describe('a recording of some interfaces', () => {
    const folder = mkdtempSync(join(tmpdir(), 'podwire-unheard-'));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    /** The recorded lab with only the captures that are wanted. */
    function only(name: string, isWanted: (capture: Capture) => boolean) {
      const at = join(folder, name);
      cpSync(LAB, at, { recursive: true });
      const file = join(at, 'scenario.json');
      const scenario = JSON.parse(readFileSync(file, 'utf8')) as { captures: Capture[] };
      scenario.captures = scenario.captures.filter(isWanted);
      writeFileSync(file, JSON.stringify(scenario));
      const lab = openLab(at);
      const compared = verifyLab(lab);
      const sum = (key: 'frames' | 'missing' | 'extra' | 'different'): number =>
        compared.reduce((n, c) => n + c[key], 0);
      const totals = {
        missing: sum('missing'),
        extra: sum('extra'),
        different: sum('different'),
      };
      return { unheard: unheardSenders(lab), frames: sum('frames'), totals };
    }
    const NONE = { missing: 0, extra: 0, different: 0 };

    it('hears pods at their nodes’ ends of the cables', () => {
      const { unheard, frames, totals } = only('nodes', (capture) => !isPod(capture));
      expect(unheard).toEqual([]);
      expect(frames).toBeGreaterThan(300);
      expect(totals).toEqual(NONE);
    });

    it('says who was not captured, where only wires were', () => {
      const { unheard, frames, totals } = only('wires', (c) => c.interface === 'enp1s0');
      expect(unheard).toContainEqual({ namespace: 'a1', interface: 'eth0' });
      expect(unheard.every(({ namespace }) => !namespace.startsWith('node'))).toBe(true);
      expect(totals).toEqual({ ...NONE, missing: frames });
    });

    it('says which nodes were not', () => {
      const { unheard } = only('a pod', (c) => c.namespace === 'a1');
      expect(unheard).toContainEqual({ namespace: 'node2' });
      expect(unheard).not.toContainEqual({ namespace: 'node1' });
    });
  });
}
