import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_NARROW } from '../../src/tables/cells.ts';
import { FlatTable } from '../../src/tables/flat-table.ts';
import { kernelOf, narrow24 } from '../../src/tables/lookup-kernel.ts';
import { PrefixBlocks } from '../../src/tables/prefix-blocks.ts';
import { PrefixTree } from '../../src/tables/prefix-tree.ts';
import { StrideTable } from '../../src/tables/stride-table.ts';
import { slowLookup } from '../../src/testing/index.ts';
import { netmask } from '../../src/wire/address.ts';

interface Row {
  readonly address: number;
  readonly length: number;
  readonly metric: 0;
  readonly value: number;
}

const change = fc.record({
  remove: fc.boolean(),
  arrange: fc.boolean(),
  // Few distinct prefixes, so that they nest, meet and repeat; each length is drawn alike.
  address: fc.oneof(
    fc.integer(),
    fc.nat(0xfff).map((low) => 0x0a020000 | low),
    fc.constantFrom(0, -1, 0x0a0200ff, 0x0a020100, 0x7fffffff, -0x80000000),
  ),
  length: fc.integer({ min: 0, max: 32 }),
  value: fc.constantFrom(0, 1, 7, MAX_NARROW),
});

interface Pair {
  readonly table: StrideTable | FlatTable;
  put(address: number, length: number, value: number): void;
  drop(address: number, length: number): void;
}

/** A small table and its routes, painted after every change. */
function small(wide: boolean): Pair {
  const tree = new PrefixTree();
  const table = new StrideTable(wide);
  return {
    table,
    put: (address, length, value) => {
      tree.set(tree.make(address, length), value);
      table.paint(tree, address, length);
    },
    drop: (address, length) => {
      tree.drop(address, length);
      table.paint(tree, address, length);
    },
  };
}

/** A large one. */
function large(wide: boolean): Pair {
  const blocks = new PrefixBlocks(0);
  const table = new FlatTable(wide);
  return {
    table,
    put: (address, length, value) => {
      blocks.set(blocks.make(address, length), value);
      table.paint(blocks, address, length);
    },
    drop: (address, length) => {
      blocks.drop(address, length);
      table.paint(blocks, address, length);
    },
  };
}

const forms = [
  { name: '8-8-10-6 bits, 16 bits a cell', make: () => small(false), runs: 300 },
  { name: '8-8-10-6 bits, 32 bits a cell', make: () => small(true), runs: 300 },
  { name: '24-8 bits, 16 bits a cell', make: () => large(false), runs: 15 },
  { name: '24-8 bits, 32 bits a cell', make: () => large(true), runs: 8 },
];

describe.each(forms)('a table of $name', ({ make, runs }) => {
  it('answers as a linear scan does after every change, alone and in batches', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 25 }), fc.array(fc.integer()), (changes, some) => {
        const { table, put, drop } = make();
        let twin: Row[] = [];
        for (const { remove, arrange, length, value, ...at } of changes) {
          const address = at.address & netmask(length);
          twin = twin.filter((e) => e.address !== address || e.length !== length);
          if (remove) drop(address, length);
          else {
            put(address, length, value);
            twin.push({ address, length, metric: 0, value });
          }
          if (arrange && table instanceof StrideTable) table.arrange();
          const ends = twin.flatMap((e) => [e.address, e.address | ~netmask(e.length)]);
          const probes = Int32Array.from(
            [...some, ...ends, ...ends.map((end) => end + 1), ...ends.map((end) => end - 1)],
            (probe) => probe | 0,
          );
          const expected = [...probes].map((probe) => slowLookup(twin, probe)?.value ?? -1);
          const { lookup, batch } = kernelOf(table);
          expect([...probes].map(lookup)).toEqual(expected);
          const values = new Int32Array(probes.length);
          batch(Uint32Array.from(probes), values, probes.length);
          expect([...values]).toEqual(expected);
        }
      }),
      { numRuns: runs },
    );
  });

  it('keeps what a kernel has captured until the layout changes', () => {
    const address = fc
      .tuple(fc.nat(3), fc.nat(3), fc.nat(3))
      .map(([a, b, c]) => (10 << 24) | (a << 16) | (b << 6) | c);
    const change = fc.record({
      remove: fc.boolean(),
      address,
      length: fc.integer({ min: 14, max: 32 }),
      value: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), fc.nat(40), (changes, when) => {
        const { table, put, drop } = make();
        let kernel = kernelOf(table);
        let layout = table.layout;
        let twin: Row[] = [];
        for (const [i, { remove, length, value, ...at }] of changes.entries()) {
          const address = at.address & netmask(length);
          twin = twin.filter((e) => e.address !== address || e.length !== length);
          if (remove) drop(address, length);
          else {
            put(address, length, value);
            twin.push({ address, length, metric: 0, value });
          }
          if (i === when && table instanceof StrideTable) table.arrange();
          if (table.layout !== layout) kernel = kernelOf(table);
          layout = table.layout;
          for (const { address: first, length: of } of changes) {
            for (const probe of [first, first | ~netmask(of), first - 1]) {
              expect(kernel.lookup(probe | 0)).toBe(slowLookup(twin, probe | 0)?.value ?? -1);
            }
          }
        }
      }),
      { numRuns: runs },
    );
  });

  it('uses again what was freed', () => {
    const { table, put, drop } = make();
    let memory = 0;
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 20; i++) {
        const address = (round * 0x01010100 + i * 7) | 0;
        put(address, 32, i);
      }
      if (round === 0) memory = table.memory;
      for (let i = 0; i < 20; i++) {
        const address = (round * 0x01010100 + i * 7) | 0;
        drop(address, 32);
      }
    }
    expect(table.memory).toBe(memory);
  });
});

describe('a batch in WebAssembly', () => {
  it('answers as the one in TypeScript does, at any count', () => {
    const prefix = fc.record({
      address: fc.integer(),
      length: fc.integer({ min: 0, max: 32 }),
      value: fc.constantFrom(0, 1, 7, MAX_NARROW),
    });
    fc.assert(
      fc.property(fc.array(prefix, { maxLength: 40 }), fc.array(fc.integer()), (rows, some) => {
        const { table, put } = large(false);
        for (const { address, length, value } of rows)
          put(address & netmask(length), length, value);
        const near = rows.flatMap(({ address }) => [address, address ^ 1, address ^ 0x80]);
        const probes = Int32Array.from([...some, ...near, ...near.map((probe) => probe ^ 0x100)]);
        const { flat } = table as FlatTable;
        expect(flat!.answer).not.toBeNull();
        const [fast, plain] = [narrow24(flat!), narrow24(flat!, true)];
        for (let count = 0; count <= Math.min(probes.length, 20); count++) {
          const from = probes.subarray(probes.length - count);
          const [found, expected] = [new Int32Array(count + 1), new Int32Array(count + 1)];
          fast.batch(from, found, count);
          plain.batch(from, expected, count);
          expect(found).toEqual(expected);
          expect([...expected.subarray(0, count)]).toEqual([...from].map(plain.lookup));
        }
      }),
      { numRuns: 20 },
    );
  });
});
