/** An emulated device and wireguard-go speak over loopback: both roles, new keys on the way. */
import { Socket } from 'node:dgram';
import { afterAll, beforeAll, describe, it, vi } from 'vitest';
import { dropInfo } from '../../src/drop.ts';
import { LiveTunnel, systemRandom } from '../../src/live/live-tunnel.ts';
import { parseIp4, parsePrefix } from '../../src/wire/address.ts';
import * as icmp from '../../src/wire/icmp.ts';
import { PrivateKey } from '../../src/wireguard/key.ts';
import { packet } from '../wireguard/end.ts';
import { GoPeer, missing } from './wireguard-go.ts';

const reason = missing();
if (reason !== undefined) console.warn(`SKIPPED: interoperation with wireguard-go: ${reason}`);

const OURS = '10.99.0.2';
const THEIRS = '10.99.0.1';
const newKey = (): PrivateKey => {
  const scalar = Buffer.alloc(32);
  systemRandom.fill(scalar);
  return new PrivateKey(scalar);
};
const base64 = (bytes: Buffer): string => bytes.toString('base64');
const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Every datagram this process sends: message type and port. */
const sent: [number, number][] = [];
beforeAll(() => {
  const send = Socket.prototype.send as (...args: unknown[]) => void;
  vi.spyOn(Socket.prototype, 'send').mockImplementation(function (this: Socket, ...args) {
    sent.push([(args[0] as Buffer)[0]!, args[1] as number]);
    send.apply(this, args);
  });
});
afterAll(() => vi.restoreAllMocks());

class Meeting {
  go!: GoPeer;
  live!: LiveTunnel;
  readonly replies = new Set<number>();
  readonly drops: string[] = [];
  requests = 0;
  /** Milliseconds that our clock is ahead of the real one. */
  ahead = 0;

  static async start(initiator: 'ours' | 'theirs', mark: string): Promise<Meeting> {
    const meeting = new Meeting();
    const [ours, theirs, psk] = [newKey(), newKey(), newKey().reveal()];
    const open = async (port?: number): Promise<void> => {
      meeting.live = await LiveTunnel.open({
        privateKey: ours,
        clock: () => Date.now() + meeting.ahead,
        deliver: (b) => meeting.answer(b),
        drop: (why) => meeting.drops.push(dropInfo[why].name),
        peers: [
          {
            publicKey: theirs.publicKey,
            presharedKey: psk,
            allowedIps: [parsePrefix(`${THEIRS}/32`)],
            ...(port === undefined ? {} : { endpoint: { address: parseIp4('127.0.0.1'), port } }),
          },
        ],
      });
    };
    if (initiator === 'theirs') await open();
    meeting.go = await GoPeer.start(`pw${process.pid}${mark}`, {
      privateKey: base64(theirs.reveal()),
      peerKey: base64(ours.publicKey),
      presharedKey: base64(psk),
      address: `${THEIRS}/24`,
      allowedIps: `${OURS}/32`,
      ...(initiator === 'theirs' ? { peerPort: meeting.live.port } : {}),
    });
    if (initiator === 'ours') await open(meeting.go.port);
    return meeting;
  }

  /** Sends echo requests and waits for the answers of the kernel behind wireguard-go. */
  async ask(first: number, count: number): Promise<number> {
    for (let seq = first; seq < first + count; seq++) {
      this.live.send(packet(OURS, THEIRS, 28 + (seq % 1393), seq));
      // No more on the way than a socket's buffer holds.
      await this.until(() => this.replies.size > seq - 40);
    }
    await this.until(() => this.replies.size === first + count);
    return this.replies.size;
  }

  /** Initiations that we sent. */
  initiations(): number {
    const port = this.go.port;
    return sent.filter(([type, to]) => type === 1 && to === port).length;
  }

  stop(): void {
    this.live.close();
    this.go.stop();
  }

  private async until(done: () => boolean): Promise<void> {
    for (let tries = 0; tries < 500 && !done(); tries++) await sleep(10);
  }

  /** Answers pings, and counts answers. */
  private answer(b: Buffer): void {
    if (icmp.type(b, 20) === 0) {
      this.replies.add(b.readUInt16BE(26));
      return;
    }
    this.requests++;
    const echo = Buffer.from(b);
    b.copy(echo, 12, 16, 20);
    b.copy(echo, 16, 12, 16);
    echo[20] = 0;
    echo.writeUInt16BE(0, 22);
    echo.writeUInt16BE(icmpSum(echo), 22);
    this.live.send(echo);
  }
}

/** RFC 1071, slow and on its own. */
function icmpSum(b: Buffer): number {
  let sum = 0;
  for (let at = 20; at < b.length; at += 2) sum += (b[at]! << 8) | (b[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

describe.skipIf(reason !== undefined)('with wireguard-go', { concurrent: true }, () => {
  it('as initiator: 1,000 packets each way, and new keys after 120 s of our clock', async ({
    expect,
    onTestFinished,
  }) => {
    const meeting = await Meeting.start('ours', 'a');
    onTestFinished(() => meeting.stop());
    expect(await meeting.ask(0, 500)).toBe(500);
    const [peer] = meeting.live.device.peers;
    const before = peer!.lastHandshake!;
    meeting.ahead += 121_000;
    expect(await meeting.ask(500, 500)).toBe(1000);
    await sleep(100);
    expect(peer!.lastHandshake!.seconds - before.seconds).toBeGreaterThanOrEqual(121);
    expect([meeting.drops, meeting.initiations()]).toEqual([[], 2]);
    // Either end counts what the other does, to the byte.
    const [rx, tx] = meeting.go.transfer();
    expect([peer!.txBytes, peer!.rxBytes]).toEqual([rx, tx]);
  }, 60_000);

  it('as responder: 1,000 packets each way', async ({ expect, onTestFinished }) => {
    const meeting = await Meeting.start('theirs', 'b');
    onTestFinished(() => meeting.stop());
    expect(await meeting.go.ping(OURS, 1000, 300)).toEqual([1000, 1000]);
    expect([meeting.requests, meeting.drops]).toEqual([1000, []]);
    const [peer] = meeting.live.device.peers;
    await sleep(100);
    const [rx, tx] = meeting.go.transfer();
    expect([peer!.txBytes, peer!.rxBytes]).toEqual([rx, tx]);
    expect([peer!.endpointPort, meeting.initiations()]).toEqual([meeting.go.port, 0]);
  }, 60_000);

  it('as responder: new keys when wireguard-go asks for them', async ({
    expect,
    onTestFinished,
  }) => {
    const meeting = await Meeting.start('theirs', 'c');
    onTestFinished(() => meeting.stop());
    expect(await meeting.go.ping(OURS, 100, 300)).toEqual([100, 100]);
    const [peer] = meeting.live.device.peers;
    const before = peer!.lastHandshake!;
    // By then it has sent its keepalive, and we expect nothing of it.
    await sleep(11_000);
    // Our clock runs ahead until we know no session any more. wireguard-go, which gets no
    // answer, starts a new handshake after its 15 seconds.
    meeting.ahead += 181_000;
    const deadline = Date.now() + 30_000;
    while (peer!.lastHandshake === before && Date.now() < deadline) {
      await meeting.go.ping(OURS, 1, 56);
    }
    expect(peer!.lastHandshake!.seconds - before.seconds).toBeGreaterThanOrEqual(181);
    expect(new Set(meeting.drops)).toEqual(new Set(['wireguard-expired']));
    expect(meeting.initiations()).toBe(0);
    expect(await meeting.go.ping(OURS, 100, 300)).toEqual([100, 100]);
  }, 90_000);
});
