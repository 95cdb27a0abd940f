/** A device under load: cookies, rates, and a flood that costs no state. */
import { xchacha20poly1305 } from '@noble/ciphers/chacha';
import { blake2s } from '@noble/hashes/blake2s';
import { describe, expect, it } from 'vitest';
import { later } from '../../src/packet/moment.ts';
import { parseIp4, parsePrefix } from '../../src/wire/address.ts';
import { End, packet, pair, START, settle } from './end.ts';

const there = packet('10.0.0.1', '10.0.0.2');

/** Messages with a sound mac1 that are no handshakes: what a flood is made of. */
function garbage(to: End): Buffer {
  const flooder = new End('flooder', '198.51.100.7', () => [
    {
      publicKey: to.key.publicKey,
      endpoint: { address: to.address, port: 51820 },
      allowedIps: [parsePrefix('0.0.0.0/0')],
    },
  ]);
  flooder.send(there);
  return flooder.take()[0]!.bytes;
}

function flood(to: End, count: number): Record<string, number> {
  const bytes = garbage(to);
  const outcomes: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const from = { address: parseIp4('198.51.100.7') ^ (i & 0xff), port: 1000 + (i & 0x3ff) };
    const said = to.receive(bytes, from);
    outcomes[said] = (outcomes[said] ?? 0) + 1;
  }
  return outcomes;
}

describe('a device under load', () => {
  it('answers a handshake with a cookie, and takes it once it carries that', () => {
    const [a, b] = pair();
    flood(b, 600);
    b.take();
    a.send(there);
    const [initiation] = a.take();
    expect(b.receive(initiation!.bytes, a)).toBe('wireguard-cookie');
    const [reply] = b.take();
    expect([reply!.bytes[0], reply!.bytes.length, reply!.address, reply!.tos]).toEqual([
      3,
      64,
      a.address,
      0x88,
    ]);
    expect(a.receive(reply!.bytes, b)).toBe('consumed');
    // It answers one message only.
    expect(a.receive(reply!.bytes, b)).toBe('wireguard-cookie-reply');
    for (const end of [a, b]) end.now = later(START, 5_400);
    flood(b, 600);
    b.take();
    a.device.tick(a.now);
    const [again] = a.take();
    expect(again!.bytes.subarray(132)).not.toEqual(Buffer.alloc(16));
    // From anywhere else the cookie is worth nothing.
    const elsewhere = { address: parseIp4('192.0.2.77'), port: 51820 };
    expect(b.receive(again!.bytes, elsewhere)).toBe('wireguard-cookie');
    expect(b.receive(again!.bytes, { address: a.address, port: 4 })).toBe('wireguard-cookie');
    b.take();
    expect(b.receive(again!.bytes, a)).toBe('consumed');
    settle(a, b);
    expect(b.delivered).toEqual([there]);
  });

  it('its cookie opens with the key and the mac1 that the whitepaper names', () => {
    const [a, b] = pair();
    flood(b, 600);
    b.take();
    a.send(there);
    const [initiation] = a.take();
    b.receive(initiation!.bytes, a);
    const reply = b.take()[0]!.bytes;
    expect(reply.readUInt32LE(4)).toBe(initiation!.bytes.readUInt32LE(4));
    const label = Buffer.concat([Buffer.from('cookie--'), b.key.publicKey]);
    const key = blake2s(label);
    const mac1 = initiation!.bytes.subarray(116, 132);
    const open = xchacha20poly1305(key, reply.subarray(8, 32), mac1);
    expect(open.decrypt(reply.subarray(32)).length).toBe(16);
  });

  it('refuses forged cookie replies and keeps what it has', () => {
    const [a, b] = pair();
    flood(b, 600);
    b.take();
    a.send(there);
    b.receive(a.take()[0]!.bytes, a);
    const { bytes } = b.take()[0]!;
    for (let at = 8; at < 64; at += 5) {
      const forged = Buffer.from(bytes);
      forged[at]! ^= 4;
      expect(a.receive(forged, b)).toBe('wireguard-cookie-reply');
    }
    const lost = Buffer.from(bytes);
    lost[4]! ^= 1;
    expect(a.receive(lost, b)).toBe('wireguard-index');
    expect(a.receive(bytes, b)).toBe('consumed');
  });

  it('a flood of 100,000 in a second makes no state, and what is beyond the queue is not looked at', () => {
    const [, b] = pair();
    const outcomes = flood(b, 100_000);
    expect(Object.keys(outcomes).sort()).toEqual([
      'wireguard-backlog',
      'wireguard-cookie',
      'wireguard-stranger',
    ]);
    expect(outcomes['wireguard-stranger']).toBeLessThan(512);
    expect(outcomes['wireguard-stranger']! + outcomes['wireguard-cookie']!).toBeLessThanOrEqual(
      4096,
    );
    expect(b.device.indices.size).toBe(0);
    expect(b.device.nextTimer()).toBe(null);
  });

  it('serves a second later those who have no cookie', () => {
    const [a, b] = pair();
    flood(b, 600);
    b.take();
    for (const end of [a, b]) end.now = later(START, 1_100);
    a.send(there);
    settle(a, b);
    expect(b.delivered).toEqual([there]);
  });

  it('allows an address 20 handshakes a second, cookie or not', () => {
    const [a, b] = pair();
    flood(b, 600);
    b.take();
    a.send(there);
    b.receive(a.take()[0]!.bytes, a);
    a.receive(b.take()[0]!.bytes, b);
    const said: string[] = [];
    for (const end of [a, b]) end.now = later(START, 5_400);
    flood(b, 600);
    b.take();
    a.device.tick(a.now);
    const { bytes } = a.take()[0]!;
    for (let i = 0; i < 8; i++) said.push(b.receive(bytes, a));
    expect(said).toEqual([
      'consumed',
      ...new Array(4).fill('wireguard-timestamp'),
      ...new Array(3).fill('wireguard-rate'),
    ]);
  });
});
