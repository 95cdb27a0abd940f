/** What one end of a cable lost, the other end may have; nothing is there twice. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { cableRecording, merged } from '../../src/verify/cable-recording.ts';
import { heard } from '../../src/verify/lab.ts';
import type { Recording } from '../../src/verify/recording.ts';
import { planOf } from '../node/small-network.ts';

/** Frames of one byte each, at these seconds. */
const recording = (frames: readonly (readonly [number, number])[]): Recording =>
  frames.map(([seconds, byte]) => ({
    seconds,
    nanoseconds: 0,
    bytes: Buffer.from([byte]),
    originalLength: 1,
  }));
const bytesOf = (frames: Recording): number[] => frames.map(({ bytes }) => bytes[0]!);

describe('two captures of a cable', () => {
  it('have all that passed, each as often, in its order, if no more than one lost it', () => {
    const frame = fc.record({ byte: fc.nat(3), isLost: fc.boolean() });
    const losers = fc.tuple(...[1, 2, 3, 4].map(() => fc.integer({ min: 0, max: 1 })));
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), losers, (passed, loserOf) => {
        const keptBy = (end: number): Recording =>
          recording(
            passed.flatMap(({ byte, isLost }, at) =>
              isLost && loserOf[byte] === end ? [] : [[at, byte] as const],
            ),
          );
        const all = merged(keptBy(0), keptBy(1));
        expect(bytesOf(all).sort()).toEqual(passed.map(({ byte }) => byte).sort());
        const times = all.map(({ seconds }) => seconds);
        expect(times).toEqual([...times].sort((a, b) => a - b));
      }),
    );
  });
});

describe('the recording of a cable', () => {
  const plan: ClusterPlan = planOf({});
  const namespaces = plan.namespaces.map((n) =>
    n.name !== 'in'
      ? n
      : {
          ...n,
          devices: n.devices.map((d) =>
            d.name === 'eth0' ? { ...d, peer: { namespace: 'gw', device: 'cable' } } : d,
          ),
        },
  );
  const seen = (own?: Recording, other?: Recording): number[] | undefined => {
    const captures = [
      { namespace: 'in', device: 'eth0', ...(own && { frames: own }) },
      { namespace: 'gw', device: 'cable', ...(other && { frames: other }) },
    ];
    const lab = {
      plan: { ...plan, namespaces },
      neighbours: 'warm' as const,
      started: 0,
      events: [],
      secrets: [],
      ...heard(namespaces, captures),
    };
    const found = cableRecording(lab, 'in', 'eth0');
    return found && bytesOf(found);
  };

  it('is of both ends, of one, or none', () => {
    const [one, two] = [recording([[1, 7]]), recording([[0, 8]])];
    expect(seen(one, two)).toEqual([8, 7]);
    expect(seen(one, one)).toEqual([7]);
    expect(seen(one)).toEqual([7]);
    expect(seen(undefined, two)).toEqual([8]);
    expect(seen()).toBeUndefined();
  });
});
