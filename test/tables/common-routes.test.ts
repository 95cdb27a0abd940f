/** Tables that share routes, beside a scan of all that each should have. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommonRoutes } from '../../src/tables/common-routes.ts';
import { Fdb } from '../../src/tables/fdb.ts';
import { RouteTable } from '../../src/tables/route-table.ts';
import { RouteKind, Routes } from '../../src/tables/routes.ts';
import { type LookupEntry, slowLookup } from '../../src/testing/slow-lookup.ts';

interface Prefix {
  readonly address: number;
  readonly length: number;
}

/** Few and near each other, so that they nest and meet. */
const prefix: fc.Arbitrary<Prefix> = fc
  .record({
    high: fc.constantFrom(0x0a000000, 0x0a010000, 0xc0a80000),
    low: fc.nat({ max: 0xffff }),
    length: fc.oneof(
      fc.constantFrom(0, 8, 16, 24, 26, 26, 30, 32),
      fc.integer({ min: 0, max: 32 }),
    ),
  })
  .map(({ high, low, length }) => {
    const mask = length === 0 ? 0 : -1 << (32 - length);
    return { address: (high | low) & mask, length };
  });

const key = ({ address, length }: Prefix): string => `${address}/${length}`;
const fields = (kind: RouteKind) => ({ kind, gateway: 0, mtu: 0, source: 0 }) as const;

describe('routes that tables share', () => {
  it('answer as a scan does, whatever a table hides, adds and removes', () => {
    const act = fc.record({ add: fc.boolean(), at: prefix, metric: fc.constantFrom(0, 0, 5) });
    fc.assert(
      fc.property(
        fc.uniqueArray(prefix, { selector: key, maxLength: 25 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        fc.array(act, { maxLength: 25 }),
        fc.array(prefix, { maxLength: 30 }),
        (shared, lacking, acts, asked) => {
          const common = new CommonRoutes(
            shared.map((at) => ({ ...at, ...fields(RouteKind.Unicast), device: 'x', origin: at })),
          );
          const hidden = [...new Set(lacking)].map((n) => n % (shared.length || 1));
          const routes = new Routes<Prefix>(common, () => 3);
          const table = new RouteTable();
          table.lieOver({ common, hidden });
          let all: LookupEntry<number>[] = shared.flatMap((at, value) =>
            hidden.includes(value) ? [] : [{ ...at, metric: 0, value }],
          );
          const isThere = (at: Prefix, metric: number) => (one: LookupEntry<number>) =>
            key(one) === key(at) && one.metric === metric;
          for (const { add, at, metric } of acts) {
            if (add) {
              const { length } = at;
              const hop = { ...fields(RouteKind.Blackhole), length, device: -1, weight: 1 };
              const value = routes.addHops([hop], at);
              const isNew = !all.some(isThere(at, metric));
              expect(table.insert(at.address, at.length, value, metric)).toBe(isNew);
              if (isNew) all.push({ ...at, metric, value });
            } else {
              const was = all.some(isThere(at, metric));
              expect(table.remove(at.address, at.length, metric)).toBe(was);
              all = all.filter((one) => !isThere(at, metric)(one));
            }
          }
          for (const { address } of [...asked, ...shared, ...acts.map(({ at }) => at)]) {
            const expected = slowLookup(all, address);
            const found = table.find(address, 0);
            expect(found).toBe(expected?.value ?? -1);
            if (found < 0) continue;
            expect(key(routes.origin(found))).toBe(key(expected!));
            expect(routes.length(found)).toBe(expected!.length);
            const isShared = found < shared.length;
            expect(routes.kind(found)).toBe(isShared ? RouteKind.Unicast : RouteKind.Blackhole);
            expect(routes.device(found)).toBe(isShared ? 3 : -1);
            expect(routes.hops(found)).toBe(1);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('end to be shared where a route of the same prefix comes, under the same numbers', () => {
    const at = { address: 0x0a010000, length: 26 };
    const common = new CommonRoutes([
      { ...at, ...fields(RouteKind.Unicast), device: 'x', origin: 'first' },
    ]);
    const table = new RouteTable();
    table.lieOver({ common, hidden: [] });
    expect(table.insert(at.address, 26, 1, 0)).toBe(false);
    expect(table.insert(at.address, 26, 2, 7)).toBe(true);
    expect(table.find(at.address, 0)).toBe(0);
    expect(table.remove(at.address, 26, 0)).toBe(true);
    expect(table.find(at.address, 0)).toBe(2);
  });
});

describe('FDB entries that devices share', () => {
  it('are found, but the own one, and end to be shared when one is deleted', () => {
    const common = new Fdb();
    for (const n of [1, 2, 3]) common.set(0, 0x6600, n, 100 + n);
    const fdb = new Fdb();
    fdb.lieOver({ device: 4, common, ownHigh: 0x6600, ownLow: 2 });
    expect(fdb.find(4, 0x6600, 2)).toBe(-1);
    expect(fdb.find(5, 0x6600, 1)).toBe(-1);
    expect(fdb.destination(fdb.find(4, 0x6600, 3))).toBe(103);
    expect(fdb.delete(4, 0x6600, 1)).toBe(true);
    expect(fdb.find(4, 0x6600, 1)).toBe(-1);
    expect([...fdb].map(({ macLow }) => macLow)).toEqual([3]);
    expect(common.size).toBe(3);
  });
});
