import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_NARROW, OVERFLOW } from '../../src/tables/cells.ts';
import { CompactTable } from '../../src/tables/compact-table.ts';
import { kernelOf, narrowRuns } from '../../src/tables/lookup-kernel.ts';
import { PrefixBlocks } from '../../src/tables/prefix-blocks.ts';
import { slowLookup } from '../../src/testing/index.ts';
import { netmask } from '../../src/wire/address.ts';

const prefix = fc.record({
  // Few distinct prefixes, so that they nest and meet, some at the ends of a group or block.
  address: fc.oneof(
    fc.integer(),
    fc.nat(0xffff).map((low) => 0x0a020000 | low),
    fc.constantFrom(0, -1, 0x0a0200ff, 0x0a021fff, 0x0a023fff, 0x7fffffff, -0x80000000),
  ),
  length: fc.integer({ min: 0, max: 32 }),
  value: fc.nat(MAX_NARROW),
});

function routesOf(rows: readonly { address: number; length: number; value: number }[]) {
  const blocks = new PrefixBlocks(0);
  for (const { address, length, value } of rows) blocks.set(blocks.make(address, length), value);
  return blocks;
}

describe.each([false, true])('a table of runs (values of 32 bits: %s)', (wide) => {
  it('answers as a linear scan does, alone, in batches, and in TypeScript alone', () => {
    const rows = fc.uniqueArray(prefix, {
      maxLength: 40,
      selector: ({ address, length }) => `${address & netmask(length)}/${length}`,
    });
    fc.assert(
      fc.property(rows, fc.array(fc.integer()), (some, anywhere) => {
        const large = wide ? some.map((row) => ({ ...row, value: row.value * 30_001 })) : some;
        const table = new CompactTable(routesOf(large), wide);
        expect(table.compact === null).toBe(wide);
        const twin = large.map((row) => ({
          ...row,
          address: row.address & netmask(row.length),
          metric: 0,
        }));
        const ends = twin.flatMap((e) => [e.address, e.address | ~netmask(e.length)]);
        const probes = Int32Array.from([
          ...anywhere,
          ...ends,
          ...ends.map((end) => end + 1),
          ...ends.map((end) => end - 1),
          ...ends.map((end) => end + 0x2000),
        ]);
        const expected = [...probes].map((probe) => slowLookup(twin, probe)?.value ?? -1);
        const kernels = [kernelOf(table)];
        if (table.compact !== null) {
          expect(table.compact.answer).not.toBeNull();
          kernels.push(narrowRuns(table.compact, true));
        }
        for (const { lookup, batch } of kernels) {
          expect([...probes].map(lookup)).toEqual(expected);
          const values = new Int32Array(probes.length);
          batch(Uint32Array.from(probes), values, probes.length);
          expect([...values]).toEqual(expected);
        }
      }),
      { numRuns: 12 },
    );
  });
});

it('needs values of 32 bits for more blocks than 16 bits can number', () => {
  const rows = Array.from({ length: 0x8000 }, (_, i) => ({
    address: i << 8,
    length: 25,
    value: 1,
  }));
  const full = new CompactTable(routesOf(rows.slice(1)), false);
  expect(kernelOf(full).lookup(0x7fff << 8)).toBe(1);
  expect(kernelOf(full).lookup((0x7fff << 8) | 128)).toBe(-1);
  expect(() => new CompactTable(routesOf(rows), false)).toThrow(
    expect.toSatisfy((thrown) => thrown === OVERFLOW),
  );
});
