import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REJECT_HIGH, REJECT_LOW, ReplayWindow } from '../../src/wireguard/replay-window.ts';

const LIMIT = (BigInt(REJECT_HIGH) << 32n) | BigInt(REJECT_LOW);
const WINDOW = 8128n;

/** All counters it ever took, in a set. */
class SlowWindow {
  private readonly seen = new Set<bigint>();
  private greatest = -1n;

  accept(counter: bigint): boolean {
    if (counter >= LIMIT || counter + WINDOW < this.greatest || this.seen.has(counter))
      return false;
    this.seen.add(counter);
    if (counter > this.greatest) this.greatest = counter;
    return true;
  }
}

const ask = (window: ReplayWindow, counter: bigint): boolean =>
  window.accept(Number(counter >> 32n), Number(counter & 0xffffffffn));

describe('the replay window', () => {
  it('refuses from 2^64 - 8130 on, as the kernel', () => {
    expect(LIMIT).toBe(2n ** 64n - 1n - 8128n - 1n);
    const window = new ReplayWindow();
    expect([LIMIT, LIMIT - 1n, LIMIT - 1n].map((c) => ask(window, c))).toEqual([
      false,
      true,
      false,
    ]);
    expect(window.exhausted).toBe(true);
  });

  it('is a set of all counters seen, but for those too old', () => {
    const near = fc.bigInt({ min: -9000n, max: 9000n });
    const base = fc.constantFrom(0n, 9000n, 2n ** 32n, 2n ** 53n, 2n ** 63n, LIMIT - 9100n);
    fc.assert(
      fc.property(
        base,
        fc.array(fc.oneof(near, fc.bigInt(-40n, 40n)), { maxLength: 200 }),
        (from, steps) => {
          const window = new ReplayWindow();
          const slow = new SlowWindow();
          let last = from;
          for (const step of steps) {
            last = last + step < 0n ? 0n : last + step;
            if (last >= 2n ** 64n) last = 2n ** 64n - 1n;
            expect(ask(window, last), String(last)).toBe(slow.accept(last));
          }
        },
      ),
    );
  });

  it('a word of the ring that comes by again holds nothing of before', () => {
    for (const leap of [33n, 1000n, 4096n, 8128n, 8191n, 8192n, 20_000n]) {
      const window = new ReplayWindow();
      const slow = new SlowWindow();
      const counters = Array.from({ length: 8192 }, (_, i) => BigInt(i));
      counters.push(8191n + leap);
      // What was leapt over may still come.
      for (let back = 1n; back <= 8130n; back++) counters.push(8191n + leap - back);
      for (const counter of counters) expect(ask(window, counter)).toBe(slow.accept(counter));
    }
  });

  it('forgets all on a leap', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 60n), fc.bigInt(0n, 2n ** 63n), (first, leap) => {
        const window = new ReplayWindow();
        const slow = new SlowWindow();
        for (const counter of [
          first,
          first + leap,
          first,
          first + leap,
          first + leap - 1n,
          first + leap + 1n,
        ]) {
          if (counter < 0n) continue;
          expect(ask(window, counter)).toBe(slow.accept(counter));
        }
      }),
    );
  });
});
