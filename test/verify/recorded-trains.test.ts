/**
 * A kernel polls the queue of a tunnel between any two segments; what it joined is joined
 * so again, wherever one capture of the node has it.
 */
import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NODE, record, rerun, SEGMENT } from './tunnel-recording.ts';

const lengths = fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 4 });

describe('trains out of a tunnel', () => {
  it('end where the recorded kernel polled', () => {
    fc.assert(
      fc.property(lengths, fc.array(fc.boolean(), { minLength: 3 }), (list, polls) => {
        let turn = 0;
        const { files } = record(list, () => polls[turn++ % polls.length]!);
        expect(rerun(files)).toEqual([0, 0, 0, 0]);
        // The cable to the pod shows it too.
        expect(rerun(files, [`${NODE}:vxlan.calico`])).toEqual([0, 0, 0, 0]);
      }),
      { numRuns: 15 },
    );
  });

  it('go on where the recorded kernel did not poll between two packets of the sender', () => {
    const segments = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(segments, fc.integer({ min: 1, max: 30_000 }), (counts, until) => {
        const list = counts.map((count) => count * SEGMENT);
        const { files } = record(list, () => false, until);
        expect(rerun(files)).toEqual([0, 0, 0, 0]);
      }),
      { numRuns: 15 },
    );
    const { arrived } = record([SEGMENT, 2 * SEGMENT, SEGMENT], () => false, 4000);
    expect(arrived).toEqual([3 * SEGMENT, SEGMENT]);
  });

  it('are whole where nobody polled, and in segments where somebody did each time', () => {
    expect(record([14_100], () => false).arrived).toEqual([14_100]);
    const { arrived, files } = record([14_100], () => true);
    expect(arrived.length).toBe(10);
    expect(rerun(files)).toEqual([0, 0, 0, 0]);
  });
});
