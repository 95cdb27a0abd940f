/** The index of connections against a Map, its slow twin. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TupleIndex } from '../../src/tables/tuple-index.ts';

const word = fc.integer({ min: -2, max: 2 }).map((n) => n * 0x3fffffff);
// Few enough that deletions hit, and leave gaps among cells that were put further on.
const tuple = fc.tuple(word, fc.constantFrom(1, -1), word, fc.constantFrom(6, 17));
const command = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), tuple, value: fc.nat(0x3fffffff) }),
  fc.record({ kind: fc.constant('delete' as const), tuple }),
);

it('answers as a Map does, through growth and deletion', () => {
  fc.assert(
    fc.property(fc.array(command, { minLength: 100, maxLength: 400 }), (commands) => {
      const index = new TupleIndex();
      const twin = new Map<string, number>();
      for (const one of commands) {
        const key = one.tuple.join();
        if (one.kind === 'set') {
          index.set(...one.tuple, one.value);
          twin.set(key, one.value);
        } else {
          expect(index.delete(...one.tuple)).toBe(twin.delete(key));
        }
        expect(index.get(...one.tuple)).toBe(twin.get(key) ?? -1);
      }
      expect(index.size).toBe(twin.size);
      for (const [key, value] of twin) {
        const [a, b, c, d] = key.split(',').map(Number) as [number, number, number, number];
        expect(index.get(a, b, c, d)).toBe(value);
      }
    }),
  );
});
