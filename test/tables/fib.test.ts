import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { Fib } from '../../src/tables/fib.ts';
import { slowLookup } from '../../src/testing/index.ts';
import { netmask, parseIp4 } from '../../src/wire/address.ts';

const ip = (text: string): number => parseIp4(text);

/** xorshift32: the same numbers every time. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const route = fc.record({
  // Few distinct prefixes, so that they nest, meet and repeat.
  address: fc.oneof(
    fc.integer(),
    fc.nat(0xffff).map((low) => 0x0a020000 | low),
    fc.constantFrom(0, -1, 0x7fffffff, -0x80000000),
  ),
  length: fc.integer({ min: 0, max: 32 }),
  metric: fc.constantFrom(0, 100, 1024),
  value: fc.nat(40_000),
});

describe('Fib', () => {
  it('is empty at first', () => {
    const fib = new Fib();
    expect(fib.lookup(ip('10.0.0.1'))).toBe(-1);
    expect(fib.size).toBe(0);
  });

  it('takes the longest prefix of every length', () => {
    const fib = new Fib();
    const address = ip('10.2.36.71');
    for (let length = 0; length <= 32; length++) {
      expect(fib.insert(address, length, length)).toBe(true);
      expect(fib.lookup(address)).toBe(length);
    }
    for (let length = 32; length >= 0; length--) {
      expect(fib.lookup(address)).toBe(length);
      expect(fib.remove(address, length)).toBe(true);
    }
    expect(fib.lookup(address)).toBe(-1);
  });

  it('gives equal prefixes to the lower metric, and refuses the same twice', () => {
    const fib = new Fib();
    expect(fib.insert(ip('10.0.0.0'), 8, 1, 100)).toBe(true);
    expect(fib.insert(ip('10.0.0.0'), 8, 2, 50)).toBe(true);
    expect(fib.insert(ip('10.0.0.0'), 8, 3, 50)).toBe(false);
    expect(fib.lookup(ip('10.9.9.9'))).toBe(2);
    expect(fib.remove(ip('10.0.0.0'), 8, 50)).toBe(true);
    expect(fib.lookup(ip('10.9.9.9'))).toBe(1);
  });

  it('answers as a linear scan does, for any routes and any churn', () => {
    const change = fc.record({ route, remove: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 60 }),
        fc.array(fc.integer()),
        // Routes that stay: forms change with their number.
        fc.constantFrom(0, 20, 40),
        (changes, probes, staying) => {
          const fib = new Fib();
          const twin = Array.from({ length: staying }, (_, i) => ({
            address: ip('198.18.0.0') + i,
            length: 32,
            metric: 0,
            value: i,
          }));
          for (const { address, length, value } of twin) fib.insert(address, length, value);
          for (const { route: r, remove } of changes) {
            const address = r.address & netmask(r.length);
            const same = twin.findIndex(
              (e) => e.address === address && e.length === r.length && e.metric === r.metric,
            );
            if (remove) {
              expect(fib.remove(r.address, r.length, r.metric)).toBe(same >= 0);
              if (same >= 0) twin.splice(same, 1);
            } else {
              expect(fib.insert(r.address, r.length, r.value, r.metric)).toBe(same < 0);
              if (same < 0) twin.push({ ...r, address });
            }
            const edges = twin.flatMap((e) => [
              e.address,
              e.address | ~netmask(e.length),
              e.address - 1,
            ]);
            for (const probe of [...edges, ...probes]) {
              const expected = slowLookup(twin, probe | 0)?.value ?? -1;
              // After a change `find` is asked first, or `lookup`.
              if (twin.length % 2 === 0) expect(fib.find(probe | 0)).toBe(expected);
              expect(fib.lookup(probe | 0)).toBe(expected);
              expect(fib.find(probe | 0)).toBe(expected);
            }
          }
          expect(fib.size).toBe(twin.length);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('replaces, promotes and refuses as `ip route` does', () => {
    const fib = new Fib();
    expect(fib.replace(ip('10.0.0.0'), 8, 1, 100)).toBe(false);
    expect(fib.replace(ip('10.0.0.0'), 8, 2, 100)).toBe(true);
    expect(fib.lookup(ip('10.1.2.3'))).toBe(2);
    expect(fib.replace(ip('10.0.0.0'), 8, 3, 200)).toBe(false);
    expect(fib.replace(ip('10.0.0.0'), 8, 4, 200)).toBe(true);
    expect(fib.lookup(ip('10.1.2.3'))).toBe(2);
    expect(fib.remove(ip('10.0.0.0'), 8)).toBe(true);
    expect(fib.lookup(ip('10.1.2.3'))).toBe(4);
    expect([...fib]).toEqual([{ address: ip('10.0.0.0'), length: 8, metric: 200, value: 4 }]);
    expect(fib.remove(ip('10.0.0.0'), 8, 100)).toBe(false);
  });

  it.each([
    { form: 'fast', least: 2 ** 25, most: 33 * 2 ** 20 },
    { form: 'compact', least: 3 * 2 ** 20, most: 5 * 2 ** 20 },
  ] as const)(
    'is one $form table for 150,000 routes and for the 15,000 left of them',
    ({ form, least, most }) => {
      // The twin: a map for each length, asked from the longest down.
      const twin = Array.from({ length: 33 }, () => new Map<number, number>());
      const slow = (address: number): number => {
        for (let length = 32; length >= 0; length--) {
          const value = twin[length]!.get(address & netmask(length));
          if (value !== undefined) return value;
        }
        return -1;
      };
      const draw = randoms(7);
      const addresses: number[] = [];
      const lengths: number[] = [];
      const values: number[] = [];
      for (let i = 0; i < 150_000; i++) {
        const length = i % 64 === 0 ? draw() % 33 : 16 + (draw() % 9);
        // Half of them near others.
        const near = i % 2 === 0 ? draw() : addresses[draw() % i]! + (draw() % 0x2000);
        const address = near & netmask(length);
        addresses.push(address);
        lengths.push(length);
        values.push(draw() % 1000);
        if (!twin[length]!.has(address)) twin[length]!.set(address, values[i]!);
      }
      const distinct = (): number => twin.reduce((sum, map) => sum + map.size, 0);
      const fib = new Fib({ form });
      expect(fib.load({ addresses, lengths, values })).toBe(distinct());
      const probes = Int32Array.from({ length: 20_000 }, (_, i) =>
        i % 3 === 0 ? draw() : addresses[draw() % addresses.length]! + (draw() % 300) - 20,
      );
      const agree = (): void => {
        expect(fib.size).toBe(distinct());
        const found = new Int32Array(probes.length);
        fib.lookupBatch(probes, found);
        const expected = probes.map(slow);
        expect(found).toEqual(expected);
        expect(probes.map((probe) => fib.lookup(probe))).toEqual(expected);
        expect(probes.map((probe) => fib.find(probe))).toEqual(expected);
      };
      agree();
      expect(fib.memory()).toBeGreaterThan(least);
      expect(fib.memory()).toBeLessThan(most);
      for (let i = 0; i < 10_000; i++) {
        const at = draw() % addresses.length;
        const [address, length] = [addresses[at]!, lengths[at]!];
        if (i % 2 === 0) {
          expect(fib.remove(address, length)).toBe(twin[length]!.delete(address));
        } else {
          expect(fib.replace(address, length, i)).toBe(twin[length]!.has(address));
          twin[length]!.set(address, i);
        }
      }
      agree();
      for (let i = 0; i < addresses.length * 0.9; i++) {
        fib.remove(addresses[i]!, lengths[i]!);
        twin[lengths[i]!]!.delete(addresses[i]!);
      }
      agree();
    },
  );

  it('takes its metrics along when it becomes a large table, and back', () => {
    const fib = new Fib();
    fib.insert(ip('10.0.0.0'), 8, 7, 100);
    fib.insert(ip('10.0.0.0'), 8, 8, 50);
    fib.insert(ip('10.1.0.0'), 16, 9, 20);
    const scattered = Array.from({ length: 100_001 }, (_, i) => (i << 12) | 0);
    for (const address of scattered) fib.insert(address, 32, 1);
    expect(fib.lookup(ip('10.9.0.1'))).toBe(8);
    expect(fib.memory()).toBeGreaterThan(2 ** 25);
    expect(fib.remove(ip('10.0.0.0'), 8, 50)).toBe(true);
    expect(fib.lookup(ip('10.9.0.1'))).toBe(7);
    expect(fib.remove(ip('10.1.0.0'), 16, 0)).toBe(false);
    for (const address of scattered) fib.remove(address, 32);
    expect(fib.lookup(ip('10.9.0.1'))).toBe(7);
    expect([...fib]).toEqual([
      { address: ip('10.0.0.0'), length: 8, metric: 100, value: 7 },
      { address: ip('10.1.0.0'), length: 16, metric: 20, value: 9 },
    ]);
  });

  it.each(['fast', 'compact'] as const)(
    'takes wide cells where 40,000 ranges of /24 are split: %s',
    (form) => {
      const fib = new Fib({ form });
      for (let i = 0; i < 40_000; i++) fib.insert(i << 8, 25, i);
      // Many enough for a large table.
      for (let i = 0; i < 70_000; i++) fib.insert((i << 8) | 0x40000000, 24, 40_000 + i);
      for (const i of [0, 1, 32_766, 32_767, 32_768, 39_999]) {
        expect(fib.lookup((i << 8) + 5)).toBe(i);
        expect(fib.lookup((i << 8) + 200)).toBe(-1);
      }
      expect(fib.lookup(0x40000000 | (69_999 << 8))).toBe(109_999);
      fib.remove(32_767 << 8, 25);
      expect(fib.lookup(32_767 << 8)).toBe(-1);
    },
  );

  it('has nothing to remove at a length that no prefix has', () => {
    const fib = new Fib();
    for (let length = 0; length <= 32; length++) fib.insert(0, length, length);
    for (const length of [-1, 33, 1.5, Number.NaN]) expect(fib.remove(0, length)).toBe(false);
    expect(fib.size).toBe(33);
    expect(fib.lookup(0)).toBe(32);
  });

  it('refuses a batch that is longer than its arrays', () => {
    const fib = new Fib();
    fib.insert(0, 0, 5);
    const values = new Int32Array(3);
    expect(() => fib.lookupBatch(new Int32Array(4), values)).toThrow(PodwireError);
    expect(() => fib.lookupBatch(new Int32Array(4), values, -1)).toThrow(PodwireError);
    fib.lookupBatch(new Uint32Array(4), values, 2);
    expect([...values]).toEqual([5, 5, 0]);
  });

  it('holds values beyond 16 bits', () => {
    const fib = new Fib();
    fib.insert(ip('10.0.0.0'), 8, 1_000_000);
    fib.insert(ip('10.1.0.0'), 26, 2 ** 30 - 1);
    expect(fib.lookup(ip('10.200.0.1'))).toBe(1_000_000);
    expect(fib.lookup(ip('10.1.0.5'))).toBe(2 ** 30 - 1);
  });

  it('keeps a node of 5,000 blocks below 40 KiB', () => {
    const fib = new Fib();
    for (let i = 0; i < 5000; i++) fib.insert((ip('10.0.0.0') + i * 64) | 0, 26, i);
    expect(fib.lookup((ip('10.0.0.0') + 4321 * 64 + 17) | 0)).toBe(4321);
    expect(fib.memory()).toBeLessThan(40 * 1024);
  });

  it('lists routes as `ip route` dumps them', () => {
    const fib = new Fib();
    fib.insert(ip('198.19.22.128'), 26, 0);
    fib.insert(ip('198.19.22.128'), 32, 1);
    fib.insert(0, 0, 2, 100);
    fib.insert(0, 0, 3, 50);
    expect([...fib].map((e) => e.value)).toEqual([3, 2, 1, 0]);
  });

  it('refuses lengths and values that fit no table', () => {
    const fib = new Fib();
    expect(() => fib.insert(0, 33, 0)).toThrow(PodwireError);
    expect(() => fib.insert(0, 8, -1)).toThrow(/value/);
    expect(() => fib.insert(0, 1.5, 0)).toThrow(/length/);
  });
});
