import { describe, expect, it } from 'vitest';
import { Fdb } from '../../src/tables/fdb.ts';

describe('the forwarding database of VXLAN devices', () => {
  it('forgets what a device learned when it goes down, and hears of it again', () => {
    const fdb = new Fdb();
    const made = fdb.set(1, 0x0200, 1, 0x0a000001);
    expect(fdb.learn(1, 0x0200, 2, 0x0a000002, 1000, 300_000)).toBe(true);
    expect(fdb.learn(2, 0x0200, 2, 0x0a000003, 1000, 300_000)).toBe(true);
    const alive = (device: number, low: number): boolean =>
      fdb.isAlive(fdb.find(device, 0x0200, low), 2000, 300_000);
    expect([alive(1, 2), alive(2, 2)]).toEqual([true, true]);
    fdb.forget(1);
    expect([alive(1, 2), alive(2, 2), fdb.isAlive(made, 2000, 1)]).toEqual([false, true, true]);
    fdb.learn(1, 0x0200, 2, 0x0a000004, 2000, 300_000);
    expect(alive(1, 2)).toBe(true);
    expect(fdb.destination(fdb.find(1, 0x0200, 2))).toBe(0x0a000004);
  });

  it('keeps all that counts, and does not grow by what has aged', () => {
    const fdb = new Fdb();
    const made = fdb.set(1, 0x0200, 1, 0x0a000001);
    const ageing = 300_000;
    const learn = (low: number, now: number): boolean =>
      fdb.learn(1, 0x0210, low, 0x0a000002 + (low % 7), now, ageing);
    for (let i = 0; i < 20_000; i++) learn(i, 1000);
    expect(fdb.size).toBe(20_001);
    // One of them is removed, and heard of again.
    fdb.delete(1, 0x0210, 7);
    learn(7, 2000);
    const lost: number[] = [];
    let most = 0;
    for (let i = 0; i < 60_000; i++) {
      const now = 400_000 + i * 1000;
      learn(20_000 + i, now);
      most = Math.max(most, fdb.find(1, 0x0210, 20_000 + i));
      // The oldest that counts.
      const low = 20_000 + Math.max(0, i - 299);
      const id = fdb.find(1, 0x0210, low);
      if (id < 0 || !fdb.isAlive(id, now, ageing) || fdb.entry(id).macLow !== low) lost.push(i);
    }
    expect(lost).toEqual([]);
    // Twice as many as ever counted at once.
    expect(most).toBeLessThan(40_100);
    expect(fdb.size).toBeLessThan(40_100);
    expect(fdb.destination(made)).toBe(0x0a000001);
    expect(fdb.find(1, 0x0200, 1)).toBe(made);
  });
});
