/** The limit of all ICMP errors: a kernel that draws is never more at the end of its credit than is thought possible. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ErrorCredit } from '../../src/verify/error-credit.ts';

/** icmp_global_allow, with what each error takes drawn by `draw`: times of those that passed, and of those that did not. */
function kernel(hz: number, phase: number, times: readonly number[], draw: () => number) {
  const passed: number[] = [];
  const held: number[] = [];
  let stamp = Math.floor(((times[0]! - 5000) * hz) / 1000 + phase);
  let credit = 50;
  for (const at of times) {
    const now = Math.floor((at * hz) / 1000 + phase);
    const delta = Math.min(now - stamp, hz);
    if (credit === 0 && delta < hz / 50) {
      held.push(at);
      continue;
    }
    const more = delta >= hz / 50 ? Math.floor((1000 * delta) / hz) : 0;
    if (more > 0) stamp = now;
    credit = Math.min(credit + more, 50);
    if (credit > 0) passed.push(at);
    else held.push(at);
    credit = Math.max(credit - draw(), 0);
  }
  return { passed, held };
}

/** Bursts with pauses between them; milliseconds. */
const times = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 90 }), fc.nat(4)), {
    minLength: 1,
    maxLength: 6,
  })
  .map((bursts) => {
    let at = 10_000;
    return bursts.flatMap(([count, pause, step]) => {
      at += pause;
      return Array.from({ length: count }, () => {
        at += step / 4;
        return at;
      });
    });
  });

describe('the credit for ICMP errors', () => {
  it('may be spent whenever a kernel held one back', () => {
    let held = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(100, 250, 1000),
        fc.nat(4095),
        times,
        fc.array(fc.nat(2), { minLength: 1, maxLength: 30 }),
        (hz, phase, list, draws) => {
          let drawn = 0;
          const told = kernel(hz, phase / 4096, list, () => draws[drawn++ % draws.length]!);
          const credit = new ErrorCredit(told.passed);
          held += told.held.length;
          expect(told.held.filter((at) => !credit.mayBeSpent(at))).toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
    expect(held).toBeGreaterThan(100);
  });

  it('is not before the 25th in a row, whatever they take, nor long after the last', () => {
    const burst = (count: number): number[] =>
      Array.from({ length: count }, (_, i) => 1000 + i / 100);
    expect(new ErrorCredit([]).mayBeSpent(1000)).toBe(false);
    expect(new ErrorCredit(burst(24)).mayBeSpent(1000)).toBe(false);
    const spent = new ErrorCredit(burst(25));
    expect([980, 1000, 1020, 1031].map((at) => spent.mayBeSpent(at))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('is never where one comes each ten milliseconds', () => {
    const steady = Array.from({ length: 1000 }, (_, i) => 1000 + 10 * i);
    const credit = new ErrorCredit(steady);
    expect(steady.filter((at) => credit.mayBeSpent(at))).toEqual([]);
  });
});
