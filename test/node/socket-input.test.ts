/**
 * What a real kernel (6.18) answered to segments and datagrams of every kind: each line of
 * socket-recording.txt has the port's state, the IPv4 packet that was sent and the one that
 * came back. 10.1.0.1 listens on port 80, TCP and UDP, and on no other.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withAnswers } from '../../src/cluster/answer.ts';
import { listen } from '../../src/cluster/listen.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { bytes } from '../../src/packet/arena.ts';
import { expectChecksums, IN, LAN, SmallNetwork } from './small-network.ts';

const RECORDED = readFileSync(join(import.meta.dirname, 'socket-recording.txt'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => {
    const [state = '', sent = '', answer = ''] = line.split(' ');
    return { state, sent: Buffer.from(sent, 'hex'), answer: answer === '-' ? '' : answer };
  });

const network = (): SmallNetwork => {
  const net = new SmallNetwork();
  listen(net.cluster, 'gw', { tcp: [80], udp: [80] });
  return net;
};

/** What `gw` sends back to a packet that reaches its NIC, from the IPv4 header on. */
function answers(net: SmallNetwork, packet: Buffer, isBroadcast = false): Buffer[] {
  const { cluster } = net;
  const to = isBroadcast ? 'ffffffffffff' : '020000000001';
  const frame = Buffer.concat([Buffer.from(`${to}0200000000020800`, 'hex'), packet]);
  const seen: Buffer[] = [];
  // Some of what comes in has wrong sums.
  const { observer } = cluster;
  cluster.observer = {
    see: (node, _device, p, outgoing) => {
      if (node.name !== 'gw' || !outgoing) return;
      const answer = Buffer.from(bytes.subarray(p.l3, p.tail));
      expectChecksums(answer);
      seen.push(answer);
    },
  };
  withAnswers(
    cluster,
    () => false,
    () => cluster.arrive(cluster.names.port('gw:eth0'), frame),
  );
  cluster.observer = observer;
  return seen;
}

/** Without what a kernel draws: identification of an error, first sequence number, timestamp, window scale; and the sums. */
function masked(packet: Buffer): string {
  const b = Buffer.from(packet);
  b.fill(0, 10, 12);
  if (b[9] === 1) {
    b.fill(0, 4, 6);
    b.fill(0, 22, 24);
    return b.toString('hex');
  }
  b.fill(0, 36, 38);
  if ((b[33]! & 2) === 0) return b.toString('hex');
  b.fill(0, 24, 28);
  for (let at = 40; at < b.length; at += b[at] === 1 ? 1 : b[at + 1]!) {
    if (b[at] === 8) b.fill(0, at + 2, at + 6);
    if (b[at] === 3) b[at + 2] = 0;
  }
  return b.toString('hex');
}

describe('segments and datagrams to a namespace', () => {
  it.each([...new Set(RECORDED.map(({ state }) => state))])('%s: as recorded', (state) => {
    const lines = RECORDED.filter((line) => line.state === state);
    expect(lines.length).toBeGreaterThan(0);
    for (const { sent, answer } of lines) {
      const got = answers(network(), sent, state.endsWith('bcast'));
      const expected = answer === '' ? [] : [masked(Buffer.from(answer, 'hex'))];
      expect(got.map(masked), sent.toString('hex')).toEqual(expected);
    }
  });

  it('every one is accounted for, with a reason where it was refused', () => {
    const net = network();
    for (const { state, sent } of RECORDED) answers(net, sent, state.endsWith('bcast'));
    const { entered, born, delivered, dropped, consumed } = net.cluster.counts;
    expect(entered).toBe(RECORDED.length);
    expect(entered + born).toBe(delivered + dropped + consumed);
    expect(new Set(Object.keys(net.drops))).toEqual(
      new Set(['port-closed', 'tcp-flags', 'tcp-checksum', 'udp-checksum']),
    );
  });
});

describe('sockets', () => {
  const segment = (from: string, to: string, ports: [number, number], flags: string): Buffer => {
    const [srcPort, dstPort] = ports;
    const layers: Layer[] = [
      { layer: 'ipv4', src: from, dst: to, df: true },
      { layer: 'tcp', srcPort, dstPort, seq: 9, ack: 5, flags, window: 100 },
    ];
    return buildFrame(layers);
  };

  it('what was sent has a socket: its answer is not refused, that of another port is', () => {
    const net = network();
    const { cluster } = net;
    cluster.answering = true;
    cluster.originate(cluster.names.find('gw'), segment(LAN, IN, [4000, 22], 'S'));
    expect(answers(net, segment(IN, LAN, [22, 4000], 'S.'))).toEqual([]);
    expect(answers(net, segment(IN, LAN, [22, 4001], 'S.'))).toHaveLength(1);
    expect(answers(net, segment(IN, LAN, [23, 4000], 'S.'))).toHaveLength(1);
  });

  it('a connection that began goes on', () => {
    const net = network();
    expect(answers(net, segment(IN, LAN, [4000, 80], 'S'))).toHaveLength(1);
    expect(answers(net, segment(IN, LAN, [4000, 80], '.'))).toEqual([]);
    expect(answers(net, segment(IN, LAN, [4001, 80], '.'))).toHaveLength(1);
  });

  it('the oldest connection is forgotten when there are too many', () => {
    const net = network();
    const { sockets } = net.cluster.names.find('gw');
    const tuple = (i: number) => ({ source: 1, destination: 2, ports: i, protocol: 6, zone: 0 });
    for (let i = 0; i <= 4096; i++) sockets.connect(tuple(i));
    expect([0, 1, 4096].map((i) => sockets.isConnected(tuple(i)))).toEqual([false, true, true]);
  });
});
