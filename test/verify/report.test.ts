import { describe, expect, it } from 'vitest';
import type { InterfaceComparison } from '../../src/verify/compare.ts';
import { agrees, formatVerify, verifyReport } from '../../src/verify/report.ts';

const good: InterfaceComparison = {
  namespace: 'a1',
  interface: 'eth0',
  frames: 5,
  equal: 3,
  equalOutsideFree: 2,
  different: 0,
  missing: 0,
  extra: 0,
  given: 0,
  lost: 0,
  differences: [],
  agreed: [],
  disputed: [],
  unexpected: [],
  whole: [],
  losable: [],
};
const ttl = {
  frame: 4,
  at: 1.25,
  field: 'ipv4.ttl',
  expected: '63',
  got: '62',
  decision: '10.2.36.71 dev cali1 scope link',
};
const bad: InterfaceComparison = {
  ...good,
  namespace: 'node1',
  interface: 'enp1s0',
  frames: 7,
  equal: 1,
  equalOutsideFree: 1,
  different: 1,
  missing: 4,
  extra: 2,
  lost: 0,
  differences: [ttl, { ...ttl, frame: 5, decision: '' }],
};

const reportOf = (...compared: InterfaceComparison[]) => verifyReport({ compared, changes: [] });

describe('a report', () => {
  it('has the counts of each interface, their sums, and each difference with its place', () => {
    const { frames, equal, equalOutsideFree, different, missing, extra } = bad;
    expect(reportOf(good, bad)).toEqual({
      interfaces: [
        {
          namespace: 'a1',
          interface: 'eth0',
          frames: 5,
          equal: 3,
          equalOutsideFree: 2,
          different: 0,
          missing: 0,
          extra: 0,
        },
        {
          namespace: 'node1',
          interface: 'enp1s0',
          ...{ frames, equal, equalOutsideFree, different, missing, extra },
        },
      ],
      totals: { frames: 12, equal: 4, equalOutsideFree: 3, different: 1, missing: 4, extra: 2 },
      // No more keys than these: others' programs read them.
      differences: bad.differences.map(({ at: _, ...d }) => ({
        namespace: 'node1',
        interface: 'enp1s0',
        ...d,
      })),
      changes: [],
      losses: [],
      unheard: [],
    });
  });

  it('names who was not captured, before the frames that are missing for it', () => {
    const unheard = [{ namespace: 'a1', interface: 'eth0' }, { namespace: 'node2' }];
    const report = { ...reportOf(bad), unheard };
    const lines = formatVerify(report).split('\n');
    expect(lines.filter((line) => line.includes('no capture'))).toEqual([
      'a1:eth0: no capture; what it sent is not known, and missing elsewhere',
      'node2: no capture; what it sent is not known, and missing elsewhere',
    ]);
    // Where nothing is missing, nobody is missed.
    expect(formatVerify({ ...reportOf(good), unheard })).not.toContain('no capture');
  });

  it.each(['different', 'missing', 'extra'] as const)('one frame %s is a disagreement', (count) => {
    expect(agrees(reportOf(good))).toBe(true);
    expect(agrees(reportOf(good, { ...good, [count]: 1 }))).toBe(false);
  });

  it('as text: a line an interface, the differences, the totals', () => {
    expect(formatVerify(reportOf(good, bad))).toBe(
      [
        'a1:eth0       5 frames: 3 equal, 2 equal outside free bytes',
        'node1:enp1s0  7 frames: 1 equal, 1 equal outside free bytes, 1 different, 4 missing, 2 extra',
        '',
        'node1:enp1s0 frame 4, ipv4.ttl',
        '    recorded: 63',
        '    made:     62',
        '    made by: 10.2.36.71 dev cali1 scope link',
        'node1:enp1s0 frame 5, ipv4.ttl',
        '    recorded: 63',
        '    made:     62',
        '',
        '12 frames: 4 equal, 3 equal outside free bytes, 1 different, 4 missing, 2 extra',
        '',
      ].join('\n'),
    );
  });

  it('shows so many differences and counts the rest', () => {
    const text = formatVerify(reportOf(bad), 1);
    expect(text).toContain('frame 4');
    expect(text).not.toContain('frame 5');
    expect(text).toContain('and 1 more (--json tells all)');
  });
});
