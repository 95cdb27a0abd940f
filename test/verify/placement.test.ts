/** Recordings whose routes changed on the way verify all the same, and say when. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openLab } from '../../src/verify/lab.ts';
import { verifyWithChanges } from '../../src/verify/placement.ts';
import { agrees, formatVerify, verifyReport } from '../../src/verify/report.ts';
import { verifyLab } from '../../src/verify/verify.ts';

const folder = (scenario: string): string => join('..', 'shared', 'oracle', 'out', scenario);

describe.each(['direct', 'ipip', 'vxlan'])('09-blackhole-%s', (mode) => {
  const at = folder(`09-blackhole-${mode}`);
  if (!existsSync(at)) {
    console.warn(`SKIPPED: no recording of 09-blackhole-${mode} here`);
    it.skip('is not here', () => {});
    return;
  }
  const lab = openLab(at);
  const verified = verifyWithChanges(lab);

  it('disagrees with its first tables alone, and not with both', () => {
    const alone = verifyReport({ compared: verifyLab(lab), changes: [] });
    expect(agrees(alone)).toBe(false);
    const report = verifyReport(verified);
    expect(report.differences).toEqual([]);
    expect(agrees(report)).toBe(true);
  });

  it('the changes stand where the recording’s script made them', () => {
    const { changes } = verified;
    // The script acts after it names the phase and before its next packet.
    const acted = (label: string): [number, number] => {
      const phase = lab.events.findIndex((event) => event.label.startsWith(label));
      return [lab.events[phase]!.at, lab.events[phase + 1]!.at];
    };
    const [gone, come] = changes;
    expect(gone).toMatchObject({ namespace: 'node1', table: 'routes', sign: '-', entries: 1 });
    expect(come).toMatchObject({ namespace: 'node1', table: 'routes', sign: '+', entries: 2 });
    expect(acted('10 no default route')).toContain(gone?.before?.at);
    expect(acted('11 an unreachable')).toContain(come?.before?.at);
    expect(formatVerify(verifyReport(verified))).toContain('-1 of its routes');
  });
});
