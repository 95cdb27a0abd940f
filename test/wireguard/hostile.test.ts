/** Whatever comes from outside: an answer that is a number, no exception, no packet, no state. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packet, pair, settle } from './end.ts';

const NAMES = /^(consumed|wireguard-[a-z-]+)$/;
const from = { address: 0x0a000005, port: 4 };

describe('hostile messages', () => {
  it('of any bytes do nothing', () => {
    const [a, b] = pair();
    a.send(packet('10.0.0.1', '10.0.0.2'));
    settle(a, b);
    const indices = b.device.indices.size;
    const type = fc.constantFrom(0, 1, 2, 3, 4, 5, 255);
    const length = fc.oneof(fc.constantFrom(148, 92, 64, 32, 48), fc.nat(200));
    fc.assert(
      fc.property(
        type,
        length,
        fc.uint8Array({ minLength: 200, maxLength: 200 }),
        (t, n, bytes) => {
          const message = Buffer.from(bytes.subarray(0, n));
          if (n >= 4) message.writeUInt32LE(t, 0);
          expect(b.receive(message, from)).toMatch(NAMES);
          expect(b.receive(message, from)).not.toBe('consumed');
        },
      ),
      { numRuns: 500 },
    );
    expect([b.delivered.length, b.device.indices.size, b.take()]).toEqual([1, indices, []]);
    expect(b.device.peers[0]!.endpointAddress).toBe(a.address);
  });

  it('that are right but for the ephemeral key of low order do nothing', () => {
    const [a, b] = pair();
    a.send(packet('10.0.0.1', '10.0.0.2'));
    const { bytes } = a.take()[0]!;
    bytes.fill(0, 8, 40);
    // mac1 is made of public things only: anybody can compute it.
    a.device.peers[0]!.cookies.stamp(bytes, 0, 0);
    expect(b.receive(bytes, from)).toBe('wireguard-handshake');
    expect([b.take(), b.device.indices.size]).toEqual([[], 0]);
  });

  it('98 of them of each type leave a conversation alone', () => {
    const [a, b] = pair();
    const one = packet('10.0.0.1', '10.0.0.2');
    a.send(one);
    settle(a, b);
    const index = b.device.peers[0]!.usable()!.localIndex;
    for (const [type, size] of [
      [1, 148],
      [2, 92],
      [3, 64],
      [4, 96],
    ] as const) {
      for (let n = 0; n < 98; n++) {
        const message = Buffer.alloc(size, n);
        message.writeUInt32LE(type, 0);
        message.writeUInt32LE(index, type === 2 ? 8 : 4);
        expect(b.receive(message, from)).not.toBe('consumed');
      }
      a.send(one);
      settle(a, b);
    }
    expect(b.delivered.length).toBe(5);
  });
});
