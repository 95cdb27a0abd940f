/** Recordings whose routes changed on the way verify all the same, and say when. */
import '../accounts.ts';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openLab } from '../../src/verify/open-lab.ts';
import { verifyWithChanges } from '../../src/verify/placement.ts';
import { agrees, formatVerify, verifyReport } from '../../src/verify/report.ts';
import { proposals } from '../../src/verify/unlisted-changes.ts';
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

/** What the scripts of these recordings did and no dump shows, by the scripts themselves. */
const UNLISTED = {
  '12-arp': [
    'node1: -1 of its routes',
    'node1: its neighbours (192.168.33.57 dev enp1s0 verified)',
  ],
  '15-rpf': [
    'node1: its sysctl (rp_filter of calid2918f95dae = 0), taken to be before "3 neither"',
    'node2: its sysctl (rp_filter of tunl0 = 1), taken to be before "rp_filter=1 inner source',
    'node2: its sysctl (rp_filter of tunl0 = 2), taken to be before "rp_filter=2 inner source',
  ],
  '17-vxlan-decap': [
    'node1: -1 of its fdb (66:90:43:3d:b3:e7 dev vxlan.calico dst 192.168.33.57 self permanent), taken to be before "egress',
    'node1: -1 of its neighbours, taken to be before "ping"',
  ],
};

describe.each(Object.entries(UNLISTED))('%s', (scenario, said) => {
  const at = folder(scenario);
  if (!existsSync(at)) {
    console.warn(`SKIPPED: no recording of ${scenario} here`);
    it.skip('is not here', () => {});
    return;
  }
  it('agrees, with what was done on the way named', () => {
    const report = verifyReport(verifyWithChanges(openLab(at)));
    expect(report.differences).toEqual([]);
    expect(agrees(report)).toBe(true);
    const text = formatVerify(report);
    for (const line of said) expect(text).toContain(line);
    expect(report.changes).toHaveLength(said.length);
  });
});

describe('a table that is not what the network had', () => {
  const tampered = (scenario: string, edit: (tables: string) => string) => {
    const copy = mkdtempSync(join(tmpdir(), 'podwire-lab-'));
    try {
      cpSync(folder(scenario), copy, { recursive: true });
      for (const when of ['before', 'after']) {
        const file = join(copy, `tables.${when}.txt`);
        writeFileSync(file, edit(readFileSync(file, 'utf8')));
      }
      return verifyReport(verifyWithChanges(openLab(copy)));
    } finally {
      rmSync(copy, { recursive: true });
    }
  };
  const skip = ['15-rpf', '08-ttl-vxlan', '03-ipip'].some((name) => !existsSync(folder(name)));
  if (skip) console.warn('SKIPPED: no recordings to change here');

  it.skipIf(skip)('is not explained away', () => {
    for (const report of [
      // Frames disagree before anything was done there.
      tampered('15-rpf', (t) => t.replaceAll('via 192.168.33.57', 'via 192.168.33.1')),
      tampered('08-ttl-vxlan', (t) => t.replaceAll('dst 192.168.33.57', 'dst 192.168.33.58')),
      tampered('03-ipip', (t) => t.replaceAll('via 192.168.33.57', 'via 192.168.33.1')),
    ]) {
      expect(agrees(report)).toBe(false);
    }
  });

  it.skipIf(skip)(
    'may be of before a setting that the first phase began with, if labels state it',
    () => {
      const report = tampered('15-rpf', (t) =>
        t.replaceAll(/(calid\S*\.rp_filter) = 1/g, '$1 = 0'),
      );
      expect(agrees(report)).toBe(true);
      expect(formatVerify(report)).toContain(
        'rp_filter of calid2918f95dae = 1), taken to be before "1 rp_filter=1 on cali interfaces"',
      );
    },
  );

  it.skipIf(skip)('is not looked for at the first phase where no label states a setting', () => {
    const lab = openLab(folder('15-rpf'));
    const begins = (label: string) =>
      proposals({ ...lab, events: [{ kind: 'phase', label, at: 0 }] }, [], 1, []);
    expect(begins('first')).toEqual([]);
    const stated = begins('rp_filter=1 on cali interfaces').map(({ change }) => change.entry ?? '');
    expect(stated.length).toBeGreaterThan(0);
    expect(stated.filter((entry) => !entry.startsWith('rp_filter of '))).toEqual([]);
  });
});
