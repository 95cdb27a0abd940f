/** Every byte of a handshake, and of data, against a twin that shares no code with it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIp4, parsePrefix } from '../../src/wire/address.ts';
import { PrivateKey } from '../../src/wireguard/key.ts';
import type { RandomSource } from '../../src/wireguard/random.ts';
import { putTai64n } from '../../src/wireguard/tai64n.ts';
import { End, packet, settle } from './end.ts';
import { slowData, slowHandshake } from './slow-noise.ts';

/** First the ephemeral key, then the index; after that anything. */
function scripted(ephemeral: Buffer, index: number): RandomSource {
  const word = Buffer.alloc(4);
  word.writeUInt32LE(index);
  const script = [ephemeral, word];
  return { predictable: true, fill: (into) => into.set(script.shift() ?? into.fill(1)) };
}

/** Keys with a mark, so that no two are the same. */
const bytes32 = (mark: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b).fill(mark, 5, 6));
const u32 = fc.integer({ min: 1, max: 0xffffffff });

describe('the handshake', () => {
  it('is the twin’s byte for byte, and so is the data', () => {
    fc.assert(
      fc.property(
        fc.tuple(bytes32(1), bytes32(2), bytes32(3), bytes32(4), bytes32(5)),
        u32,
        u32,
        fc.record({ seconds: fc.nat(2 ** 31), nanoseconds: fc.nat(999_999_999) }),
        fc.array(fc.integer({ min: 28, max: 1408 }), { minLength: 1, maxLength: 4 }),
        ([s1, s2, e1, e2, presharedKey], i1, i2, now, sizes) => {
          const keys = [new PrivateKey(s1), new PrivateKey(s2)] as const;
          const b = new End(
            'b',
            '192.0.2.2',
            () => [
              {
                publicKey: keys[0].publicKey,
                presharedKey,
                allowedIps: [parsePrefix('10.0.0.1/32')],
              },
            ],
            { privateKey: keys[1], random: scripted(e2, i2) },
          );
          const a = new End(
            'a',
            '192.0.2.1',
            () => [
              {
                publicKey: keys[1].publicKey,
                presharedKey,
                endpoint: { address: parseIp4('192.0.2.2'), port: 51820 },
                allowedIps: [parsePrefix('10.0.0.2/32')],
              },
            ],
            { privateKey: keys[0], random: scripted(e1, i1) },
          );
          for (const end of [a, b]) end.now = now;
          const packets = sizes.map((size, i) => packet('10.0.0.1', '10.0.0.2', size, i));
          for (const one of packets) a.send(one);
          const carried = settle(a, b).map(({ bytes }) => bytes.toString('hex'));
          b.send(packet('10.0.0.2', '10.0.0.1'));
          carried.push(...settle(a, b).map(({ bytes }) => bytes.toString('hex')));

          const timestamp = Buffer.alloc(12);
          putTai64n(timestamp, 0, now);
          const twin = slowHandshake({
            initiatorStatic: s1,
            responderStatic: s2,
            initiatorEphemeral: e1,
            responderEphemeral: e2,
            presharedKey,
            initiatorIndex: i1,
            responderIndex: i2,
            timestamp,
          });
          expect(carried).toEqual(
            [
              twin.initiation,
              twin.response,
              ...packets.map((p, i) => slowData(twin.initiatorSends, i2, BigInt(i), p)),
              slowData(twin.responderSends, i1, 0n, packet('10.0.0.2', '10.0.0.1')),
            ].map((message) => message.toString('hex')),
          );
          expect(b.delivered).toEqual(packets);
        },
      ),
      { numRuns: 15, endOnFailure: true },
    );
  });
});
