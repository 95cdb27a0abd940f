import { expect, it } from 'vitest';
import { OVERFLOW } from '../../src/tables/cells.ts';
import { FlatTable } from '../../src/tables/flat-table.ts';
import { PrefixBlocks } from '../../src/tables/prefix-blocks.ts';

it('says when there are more blocks than a cell can point to', () => {
  const blocks = new PrefixBlocks(0);
  const table = new FlatTable(false);
  const add = (i: number): void => {
    blocks.set(blocks.make(i << 8, 25), 1);
    table.paint(blocks, i << 8, 25);
  };
  for (let i = 0; i < 0x7fff; i++) add(i);
  expect(() => add(0x7fff)).toThrow(expect.toSatisfy((thrown) => thrown === OVERFLOW));
});
