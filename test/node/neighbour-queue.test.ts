/** What waits for a neighbour that does not answer, as a kernel bounds it. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { formatMac } from '../../src/wire/address.ts';
import { clusterOf, dropsOf, expectAccounted, lab, pool } from '../behaviour/lab.ts';

/** How many of 700 forwarded packets of a length still waited: Linux 6.18, veth, 9000 bytes of MTU. */
const KEPT = [
  [28, 256],
  [100, 256],
  [200, 256],
  [300, 166],
  [600, 166],
  [700, 92],
  [1500, 92],
  [2000, 48],
  [3000, 48],
  [3800, 25],
  [4000, 25],
] as const;

describe('the queue of an unresolved neighbour', () => {
  it.each(KEPT)('packets of %i bytes: %i', (length, kept) => {
    const base = clusterOf(lab(pool('ipipMode: Never'))).plan;
    const plan = {
      ...base,
      segments: base.segments.map((segment) => ({ ...segment, mtu: 9000 })),
      namespaces: base.namespaces.map((ns) => ({
        ...ns,
        devices: ns.devices.map((d) => ({ ...d, mtu: 9000 })),
      })),
    };
    const cluster = Cluster.fromPlan(plan, { neighbours: 'cold' });
    const port = cluster.names.port('n0:eth0');
    const mac = formatMac(port.device.plan.mac!);
    for (let id = 0; id < 700; id++) {
      const frame = buildFrame([
        { layer: 'ethernet', src: '02:00:00:00:00:77', dst: mac },
        { layer: 'ipv4', src: '172.16.0.99', dst: '172.16.0.77', id, ttl: 9 },
        { layer: 'udp', srcPort: 1, dstPort: 2 },
        { layer: 'payload', bytes: Buffer.alloc(length - 28) },
      ]);
      cluster.arrive(port, frame);
    }
    expect(dropsOf(cluster)).toEqual({ 'neighbour-queue': 700 - kept });
    // Those that waited longest went: the sender of each of the others hears of its end.
    cluster.run();
    expect(dropsOf(cluster)['neighbour-failed']).toBeGreaterThanOrEqual(kept);
    expectAccounted(cluster);
  });
});
