/** The state machine's times, as whitepaper section 6 and the kernel's timers.c have them. */
import { describe, expect, it } from 'vitest';
import { packet, pair, pass, settle } from './end.ts';

const there = packet('10.0.0.1', '10.0.0.2');
const back = packet('10.0.0.2', '10.0.0.1');

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

  it('makes new keys after 120 s when the initiator sends, and only then', () => {
    const [a, b] = pair();
    a.send(there);
    settle(a, b);
    // The responder does not ask, however old the keys are.
    pass([a, b], 119_999, true);
    b.send(back);
    expect(settle(a, b).map(({ bytes }) => bytes[0])).toEqual([4]);
    pass([a, b], 1, true);
    b.send(back);
    expect(settle(a, b).map(({ bytes }) => bytes[0])).toEqual([4]);
    a.send(there);
    const kinds = settle(a, b).map(({ bytes }) => `${bytes[0]} ${bytes.length}`);
    // The packet goes with the old keys; the new ones are confirmed by a keepalive.
    expect(kinds).toEqual(['4 128', '1 148', '2 92', '4 32']);
    expect(b.delivered.length).toBe(2);
  });

  it('asks once for new keys at 165 s when it only receives', () => {
    const [a, b] = pair();
    a.send(there);
    settle(a, b);
    /** What a says at once when a packet comes. */
    const said = (): (number | undefined)[] => {
      b.send(back);
      for (const { bytes } of b.take()) expect(a.receive(bytes, b)).toBe('delivered');
      return a.take().map(({ bytes }) => bytes[0]);
    };
    pass([a, b], 164_999, true);
    expect(said()).toEqual([]);
    pass([a, b], 1, true);
    expect([said(), said()]).toEqual([[1], []]);
    pass([a, b], 6_000, true);
    expect(said()).toEqual([]);
  });

  it('uses no key from 180 s on, at either end', () => {
    const [a, b] = pair();
    a.send(there);
    settle(a, b);
    expect(b.send(back)).toBe('sealed');
    const [late] = b.take();
    pass([a, b], 180_000, true);
    expect(a.receive(late!.bytes, b)).toBe('wireguard-expired');
    expect(b.send(back)).toBe('staged');
    expect(a.send(there)).toBe('staged');
  });

  it('zeroes all keys 540 s after the last', () => {
    const [a, b] = pair();
    a.send(there);
    settle(a, b);
    expect([a.device.indices.size, b.device.indices.size]).toEqual([1, 1]);
    pass([a], 539_000, true);
    expect(a.device.indices.size).toBeGreaterThan(0);
    pass([a, b], 1_001, true);
    expect([a.device.indices.size, b.device.indices.size]).toEqual([0, 0]);
    expect(a.device.nextTimer()).toBe(null);
  });

  it('starts a handshake when 15 s go by without an answer to data', () => {
    const [a, b] = pair();
    a.send(there);
    settle(a, b);
    a.send(there);
    a.take();
    const first = pass([a], 14_999, true);
    expect(first).toEqual([]);
    // 10 s and 5 s and up to a third of a second.
    expect(pass([a], 400, true).map(({ bytes }) => bytes[0])).toEqual([1]);
  });

  it('sends persistent keepalives, counted from the last message either way', () => {
    const [a, b] = pair({ a: { persistentKeepalive: 25 } });
    a.device.start(a.now);
    settle(a, b);
    pass([a, b], 10_000);
    a.send(there);
    settle(a, b);
    // b answers with its own keepalive at 10 s, which counts as well.
    expect(pass([a, b], 34_999).map(({ bytes }) => bytes.length)).toEqual([32]);
    expect(pass([a, b], 1).map(({ address }) => address)).toEqual([b.address]);
    const after = pass([a, b], 100_000).filter(({ bytes }) => bytes.length === 32);
    expect(after.length).toBeGreaterThanOrEqual(4);
  });

  it('two that start at once end with one session each way', () => {
    const [a, b] = pair();
    a.send(there);
    b.send(back);
    settle(a, b);
    pass([a, b], 30_000);
    expect([a.delivered, b.delivered]).toEqual([[back], [there]]);
    expect([a.send(there), b.send(back)]).toEqual(['sealed', 'sealed']);
    settle(a, b);
    expect([a.delivered.length, b.delivered.length]).toEqual([2, 2]);
  });

  it('has no timer in the past, whatever happens', () => {
    const [a, b] = pair({ a: { persistentKeepalive: 7 }, b: { persistentKeepalive: 3 } });
    a.device.start(a.now);
    for (let s = 0; s < 700; s++) {
      pass([a, b], 1000);
      for (const { device, now } of [a, b]) {
        const next = device.nextTimer();
        expect(next === null || next.seconds >= now.seconds).toBe(true);
      }
    }
    expect([a.dropped, b.dropped, a.lost]).toEqual([[], [], []]);
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
