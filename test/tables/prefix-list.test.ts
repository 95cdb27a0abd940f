import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fib } from '../../src/tables/fib.ts';
import { PrefixList } from '../../src/tables/prefix-list.ts';
import { netmask } from '../../src/wire/address.ts';

const step = fc.record({
  remove: fc.boolean(),
  address: fc.oneof(fc.integer(), fc.constantFrom(0, 0x0a000000, 0x0a000040, -1)),
  length: fc.integer({ min: 0, max: 32 }),
  value: fc.nat(9),
});

describe('PrefixList', () => {
  it('holds what a map of prefixes holds, and lists it by address, longer first', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const list = new PrefixList();
        const twin = new Map<string, number[]>();
        for (const { remove, address, length, value } of steps) {
          const prefix = address & netmask(length);
          if (remove) {
            list.drop(address, length);
            twin.delete(`${prefix}/${length}`);
          } else {
            list.set(list.make(address, length), value);
            twin.set(`${prefix}/${length}`, [prefix, length, value]);
          }
          expect(list.find(address, length) >= 0).toBe(!remove);
        }
        const expected = [...twin.values()].sort(
          ([a, n], [b, m]) => (a! >>> 0) - (b! >>> 0) || m! - n!,
        );
        const listed = [...list.prefixes()].map(({ node, address, length }) => {
          expect(list.find(address, length)).toBe(node);
          return [address, length, list.value(node)];
        });
        expect(listed).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('takes no more room however often routes come and go', () => {
    const list = new PrefixList();
    for (let i = 0; i < 10_000; i++) {
      expect(list.make(i * 2654435761, 32)).toBe(0);
      list.set(0, 1);
      list.drop(i * 2654435761, 32);
    }
  });

  it('a Fib that grows beyond it and shrinks again keeps metrics and what loses', () => {
    const fib = new Fib();
    for (let i = 0; i < 40; i++) {
      expect(fib.insert(i << 8, 24, i, 10)).toBe(true);
      expect(fib.insert(i << 8, 24, 100 + i, 5)).toBe(true);
    }
    for (let i = 0; i < 40; i++) expect(fib.find((i << 8) | 7)).toBe(100 + i);
    for (let i = 0; i < 40; i++) expect(fib.remove(i << 8, 24, 5)).toBe(true);
    for (let i = 0; i < 40; i++) expect(fib.find((i << 8) | 7)).toBe(i);
    expect([...fib]).toEqual(
      Array.from({ length: 40 }, (_, i) => ({ address: i << 8, length: 24, metric: 10, value: i })),
    );
  });
});
