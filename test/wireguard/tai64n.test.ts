import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isBefore, type Moment } from '../../src/packet/moment.ts';
import { putTai64n } from '../../src/wireguard/tai64n.ts';

const stamp = (moment: Moment): Buffer => {
  const b = Buffer.alloc(12);
  putTai64n(b, 0, moment);
  return b;
};

describe('TAI64N', () => {
  it('is the stamp that a kernel sent', () => {
    // 2026-11-20 of a recorded initiation: 2^62 + 10 + Unix seconds, nanoseconds rounded down to 2^24.
    const moment = { seconds: 0x6b015a09 - 10, nanoseconds: 0x1dabcdef };
    expect(stamp(moment).toString('hex')).toBe('400000006b015a091d000000');
  });

  it('orders as time does, in steps of 2^24 ns', () => {
    const moments = fc.record({ seconds: fc.nat(2 ** 40), nanoseconds: fc.nat(999_999_999) });
    fc.assert(
      fc.property(moments, moments, (a, b) => {
        const [x, y] = [stamp(a), stamp(b)];
        if (isBefore(a, b)) expect(x.compare(y)).toBeLessThanOrEqual(0);
        expect(x.readUInt32BE(8) % 2 ** 24).toBe(0);
        const same = a.seconds === b.seconds && a.nanoseconds >> 24 === b.nanoseconds >> 24;
        expect(x.equals(y)).toBe(same);
      }),
    );
  });
});
