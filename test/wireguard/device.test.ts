import { describe, expect, it } from 'vitest';
import { packet, pair, START, settle } from './end.ts';

const there = packet('10.0.0.1', '10.0.0.2');
const back = packet('10.0.0.2', '10.0.0.1', 100);

describe('a WireGuard device', () => {
  it('makes a handshake for the first packet, which waits for it', () => {
    const [a, b] = pair();
    expect(a.send(there)).toBe('staged');
    const carried = settle(a, b);
    expect(carried.map(({ bytes, tos }) => [bytes[0], bytes.length, tos])).toEqual([
      [1, 148, 0x88],
      [2, 92, 0x88],
      [4, 128, 0],
    ]);
    expect(b.delivered).toEqual([there]);
    expect(b.send(back)).toBe('sealed');
    expect(settle(a, b).map(({ bytes }) => bytes.length)).toEqual([112 + 32]);
    expect(a.delivered).toEqual([back]);
    const [[toB], [toA]] = [a.device.peers, b.device.peers];
    expect([toB!.txBytes, toB!.rxBytes]).toEqual([148 + 128, 92 + 144]);
    expect([toA!.rxBytes, toA!.txBytes]).toEqual([148 + 128, 92 + 144]);
    expect([toB!.lastHandshake, toA!.lastHandshake]).toEqual([START, START]);
  });
});
