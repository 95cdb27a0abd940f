import { describe, expect, it } from 'vitest';
import { Fdb } from '../../src/tables/fdb.ts';

describe('the forwarding database of VXLAN devices', () => {
  it('forgets what a device learned when it goes down, and hears of it again', () => {
    const fdb = new Fdb();
    const made = fdb.set(1, 0x0200, 1, 0x0a000001);
    expect(fdb.learn(1, 0x0200, 2, 0x0a000002, 1000)).toBe(true);
    expect(fdb.learn(2, 0x0200, 2, 0x0a000003, 1000)).toBe(true);
    const alive = (device: number, low: number): boolean =>
      fdb.isAlive(fdb.find(device, 0x0200, low), 2000, 300_000);
    expect([alive(1, 2), alive(2, 2)]).toEqual([true, true]);
    fdb.forget(1);
    expect([alive(1, 2), alive(2, 2), fdb.isAlive(made, 2000, 1)]).toEqual([false, true, true]);
    fdb.learn(1, 0x0200, 2, 0x0a000004, 2000);
    expect(alive(1, 2)).toBe(true);
    expect(fdb.destination(fdb.find(1, 0x0200, 2))).toBe(0x0a000004);
  });
});
