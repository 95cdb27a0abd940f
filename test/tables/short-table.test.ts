/** A list of few routes against a linear scan. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrefixTree } from '../../src/tables/prefix-tree.ts';
import { FEW, findShort, ShortTable } from '../../src/tables/short-table.ts';
import { slowLookup } from '../../src/testing/index.ts';
import { netmask } from '../../src/wire/address.ts';

const route = fc.record({
  address: fc.oneof(fc.integer(), fc.constantFrom(0, -1, 0x7fff_ffff, -0x8000_0000)),
  length: fc.oneof(fc.constantFrom(0, 1, 31, 32), fc.integer({ min: 0, max: 32 })),
  value: fc.nat(2 ** 30 - 1),
});

describe('a list of few routes', () => {
  it('answers as a linear scan does', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(route, {
          maxLength: FEW,
          selector: ({ address, length }) => `${address & netmask(length)}/${length}`,
        }),
        fc.array(fc.integer()),
        (routes, probes) => {
          const tree = new PrefixTree();
          for (const { address, length, value } of routes) {
            tree.set(tree.make(address, length), value);
          }
          const table = new ShortTable(tree);
          const twin = routes.map((r) => ({
            ...r,
            address: r.address & netmask(r.length),
            metric: 0,
          }));
          const edges = twin.flatMap(({ address, length }) => [
            address,
            address | ~netmask(length),
            address - 1,
          ]);
          for (const probe of [...edges, ...probes]) {
            const expected = slowLookup(twin, probe | 0)?.value ?? -1;
            expect(findShort(table.triples, probe | 0)).toBe(expected);
          }
          expect(table.memory).toBe(12 * routes.length);
        },
      ),
    );
  });
});
