import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TickClock } from '../../src/pcap/timestamp.ts';

describe('TickClock', () => {
  it('divides as bigints do, in every resolution', () => {
    fc.assert(
      fc.property(
        fc.nat(255),
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.bigInt(-(2n ** 40n), 2n ** 40n),
        (resolution, ticks, offset) => {
          const units =
            resolution >= 128 ? 2n ** BigInt(resolution - 128) : 10n ** BigInt(resolution);
          const clock = new TickClock(resolution, offset);
          const high = Number(ticks >> 32n);
          const low = Number(ticks & 0xffffffffn);
          // Beyond 2^53 rounded to a double, once.
          expect(clock.seconds(high, low)).toBe(Number(ticks / units + offset));
          expect(clock.nanoseconds(high, low)).toBe(
            Number(((ticks % units) * 1_000_000_000n) / units),
          );
          expect(clock.nanosecond).toBe(units > 1_000_000n);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
