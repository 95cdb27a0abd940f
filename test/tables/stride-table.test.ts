import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kernelOf } from '../../src/tables/lookup-kernel.ts';
import { PrefixTree } from '../../src/tables/prefix-tree.ts';
import { MAX_NARROW, OVERFLOW, StrideTable } from '../../src/tables/stride-table.ts';
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

const put = (tree: PrefixTree, address: number, length: number, value: number): void => {
  const node = tree.make(address, length);
  tree.values[node] = value;
};

const forms = [
  { name: '8-8-10-6, 16 bits', strides: [8, 8, 10, 6], wide: false, runs: 300 },
  { name: '8-8-10-6, 32 bits', strides: [8, 8, 10, 6], wide: true, runs: 300 },
  { name: '24-8, 16 bits', strides: [24, 8], wide: false, runs: 8 },
  { name: '24-8, 32 bits', strides: [24, 8], wide: true, runs: 8 },
];

describe.each(forms)('a table of $name', ({ strides, wide, runs }) => {
  it('answers as a linear scan does after every change, alone and in batches', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 25 }), fc.array(fc.integer()), (changes, some) => {
        const tree = new PrefixTree();
        const table = new StrideTable(strides, wide, 64);
        let twin: Row[] = [];
        for (const { remove, arrange, length, value, ...at } of changes) {
          const address = at.address & netmask(length);
          twin = twin.filter((e) => e.address !== address || e.length !== length);
          if (remove) tree.drop(address, length);
          else {
            put(tree, address, length, value);
            twin.push({ address, length, metric: 0, value });
          }
          table.paint(tree, address, length);
          if (arrange && strides.length === 4) table.arrange();
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
        const tree = new PrefixTree();
        const table = new StrideTable(strides, wide, 64);
        let kernel = kernelOf(table);
        let layout = table.layout;
        let twin: Row[] = [];
        for (const [i, { remove, length, value, ...at }] of changes.entries()) {
          const address = at.address & netmask(length);
          twin = twin.filter((e) => e.address !== address || e.length !== length);
          if (remove) tree.drop(address, length);
          else {
            put(tree, address, length, value);
            twin.push({ address, length, metric: 0, value });
          }
          table.paint(tree, address, length);
          if (i === when && strides.length === 4) table.arrange();
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
    const tree = new PrefixTree();
    const table = new StrideTable(strides, wide, 64);
    let memory = 0;
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 20; i++) {
        const address = (round * 0x01010100 + i * 7) | 0;
        put(tree, address, 32, i);
        table.paint(tree, address, 32);
      }
      if (round === 0) memory = table.memory;
      for (let i = 0; i < 20; i++) {
        const address = (round * 0x01010100 + i * 7) | 0;
        tree.drop(address, 32);
        table.paint(tree, address, 32);
      }
    }
    expect(table.memory).toBe(memory);
    expect([...tree.prefixes()]).toEqual([]);
  });
});

describe('a table of narrow cells', () => {
  it('opens a window over a pool, until one of its blocks goes', () => {
    const tree = new PrefixTree();
    const table = new StrideTable([8, 8, 10, 6], false, 64);
    const pool = 0x0a400000;
    for (const near of [0, 1, 2, 5]) put(tree, pool + (near << 16), 26, near);
    table.paint(tree, 0, 0);
    table.arrange();
    expect(table.window).toMatchObject({ first: pool >>> 6, span: 3 << 10 });
    put(tree, pool + 64, 26, 9);
    table.paint(tree, pool + 64, 26);
    expect(table.window.span).toBe(3 << 10);
    tree.drop(pool + (1 << 16), 26);
    table.paint(tree, pool + (1 << 16), 26);
    expect(table.window.span).toBe(0);
    expect(kernelOf(table).lookup(pool + (1 << 16))).toBe(-1);
  });

  it('says when there are more blocks than a cell can point to', () => {
    const tree = new PrefixTree();
    const table = new StrideTable([8, 8, 10, 6], false, 64);
    const paint = (): void => {
      for (let i = 0; i < 2100; i++) {
        put(tree, i << 16, 24, 1);
        table.paint(tree, i << 16, 24);
      }
    };
    expect(paint).toThrow(expect.toSatisfy((thrown) => thrown === OVERFLOW));
  });
});
