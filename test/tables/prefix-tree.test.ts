import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { PrefixTree } from '../../src/tables/prefix-tree.ts';
import { netmask } from '../../src/wire/address.ts';

const put = (tree: PrefixTree, address: number, length: number, value: number): void => {
  const node = tree.make(address, length);
  tree.values[node] = value;
};

const step = fc.record({
  remove: fc.boolean(),
  address: fc.oneof(fc.integer(), fc.constantFrom(0, 0x0a000000, 0x0a000040, -1)),
  length: fc.integer({ min: 0, max: 32 }),
  value: fc.nat(9),
});

describe('PrefixTree', () => {
  it('holds what a map of prefixes holds, and lists it by address, longer first', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const tree = new PrefixTree();
        const twin = new Map<string, number[]>();
        for (const { remove, address, length, value } of steps) {
          const prefix = address & netmask(length);
          if (remove) {
            tree.drop(address, length);
            twin.delete(`${prefix}/${length}`);
          } else {
            put(tree, address, length, value);
            twin.set(`${prefix}/${length}`, [prefix, length, value]);
          }
        }
        const expected = [...twin.values()].sort(
          ([a, n], [b, m]) => (a! >>> 0) - (b! >>> 0) || m! - n!,
        );
        const listed = [...tree.prefixes()].map(({ node, address, length }) => {
          expect(tree.find(address, length)).toBe(node);
          return [address, length, tree.values[node]!];
        });
        expect(listed).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('takes no more nodes however often routes come and go', () => {
    const tree = new PrefixTree();
    for (let i = 0; i < 10_000; i++) {
      put(tree, i * 2654435761, 32, 1);
      tree.drop(i * 2654435761, 32);
    }
    expect(tree.values.length).toBeLessThanOrEqual(64);
  });
});
