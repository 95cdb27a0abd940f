/** Tapes that come and go keep their words to themselves. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TapeCell, TapeMemory } from '../../src/node/tape-memory.ts';

describe('the memory of tapes', () => {
  it('gives cells that have room, and none to two tapes', () => {
    const turn = fc.record({ length: fc.integer({ min: 1, max: 200 }), place: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 600 }), (turns) => {
        const memory = new TapeMemory();
        const held: ({ cell: TapeCell; length: number; mark: number } | undefined)[] = [];
        for (const [mark, { length, place }] of turns.entries()) {
          const old = held[place];
          if (old !== undefined) {
            const words = old.cell.words.subarray(old.cell.at, old.cell.at + old.length);
            expect([words.length, new Set(words)]).toEqual([old.length, new Set([old.mark])]);
            memory.give(old.cell);
          }
          const cell = memory.take(length);
          cell.words.fill(mark, cell.at, cell.at + length);
          held[place] = { cell, length, mark };
        }
      }),
    );
  });

  it('uses cells again', () => {
    const memory = new TapeMemory();
    const arrays = new Set<Int32Array>();
    for (let i = 0; i < 10_000; i++) {
      const cell = memory.take(60);
      arrays.add(cell.words);
      memory.give(cell);
    }
    expect(arrays.size).toBe(1);
  });
});
