/** No key encrypts two messages under one counter: what ChaCha20-Poly1305 stands on. */
import { expect, it } from 'vitest';
import { later } from '../../src/packet/moment.ts';
import { packet, pair, START, settle } from './end.ts';

/** The private halves of a session's counter: no test can send 2^60 packets. */
interface Counter {
  counterHigh: number;
  counterLow: number;
}

it('a million packets, new keys on the way: every (key, counter) once, each without a gap', () => {
  const [a, b] = pair();
  const one = packet('10.0.0.1', '10.0.0.2', 28);
  /** The next counter by the receiver index, which names the key. */
  const next = new Map<number, number>();
  let sealed = 0;
  let spare = 0;
  for (let i = 0; i < 1_000_000; i++) {
    // A packet a millisecond: a rekey each two minutes.
    if (i % 1000 === 0) for (const end of [a, b]) end.now = later(START, i);
    a.send(one);
    for (const { bytes } of a.outbox) {
      if (bytes[0] !== 4) continue;
      const key = bytes.readUInt32LE(4);
      const counter = Number(bytes.readBigUInt64LE(8));
      if (counter !== (next.get(key) ?? 0)) throw new Error(`${key}: ${counter}`);
      next.set(key, counter + 1);
      if (bytes.length === 32) spare++;
      else sealed++;
    }
    // Only handshakes are carried, so that most of the time is spent encrypting.
    if (a.outbox.some(({ bytes }) => bytes[0] !== 4)) {
      a.outbox = a.outbox.filter(({ bytes }) => bytes[0] !== 4);
      for (const datagram of a.take()) b.receive(datagram.bytes, a);
      for (const datagram of b.take()) a.receive(datagram.bytes, b);
    } else a.outbox = [];
  }
  for (const { bytes } of a.take()) if (bytes[0] === 4 && bytes.length > 32) sealed++;
  expect([sealed, a.dropped, a.lost]).toEqual([1_000_000, [], []]);
  expect(next.size).toBeGreaterThanOrEqual(8);
  expect(spare).toBeLessThan(20);
}, 180_000);

it('a key is not used at the end of its counters, and new ones are asked for long before', () => {
  const [a, b] = pair();
  const one = packet('10.0.0.1', '10.0.0.2');
  a.send(one);
  settle(a, b);
  const session = a.device.peers[0]!.usable()!;
  const at = session as unknown as Counter;
  // 2^60 packets in a moment.
  at.counterHigh = 2 ** 28;
  at.counterLow = 0;
  expect([session.worn, session.spent]).toEqual([false, false]);
  for (const end of [a, b]) end.now = later(START, 6_000);
  a.send(one);
  const seen = settle(a, b);
  expect(seen.map(({ bytes }) => bytes[0])).toEqual([4, 1, 2, 4]);
  expect(seen[0]!.bytes.readBigUInt64LE(8)).toBe(2n ** 60n);
  // And 2^64 - 8130 in another, carried over the 32-bit boundary.
  const second = a.device.peers[0]!.usable()!;
  const fresh = second as unknown as Counter;
  fresh.counterHigh = 1;
  fresh.counterLow = 0xffffffff;
  a.send(one);
  a.send(one);
  const counters = a.take().filter(({ bytes }) => bytes[0] === 4);
  expect(counters.map(({ bytes }) => bytes.readBigUInt64LE(8))).toEqual([
    2n ** 33n - 1n,
    2n ** 33n,
  ]);
  fresh.counterHigh = 0xffffffff;
  fresh.counterLow = 2 ** 32 - 8131;
  for (const end of [a, b]) end.now = later(START, 12_000);
  expect(a.send(one)).toBe('sealed');
  expect(a.take()[0]!.bytes.readBigUInt64LE(8)).toBe(2n ** 64n - 8131n);
  expect(a.send(one)).toBe('staged');
  expect(second.sendable).toBe(false);
});
