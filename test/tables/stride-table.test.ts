import { describe, expect, it } from 'vitest';
import { OVERFLOW } from '../../src/tables/cells.ts';
import { kernelOf } from '../../src/tables/lookup-kernel.ts';
import { PrefixTree } from '../../src/tables/prefix-tree.ts';
import { StrideTable } from '../../src/tables/stride-table.ts';

const put = (tree: PrefixTree, address: number, length: number, value: number): void =>
  tree.set(tree.make(address, length), value);

describe('StrideTable', () => {
  it('opens a window over a pool, until one of its blocks goes', () => {
    const tree = new PrefixTree();
    const table = new StrideTable(false);
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
    const table = new StrideTable(false);
    const paint = (): void => {
      for (let i = 0; i < 2100; i++) {
        put(tree, i << 16, 24, 1);
        table.paint(tree, i << 16, 24);
      }
    };
    expect(paint).toThrow(expect.toSatisfy((thrown) => thrown === OVERFLOW));
  });
});
