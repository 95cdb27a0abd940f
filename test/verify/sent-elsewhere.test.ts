/** What both ends of a pod's cable lost is sent again as other captures have it. */
import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { readRecording } from '../../src/verify/recording.ts';
import { record, rerun, SEGMENT, SENDER, SENDING_NODE } from './tunnel-recording.ts';

/** Takes frames out of a capture. */
function lose(file: string, isLost: (position: number) => boolean): void {
  const frames = readRecording(file);
  const writer = new CaptureWriter(file);
  for (const [i, { bytes, seconds, nanoseconds }] of frames.entries()) {
    if (!isLost(i)) writer.write(seconds, nanoseconds, bytes);
  }
  writer.close();
}

describe('packets that no capture of their sender has', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 2, maxLength: 6 });

  it('are found at the tunnel, and everything else is as it was', () => {
    fc.assert(
      fc.property(lengths, fc.array(fc.boolean(), { minLength: 3 }), (list, drawn) => {
        const { files } = record(list, () => false);
        // Of the connection something must be left.
        const isLost = (i: number): boolean => i > 0 && drawn[i % drawn.length]!;
        lose(files.get(SENDER)!, isLost);
        const [different, missing, extra, lost] = rerun(files);
        const count = list.filter((_, i) => isLost(i)).length;
        expect([different, missing]).toEqual([0, 0]);
        // What left together may have been one packet.
        expect(extra! + lost!).toBeLessThanOrEqual(count);
        expect(extra! + lost! > 0).toBe(count > 0);
      }),
      { numRuns: 20 },
    );
  });

  it('are found where they arrive, too', () => {
    const { files } = record([500, 5 * SEGMENT, 300], () => false);
    lose(files.get(SENDER)!, (i) => i === 1);
    expect(rerun(files, [`${SENDING_NODE}:vxlan.calico`])).toEqual([0, 0, 1, 0]);
  });

  it('are missing where their connection is not known, or nobody has them', () => {
    const { files } = record([500, 700], () => false);
    lose(files.get(SENDER)!, () => true);
    expect(rerun(files)[1]).toBeGreaterThan(0);
    const other = record([500, 700], () => false).files;
    for (const file of other.values()) lose(file, (i) => i === 1);
    expect(rerun(other)).toEqual([0, 0, 0, 0]);
  });
});
