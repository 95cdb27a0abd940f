/** The packet path allocates nothing: measured on the heap, not believed. */
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { loadCluster } from '../../src/cluster/load.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { formatMac } from '../../src/wire/address.ts';
import { clusterOf, resource } from '../calico/policy-cases.ts';

const PACKETS = 20_000;
/** One 16-byte number a packet would show as 16. */
const NOTHING = 4;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const frame = buildFrame([
  { layer: 'ethernet', src: '02:00:00:00:00:01', dst: 'ee:ee:ee:ee:ee:ee' },
  { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136' },
  { layer: 'udp', srcPort: 1, dstPort: 2 },
  { layer: 'payload', bytes: new Uint8Array(22) },
]);

describe.each(['vxlan', 'ipip', 'bgp'])('pod to pod, both nodes, %s', (mode) => {
  it('allocates nothing per packet once compiled', () => {
    const cluster = loadCluster(join('fixtures', `calico-${mode}`));
    const port = cluster.names.port('k8s-node1:calid2918f95dae');
    const burst = (): number => {
      gc();
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < PACKETS; i++) cluster.arrive(port, frame);
      return (process.memoryUsage().heapUsed - before) / PACKETS;
    };
    for (let i = 0; i < 3; i++) burst();
    const least = Math.min(...Array.from({ length: 5 }, burst));
    expect(cluster.counts.delivered).toBe(8 * PACKETS);
    expect(least).toBeLessThan(NOTHING);
  });
});

it('walks the policies of a pod without allocating', () => {
  const rules = [
    { action: 'Deny', protocol: 'ICMP', icmp: { type: 13 } },
    { action: 'Deny', protocol: 'UDP', destination: { ports: [5, '10:20'] } },
    { action: 'Allow', protocol: 'UDP', source: { selector: "app == 'client'", notPorts: [9] } },
  ];
  const cluster = clusterOf(
    resource('GlobalNetworkPolicy', 'p', { selector: "app == 'web'", ingress: rules }),
  );
  const nic = cluster.tables('n1').devices.find(({ kind }) => kind === 'nic')!;
  const arriving = buildFrame([
    { layer: 'ethernet', src: '02:00:00:00:00:01', dst: formatMac(nic.mac!) },
    { layer: 'ipv4', src: '10.2.0.65', dst: '10.2.0.1' },
    { layer: 'udp', srcPort: 1, dstPort: 2 },
    { layer: 'payload', bytes: new Uint8Array(22) },
  ]);
  const port = cluster.names.port(`n1:${nic.name}`);
  const burst = (): number => {
    gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < PACKETS; i++) cluster.arrive(port, arriving);
    return (process.memoryUsage().heapUsed - before) / PACKETS;
  };
  for (let i = 0; i < 3; i++) burst();
  const least = Math.min(...Array.from({ length: 5 }, burst));
  expect(cluster.counts.delivered).toBe(8 * PACKETS);
  expect(least).toBeLessThan(NOTHING);
});
