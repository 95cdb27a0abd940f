import { afterEach, describe, expect, it } from 'vitest';
import { dropInfo } from '../../src/drop.ts';
import { LiveTunnel, type LiveTunnelOptions } from '../../src/live/live-tunnel.ts';
import { parseIp4, parsePrefix } from '../../src/wire/address.ts';
import { deriveKey } from '../../src/wireguard/key.ts';
import { packet } from '../wireguard/end.ts';

const open: LiveTunnel[] = [];
afterEach(() => {
  for (const tunnel of open.splice(0)) tunnel.close();
});

async function tunnel(
  name: string,
  other: string,
  allowed: string,
  more: Partial<LiveTunnelOptions> & { readonly to?: number } = {},
): Promise<{ live: LiveTunnel; packets: Buffer[]; drops: string[] }> {
  const packets: Buffer[] = [];
  const drops: string[] = [];
  const { to, ...options } = more;
  const live = await LiveTunnel.open({
    privateKey: deriveKey(5, name),
    clock: Date.now,
    deliver: (b) => packets.push(Buffer.from(b)),
    drop: (why) => drops.push(dropInfo[why].name),
    peers: [
      {
        publicKey: deriveKey(5, other).publicKey,
        allowedIps: [parsePrefix(allowed)],
        ...(to === undefined ? {} : { endpoint: { address: parseIp4('127.0.0.1'), port: to } }),
      },
    ],
    ...options,
  });
  open.push(live);
  return { live, packets, drops };
}

const until = async (done: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 300 && !done(); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

describe('a live tunnel', () => {
  it('carries packets both ways; those that wait for the handshake come first', async () => {
    const right = await tunnel('right', 'left', '10.0.0.1/32');
    const left = await tunnel('left', 'right', '10.0.0.2/32', { to: right.live.port });
    const there = [1, 2, 3].map((seq) => packet('10.0.0.1', '10.0.0.2', 99 + seq, seq));
    for (const one of there) left.live.send(one);
    await until(() => right.packets.length === 3);
    expect(right.packets).toEqual(there);
    const back = packet('10.0.0.2', '10.0.0.1', 1400);
    right.live.send(back);
    await until(() => left.packets.length === 1);
    expect(left.packets).toEqual([back]);
    expect([left.drops, right.drops]).toEqual([[], []]);
  });

  it('names what it drops, and drops what comes from a stranger', async () => {
    const right = await tunnel('right', 'left', '10.0.0.1/32');
    const other = await tunnel('other', 'right', '10.0.0.2/32', { to: right.live.port });
    right.live.send(packet('10.0.0.2', '10.0.0.1'));
    right.live.send(packet('10.0.0.2', '10.0.0.9'));
    right.live.send(Buffer.from('no packet'));
    expect(right.drops).toEqual(['wireguard-no-endpoint', 'wireguard-no-peer', 'wireguard-inner']);
    other.live.send(packet('10.0.0.1', '10.0.0.2'));
    await until(() => right.drops.length === 4);
    expect(right.drops[3]).toBe('wireguard-stranger');
  });

  it('says what it cannot have', async () => {
    const { live } = await tunnel('right', 'left', '10.0.0.1/32');
    await expect(tunnel('left', 'right', '10.0.0.2/32', { port: live.port })).rejects.toThrow(
      new RegExp(`^expected to bind UDP 127.0.0.1:${live.port}, found .*EADDRINUSE`),
    );
    await expect(tunnel('left', 'right', '10.0.0.2/32', { address: 'loop' })).rejects.toThrow(
      'expected an IPv4 address, found "loop"',
    );
    expect(() => live.send(Buffer.alloc(65535))).toThrow(
      'expected a packet of at most 65460 bytes, found 65535',
    );
  });

  it('is silent once closed', async () => {
    const right = await tunnel('right', 'left', '10.0.0.1/32');
    const left = await tunnel('left', 'right', '10.0.0.2/32', { to: right.live.port });
    left.live.close();
    left.live.close();
    left.live.send(packet('10.0.0.1', '10.0.0.2'));
    expect(left.live.device.nextTimer()).toBe(null);
    expect(right.packets).toEqual([]);
  });
});
