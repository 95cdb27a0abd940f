import '../accounts.ts';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { loadCluster } from '../../src/cluster/load.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';

const DATA = 7000;

const segment: Layer[] = [
  { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136' },
  { layer: 'tcp', srcPort: 40000, dstPort: 8080, seq: 1, ack: 1, flags: '.' },
  { layer: 'payload', bytes: Buffer.alloc(DATA) },
];

/** A train as the NIC of node 2 hands it on, which joined what came for its tunnel. */
const arrived: Readonly<Record<string, readonly Layer[]>> = {
  vxlan: [
    { layer: 'udp', srcPort: 40000, dstPort: 4789 },
    { layer: 'vxlan', vni: 4096 },
    { layer: 'ethernet', src: '66:00:00:00:00:01', dst: '66:8c:73:5a:90:99' },
    ...segment,
  ],
  ipip: segment,
};

describe.each(['vxlan', 'ipip'])('a train that arrives in %s', (mode) => {
  it('is forwarded in segments, and nobody is told that it is too long', () => {
    const cluster = loadCluster(join('fixtures', `calico-${mode}`));
    const port = cluster.names.port('k8s-node2:enp1s0');
    const vtep = port.node.devices.find(({ name }) => name === 'vxlan.calico');
    const layers = arrived[mode]!.map((layer) =>
      layer.layer === 'ethernet' && vtep?.plan.mac !== undefined
        ? { ...layer, dst: vtep.plan.mac.toString(16).padStart(12, '0').replace(/..\B/g, '$&:') }
        : layer,
    );
    const sizes: number[] = [];
    captureAt(cluster, cluster.names.port('client:eth0'), {
      write: (_s, _n, _b, start, end) => sizes.push(end - start - 14 - 40),
    });
    const mac = port.device.plan.mac!.toString(16).padStart(12, '0').replace(/..\B/g, '$&:');
    cluster.arrive(
      port,
      buildFrame([
        { layer: 'ethernet', src: '52:54:00:85:ff:19', dst: mac },
        { layer: 'ipv4', src: '192.168.33.55', dst: '192.168.33.57' },
        ...layers,
      ]),
    );
    cluster.run();
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(DATA);
    expect(cluster.drops().reduce((sum, n) => sum + n, 0)).toBe(0);
  });
});
