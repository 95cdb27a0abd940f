/** Tunnels in tunnels: VXLAN and IPIP whose nodes' own packets are encrypted, and WireGuard's own in either. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { NamespacePlan } from '../../src/plan/plan.ts';
import { Transcript } from '../../src/wireguard/transcript.ts';
import {
  clusterOf,
  dropsOf,
  echo,
  expectAccounted,
  felix,
  lab,
  layersOf,
  originate,
  pool,
  underlay,
  watch,
} from '../behaviour/lab.ts';

const HOSTS = felix('wireguardEnabled: true, wireguardHostEncryptionEnabled: true');
const isNode = (length: number, address: number): boolean =>
  length === 32 && address >>> 16 === 0xac10;

/** Of the table that the rule asks, only the nodes' own addresses are left: pods go by the pool's mode. */
const nodesOnly = (ns: NamespacePlan): NamespacePlan => ({
  ...ns,
  routes: ns.routes.filter(
    ({ device, destination }) =>
      device !== 'wireguard.cali' || isNode(destination.length, destination.address),
  ),
});

const nested = (mode: string, mtu = 1500): Cluster => {
  const { plan } = clusterOf(lab(pool(mode), underlay(mtu), HOSTS));
  return Cluster.fromPlan({
    ...plan,
    namespaces: plan.namespaces.map(nodesOnly),
  });
};

describe('a tunnel in a tunnel', () => {
  it.each([
    ['vxlanMode: Always', ['ipv4', 'udp', 'vxlan', 'ethernet', 'ipv4', 'icmp']],
    ['ipipMode: Always', ['ipv4', 'ipv4', 'icmp']],
  ])('%s under WireGuard: the NIC has WireGuard only, the device the tunnel', (mode, inside) => {
    const cluster = nested(mode);
    const [nic, device] = [watch(cluster, 'n0:eth0'), watch(cluster, 'n0:wireguard.cali')];
    for (const size of [84, 1300, 2800]) {
      const trace = cluster.send({ from: 'w0', to: 'w1', size, reply: true });
      expect([size, trace.outcome, trace.reply?.outcome]).toEqual([size, 'delivered', 'delivered']);
    }
    expect(
      nic.every((frame) => {
        const names = layersOf(frame).map((l) => l.layer);
        return names.includes('wireguard') || names.includes('payload');
      }),
    ).toBe(true);
    expect(nic.every((frame) => !layersOf(frame).some((l) => l.layer === 'vxlan'))).toBe(true);
    expect(
      layersOf(device[0]!, true)
        .map((l) => l.layer)
        .filter((name) => name !== 'payload'),
    ).toEqual(inside);
    // Opened by the keys, the NIC's messages are what the device saw.
    const tunnels = new Transcript(cluster.keys.handshakes);
    const opened = nic.flatMap((frame) => {
      if (!layersOf(frame).some((l) => l.layer === 'wireguard')) return [];
      tunnels.learn(frame, 42, frame.length);
      const plain = tunnels.plain(frame, 42, frame.length);
      return plain === undefined || plain.length === 0
        ? []
        : [plain.subarray(0, plain.readUInt16BE(2))];
    });
    expect(opened.length).toBeGreaterThan(0);
    // The sum of UDP in the outer header is left to the last device that can, which encrypts.
    const without = (b: Buffer): string =>
      b[9] === 17 ? b.toString('hex', 0, 26) + b.toString('hex', 28) : b.toString('hex');
    const seen = new Set(device.map(without));
    for (const plain of opened) expect(seen).toContain(without(plain));
    expectAccounted(cluster);
  });

  it.each(['vxlanMode: Always', 'ipipMode: Always'])(
    'WireGuard’s own messages routed into it: bounded, and dropped by name (%s)',
    (mode) => {
      const { plan } = clusterOf(lab(pool(mode), underlay(), HOSTS));
      const unmarked = (ns: NamespacePlan): NamespacePlan => ({
        ...nodesOnly(ns),
        devices: ns.devices.map((device) =>
          device.wireguard === undefined
            ? device
            : { ...device, wireguard: { ...device.wireguard, fwmark: 0 } },
        ),
      });
      const cluster = Cluster.fromPlan({
        ...plan,
        namespaces: plan.namespaces.map(unmarked),
      });
      const wire = watch(cluster, 'n0:eth0');
      for (let i = 0; i < 10; i++) originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', 84));
      cluster.run();
      expect(wire.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(70_000);
      expect(dropsOf(cluster)['tunnel-loop']).toBeGreaterThan(0);
      expectAccounted(cluster);
    },
  );
});
