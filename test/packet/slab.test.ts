import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytes,
  HEADROOM,
  SMALL_SLOT,
  slotSize,
  slotStart,
  TAILROOM,
} from '../../src/packet/arena.ts';
import { counts, duplicate, enter, give, inUse, MAX_FRAME, take } from '../../src/packet/slab.ts';

describe('slab', () => {
  it('keeps slots apart: what one packet writes, no other sees', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 40 }), (lengths) => {
        const before = inUse();
        const packets = lengths.map((length, i) => {
          const p = enter(Buffer.alloc(length, i + 1), 0, length)!;
          bytes.fill(i + 1, p.head, p.end);
          return p;
        });
        for (const [i, p] of packets.entries()) {
          expect(bytes.subarray(p.head, p.end).every((b) => b === i + 1)).toBe(true);
        }
        expect(inUse()).toBe(before + lengths.length);
        for (const p of packets) give(p);
        expect(inUse()).toBe(before);
      }),
    );
  });

  it('takes in just the bytes asked for, from a Buffer that comes once or many times', () => {
    const drawn = fc.record({
      from: fc.nat(9),
      range: fc.tuple(fc.nat(300), fc.nat(300)),
      again: fc.boolean(),
    });
    let source = Buffer.alloc(0);
    let seed = 0;
    fc.assert(
      fc.property(drawn, ({ from, range: [start, length], again }) => {
        if (!again || source.length < start + length) {
          // A part of a larger memory, as Node's small Buffers are.
          source = Buffer.alloc(700).subarray(from);
          for (let i = 0; i < source.length; i++) source[i] = seed = (seed * 75 + 74) % 65537;
        }
        const p = enter(source, start, start + length)!;
        expect(bytes.subarray(p.data, p.tail)).toEqual(source.subarray(start, start + length));
        give(p);
      }),
      { numRuns: 500 },
    );
  });

  it('leaves headroom for tunnels and tailroom behind, at every size', () => {
    for (const length of [0, 1, 60, 1514, SMALL_SLOT - HEADROOM - TAILROOM, 9014, MAX_FRAME]) {
      const p = take(length)!;
      expect(p.headroom).toBe(HEADROOM);
      expect(p.end - p.tail).toBeGreaterThanOrEqual(TAILROOM);
      expect(p.length).toBe(length);
      give(p);
    }
    expect(take(MAX_FRAME + 1)).toBeNull();
    expect(take(-1)).toBeNull();
  });

  it('lays slots end to end', () => {
    for (let slot = 0; slot < 12800 - 1; slot += 97) {
      expect(slotStart(slot) + slotSize(slot)).toBeLessThanOrEqual(slotStart(slot + 1));
    }
  });

  it('runs out with null, not with a throw, and recovers', () => {
    const held = [];
    for (let p = take(100); p !== null; p = take(100)) held.push(p);
    expect(held.length).toBe(12800);
    expect(take(100)).toBeNull();
    for (const p of held) give(p);
    const again = take(100);
    expect(again).not.toBeNull();
    give(again!);
  });

  it('forgets everything about the packet before', () => {
    const p = take(100)!;
    Object.assign(p, { l3: 5, wraps: 2, partial: true, traced: 1, hops: 9, drop: 3 });
    give(p);
    const q = take(100)!;
    expect(q).toBe(p);
    expect([q.l3, q.wraps, q.partial, q.traced, q.hops, q.drop]).toEqual([-1, 0, false, 0, 0, 0]);
    give(q);
  });

  it('counts each copy', () => {
    const before = { ...counts };
    const p = enter(Buffer.from('hello'), 1, 4)!;
    const twin = duplicate(p)!;
    expect(bytes.toString('latin1', twin.data, twin.tail)).toBe('ell');
    expect(counts.copies - before.copies).toBe(2);
    give(p);
    give(twin);
  });

  it('push beyond the headroom is a bug, and says so', () => {
    const p = take(10)!;
    p.push(HEADROOM);
    expect(() => p.push(1)).toThrow(RangeError);
    give(p);
  });
});
