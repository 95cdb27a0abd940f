/** A node of a cluster and a device that stands for the real one: captures, names, errors, the end. */
import { afterEach, describe, expect, it } from 'vitest';
import { setLink } from '../../src/cluster/link-state.ts';
import { dropInfo } from '../../src/drop.ts';
import { LiveNode, type LiveNodeOptions } from '../../src/live/live-node.ts';
import { LiveTunnel } from '../../src/live/live-tunnel.ts';
import { parseIp4, parsePrefix } from '../../src/wire/address.ts';
import { deriveKey, formatKey, PrivateKey } from '../../src/wireguard/key.ts';
import {
  clusterOf,
  expectAccounted,
  felix,
  lab,
  layersOf,
  node,
  pool,
  watch,
} from '../behaviour/lab.ts';
import { packet } from '../wireguard/end.ts';

const REAL = deriveKey(9, 'real');
const LOCAL = parseIp4('127.0.0.1');
const published = node(1, '172.16.0.11/24').replace(
  /$/,
  `\nstatus: {wireguardPublicKey: "${formatKey(REAL.publicKey)}"}`,
);
const documents = (mode = 'vxlanMode: Never'): string =>
  lab(pool(mode), felix('wireguardEnabled: true')).replace(node(1), published);

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

const until = async (done: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 300 && !done(); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

interface Meeting {
  readonly live: LiveNode;
  readonly real: LiveTunnel;
  readonly cluster: ReturnType<typeof clusterOf>;
  /** What came out of the tunnel at the real end, and what reached namespaces. */
  readonly arrived: Buffer[];
  readonly delivered: [string, Buffer][];
  readonly drops: string[];
}

async function meet(
  speaks: 'ours' | 'theirs',
  more: Partial<LiveNodeOptions> = {},
): Promise<Meeting> {
  const cluster = clusterOf(documents());
  const arrived: Buffer[] = [];
  const delivered: [string, Buffer][] = [];
  const drops: string[] = [];
  const ours = deriveKey(9, 'ours');
  const realEnd = async (port?: number): Promise<LiveTunnel> => {
    const real = await LiveTunnel.open({
      privateKey: REAL,
      clock: Date.now,
      deliver: (b) => arrived.push(Buffer.from(b)),
      peers: [
        {
          publicKey: ours.publicKey,
          allowedIps: [parsePrefix('10.65.0.0/26')],
          ...(port === undefined ? {} : { endpoint: { address: LOCAL, port } }),
        },
      ],
    });
    open.push(real);
    return real;
  };
  const liveEnd = async (port?: number): Promise<LiveNode> => {
    const live = await LiveNode.open({
      cluster,
      node: 'n0',
      peer: 'n1',
      privateKey: ours,
      clock: Date.now,
      deliver: (name, b) => delivered.push([name, b]),
      drop: (name, why) => drops.push(`${name} ${dropInfo[why].name}`),
      ...(port === undefined ? {} : { endpoint: { address: LOCAL, port } }),
      ...more,
    });
    open.push(live);
    return live;
  };
  if (speaks === 'ours') {
    const real = await realEnd();
    return { cluster, arrived, delivered, drops, real, live: await liveEnd(real.port) };
  }
  const live = await liveEnd();
  return { cluster, arrived, delivered, drops, live, real: await realEnd(live.port) };
}

const W0 = '10.65.0.2';
const W1 = '10.65.1.2';
/** A packet after a node that forwarded it. */
const hopped = (b: Buffer): string => b.toString('hex', 12);

describe('a live node', () => {
  it('its pod’s packets leave as datagrams, answers come back to it, every device sees them', async () => {
    const { cluster, live, real, arrived, delivered, drops } = await meet('ours');
    const [pod, tunnel, nic] = ['w0:eth0', 'n0:wireguard.cali', 'n0:eth0'].map((port) =>
      watch(cluster, port),
    );
    live.send('w0', packet(W0, W1, 200, 7));
    await until(() => arrived.length === 1);
    expect(hopped(arrived[0]!)).toBe(hopped(packet(W0, W1, 200, 7)));
    expect(arrived[0]![8]).toBe(packet(W0, W1)[8]! - 1);
    real.send(packet(W1, W0, 300, 8));
    await until(() => delivered.length === 1);
    expect([delivered[0]![0], hopped(delivered[0]![1])]).toEqual([
      'x/w0',
      hopped(packet(W1, W0, 300, 8)),
    ]);
    expect([pod, tunnel].map((frames) => frames!.length)).toEqual([2, 2]);
    // Initiation, response, the packet, and what came back.
    expect(
      nic!.map((frame) => [frame[42], layersOf(frame).some((l) => l.layer === 'wireguard')]),
    ).toEqual([1, 2, 4, 4].map((type) => [type, true]));
    expect(drops).toEqual([]);
    expect(cluster.exec('n0', ['wg', 'show', 'wireguard.cali', 'transfer'])).toContain(
      `${formatKey(REAL.publicKey)}\t`,
    );
    expectAccounted(cluster);
  });

  it('waits for a peer of which nobody knows where it is, and follows it from there', async () => {
    const { live, real, arrived, delivered, drops } = await meet('theirs');
    live.send('w0', packet(W0, W1));
    expect(drops).toEqual(['n1 wireguard-no-endpoint']);
    real.send(packet(W1, W0));
    await until(() => delivered.length === 1);
    live.send('w0', packet(W0, W1, 99));
    await until(() => arrived.length === 2);
    // The one that waited came too.
    expect(arrived.map(hopped).sort()).toEqual(
      [packet(W0, W1), packet(W0, W1, 99)].map(hopped).sort(),
    );
  });

  it('goes by the emulated network: no cable, no datagram', async () => {
    let ahead = 0;
    const clock = (): number => Date.now() + ahead;
    const { cluster, live, arrived } = await meet('ours', { clock });
    setLink(cluster, 'n1:eth0', { up: false });
    live.send('w0', packet(W0, W1, 100));
    await new Promise((resolve) => setTimeout(resolve, 50));
    setLink(cluster, 'n1:eth0', { up: true });
    expect(arrived).toEqual([]);
    // The first handshake was lost; the next is tried 5 seconds and a little later.
    ahead = 6000;
    live.send('w0', packet(W0, W1, 101));
    await until(() => arrived.length === 2);
    expect(arrived.map(({ length }) => length)).toEqual([100, 101]);
  });

  it('any bytes from anybody change nothing and move nothing', async () => {
    const { live, real, arrived, drops } = await meet('ours');
    const { port } = live;
    const stranger = await LiveTunnel.open({
      privateKey: deriveKey(9, 'stranger'),
      clock: Date.now,
      deliver: () => {},
      peers: [
        {
          publicKey: live.publicKey,
          allowedIps: [parsePrefix('0.0.0.0/0')],
          endpoint: { address: LOCAL, port },
        },
      ],
    });
    open.push(stranger);
    stranger.send(packet(W1, W0));
    await until(() => drops.length > 0);
    expect(drops).toEqual(['n0 wireguard-stranger']);
    live.send('w0', packet(W0, W1));
    await until(() => arrived.length === 1);
    expect(arrived).toHaveLength(1);
    expect(real.device.peers[0]!.rxBytes).toBeGreaterThan(0);
  });

  it('closed, it gives the place back; then it can be opened again', async () => {
    const { cluster, live, real, drops } = await meet('ours');
    live.send('w0', packet(W0, '10.65.1.9'));
    live.close();
    live.close();
    live.send('w0', packet(W0, W1));
    expect(drops).toEqual(['n0 wireguard-gone']);
    expect(cluster.witness).toBe(null);
    expect(cluster.send({ from: 'w0', to: 'w1', reply: true }).reply?.outcome).toBe('delivered');
    const again = await LiveNode.open({
      cluster,
      node: 'n0',
      peer: 'n1',
      clock: () => Date.now() + 60_000,
      endpoint: { address: LOCAL, port: real.port },
    });
    open.push(again);
    expect(again.publicKey).not.toEqual(live.publicKey);
  });

  it('says what it cannot have', async () => {
    const cluster = clusterOf(documents());
    const options = { cluster, node: 'n0', peer: 'n1', clock: Date.now };
    const refused = async (more: Partial<LiveNodeOptions>): Promise<string> =>
      LiveNode.open({ ...options, ...more }).then(
        (live) => {
          live.close();
          return 'opened';
        },
        (error: Error) => error.message,
      );
    expect(await refused({})).toBe('opened');
    expect(await refused({ node: 'nobody' })).toContain('found "nobody"');
    expect(await refused({ node: 'w0' })).toBe('expected a node that encrypts, found "w0"');
    expect(await refused({ peer: 'n0' })).toContain('n0: expected a peer, found "n0"');
    expect(await refused({ cluster: clusterOf(lab(pool('vxlanMode: Never'))) })).toContain(
      'expected a node that encrypts, found "n0"',
    );
    expect(await refused({ privateKey: REAL })).toContain('another key than the peer has');
    expect(await refused({ clock: () => 0 })).toContain('clock: expected');
    expect(await refused({ clock: () => Number.NaN })).toContain(
      'expected milliseconds, found NaN',
    );
    const first = await LiveNode.open(options);
    open.push(first);
    expect(await refused({})).toBe('n0: expected no real n1 yet, found one');
    expect(await refused({ node: 'n2', port: first.port })).toContain('EADDRINUSE');
    expect(() => first.send('w0', Buffer.from('no packet'))).toThrow('expected an IPv4 packet');
    expect(() => first.send('nobody', packet(W0, W1))).toThrow('found "nobody"');
  });

  it('a given key does not work with randomness that can be foretold', async () => {
    const random = { predictable: true, fill: (b: Buffer) => void b.fill(1) };
    const privateKey = new PrivateKey(Buffer.alloc(32, 5));
    await expect(meet('theirs', { random, privateKey })).rejects.toThrow('randomness');
  });
});
