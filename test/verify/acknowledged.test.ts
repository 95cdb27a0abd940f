/** Data that a receiver acknowledged arrived, unless something else brought it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Acknowledged } from '../../src/verify/acknowledged.ts';
import { comparison, judged, type Segment, tcpFrame } from './judged-frames.ts';

const A = '10.2.0.1';
const B = '10.2.0.2';
const frame = (segment: Segment, order: number) => judged(tcpFrame(segment), { order });

/** Whether data of A that B's capture has not were acknowledged, by frames that B's capture has. */
function arrived(data: Segment, recorded: readonly ReturnType<typeof frame>[]): boolean {
  const here = comparison(['b1', 'eth0'], { agreed: recorded, unexpected: [frame(data, 5)] });
  return new Acknowledged([here]).of(here).length === 1;
}

describe('data that no capture has at its receiver', () => {
  const data = { from: A, to: B, seq: 4_294_967_000, length: 1000 };
  const end = (data.seq + data.length) >>> 0;

  it('arrived where the receiver acknowledged all of it later, across the end of numbers', () => {
    fc.assert(
      fc.property(fc.integer({ min: -2000, max: 2000 }), fc.boolean(), (more, later) => {
        const ack = frame({ from: B, to: A, seq: 1, ack: (end + more) >>> 0 }, later ? 6 : 4);
        expect(arrived(data, [ack])).toBe(later && more >= 0);
      }),
    );
  });

  it('not where another connection was acknowledged', () => {
    const other = frame({ from: '10.2.0.3', to: A, seq: 1, ack: end }, 6);
    expect(arrived(data, [other])).toBe(false);
  });

  it('not where another recorded segment may have brought any of it', () => {
    const ack = frame({ from: B, to: A, seq: 1, ack: end }, 9);
    fc.assert(
      fc.property(
        fc.integer({ min: -1500, max: 1500 }),
        fc.integer({ min: 1, max: 900 }),
        (at, length) => {
          const again = frame({ from: A, to: B, seq: (data.seq + at) >>> 0, length }, 6);
          const apart = at >= data.length || at + length <= 0;
          expect(arrived(data, [ack, again])).toBe(apart);
        },
      ),
    );
  });

  it('says nothing of a frame without data, or of one that is no TCP', () => {
    const ack = frame({ from: B, to: A, seq: 1, ack: end }, 9);
    expect(arrived({ ...data, length: 0 }, [ack])).toBe(false);
    const short = comparison(['b1', 'eth0'], { agreed: [ack], unexpected: [judged('00')] });
    expect(new Acknowledged([short]).of(short)).toEqual([]);
  });
});
