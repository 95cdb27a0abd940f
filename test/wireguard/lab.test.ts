/** A recorded kernel conversation: decrypted with its keys, and sent again byte for byte. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseIp4, parsePrefix } from '../../src/wire/address.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { PrivateKey, parseKey } from '../../src/wireguard/key.ts';
import { captured } from '../wire/captured.ts';
import { End } from './end.ts';

const capture = captured('oracle/out/18-wireguard/node1.enp1s0.pcap');
const facts = (name: string): unknown => {
  const path = resolve(process.cwd(), '../shared/oracle/out/18-wireguard', name);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
};

interface NodeFacts {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly endpoint: readonly [string, number];
  readonly allowedIps: readonly string[];
}
interface Scenario {
  readonly wireguard: {
    readonly node1: NodeFacts;
    readonly node2: NodeFacts;
    readonly initiatorEphemeralCandidates: readonly string[];
  };
}
interface Message {
  readonly sender: 'node1' | 'node2';
  readonly type: number;
  readonly counter?: number;
  readonly plain?: string;
  readonly timestamp?: string;
  readonly error?: string;
}

const isReply = ({ sender, plain = '' }: Message): boolean => sender === 'node2' && plain !== '';

describe.skipIf(capture === undefined)('the recorded conversation of two kernels', () => {
  const { wireguard } = (facts('scenario.json') ?? {}) as Scenario;
  const messages = (facts('wireguard.json') ?? []) as Message[];
  const datagrams = (capture?.frames ?? [])
    .map(({ bytes }) => bytes)
    .filter((b) => b.readUInt16BE(12) === 0x0800 && ipv4.protocol(b, 14) === 17)
    .map((b) => ({
      from: ipv4.source(b, 14),
      bytes: Buffer.from(b.subarray(42, 34 + b.readUInt16BE(38))),
    }));

  it('is ours too, given the initiator’s keys and time', () => {
    const { node1, node2, initiatorEphemeralCandidates } = wireguard;
    expect(datagrams.length).toBe(messages.length);
    const first = datagrams[0]!.bytes;
    const script = [Buffer.from(initiatorEphemeralCandidates[0]!, 'hex'), first.subarray(4, 8)];
    const stamp = Buffer.from(messages[0]!.timestamp!, 'hex');
    const a = new End(
      'node1',
      node1.endpoint[0],
      () => [
        {
          publicKey: parseKey(node2.publicKey),
          endpoint: { address: parseIp4(node2.endpoint[0]), port: node2.endpoint[1] },
          allowedIps: node2.allowedIps.map(parsePrefix),
        },
      ],
      {
        privateKey: PrivateKey.parse(node1.privateKey),
        random: { predictable: true, fill: (into) => into.set(script.shift() ?? into.fill(1)) },
      },
    );
    a.mtu = 1440;
    a.now = {
      seconds: Number(stamp.readBigUInt64BE(0) - 0x400000000000000an),
      nanoseconds: stamp.readUInt32BE(8),
    };
    const far = { address: parseIp4(node2.endpoint[0]), port: node2.endpoint[1] };
    const outcomes: Record<string, number> = {};
    let sent = 0;
    for (const [i, { sender, plain, counter }] of messages.entries()) {
      const { from, bytes } = datagrams[i]!;
      if (sender === 'node2') {
        const said = a.receive(bytes, far);
        outcomes[said] = (outcomes[said] ?? 0) + 1;
        if (plain !== undefined && plain !== '') {
          const whole = Buffer.from(plain, 'hex');
          const inner = whole.subarray(0, whole.readUInt16BE(2));
          expect(said).toBe('delivered');
          expect(a.delivered.at(-1)).toEqual(inner);
        }
        continue;
      }
      // What was injected there: a replay and garbage.
      if (i > 0 && counter !== sent) continue;
      expect(from).toBe(a.address);
      if (plain === '') a.device.peers[0]!.keepalive();
      else if (i > 2) {
        const whole = Buffer.from(plain!, 'hex');
        expect(a.send(whole.subarray(0, whole.readUInt16BE(2)))).toBe('sealed');
      } else if (i === 0) {
        // The packet that waits is the first to be sent, as it was then.
        const waiting = Buffer.from(messages[2]!.plain!, 'hex');
        expect(a.send(waiting.subarray(0, waiting.readUInt16BE(2)))).toBe('staged');
        expect(a.take().map((d) => d.bytes.toString('hex'))).toEqual([bytes.toString('hex')]);
        continue;
      }
      sent++;
      const ours = a.take().map((d) => d.bytes.toString('hex'));
      expect(ours, `message ${i + 1}`).toEqual([bytes.toString('hex')]);
    }
    expect(sent).toBeGreaterThan(20);
    expect(outcomes).toEqual({ consumed: 2, delivered: messages.filter(isReply).length });
  });

  it('names what was injected as the kernel saw it', () => {
    const { node1, node2 } = wireguard;
    const b = new End(
      'node2',
      node2.endpoint[0],
      () => [
        {
          publicKey: parseKey(node1.publicKey),
          allowedIps: node1.allowedIps.map(parsePrefix),
        },
      ],
      { privateKey: PrivateKey.parse(node2.privateKey) },
    );
    const near = { address: parseIp4(node1.endpoint[0]), port: node1.endpoint[1] };
    const said = (i: number): string => b.receive(datagrams[i]!.bytes, near);
    expect([said(0), said(0)]).toEqual(['consumed', 'wireguard-timestamp']);
    expect([51, 52, 53, 54].map(said)).toEqual([
      'wireguard-length',
      'wireguard-type',
      'wireguard-index',
      'wireguard-mac',
    ]);
  });
});
