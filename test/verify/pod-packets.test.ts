/** Packets known again behind a node that translates. */
import '../accounts.ts';
import { expect, it } from 'vitest';
import { loadCluster } from '../../src/cluster/load.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { type Lab, readCaptures } from '../../src/verify/lab.ts';
import { PodPackets } from '../../src/verify/pod-packets.ts';
import { formatIp4 } from '../../src/wire/address.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';

const NODE = '192.168.33.55';
const POD = '10.2.36.71';
const PEER = '10.2.169.136';

/** Echoes without identification: all that differs is where they go. */
const echo = (src: string, dst: string, id = 7): Buffer =>
  buildFrame([
    { layer: 'ipv4', src, dst, id: 0 },
    { layer: 'icmp', type: 'echo-request', id, seq: 1 },
    { layer: 'payload', hex: '616263' },
  ]);

function podPackets(sent: readonly Buffer[], netfilter = true) {
  const cluster = loadCluster('fixtures/calico-ipip', { netfilter });
  const events = sent.map((packet) => ({
    kind: 'inject',
    label: 'by hand',
    at: 0,
    frame: {
      namespace: 'k8s-node1',
      device: 'enp1s0',
      bytes: Buffer.concat([Buffer.from('52540085ff19525400b2728d0800', 'hex'), packet]),
    },
  }));
  const { plan } = cluster;
  const neighbours = 'warm' as const;
  const lab = { plan, events, started: 0, secrets: [], neighbours, ...readCaptures(plan, []) };
  const found = new PodPackets(lab satisfies Lab, cluster);
  return { found, node: cluster.names.find('k8s-node1') };
}

function packets(sent: readonly (readonly [string, string])[], netfilter = true) {
  const echoes = sent.map(([src, dst]) => echo(src, dst));
  const { found, node } = podPackets(echoes, netfilter);
  return {
    before(src: string, dst: string): string | undefined {
      const packet = found.before(node, echo(src, dst, 9), 0);
      return packet && formatIp4(ipv4.destination(packet, 0));
    },
  };
}

it('of packets that look alike, the one with the same destination was before', () => {
  const { before } = packets([
    [POD, '192.168.33.1'],
    [POD, '8.8.8.8'],
    [POD, PEER],
  ]);
  expect(before(NODE, '192.168.33.1')).toBe('192.168.33.1');
  expect(before(NODE, '8.8.8.8')).toBe('8.8.8.8');
  expect(before(POD, PEER)).toBe(PEER);
});

it('a port that nobody translated tells packets apart', () => {
  const reset = (src: string, srcPort: number, dstPort: number): Buffer =>
    buildFrame([
      { layer: 'ipv4', src, dst: PEER, id: 0, df: true },
      { layer: 'tcp', srcPort, dstPort, flags: 'R', window: 0 },
    ]);
  const { found, node } = podPackets([reset(POD, 81, 40_000)]);
  expect(found.before(node, reset(NODE, 1025, 40_000), 0)).toBeDefined();
  expect(found.before(node, reset(NODE, 81, 40_001), 0)).toBeUndefined();
});

it('another destination may have been a service, or a port of the node, and no pod', () => {
  const of = (dst: string) => packets([[POD, dst]]).before(NODE, PEER);
  expect(of('10.96.0.10')).toBe('10.96.0.10');
  expect(of(NODE)).toBe(NODE);
  expect(of(POD)).toBeUndefined();
});

it('a node that translates nothing sends nothing on under another address', () => {
  expect(packets([[POD, PEER]]).before(NODE, PEER)).toBe(PEER);
  const { before } = packets([[POD, PEER]], false);
  expect(before(NODE, PEER)).toBeUndefined();
  expect(before(POD, PEER)).toBe(PEER);
});
