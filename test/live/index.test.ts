/** What `podwire/live` gives: the protocol alone is enough for two ends and a wire of one's own. */
import { expect, it } from 'vitest';
import * as live from '../../src/live/index.ts';
import { parseIp4, parsePrefix } from '../../src/wire/address.ts';
import { packet } from '../wireguard/end.ts';

it('two devices exchange a packet without any socket', () => {
  const [a, b] = [1, 2].map((n) => new live.PrivateKey(Buffer.alloc(32, n)));
  const at = { seconds: 1_800_000_000, nanoseconds: 0 };
  const wire: Buffer[] = [];
  const ready: Buffer[] = [];
  const dropped: live.Drop[] = [];
  const end = (own: live.PrivateKey, peer: live.PrivateKey, port: number, prefix: string) =>
    new live.WireguardDevice<Buffer>({
      privateKey: own,
      peers: [
        {
          publicKey: peer.publicKey,
          endpoint: { address: parseIp4('127.0.0.1'), port },
          allowedIps: [parsePrefix(prefix)],
        },
      ],
      random: live.systemRandom,
      sink: {
        transmit: (message, from, to) => wire.push(Buffer.from(message.subarray(from, to))),
        resume: (p) => ready.push(p),
        lose: (_, why) => dropped.push(why),
      },
    });
  const left = end(a!, b!, 2, '10.0.0.2/32');
  const right = end(b!, a!, 1, '10.0.0.1/32');
  const sent = packet('10.0.0.1', '10.0.0.2');
  const seal = (p: Buffer): number => {
    const buffer = Buffer.alloc(p.length + 64);
    p.copy(buffer, 16);
    const last = left.seal(p, buffer, 16, 16 + p.length, 1420, at);
    if (last > 0) wire.push(buffer.subarray(0, last));
    return last;
  };
  const pass = (to: typeof left, port: number): number[] =>
    wire.splice(0).map((m) => to.receive(m, 0, m.length, parseIp4('127.0.0.1'), port, at));
  expect(seal(sent)).toBe(live.STAGED);
  expect(pass(right, 1)).toEqual([live.CONSUMED]);
  expect(pass(left, 2)).toEqual([live.CONSUMED]);
  expect(ready).toHaveLength(1);
  expect(seal(ready[0]!)).toBeGreaterThan(sent.length + 31);
  const opened = wire.at(-1)!;
  expect(opened.includes(sent.subarray(20))).toBe(false);
  expect(pass(right, 1).at(-1)).toBe(16 + sent.length);
  expect(opened.subarray(16, 16 + sent.length).equals(sent)).toBe(true);
  expect(dropped).toEqual([]);
});
