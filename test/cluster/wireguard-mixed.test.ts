/** Clusters in which one node cannot decrypt, and others whose Felix is told other numbers. */
import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../src/cluster/cluster.ts';
import {
  clusterOf,
  connects,
  dropsOf,
  echo,
  expectAccounted,
  felix,
  lab,
  layer,
  layersOf,
  lines,
  originate,
  pool,
  watch,
} from '../behaviour/lab.ts';

const ON = felix('wireguardEnabled: true');
const OFF = ON.replace('name: default', 'name: node.n2').replace('true', 'false');

/** Names of layers of what crosses n0's NIC when w0 sends to a pod and that answers. */
function between(cluster: Cluster, from: string, to: string): Set<string> {
  const wire = watch(cluster, `n${from.slice(1)}:eth0`);
  expect(connects(cluster, from, to)).toBe(true);
  expect(wire.length).toBeGreaterThan(1);
  return new Set(
    wire.map((frame) =>
      layersOf(frame)
        .map(({ layer: name }) => name)
        .filter((name) => name === 'wireguard' || name === 'vxlan' || name === 'tcp')
        .join(),
    ),
  );
}

describe('a node without a key', () => {
  it.each([
    ['vxlanMode: Never', 'tcp', '172.16.0.12 dev eth0'],
    ['vxlanMode: Always', 'vxlan,tcp', '10.65.2.0 dev vxlan.calico'],
  ])('is sent to and heard as without WireGuard, both ways: %s', (mode, plain, via) => {
    const cluster = clusterOf(lab(pool(mode), ON, OFF));
    expect(between(cluster, 'w0', 'w1')).toEqual(new Set(['wireguard']));
    expect(between(cluster, 'w0', 'w2')).toEqual(new Set([plain]));
    expect(between(cluster, 'w2', 'w0')).toEqual(new Set([plain]));
    expect(lines(cluster, 'n0', 'ip route show table 1')).toContain('throw 10.65.2.0/26');
    expect(lines(cluster, 'n0', 'ip route get 10.65.2.2').join()).toContain(via);
    expect(lines(cluster, 'n2', 'ip rule').join()).not.toContain('fwmark');
    expect(lines(cluster, 'n0', 'wg show all peers')).toHaveLength(1);
    expect(lines(cluster, 'n2', 'wg show')).toEqual([]);
    expect(dropsOf(cluster)).toEqual({});
    expectAccounted(cluster);
  });

  it('is so, too, that says in its status that it has none', () => {
    const blank = lab(pool('vxlanMode: Never'), ON).replace(
      'metadata: {name: n2}\nspec: {bgp: {ipv4Address: 172.16.0.12/24}}',
      '$&\nstatus: {wireguardPublicKey: ""}',
    );
    const cluster = clusterOf(blank);
    expect(between(cluster, 'w0', 'w2')).toEqual(new Set(['tcp']));
    expect(lines(cluster, 'n2', 'wg show')).toEqual([]);
    const status = (name: string): string[] => {
      const text = lines(cluster, 'n0', `calicoctl get node ${name} -o yaml`);
      return text.filter((line) => line.includes('wireguardPublicKey'));
    };
    expect(status('n1')).toEqual([
      `wireguardPublicKey: ${lines(cluster, 'n1', 'wg show wireguard.cali public-key')[0]}`,
    ]);
    expect(status('n2')).toEqual(['wireguardPublicKey: ""']);
  });
});

describe('numbers that Felix is told', () => {
  it('are those of the device, the rule and what is on the wire', () => {
    const cluster = clusterOf(
      lab(
        pool('vxlanMode: Never'),
        felix(
          'wireguardEnabled: true, wireguardInterfaceName: wg7, wireguardListeningPort: 4567, ' +
            'wireguardMTU: 1280, wireguardRoutingRulePriority: 42, wireguardThreadingEnabled: true, wireguardKeepAlive: 33s',
        ),
      ),
    );
    const wire = watch(cluster, 'n0:eth0');
    originate(cluster, 'x/w0', echo('10.65.0.2', '10.65.1.2', 1280));
    cluster.run();
    const data = layersOf(wire.at(-1)!);
    expect(layer(data, 'udp')).toMatchObject({ srcPort: 4567, dstPort: 4567 });
    expect(layer(data, 'ipv4').totalLength).toBe(1280 + 60);
    expect(lines(cluster, 'n0', 'ip rule')[1]).toMatch(
      /^42:\tnot from all fwmark 0x100000\/0x100000 lookup 1 ?$/,
    );
    expect(lines(cluster, 'n0', 'ip link show wg7')[0]).toContain(' mtu 1280 ');
    expect(lines(cluster, 'w0', 'ip link show eth0')[0]).toContain(' mtu 1280 ');
    expect(lines(cluster, 'n0', 'wg show wg7 listen-port')).toEqual(['4567']);
    expect(lines(cluster, 'n0', 'wg show all persistent-keepalive').join()).toMatch(/\t33,.*\t33$/);
    const trace = cluster.send({ from: 'w0', to: 'w1', size: 1281, dontFragment: true });
    expect(trace.reason).toBe('packet-too-big');
    expectAccounted(cluster);
  });
});
