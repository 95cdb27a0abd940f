/** A capture loses what comes while its ring is full, and nothing else. */
import { describe, expect, it } from 'vitest';
import { ringSlots, thatRingMayLose } from '../../src/verify/capture-ring.ts';
import { judged, nic } from './judged-frames.ts';

describe('the ring of a capture', () => {
  it('has eight slots where packets may be as long as a snapshot', () => {
    expect(ringSlots(nic({ checksumOffload: true }))).toBe(8);
    expect(ringSlots(nic({ receiveOffload: true }))).toBe(8);
    expect(ringSlots(nic({ kind: 'ipip' }))).toBe(8);
  });

  it('has more than a thousand where a frame is no longer than an MTU', () => {
    expect(ringSlots(nic({}))).toBeGreaterThan(1000);
    expect(ringSlots(nic({ mtu: 9000 }))).toBeGreaterThan(200);
  });

  it('loses a frame behind as many as it has slots for, and at once', () => {
    const before = [0, 1, 2].map((order) => judged('aa', { order, at: 5 + order / 1000 }));
    const frame = (order: number, at: number) => judged('bb', { order, at });
    const lost = (order: number, at: number) =>
      thatRingMayLose([frame(order, at)], before, 3).length === 1;
    expect(lost(3, 5.01)).toBe(true);
    expect(lost(2, 5.01)).toBe(false);
    expect(lost(3, 5.2)).toBe(false);
    expect(thatRingMayLose([frame(3, 5.01)], before, 4)).toEqual([]);
  });
});
