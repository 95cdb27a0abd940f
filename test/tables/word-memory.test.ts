/** Tables that share a memory do not see each other. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Neighbours, Nud } from '../../src/tables/neighbours.ts';
import { PairIndex } from '../../src/tables/pair-index.ts';
import { RouteKind, Routes } from '../../src/tables/routes.ts';
import { TupleIndex } from '../../src/tables/tuple-index.ts';
import { type Block, WordMemory } from '../../src/tables/word-memory.ts';

describe('the memory of small tables', () => {
  it('gives blocks that have room and are empty, and none to two tables', () => {
    const length = fc.oneof(
      fc.integer({ min: 1, max: 300 }),
      fc.constantFrom(1 << 15, 1 << 16, 70_000),
    );
    const turn = fc.record({ length, place: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 200 }), (turns) => {
        const memory = new WordMemory();
        const held: ({ block: Block; length: number; mark: number } | undefined)[] = [];
        for (const [i, { length, place }] of turns.entries()) {
          const old = held[place];
          if (old !== undefined) {
            const { words, at } = old.block;
            const kept = words.subarray(at, at + old.length);
            expect([kept.length, kept.every((word) => word === old.mark)]).toEqual([
              old.length,
              true,
            ]);
            memory.give(old.block, old.length);
          }
          const block = memory.take(length);
          const fresh = block.words.subarray(block.at, block.at + length);
          expect([fresh.length, fresh.every((word) => word === 0)]).toEqual([length, true]);
          fresh.fill(i + 1);
          held[place] = { block, length, mark: i + 1 };
        }
      }),
      { numRuns: 40 },
    );
  });

  it('gives a block again', () => {
    const memory = new WordMemory();
    const first = memory.take(40);
    memory.give(first, 40);
    expect(memory.take(64)).toBe(first);
    expect(memory.take(64)).not.toBe(first);
  });
});

describe('tables with one memory', () => {
  const turn = fc.record({ table: fc.nat(3), key: fc.nat(40), remove: fc.boolean() });

  it('indexes answer as a Map each', () => {
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 300 }), (turns) => {
        const memory = new WordMemory();
        const pairs = [0, 1].map(() => new PairIndex(memory));
        const tuples = [0, 1].map(() => new TupleIndex(memory));
        const twins = [0, 1, 2, 3].map(() => new Map<number, number>());
        const get = (table: number, key: number): number =>
          table < 2 ? pairs[table]!.get(key, -key) : tuples[table - 2]!.get(key, 0, -key, 6);
        for (const [value, { table, key, remove }] of turns.entries()) {
          const [pair, tuple, twin] = [pairs[table], tuples[table - 2], twins[table]!];
          if (remove) {
            const was = twin.delete(key);
            expect(pair?.delete(key, -key) ?? tuple?.delete(key, 0, -key, 6)).toBe(was);
          } else {
            twin.set(key, value);
            pair?.set(key, -key, value);
            tuple?.set(key, 0, -key, 6, value);
          }
        }
        for (const [table, twin] of twins.entries()) {
          for (let key = 0; key <= 40; key++) expect(get(table, key)).toBe(twin.get(key) ?? -1);
        }
      }),
    );
  });

  it('routes and neighbours keep their fields, however many come', () => {
    const hop = fc.record({
      kind: fc.constantFrom(...Object.values(RouteKind)),
      length: fc.nat(32),
      gateway: fc.integer(),
      device: fc.integer({ min: -1, max: 300 }),
      mtu: fc.nat(65_535),
      source: fc.constant(0 as const),
      weight: fc.integer({ min: 1, max: 256 }),
    });
    const change = fc.record({
      place: fc.nat(1),
      hops: fc.array(hop, { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const memory = new WordMemory();
        const both = [0, 1].map(() => ({
          routes: new Routes<number>(null, undefined, memory),
          neighbours: new Neighbours<never>(undefined, memory),
          twin: [] as { id: number; hops: (typeof changes)[number]['hops']; origin: number }[],
        }));
        for (const [origin, { place, hops }] of changes.entries()) {
          const { routes, neighbours, twin } = both[place]!;
          twin.push({ id: routes.addHops(hops, origin), hops, origin });
          neighbours.set(hops[0]!.device, origin, hops[0]!.mtu, hops[0]!.gateway, Nud.Stale);
        }
        for (const { routes, neighbours, twin } of both) {
          for (const { id, hops, origin } of twin) {
            expect(routes.hops(id)).toBe(hops.length);
            const read = hops.map((_, i) => ({
              kind: routes.kind(id + i),
              length: routes.length(id + i),
              gateway: routes.gateway(id + i),
              device: routes.device(id + i),
              mtu: routes.mtu(id + i),
              source: routes.source(id + i),
            }));
            expect(read).toEqual(hops.map(({ weight, ...fields }) => fields));
            expect(routes.origin(id)).toBe(origin);
            const total = hops.reduce((sum, { weight }) => sum + weight, 0);
            const shares = hops.map(() => 0);
            for (let hash = 0; hash < total; hash++) shares[routes.choose(id, hash) - id]!++;
            expect(shares).toEqual(hops.map(({ weight }) => weight));
            const known = neighbours.find(hops[0]!.device, origin);
            expect([neighbours.macHigh(known), neighbours.macLow(known)]).toEqual([
              hops[0]!.mtu,
              hops[0]!.gateway,
            ]);
          }
        }
      }),
    );
  });
});
