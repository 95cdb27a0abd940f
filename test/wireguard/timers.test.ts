/** The state machine's times, as whitepaper section 6 and the kernel's timers.c have them. */
import { describe, expect, it } from 'vitest';
import { packet, pair, pass, settle } from './end.ts';

const there = packet('10.0.0.1', '10.0.0.2');

describe('timers', () => {
  it('retries a handshake nobody answers every 5 s and a little, then gives up by name', () => {
    const [a] = pair();
    a.send(there);
    expect(a.take().length).toBe(1);
    const times: number[] = [];
    for (let ms = 0; ms < 200_000; ms += 50) {
      if (pass([a], 50, true).length > 0) times.push(ms + 50);
    }
    // 20 initiations: the first, and retries while the count is at most 18.
    expect(times.length).toBe(19);
    const gaps = times.map((t, i) => t - (times[i - 1] ?? 0));
    for (const gap of gaps) {
      expect(gap).toBeGreaterThanOrEqual(4950);
      expect(gap).toBeLessThanOrEqual(5400);
    }
    expect(new Set(gaps).size).toBeGreaterThan(2);
    expect(a.lost).toEqual(['wireguard-timeout']);
  });

  it('answers data with a keepalive after 10 s of silence, once', () => {
    const [a, b] = pair();
    a.send(there);
    settle(a, b);
    expect(pass([a, b], 9_999)).toEqual([]);
    const seen = pass([a, b], 2);
    expect(seen.map(({ address, bytes }) => [address === a.address, bytes.length])).toEqual([
      [true, 32],
    ]);
    expect(pass([a, b], 100_000)).toEqual([]);
  });
});
