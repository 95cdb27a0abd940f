import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { PrefixBlocks } from '../../src/tables/prefix-blocks.ts';
import { slowLookup } from '../../src/testing/index.ts';
import { netmask } from '../../src/wire/address.ts';

const put = (blocks: PrefixBlocks, address: number, length: number, value: number): void =>
  blocks.set(blocks.make(address, length), value);

const step = fc.record({
  remove: fc.boolean(),
  address: fc.oneof(fc.integer(), fc.constantFrom(0, 0x0a000000, 0x0a000040, -1)),
  length: fc.integer({ min: 0, max: 32 }),
  value: fc.oneof(fc.nat(9), fc.constantFrom(0x7fff, 0x8000, 2 ** 30 - 1)),
});

describe('PrefixBlocks', () => {
  it('holds what a map of prefixes holds, and lists it by address, longer first', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const blocks = new PrefixBlocks(0);
        const twin = new Map<string, number[]>();
        for (const { remove, address, length, value } of steps) {
          const prefix = address & netmask(length);
          if (remove) {
            blocks.drop(address, length);
            twin.delete(`${prefix}/${length}`);
          } else {
            put(blocks, address, length, value);
            twin.set(`${prefix}/${length}`, [prefix, length, value]);
          }
        }
        const expected = [...twin.values()].sort(
          ([a, n], [b, m]) => (a! >>> 0) - (b! >>> 0) || m! - n!,
        );
        const listed = [...blocks.prefixes()].map(({ node, address, length }) => {
          expect(blocks.find(address, length)).toBe(node);
          return [address, length, blocks.value(node)];
        });
        expect(listed).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('finds the longest prefix of at most a length', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer(), (steps, other) => {
        const blocks = new PrefixBlocks(0);
        const twin: { address: number; length: number; metric: 0; value: number }[] = [];
        for (const { address, length, value } of steps) {
          const prefix = address & netmask(length);
          if (twin.some((e) => e.address === prefix && e.length === length)) continue;
          put(blocks, address, length, value);
          twin.push({ address: prefix, length, metric: 0, value });
        }
        for (const probe of [other, ...steps.map(({ address }) => address)]) {
          for (let most = 0; most <= 32; most++) {
            const shorter = twin.filter(({ length }) => length <= most);
            expect(blocks.longest(probe, most)).toBe(slowLookup(shorter, probe)?.value ?? -1);
          }
        }
      }),
    );
  });

  it('takes no more slots however often routes come and go', () => {
    const blocks = new PrefixBlocks(0);
    for (let i = 0; i < 10_000; i++) {
      put(blocks, i * 2654435761, 32, 1);
      blocks.drop(i * 2654435761, 32);
      put(blocks, i * 2654435761, 24, 1);
      blocks.drop(i * 2654435761, 24);
    }
    expect(blocks.slots.length).toBeLessThan(2 ** 17 + 100 * 512);
  });
});
