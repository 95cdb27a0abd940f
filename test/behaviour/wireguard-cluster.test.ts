/** Those of WireGuard's own tests that are about devices, routes and addresses: WG01, 02, 04, 06, 11; FV20. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { NamespacePlan, WireguardPeerPlan } from '../../src/plan/plan.ts';
import { parsePrefix } from '../../src/wire/address.ts';
import {
  clusterOf,
  connects,
  dropsOf,
  echo,
  edited,
  expectAccounted,
  felix,
  lab,
  layer,
  layersOf,
  lines,
  originate,
  pool,
  watch,
} from './lab.ts';

const NEVER = pool('vxlanMode: Never');
const ON = felix('wireguardEnabled: true');
const HOSTS = felix('wireguardEnabled: true, wireguardHostEncryptionEnabled: true');
const three = lab(NEVER, ON);

/** The namespace with other peers, or other settings, of its WireGuard device. */
const rewired =
  (
    peers: (before: readonly WireguardPeerPlan[]) => readonly WireguardPeerPlan[],
    fwmark?: number,
  ): ((ns: NamespacePlan) => Partial<NamespacePlan>) =>
  (ns) => ({
    devices: ns.devices.map((device) =>
      device.wireguard === undefined
        ? device
        : {
            ...device,
            wireguard: {
              ...device.wireguard,
              fwmark: fwmark ?? device.wireguard.fwmark,
              peers: peers(device.wireguard.peers),
            },
          },
    ),
  });

const withEdit = (documents: string, name: string, edit: ReturnType<typeof rewired>): Cluster =>
  Cluster.fromPlan(edited(clusterOf(documents).plan, name, edit));

describe('WireGuard between namespaces', () => {
  it('WG01 ten pings: both ends count the bytes of the kernel’s test', () => {
    const cluster = clusterOf(three);
    for (let i = 0; i < 10; i++) {
      const trace = cluster.send({ from: 'w0', to: 'w1', size: 84, reply: true });
      expect(trace.reply?.outcome).toBe('delivered');
    }
    const counted = (node: string): string[] =>
      lines(cluster, node, 'wg show wireguard.cali transfer').map((line) =>
        line.split('\t').slice(1).join(),
      );
    expect(counted('n0')).toContain('1372,1428');
    expect(counted('n1')).toContain('1428,1372');
    expect(counted('n2')).toEqual(['0,0', '0,0']);
    expectAccounted(cluster);
  });

  it('WG02 padding does not go beyond the MTU of the route', () => {
    const cluster = Cluster.fromPlan(
      edited(clusterOf(three).plan, 'n0', (ns) => ({
        routes: ns.routes.map((route) =>
          route.device === 'wireguard.cali' ? { ...route, mtu: 1299 } : route,
        ),
      })),
    );
    const wire = watch(cluster, 'n0:eth0');
    for (const size of [1297, 1299]) {
      originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', size, { df: true }));
    }
    cluster.run();
    const outer = wire.map((frame) => layer(layersOf(frame), 'ipv4').totalLength);
    expect(outer).toEqual([176, 120, 1359, 1359]);
    expect(cluster.send({ from: 'w0', to: 'w1', size: 1300, dontFragment: true }).reason).toBe(
      'packet-too-big',
    );
    expectAccounted(cluster);
  });

  it('WG04 a source that is not among the peer’s allowed IPs is dropped where it comes out', () => {
    const cluster = withEdit(
      three,
      'n1',
      rewired((peers) =>
        peers.map((peer) => ({
          ...peer,
          allowedIps: peer.allowedIps.filter(({ length }) => length === 32),
        })),
      ),
    );
    const trace = cluster.send({ from: 'w0', to: 'w1' });
    expect([trace.at, trace.reason]).toEqual(['n1', 'wireguard-source']);
    expectAccounted(cluster);
  });

  it('WG04 a longer prefix of another peer takes over', () => {
    const cluster = withEdit(
      three,
      'n0',
      rewired((peers) =>
        peers.map((peer, i) =>
          i === 1
            ? { ...peer, allowedIps: [...peer.allowedIps, parsePrefix('10.65.1.2/32')] }
            : peer,
        ),
      ),
    );
    const wire = watch(cluster, 'n0:eth0');
    const trace = cluster.send({ from: 'w0', to: 'w1' });
    const step = trace.steps.find(({ room }) => room === 'wireguard-out');
    expect(step?.entry).toContain('allowed ips 10.65.1.2/32');
    expect(new Set(wire.map((frame) => layer(layersOf(frame), 'ipv4').dst))).toEqual(
      new Set(['172.16.0.12', '172.16.0.10']),
    );
    expectAccounted(cluster);
  });

  it('WG06 a tunnel whose own packets are routed into it ends by name, with nothing on the wire', () => {
    const cluster = withEdit(
      lab(NEVER, HOSTS),
      'n0',
      rewired((peers) => peers, 0),
    );
    const wire = watch(cluster, 'n0:eth0');
    for (let i = 0; i < 10; i++) originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', 84));
    cluster.run();
    expect(wire.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(70_000);
    expect(dropsOf(cluster)['tunnel-loop']).toBeGreaterThan(0);
    expectAccounted(cluster);
  });

  it('WG11 no peer for a routed destination: host unreachable from the node', () => {
    const cluster = withEdit(
      three,
      'n0',
      rewired((peers) => peers.slice(1)),
    );
    const pod = watch(cluster, 'w0:eth0');
    const trace = cluster.send({ from: 'w0', to: 'w1' });
    expect([trace.at, trace.reason]).toEqual(['n0', 'wireguard-no-peer']);
    const icmp = layer(layersOf(pod.at(-1)!), 'icmp');
    expect([icmp.type, icmp.code]).toEqual(['unreachable', 1]);
    expectAccounted(cluster);
  });
});

describe('host policies', () => {
  const API = 'apiVersion: projectcalico.org/v3';
  const endpoint = (name: string): string =>
    [0, 1, 2]
      .map(
        (i) =>
          `${API}\nkind: HostEndpoint\nmetadata: {name: h${i}, labels: {host: "yes"}}\n` +
          `spec: {node: n${i}, interfaceName: "${name}", expectedIPs: [172.16.0.1${i}]}`,
      )
      .join('\n---\n');
  const deny =
    `${API}\nkind: GlobalNetworkPolicy\nmetadata: {name: deny}\nspec: {order: 1, selector: host == "yes", types: [Ingress, Egress], ` +
    'ingress: [{action: Deny, protocol: UDP, destination: {ports: [51820]}}], egress: [{action: Deny, protocol: UDP, destination: {ports: [51820]}}]}';

  it('FV20 a policy that denies the port does not stop the tunnels', () => {
    for (const name of ['eth0', '*']) {
      const cluster = clusterOf(three, endpoint(name), deny);
      const wire = watch(cluster, 'n0:eth0');
      expect(connects(cluster, 'w0', 'w1'), name).toBe(true);
      expect(wire.every((frame) => layersOf(frame).some((l) => l.layer === 'wireguard'))).toBe(
        true,
      );
      expectAccounted(cluster);
    }
  });
});
