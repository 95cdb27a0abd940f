/** Rules and next hops against slow, obvious twins. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RouteTable } from '../../src/tables/route-table.ts';
import { RouteKind, Routes } from '../../src/tables/routes.ts';
import { ANY_INPUT, lookupRules, type Rule, ruleOf } from '../../src/tables/rules.ts';

const hop = (device: number, weight: number) => ({
  kind: RouteKind.Unicast,
  length: 0,
  gateway: 0,
  device,
  mtu: 0,
  source: 0 as const,
  weight,
});

/** A rule without conditions, and without a table. */
const every = {
  not: false,
  value: 0,
  mask: 0,
  from: 0,
  fromMask: 0,
  to: 0,
  toMask: 0,
  input: ANY_INPUT,
  tos: 0,
  next: 0,
  suppressLength: -1,
};

/** Nodes' WireGuard set-up: `99: not from all fwmark 0x200000/0x200000 lookup 1`. */
function encrypting() {
  const routes = new Routes<string>();
  const [one, main] = [new RouteTable(), new RouteTable()];
  const add = (
    table: RouteTable,
    address: number,
    length: number,
    kind: RouteKind,
    origin: string,
  ): void => {
    table.insert(address, length, routes.addHops([{ ...hop(0, 1), kind }], origin));
  };
  add(one, 0x0a020000, 16, RouteKind.Unicast, 'wireguard');
  add(one, 0x0a022400, 24, RouteKind.Throw, 'throw');
  add(main, 0, 0, RouteKind.Unicast, 'default');
  const rules: Rule[] = [
    ruleOf({ ...every, not: true, value: 0x200000, mask: 0x200000, table: one }),
    ruleOf({ ...every, table: main }),
  ];
  const origin = (address: number, mark: number): string | undefined => {
    const id = lookupRules(rules, routes, address, mark);
    return id < 0 ? undefined : routes.origin(id);
  };
  return { origin, rules, routes };
}

describe('rules', () => {
  const { origin, rules, routes } = encrypting();

  it('the mark decides which table is asked', () => {
    expect(origin(0x0a020101, 0)).toBe('wireguard');
    expect(origin(0x0a020101, 0x200000)).toBe('default');
    expect(origin(0x0a020101, 0xffdfffff | 0)).toBe('wireguard');
  });

  it('the highest bit of a mark is a bit like the others', () => {
    const high = rules.map((rule) =>
      ruleOf({ ...rule, value: 0x80000000, mask: 0x80000000, not: false }),
    );
    expect(lookupRules(high, routes, 0x0a020101, 0x80000000 | 0)).toBeGreaterThanOrEqual(0);
    expect(lookupRules(high, routes, 0x0a020101, 0x80000000)).toBeGreaterThanOrEqual(0);
    expect(lookupRules(high, routes, 0x0a020101, 0x7fffffff)).toBe(-1);
  });

  it('a throw, and a table without an answer, lead to the next rule', () => {
    expect(origin(0x0a022401, 0)).toBe('default');
    expect(origin(0x08080808, 0)).toBe('default');
    expect(lookupRules(rules.slice(0, 1), routes, 0x0a022401, 0)).toBe(-1);
  });
});

describe('conditions of a rule', () => {
  it('all hold, or with not one of them does not', () => {
    const small = fc.integer({ min: 0, max: 3 });
    const prefix = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.constantFrom(0, 30, 31, 32));
    const drawn = fc.record({
      not: fc.boolean(),
      mark: fc.option(small),
      from: fc.option(prefix),
      to: fc.option(prefix),
      input: fc.option(fc.integer({ min: -1, max: 1 })),
      tos: fc.constantFrom(0, 0, 4, 0x10, 0x1c),
    });
    const cut = (value: number, length: number): number => Math.floor(value / 2 ** (32 - length));
    fc.assert(
      fc.property(
        fc.array(drawn, { maxLength: 4 }),
        fc.record({
          to: small,
          mark: small,
          source: small,
          input: fc.integer({ min: -1, max: 1 }),
          tos: fc.constantFrom(0, 1, 4, 0x10, 0x11, 0x50),
        }),
        (list, packet) => {
          const routes = new Routes<string>();
          const rules = list.map(({ not, mark, from, to, input, tos }, i): Rule => {
            const table = new RouteTable();
            table.insert(0, 0, routes.addHops([hop(0, 1)], String(i)));
            const ends = (end: [number, number] | null) =>
              end === null ? [0, 0] : [end[0], end[1] === 0 ? 0 : -1 << (32 - end[1])];
            const [fromValue = 0, fromMask = 0] = ends(from);
            const [toValue = 0, toMask = 0] = ends(to);
            return ruleOf({
              not,
              value: mark ?? 0,
              mask: mark === null ? 0 : 3,
              from: fromValue,
              fromMask,
              to: toValue,
              toMask,
              input: input ?? ANY_INPUT,
              tos,
              table,
              next: 0,
              suppressLength: -1,
            });
          });
          const wanted = list.findIndex(({ not, mark, from, to, input, tos }) => {
            const holds = [
              mark === null || mark === packet.mark,
              from === null || cut(from[0], from[1]) === cut(packet.source, from[1]),
              to === null || cut(to[0], to[1]) === cut(packet.to, to[1]),
              input === null || input === packet.input,
              // Precedence (the upper three bits) and congestion marks do not count.
              tos === 0 || tos === (packet.tos % 32) - (packet.tos % 4),
            ].every(Boolean);
            return holds !== not;
          });
          const id = lookupRules(
            rules,
            routes,
            packet.to,
            packet.mark,
            packet.source,
            packet.input,
            packet.tos,
          );
          expect(id < 0 ? -1 : Number(routes.origin(id))).toBe(wanted);
        },
      ),
    );
  });
});

describe('what a rule does', () => {
  it('asks a table, passes by, or leads on, as in a list that is walked by hand', () => {
    const route = fc.record({
      length: fc.integer({ min: 0, max: 32 }),
      kind: fc.constantFrom(
        RouteKind.Unicast,
        RouteKind.Local,
        RouteKind.Throw,
        RouteKind.Prohibit,
      ),
    });
    const drawn = fc.record({
      not: fc.boolean(),
      skip: fc.option(fc.integer({ min: 1, max: 4 })),
      suppressLength: fc.integer({ min: -1, max: 32 }),
      routes: fc.uniqueArray(route, { selector: ({ length }) => length, maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(drawn, { maxLength: 6 }), (list) => {
        const routes = new Routes<string>();
        const rules = list.map((one, i): Rule => {
          const table = new RouteTable();
          for (const { length, kind } of one.routes) {
            table.insert(
              0,
              length,
              routes.addHops([{ ...hop(0, 1), kind, length }], `${i} ${length}`),
            );
          }
          const { not, skip, suppressLength } = one;
          const fields = { ...every, not, suppressLength, next: i + (skip ?? 0) };
          return ruleOf({ ...fields, table: skip === null ? table : null });
        });
        const walk = (i: number): string | undefined => {
          const rule = list[i];
          if (rule === undefined) return undefined;
          if (rule.not) return walk(i + 1);
          if (rule.skip !== null) return walk(i + rule.skip);
          const [best] = [...rule.routes].sort((a, b) => b.length - a.length);
          if (best === undefined || best.kind === RouteKind.Throw) return walk(i + 1);
          const refuses = best.kind === RouteKind.Prohibit;
          const counts = refuses || best.length > rule.suppressLength;
          return counts ? `${i} ${best.length}` : walk(i + 1);
        };
        const id = lookupRules(rules, routes, 0, 0);
        expect(id < 0 ? undefined : routes.origin(id)).toBe(walk(0));
      }),
    );
  });
});

describe('several next hops', () => {
  it('each gets its share by weight, as in a list of its repetitions', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 0, max: 0xffffffff }),
        (weights, hash) => {
          const routes = new Routes<string>();
          routes.addHops([hop(99, 1)], 'another');
          const id = routes.addHops(
            weights.map((weight, device) => hop(device, weight)),
            'several',
          );
          const shares = weights.flatMap((weight, i) => Array.from({ length: weight }, () => i));
          expect(routes.hops(id)).toBe(weights.length);
          expect(routes.device(routes.choose(id, hash))).toBe(shares[hash % shares.length]);
        },
      ),
    );
  });
});
