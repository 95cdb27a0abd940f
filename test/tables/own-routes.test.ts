/** Tables that share routes, beside a scan of all that each has. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CommonRoute, CommonRoutes } from '../../src/tables/common-routes.ts';
import { RouteTable } from '../../src/tables/route-table.ts';
import { RouteKind } from '../../src/tables/routes.ts';

interface Prefix {
  readonly address: number;
  readonly length: number;
}

interface Held extends Prefix {
  readonly id: number;
  readonly metric: number;
}

const clipped = ({ address, length }: Prefix): Prefix => ({
  address: length === 0 ? 0 : address & (-1 << (32 - length)),
  length,
});

/** Few of them, so that they meet and cover each other. */
const prefix = fc
  .record({
    address: fc.integer({ min: 0, max: 15 }).map((n) => (n << 28) | n),
    length: fc.constantFrom(0, 1, 2, 3, 4, 31, 32),
  })
  .map(clipped);

const keyOf = ({ address, length }: Prefix): string => `${address}/${length}`;

const covers = ({ address, length }: Prefix, asked: number): boolean =>
  length === 0 || address >>> (32 - length) === asked >>> (32 - length);

/** Longest prefix, then lowest metric. */
const slow = (held: readonly Held[], asked: number): number =>
  held
    .filter((one) => covers(one, asked))
    .sort((a, b) => b.length - a.length || a.metric - b.metric)[0]?.id ?? -1;

const commonRoute = ({ address, length }: Prefix): CommonRoute<string> => ({
  ...{ address, length, kind: RouteKind.Unicast, gateway: 0, device: '', mtu: 0, source: 0 },
  origin: keyOf({ address, length }),
});

const act = fc.record({
  table: fc.nat({ max: 2 }),
  what: fc.constantFrom('insert', 'insert', 'remove', 'ask'),
  prefix,
  metric: fc.nat({ max: 1 }),
});

describe('what tables have beside the routes that they share', () => {
  it('is found as by a scan, whatever changes, in whatever order', () => {
    const lists = fc.uniqueArray(prefix, { selector: keyOf, maxLength: 8 });
    const lacks = fc.array(fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), {
      minLength: 3,
      maxLength: 3,
    });
    fc.assert(
      fc.property(lists, lacks, fc.array(act, { maxLength: 60 }), (list, lacked, acts) => {
        const common = new CommonRoutes(list.map(commonRoute));
        const tables = lacked.map((isLacked) => {
          const hidden = list.flatMap((_, id) => (isLacked[id] ? [id] : []));
          const table = new RouteTable();
          table.lieOver({ common, hidden });
          const held: Held[] = list
            .map((one, id) => ({ ...one, id, metric: 0 }))
            .filter(({ id }) => !hidden.includes(id));
          return { table, held, next: list.length };
        });
        for (const { table: nth, what, prefix: asked, metric } of acts) {
          const one = tables[nth]!;
          const isIt = (held: Held): boolean =>
            keyOf(held) === keyOf(asked) && held.metric === metric;
          const known = one.held.some(isIt);
          const { address, length } = asked;
          if (what === 'insert' && !known) {
            one.table.insert(address, length, one.next, metric);
            one.held.push({ ...asked, id: one.next++, metric });
          } else if (what === 'remove') {
            expect(one.table.remove(address, length, metric)).toBe(known);
            one.held = one.held.filter((held) => !isIt(held));
          } else expect(one.table.find(address, 0)).toBe(slow(one.held, address));
        }
        for (const { table, held } of tables) {
          for (let top = 0; top < 16; top++) {
            for (const address of [top << 28, (top << 28) | top, ((top + 1) << 28) - 1]) {
              expect(table.find(address, 0)).toBe(slow(held, address));
            }
          }
        }
      }),
    );
  });

  it('may be more than fits a row, and fewer again', () => {
    const common = new CommonRoutes([commonRoute({ address: 10 << 24, length: 8 })]);
    const tables = Array.from({ length: 100 }, () => new RouteTable());
    for (const table of tables) table.lieOver({ common, hidden: [] });
    const address = (n: number): number => (10 << 24) | n;
    for (let n = 0; n < 40; n++) {
      for (const table of tables) table.insert(address(n), 32, 1 + n);
      for (const table of tables) {
        expect([0, n, 40].map((asked) => table.find(address(asked), 0))).toEqual([1, 1 + n, 0]);
      }
    }
    for (let n = 39; n > 0; n--) {
      for (const table of tables) expect(table.remove(address(n), 32)).toBe(true);
      for (const table of tables) {
        expect([0, n - 1, n].map((asked) => table.find(address(asked), 0))).toEqual([1, n, 0]);
      }
    }
  });
});
