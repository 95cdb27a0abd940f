/** Identifications of a connection count its segments. */
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import type { CapturedFrame } from '../../src/verify/recording.ts';
import { segmentCounts } from '../../src/verify/segment-counts.ts';

const frame = (seconds: number, id: number, srcPort: number, more: Partial<Layer> = {}) =>
  ({
    seconds,
    nanoseconds: 0,
    originalLength: 54,
    bytes: buildFrame([
      { layer: 'ethernet', src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' },
      { layer: 'ipv4', src: '10.2.0.1', dst: '10.2.0.2', id, ...more } as Layer,
      { layer: 'tcp', srcPort, dstPort: 8080, flags: '.' },
    ]),
  }) satisfies CapturedFrame;

describe('segments of a connection’s packets', () => {
  it('are the steps of its identifications, in the order of time', () => {
    const [a, b, other, c] = [
      frame(1, 65530, 1),
      frame(2, 65535, 1),
      frame(3, 7, 2),
      frame(4, 2, 1),
    ];
    const counts = segmentCounts([c, a, other, b], 14);
    expect([a, b, other, c].map((one) => counts.get(one))).toEqual([5, 3, undefined, undefined]);
  });

  it('are not told by fragments, nor by what is no TCP over IPv4', () => {
    const [a, b] = [frame(1, 5, 1), frame(3, 8, 1)];
    const fragment = frame(2, 6, 1, { mf: true });
    const rubbish = { seconds: 2, nanoseconds: 0, bytes: Buffer.alloc(20), originalLength: 20 };
    const counts = segmentCounts([a, fragment, rubbish, b], 14);
    expect([...counts]).toEqual([[a, 3]]);
  });
});
