/** Outer headers that `ip link` gave a VXLAN device, of packets that walk and of those that are played. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { VxlanSettings } from '../../src/plan/plan.ts';
import { formatMac } from '../../src/wire/address.ts';
import { clusterOf, expectAccounted, lab, pool, watch } from '../behaviour/lab.ts';

const base = clusterOf(lab(pool('vxlanMode: Always'))).plan;

/** What twelve packets of four flows look like on the wire. */
function outside(settings: Partial<VxlanSettings>, flowCache: boolean): string[] {
  const namespaces = base.namespaces.map((ns) => ({
    ...ns,
    devices: ns.devices.map((d) =>
      d.vxlan === undefined ? d : { ...d, vxlan: { ...d.vxlan, ...settings } },
    ),
  }));
  const cluster = Cluster.fromPlan({ ...base, namespaces }, { flowCache });
  const frames = watch(cluster, 'n0:eth0');
  const port = cluster.names.port('w0:eth0');
  for (let nth = 0; nth < 12; nth++) {
    const [df, tos] = [nth % 2 === 1, nth % 4 < 2 ? 0 : 0xb9];
    const frame = buildFrame([
      { layer: 'ethernet', src: '02:00:00:00:00:01', dst: 'ee:ee:ee:ee:ee:ee' },
      { layer: 'ipv4', src: '10.65.0.2', dst: '10.65.1.2', ttl: 30 + (nth % 4), tos, df },
      { layer: 'udp', srcPort: 1000, dstPort: 2000 },
    ]);
    cluster.depart(port, frame);
  }
  expect(cluster.counts.delivered).toBe(12);
  expectAccounted(cluster);
  return frames.map((frame) => frame.toString('hex'));
}

describe('the outer header of VXLAN', () => {
  const options: Partial<VxlanSettings>[] = [
    { ttl: 100, tos: 0x10, df: 'set' },
    { ttl: 'inherit', tos: 'inherit', df: 'inherit' },
    { tos: 0xb8, udpChecksum: false },
  ];
  it.each(options)('is the same from a tape: %o', (settings) => {
    const walked = outside(settings, false);
    expect(walked).toHaveLength(12);
    // Two TOS bytes: the flows' ECN marks differ.
    expect(new Set(walked.map((hex) => hex.slice(30, 32))).size).toBe(2);
    expect(outside(settings, true)).toEqual(walked);
  });
});

describe('the inner frame of VXLAN', () => {
  it('shows on the device where its IP header is whole', () => {
    const shown = (type: number, length: number): boolean => {
      const cluster = Cluster.fromPlan(base);
      const device = watch(cluster, 'n0:vxlan.calico');
      const mac = (port: string): string => formatMac(cluster.names.port(port).device.plan.mac!);
      const frame = buildFrame([
        { layer: 'ethernet', src: mac('n1:eth0'), dst: mac('n0:eth0') },
        { layer: 'ipv4', src: '172.16.0.11', dst: '172.16.0.10' },
        { layer: 'udp', srcPort: 50_000, dstPort: 4789 },
        { layer: 'vxlan', vni: 4096 },
        { layer: 'ethernet', src: mac('n1:vxlan.calico'), dst: mac('n0:vxlan.calico'), type },
        { layer: 'payload', bytes: Buffer.alloc(length, 0x60) },
      ]);
      cluster.arrive(cluster.names.port('n0:eth0'), frame);
      expectAccounted(cluster);
      return device.length === 1;
    };
    const lengths = [19, 20, 39, 40];
    expect(lengths.map((length) => shown(0x0800, length))).toEqual([false, true, true, true]);
    expect(lengths.map((length) => shown(0x86dd, length))).toEqual([false, false, false, true]);
    expect(lengths.map((length) => shown(0x88b5, length))).toEqual([true, true, true, true]);
  });
});
