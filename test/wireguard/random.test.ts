import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnsafeSeededRandom } from '../../src/wireguard/random.ts';

describe('seeded randomness', () => {
  it('is one stream, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(70), { maxLength: 10 }), (sizes) => {
        const total = sizes.reduce((sum, n) => sum + n, 0);
        const whole = Buffer.alloc(total);
        new UnsafeSeededRandom(7, 'x').fill(whole);
        const random = new UnsafeSeededRandom(7, 'x');
        const parts = sizes.map((size) => {
          const part = Buffer.alloc(size);
          random.fill(part);
          return part;
        });
        expect(Buffer.concat(parts)).toEqual(whole);
      }),
    );
  });

  it('differs by seed and name, and repeats no block', () => {
    const blocks = new Set<string>();
    for (const [seed, name] of [
      [1, 'a'],
      [1, 'b'],
      [2, 'a'],
    ] as const) {
      const random = new UnsafeSeededRandom(seed, name);
      for (let i = 0; i < 100; i++) {
        const block = Buffer.alloc(32);
        random.fill(block);
        blocks.add(block.toString('hex'));
      }
    }
    expect(blocks.size).toBe(300);
  });
});
