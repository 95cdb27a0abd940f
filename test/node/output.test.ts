/** What a namespace's own packets may measure. */
import { expect, it } from 'vitest';
import { loadCluster } from '../../src/cluster/load.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { learnPathMtu } from '../../src/node/path-mtu.ts';
import { bytes } from '../../src/packet/arena.ts';
import { parseIp4 } from '../../src/wire/address.ts';
import { IN, OUT, SmallNetwork } from './small-network.ts';

it('a learned path MTU stops a packet with DF, unless its socket probes', () => {
  const net = new SmallNetwork();
  const { cluster } = net;
  const host = cluster.names.find('in');
  const packet = buildFrame([
    { layer: 'ipv4', src: IN, dst: OUT, id: 7, df: true },
    { layer: 'udp', srcPort: 40000, dstPort: 9 },
    { layer: 'payload', hex: '00'.repeat(1172) },
  ]);
  const lengths: number[] = [];
  const observer = cluster.observer!;
  cluster.observer = {
    see: (node, device, p, outgoing) => {
      observer.see(node, device, p, outgoing);
      if (node.name === 'in' && outgoing) lengths.push(p.length - 14);
    },
  };
  const sent = (probes: boolean): number[] => {
    lengths.length = 0;
    cluster.originate(host, packet, 0, 0, probes);
    return [...lengths];
  };
  expect(sent(false)).toEqual([1200]);
  learnPathMtu(host, host.lookup(parseIp4(OUT)), parseIp4(OUT), 1000);
  expect(sent(false)).toEqual([]);
  expect(sent(true)).toEqual([1200]);
  expect(net.drops).toEqual({ 'packet-too-big': 1 });
});

it('a tunnel sends without DF where the MTU of its way is locked, as recorded at 552 bytes', () => {
  const cluster = loadCluster('fixtures/calico-ipip');
  const node = cluster.names.find('k8s-node1');
  const flags: number[] = [];
  cluster.observer = {
    see: (at, device, p, outgoing) => {
      if (at === node && device.name === 'enp1s0' && outgoing) flags.push(bytes[p.data + 14 + 6]!);
    },
  };
  const packet = buildFrame([
    { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136', id: 7, df: true },
    { layer: 'udp', srcPort: 40000, dstPort: 9 },
  ]);
  const send = () => cluster.originate(cluster.names.find('kubia-d278t'), packet);
  send();
  const remote = parseIp4('192.168.33.57');
  const learn = (mtu: number) => learnPathMtu(node, node.lookup(remote), remote, mtu);
  learn(600);
  send();
  learn(500);
  send();
  expect(flags).toEqual([0x40, 0x40, 0]);
});
