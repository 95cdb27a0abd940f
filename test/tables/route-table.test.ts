/** Routes with a TOS beside a scan of all routes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RouteTable } from '../../src/tables/route-table.ts';

interface Written {
  readonly address: number;
  readonly length: number;
  readonly metric: number;
  readonly tos: number;
}

const TOS = [0, 0, 0x04, 0x10, 0x1c, 0x50] as const;

const written = fc
  .record({
    address: fc.integer({ min: 0, max: 7 }).map((n) => n << 29),
    length: fc.integer({ min: 0, max: 3 }),
    metric: fc.constantFrom(0, 1, 2 ** 32 - 1),
    tos: fc.constantFrom(...TOS),
  })
  .map((r) => ({ ...r, address: r.length === 0 ? 0 : r.address & (-1 << (32 - r.length)) }));

const isSame = (a: Written, b: Written): boolean =>
  a.address === b.address && a.length === b.length && a.metric === b.metric && a.tos === b.tos;

const covers = (r: Written, address: number): boolean =>
  r.length === 0 || r.address >>> (32 - r.length) === address >>> (32 - r.length);

/** Longest prefix, then its routes with a TOS, then the lowest metric. */
function slow(routes: readonly Written[], address: number, tos: number): Written | undefined {
  const asked = (tos % 32) - (tos % 4);
  return routes
    .filter((r) => covers(r, address) && (r.tos === 0 || r.tos === asked))
    .sort((a, b) => b.length - a.length || b.tos - a.tos || a.metric - b.metric)[0];
}

describe('a table whose routes name a TOS', () => {
  it('answers as a scan does, whatever was added and removed in whatever order', () => {
    const act = fc.record({ add: fc.boolean(), route: written });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 20 }), (acts) => {
        const table = new RouteTable();
        const ids: Written[] = [];
        let routes: Written[] = [];
        for (const { add, route } of acts) {
          const { address, length, metric, tos } = route;
          const known = routes.some((one) => isSame(one, route));
          if (add && !known) {
            table.insert(address, length, ids.push(route) - 1, metric, tos);
            routes.push(route);
          } else if (!add) {
            const gone = table.remove(address, length, metric, tos);
            // 0x50 has bits that no packet is asked for: nothing holds such a route.
            expect(gone).toBe(known && tos !== 0x50);
            routes = routes.filter((one) => !isSame(one, route));
          }
        }
        for (let top = 0; top < 8; top++) {
          for (const tos of [0, 0x02, 0x04, 0x10, 0x1c, 0x50, 0xff]) {
            const id = table.find(top << 29, tos);
            expect(id < 0 ? undefined : ids[id]).toEqual(slow(routes, top << 29, tos));
          }
        }
      }),
    );
  });
});
