import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fdb } from '../../src/tables/fdb.ts';
import { isValid, Neighbours, Nud } from '../../src/tables/neighbours.ts';
import { PairIndex } from '../../src/tables/pair-index.ts';

interface Waiting {
  readonly name: number;
  next: Waiting | null;
}

const waiting = (name: number): Waiting => ({ name, next: null });
const namesOf = (list: Waiting | null): number[] => {
  const names: number[] = [];
  for (let p = list; p !== null; p = p.next) names.push(p.name);
  return names;
};

describe('PairIndex', () => {
  it('agrees with a Map of text keys under any churn', () => {
    const key = fc.tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -20, max: 20 }));
    const action = fc.record({ key, remove: fc.boolean(), value: fc.nat(1000) });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
        const index = new PairIndex();
        const twin = new Map<string, number>();
        for (const {
          key: [a, b],
          remove,
          value,
        } of actions) {
          if (remove) expect(index.delete(a, b)).toBe(twin.delete(`${a} ${b}`));
          else {
            index.set(a, b, value);
            twin.set(`${a} ${b}`, value);
          }
        }
        expect(index.size).toBe(twin.size);
        for (let a = -3; a <= 3; a++) {
          for (let b = -20; b <= 20; b++) expect(index.get(a, b)).toBe(twin.get(`${a} ${b}`) ?? -1);
        }
      }),
    );
  });
});

describe('Neighbours', () => {
  it('agrees with a Map, and ids live as long as their entries', () => {
    const action = fc.record({
      device: fc.nat(3),
      address: fc.integer({ min: -12, max: 12 }),
      mac: fc.nat(0xffff),
      remove: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
        const table = new Neighbours<Waiting>();
        const twin = new Map<string, { id: number; mac: number }>();
        for (const { device, address, mac, remove } of actions) {
          const key = `${device} ${address}`;
          if (remove) {
            table.delete(device, address);
            twin.delete(key);
            continue;
          }
          const id = table.set(device, address, mac, ~mac, Nud.Reachable);
          expect(id).toBe(twin.get(key)?.id ?? id);
          twin.set(key, { id, mac });
        }
        expect(table.size).toBe(twin.size);
        expect([...table].length).toBe(twin.size);
        for (const [key, { id, mac }] of twin) {
          const [device, address] = key.split(' ').map(Number) as [number, number];
          expect(table.find(device, address)).toBe(id);
          expect([table.device(id), table.address(id)]).toEqual([device, address]);
          expect([table.macHigh(id), table.macLow(id)]).toEqual([mac, ~mac]);
        }
      }),
    );
  });

  it('queues in order, and gives the queue back with a deleted entry', () => {
    const table = new Neighbours<Waiting>();
    const id = table.set(1, 7, 0, 0, Nud.Incomplete);
    for (let i = 0; i < 5; i++) table.park(id, waiting(i), 100 + i);
    expect(table.oldest(id)?.name).toBe(0);
    expect(table.unparkOldest(id, 100)?.name).toBe(0);
    expect(table.waiting(id)).toBe(101 + 102 + 103 + 104);
    expect(namesOf(table.delete(1, 7))).toEqual([1, 2, 3, 4]);
    expect(table.find(1, 7)).toBe(-1);
    const again = table.set(1, 7, 0, 0, Nud.Incomplete);
    expect(table.waiting(again)).toBe(0);
    table.park(again, waiting(9), 9);
    expect(namesOf(table.unpark(again))).toEqual([9]);
    expect(table.unpark(again)).toBeNull();
  });

  it('uses an entry whose MAC is known, in whatever state', () => {
    const usable = Object.entries(Nud).filter(([, state]) => isValid(state));
    expect(usable.map(([name]) => name)).toEqual([
      'Reachable',
      'Stale',
      'Delay',
      'Probe',
      'NoArp',
      'Permanent',
    ]);
  });
});

describe('Fdb', () => {
  it('agrees with a Map, replaces and removes', () => {
    const action = fc.record({
      device: fc.nat(2),
      high: fc.constantFrom(0x6690, 0x66d5, 0xffff),
      low: fc.integer({ min: -4, max: 4 }),
      destination: fc.integer(),
      remove: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
        const fdb = new Fdb();
        const twin = new Map<string, number>();
        for (const { device, high, low, destination, remove } of actions) {
          const key = `${device} ${high} ${low}`;
          if (remove) expect(fdb.delete(device, high, low)).toBe(twin.delete(key));
          else {
            fdb.set(device, high, low, destination);
            twin.set(key, destination);
          }
        }
        expect(fdb.size).toBe(twin.size);
        expect([...fdb].length).toBe(twin.size);
        for (const { device, macHigh, macLow, destination } of fdb) {
          expect(twin.get(`${device} ${macHigh} ${macLow}`)).toBe(destination);
          const id = fdb.find(device, macHigh, macLow);
          expect(fdb.destination(id)).toBe(destination);
          expect(fdb.entry(id).destination).toBe(destination);
        }
      }),
    );
  });
});
