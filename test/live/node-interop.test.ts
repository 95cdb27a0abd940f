/** Pods of an emulated node and wireguard-go, which has the place of another node: both roles. */
import { spawn } from 'node:child_process';
import { describe, it } from 'vitest';
import type { Cluster } from '../../src/cluster/cluster.ts';
import { dropInfo } from '../../src/drop.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { LiveNode } from '../../src/live/live-node.ts';
import { systemRandom } from '../../src/live/live-tunnel.ts';
import { parseIp4 } from '../../src/wire/address.ts';
import * as icmp from '../../src/wire/icmp.ts';
import { PrivateKey } from '../../src/wireguard/key.ts';
import { clusterOf, felix, lab, layersOf, node, pool, underlay, watch } from '../behaviour/lab.ts';
import { packet } from '../wireguard/end.ts';
import { GoPeer, missing } from './wireguard-go.ts';

const reason = missing();
if (reason !== undefined) console.warn(`SKIPPED: a live node and wireguard-go: ${reason}`);

const W0 = '10.65.0.2';
/** An address of the node that is real, which no manifest names. */
const THERE = '10.65.1.7';
const PORT = 5353;
const newKey = (): PrivateKey => {
  const scalar = Buffer.alloc(32);
  systemRandom.fill(scalar);
  return new PrivateKey(scalar);
};
const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
/** Longer than three handshakes take of which two are lost (REKEY_TIMEOUT is 5 s). */
async function until(done: () => boolean, milliseconds = 20_000): Promise<void> {
  for (let tries = 0; tries < milliseconds / 10 && !done(); tries++) await sleep(10);
}

class Meeting {
  go!: GoPeer;
  live!: LiveNode;
  cluster!: Cluster;
  readonly replies = new Set<number>();
  readonly datagrams: Buffer[] = [];
  readonly drops: string[] = [];
  requests = 0;
  /** Milliseconds that our clock is ahead of the real one. */
  ahead = 0;

  static async start(initiator: 'ours' | 'theirs', mark: string, mode: string): Promise<Meeting> {
    const meeting = new Meeting();
    const [ours, theirs] = [newKey(), newKey()];
    const real = `${node(1)}\nstatus: {wireguardPublicKey: "${theirs.publicKey.toString('base64')}"}`;
    const cluster = clusterOf(
      lab(pool(mode), underlay(), felix('wireguardEnabled: true')).replace(node(1), real),
    );
    meeting.cluster = cluster;
    // Pods answer pings as Linux does.
    cluster.answering = true;
    // What the real one has to know is what the emulated one would have known.
    const listed = cluster.exec('n1', ['wg', 'show', 'wireguard.cali', 'allowed-ips']);
    const allowedIps = listed.split('\n')[0]!.split('\t')[1]!.replaceAll(' ', ',');
    const open = async (port?: number): Promise<void> => {
      meeting.live = await LiveNode.open({
        cluster,
        node: 'n0',
        peer: 'n1',
        privateKey: ours,
        clock: () => Date.now() + meeting.ahead,
        deliver: (name, b) => meeting.take(name, b),
        drop: (name, why) => meeting.drops.push(`${name} ${dropInfo[why].name}`),
        ...(port === undefined ? {} : { endpoint: { address: parseIp4('127.0.0.1'), port } }),
      });
    };
    if (initiator === 'theirs') await open();
    meeting.go = await GoPeer.start(`pn${process.pid}${mark}`, {
      privateKey: theirs.reveal().toString('base64'),
      peerKey: ours.publicKey.toString('base64'),
      address: `${THERE}/16`,
      allowedIps,
      ...(initiator === 'theirs' ? { peerPort: meeting.live.port } : {}),
    });
    if (initiator === 'ours') await open(meeting.go.port);
    return meeting;
  }

  /** Echo requests from the pod, and the answers of the kernel behind wireguard-go. */
  async ask(first: number, count: number): Promise<number> {
    for (let seq = first; seq < first + count; seq++) {
      this.live.send('w0', packet(W0, THERE, 28 + (seq % 1393), seq));
      await until(() => this.replies.size > seq - 40);
    }
    await until(() => this.replies.size === first + count);
    return this.replies.size;
  }

  /** What our node counts, and what wireguard-go does: received and sent. */
  counted(): { ours: number[]; theirs: number[] } {
    const listed = this.cluster.exec('n0', ['wg', 'show', 'wireguard.cali', 'transfer']);
    const [, received, sent] = listed.split('\n')[0]!.split('\t').map(Number);
    const [rx, tx] = this.go.transfer();
    return { ours: [received!, sent!], theirs: [tx, rx] };
  }

  stop(): void {
    this.live?.close();
    this.go?.stop();
  }

  private take(name: string, b: Buffer): void {
    if (name !== 'x/w0') return;
    if (b[9] === 17) this.datagrams.push(b);
    else if (icmp.type(b, 20) === 0) this.replies.add(b.readUInt16BE(26));
    else this.requests++;
  }
}

/** WireGuard message types on a NIC, counted. */
const types = (frames: readonly Buffer[]): Record<number, number> => {
  const counts: Record<number, number> = {};
  for (const frame of frames) counts[frame[42]!] = (counts[frame[42]!] ?? 0) + 1;
  return counts;
};

describe.skipIf(reason !== undefined)('a live node and wireguard-go', { concurrent: true }, () => {
  it('as initiator: a pod pings 1,000 times, new keys after 120 s of our clock', async ({
    expect,
    onTestFinished,
  }) => {
    const meeting = await Meeting.start('ours', 'a', 'vxlanMode: Always');
    onTestFinished(() => meeting.stop());
    const { cluster } = meeting;
    const [pod, tunnel, nic] = ['w0:eth0', 'n0:wireguard.cali', 'n0:eth0'].map((port) =>
      watch(cluster, port),
    );
    expect(await meeting.ask(0, 500)).toBe(500);
    meeting.ahead += 121_000;
    expect(await meeting.ask(500, 500)).toBe(1000);
    await sleep(200);
    expect(meeting.drops).toEqual([]);
    expect([pod!.length, tunnel!.length]).toEqual([2000, 2000]);
    expect(nic!.every((frame) => layersOf(frame).some((l) => l.layer === 'wireguard'))).toBe(true);
    expect(types(nic!)).toMatchObject({ 1: 2, 2: 2 });
    expect(types(nic!)[4]).toBeGreaterThanOrEqual(2000);
    const { ours, theirs } = meeting.counted();
    expect(ours).toEqual(theirs);
  }, 60_000);

  it('as initiator: datagrams to a program behind wireguard-go, and its answers', async ({
    expect,
    onTestFinished,
  }) => {
    const meeting = await Meeting.start('ours', 'b', 'ipipMode: Always');
    onTestFinished(() => meeting.stop());
    const echo =
      `const s = require('dgram').createSocket('udp4');` +
      `s.on('message', (m, r) => s.send(Buffer.concat([Buffer.from('> '), m]), r.port, r.address));` +
      `s.bind(${PORT}, '${THERE}', () => console.log('ready'));`;
    const program = spawn('ip', [
      ...['netns', 'exec', meeting.go.namespace],
      ...[process.execPath, '-e', echo],
    ]);
    onTestFinished(() => void program.kill());
    await new Promise((ready) => program.stdout.once('data', ready));
    for (let i = 0; i < 50; i++) {
      meeting.live.send(
        'w0',
        buildFrame([
          { layer: 'ipv4', src: W0, dst: THERE },
          { layer: 'udp', srcPort: 40000 + i, dstPort: PORT },
          { layer: 'payload', bytes: Buffer.from(`number ${i}`) },
        ]),
      );
    }
    await until(() => meeting.datagrams.length === 50);
    expect(meeting.datagrams.map((b) => b.toString('latin1', 28)).sort()).toEqual(
      Array.from({ length: 50 }, (_, i) => `> number ${i}`).sort(),
    );
    expect(meeting.drops).toEqual([]);
  }, 60_000);

  it('as responder: the kernel behind wireguard-go pings the pod; follows it to another port', async ({
    expect,
    onTestFinished,
  }) => {
    const meeting = await Meeting.start('theirs', 'c', 'vxlanMode: Never');
    onTestFinished(() => meeting.stop());
    const { cluster, go } = meeting;
    const nic = watch(cluster, 'n0:eth0');
    expect(await go.ping(W0, 1000, 300)).toEqual([1000, 1000]);
    expect([meeting.requests, meeting.drops]).toEqual([1000, []]);
    expect(types(nic)).toMatchObject({ 1: 1, 2: 1 });
    await sleep(100);
    const { ours, theirs } = meeting.counted();
    expect(ours).toEqual(theirs);
    const before = go.port;
    go.listen(before === 65535 ? before - 1 : before + 1);
    expect(await go.ping(W0, 1, 56)).toEqual([1, 1]);
    expect(await meeting.ask(0, 10)).toBe(10);
  }, 60_000);

  it('as responder: new keys when wireguard-go asks for them', async ({
    expect,
    onTestFinished,
  }) => {
    const meeting = await Meeting.start('theirs', 'd', 'vxlanMode: Always');
    onTestFinished(() => meeting.stop());
    const nic = watch(meeting.cluster, 'n0:eth0');
    expect(await meeting.go.ping(W0, 100, 300)).toEqual([100, 100]);
    // By then it has sent its keepalive. Our clock runs ahead until no session is left;
    // wireguard-go, unanswered, starts a handshake after 15 seconds.
    await sleep(11_000);
    meeting.ahead += 181_000;
    const deadline = Date.now() + 30_000;
    while (types(nic)[2] !== 2 && Date.now() < deadline) await meeting.go.ping(W0, 1, 56);
    expect(types(nic)).toMatchObject({ 1: 2, 2: 2 });
    expect(await meeting.go.ping(W0, 100, 300)).toEqual([100, 100]);
    expect(new Set(meeting.drops)).toEqual(new Set(['n0 wireguard-expired']));
  }, 90_000);
});
