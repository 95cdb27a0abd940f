import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GoRandom } from '../../src/calico/go-random.ts';
import { int63 } from './go-random-twin.ts';

describe('Go random', () => {
  it('gives the numbers that every Go program with seed 1 has seen', () => {
    const known = [
      5577006791947779410n,
      8674665223082153551n,
      6129484611666145821n,
      4037200794235010051n,
      3916589616287113937n,
    ];
    const random = new GoRandom(1);
    expect(known.map(() => random.uint32())).toEqual(known.map((n) => Number(n >> 31n)));
  });

  it('agrees with a slow twin over every word of its table', { timeout: 120_000 }, () => {
    // The first 607 draws read each word of a freshly seeded array.
    for (const seed of [0, 1, 0x7fffffff, 0xffffffff]) {
      const random = new GoRandom(seed);
      const twin = int63(BigInt(seed));
      const draws = Array.from({ length: 2000 }, () => random.uint32());
      expect(draws).toEqual(draws.map(() => Number(twin.next().value >> 31n)));
    }
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (seed) => {
        const random = new GoRandom(seed);
        const twin = int63(BigInt(seed));
        for (let i = 0; i < 10; i++) {
          expect(random.uint32()).toBe(Number(twin.next().value >> 31n));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('stays below the limit of every power of two', () => {
    const random = new GoRandom(7);
    expect(random.below2to(0)).toBe(0);
    for (let bits = 1; bits <= 31; bits++) {
      for (let i = 0; i < 20; i++) {
        const value = random.below2to(bits);
        expect(Number.isInteger(value) && value >= 0 && value < 2 ** bits).toBe(true);
      }
    }
  });
});
