/** Calico's functional tests of VXLAN (felix/fv): FV01 to FV12. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { PortRange } from '../../src/plan/netfilter.ts';
import type { ClusterPlan, NamespacePlan } from '../../src/plan/plan.ts';
import { formatPrefix, parsePrefix } from '../../src/wire/address.ts';
import {
  arrivals,
  block,
  clusterOf,
  connects,
  dial,
  dropsOf,
  edited,
  expectAccounted,
  expectMatrix,
  felix,
  hostEndpoint,
  lab,
  layer,
  layersOf,
  lines,
  node,
  originate,
  pod,
  pool,
  release,
  ruled,
  underlay,
  watch,
} from './lab.ts';

const ALWAYS = pool('vxlanMode: Always');
const CROSS = pool('vxlanMode: CrossSubnet');
/** Routes to borrowed VTEPs came with this release. */
const LATER = release('v3.30.0');
const HOSTS = 'cali40all-vxlan-net';

const vxlanDevice = (cluster: Cluster): string =>
  cluster.exec('n0', ['ip', '-d', 'link', 'show', 'vxlan.calico']);

/** The plan with a node's set of known hosts made shorter. */
const forgetting = (plan: ClusterPlan, where: string, prefix: string): ClusterPlan =>
  edited(plan, where, (ns) => ({
    netfilter: {
      chains: ns.netfilter!.chains,
      sets: ns.netfilter!.sets.map((set) =>
        set.name === HOSTS
          ? { ...set, prefixes: set.prefixes.filter((one) => formatPrefix(one) !== prefix) }
          : set,
      ),
    },
  }));

/** The rules of a node with masquerades to these ports. */
const masquerading = (
  { netfilter }: NamespacePlan,
  ports: PortRange,
): Pick<NamespacePlan, 'netfilter'> => ({
  netfilter: {
    sets: netfilter!.sets,
    chains: netfilter!.chains.map((chain) => ({
      ...chain,
      rules: chain.rules.map((rule) =>
        rule.target.kind === 'masquerade' ? { ...rule, target: { ...rule.target, ports } } : rule,
      ),
    })),
  },
});

const known = (plan: ClusterPlan, where: string): number =>
  plan.namespaces
    .find(({ name }) => name === where)!
    .netfilter!.sets.find(({ name }) => name === HOSTS)!.prefixes.length;

describe('VXLAN', () => {
  it('FV01 pods and hosts reach each other, Always and CrossSubnet', () => {
    for (const mode of [ALWAYS, CROSS]) expectMatrix(clusterOf(lab(mode)));
    // Nodes of two subnets: CrossSubnet has something to encapsulate.
    const far = [0, 1].flatMap((i) => [
      node(i, `172.16.${i}.1${i}/24`),
      block(i),
      pod(`w${i}`, i, `10.65.${i}.2`),
    ]);
    const cluster = clusterOf(CROSS, ...far);
    const frames = watch(cluster, 'n0:eth0');
    expect(connects(cluster, 'w0', 'w1')).toBe(true);
    expect(frames.map((f) => layersOf(f).some((l) => l.layer === 'vxlan'))).toEqual([true, true]);
    expectAccounted(cluster);
  });

  it('FV01 with routes by pods', () => {
    const byPods = felix('routeSource: WorkloadIPs');
    const near = clusterOf(lab(CROSS, byPods));
    expectMatrix(near);
    const pods = (cluster: Cluster): string[] =>
      lines(cluster, 'n0', 'ip route').filter((line) => line.includes('10.65.'));
    expect(pods(near).map((line) => line.replace(/cali\w{11}/, 'caliX'))).toEqual([
      '10.65.0.2 dev caliX scope link',
      '10.65.1.2 via 172.16.0.11 dev eth0 proto 80 onlink',
      '10.65.2.2 via 172.16.0.12 dev eth0 proto 80 onlink',
    ]);
    // Always: VTEPs have no routes of their own, so that hosts do not get their answers.
    const far = clusterOf(lab(ALWAYS, byPods));
    const [, first, second] = pods(far);
    expect(first).toMatch(/^10\.65\.1\.2 via 10\.65\.1\.\d+ dev vxlan\.calico onlink$/);
    expect(second).toMatch(/^10\.65\.2\.2 via 10\.65\.2\.\d+ dev vxlan\.calico onlink$/);
    expect([connects(far, 'w0', 'w1'), connects(far, 'w1', 'w2')]).toEqual([true, true]);
    expect(connects(far, 'n0', 'w1', { sourcePort: 41000 })).toBe(false);
    expectAccounted(far);
  });

  it('FV01 with routes by pods on one node alone, the other two have them by blocks', () => {
    const one = felix('routeSource: WorkloadIPs').replace('name: default', 'name: node.n0');
    const cluster = clusterOf(lab(CROSS, one));
    expectMatrix(cluster);
    expect(lines(cluster, 'n0', 'ip route')).toContain(
      '10.65.1.2 via 172.16.0.11 dev eth0 proto 80 onlink',
    );
    expect(lines(cluster, 'n1', 'ip route')).toContain(
      '10.65.0.0/26 via 172.16.0.10 dev eth0 proto 80 onlink',
    );
  });

  it('FV02 a block that is not in use is a blackhole, a released one is not', () => {
    const cluster = clusterOf(lab(ALWAYS));
    for (const i of [0, 1, 2]) {
      expect(lines(cluster, `n${i}`, 'ip route')).toContain(`blackhole 10.65.${i}.0/26 proto 80`);
    }
    expect(cluster.send({ from: 'n0', to: '10.65.1.33' })).toMatchObject({
      outcome: 'dropped',
      at: 'n1',
      reason: 'blackhole',
    });
    expectAccounted(cluster);
    const released = clusterOf(ALWAYS, node(0), node(1), block(1), pod('w1', 1, '10.65.1.2'));
    const mine = lines(released, 'n0', 'ip route').filter((line) => line.startsWith('blackhole'));
    expect(mine).not.toContain('blackhole 10.65.0.0/26 proto 80');
    expect(released.send({ from: 'n1', to: '10.65.0.33' })).toMatchObject({ outcome: 'dropped' });
    expect(dropsOf(released)).toEqual({ 'no-route': 1 });
    expectAccounted(released);
  });

  it('FV03 routes of CrossSubnet, on eth0 and on bond0', () => {
    const cluster = clusterOf(lab(CROSS));
    const routes = lines(cluster, 'n0', 'ip route');
    expect(routes).toContain('10.65.1.0/26 via 172.16.0.11 dev eth0 proto 80 onlink');
    expect(routes.some((line) => /^10\.65\.0\.2 dev cali\w{11} scope link$/.test(line))).toBe(true);
    const moved = clusterOf(
      lab(CROSS, underlay().replaceAll(/(name: n[01], interface: )eth0/g, '$1bond0')),
    );
    expect(lines(moved, 'n0', 'ip route')).toContain(
      '10.65.1.0/26 via 172.16.0.11 dev bond0 proto 80 onlink',
    );
    const frames = watch(moved, 'n0:bond0');
    expect(connects(moved, 'w0', 'w1')).toBe(true);
    // In the clear: one subnet.
    expect(frames.map((frame) => layer(layersOf(frame), 'ipv4').src)).toEqual([
      '10.65.0.2',
      '10.65.1.2',
    ]);
    expectAccounted(moved);
  });

  it('FV04 MTU, VNI and port, on the device and on the wire', () => {
    const cluster = clusterOf(lab(ALWAYS));
    const text = vxlanDevice(cluster);
    for (const part of ['mtu 1450', 'vxlan id 4096 ', 'dstport 4789 ']) {
      expect(text).toContain(part);
    }
    const frames = watch(cluster, 'n0:eth0');
    const ping = { from: 'w0', to: 'w1', dontFragment: true };
    expect(cluster.send({ ...ping, size: 1450 }).outcome).toBe('delivered');
    const outside = layersOf(frames[0]!);
    expect(layer(outside, 'ipv4').totalLength).toBe(1500);
    expect(layer(outside, 'udp').dstPort).toBe(4789);
    expect(layer(outside, 'vxlan').vni).toBe(4096);
    expect(cluster.send({ ...ping, size: 1451 }).reason).toBe('packet-too-big');
    expectAccounted(cluster);
  });

  it('FV05 an underlay of 1400 leaves 1350, and 1350 fit', () => {
    const cluster = clusterOf(lab(ALWAYS, underlay(1400)));
    expect(vxlanDevice(cluster)).toContain('mtu 1350');
    const frames = watch(cluster, 'n0:eth0');
    const from = { from: 'w0', to: 'w1', dontFragment: true } as const;
    expect(cluster.send({ ...from, size: 1350 }).outcome).toBe('delivered');
    expect(layer(layersOf(frames[0]!), 'ipv4').totalLength).toBe(1400);
    expect(cluster.send({ ...from, size: 1351 }).reason).toBe('packet-too-big');
    expectAccounted(cluster);
  });

  it('FV05 the file /var/lib/calico/mtu says so, and what another encapsulation leaves', () => {
    const file = (...documents: string[]): string =>
      clusterOf(lab(...documents)).exec('n0', ['cat', '/var/lib/calico/mtu']);
    expect(file(ALWAYS, underlay(1400))).toBe('1350');
    expect(file(ALWAYS)).toBe('1450');
    expect(file(pool('ipipMode: Always'), underlay(1400))).toBe('1380');
    expect(file(pool('ipipMode: Never'), underlay(1400))).toBe('1400');
    expect(file(ALWAYS, felix('wireguardEnabled: true'))).toBe('1440');
    const cluster = clusterOf(lab(ALWAYS));
    expect(() => cluster.exec('w0', ['cat', '/var/lib/calico/mtu'])).toThrow('expected a node');
    expect(() => cluster.exec('n0', ['cat', '/etc/passwd'])).toThrow(
      'expected /var/lib/calico/mtu',
    );
  });

  it('FV06 explicit MTU, VNI and port; no device without VXLAN', () => {
    const cluster = clusterOf(
      lab(ALWAYS, felix('vxlanMTU: 1300, vxlanVNI: 4097, vxlanPort: 4790')),
    );
    const text = vxlanDevice(cluster);
    for (const part of ['mtu 1300', 'vxlan id 4097 ', 'dstport 4790 '])
      expect(text).toContain(part);
    const frames = watch(cluster, 'n0:eth0');
    expect(connects(cluster, 'w0', 'w1')).toBe(true);
    const udp = layer(layersOf(frames[0]!), 'udp');
    expect(udp.dstPort).toBe(4790);
    // Behind the outer headers (14, 20, 8): the VNI at byte 4 of VXLAN's own.
    expect(frames[0]!.readUIntBE(14 + 20 + 8 + 4, 3)).toBe(4097);
    expectAccounted(cluster);
    const off = clusterOf(lab(pool('vxlanMode: Never')));
    expect(() => vxlanDevice(off)).toThrow(/vxlan\.calico/);
  });

  it('FV07 a host endpoint without policies shuts the host, not the tunnel of its pods', () => {
    for (const device of ['eth0', '*']) {
      const cluster = clusterOf(lab(ALWAYS, hostEndpoint(device), hostEndpoint(device, 1)));
      expect(connects(cluster, 'n0', 'n1')).toBe(false);
      expect(connects(cluster, 'n1', 'n0')).toBe(false);
      expect(dropsOf(cluster)).toEqual({ filtered: 2 });
      expect(connects(cluster, 'w0', 'w1')).toBe(true);
      expect(connects(cluster, 'w1', 'w0', { sourcePort: 41000 })).toBe(true);
      expectAccounted(cluster);
    }
  });

  it('FV08 a node without an address is not among the known hosts, and its tunnel is shut', () => {
    const whole = clusterOf(lab(ALWAYS)).plan;
    const without = clusterOf(
      ALWAYS,
      ...[0, 1].flatMap((i) => [node(i), block(i), pod(`w${i}`, i, `10.65.${i}.2`)]),
    ).plan;
    // n2's own Felix is paused: it keeps the tables it had.
    const old = new Map(whole.namespaces.map((ns) => [ns.name, ns]));
    const fresh = new Map(without.namespaces.map((ns) => [ns.name, ns]));
    const plan: ClusterPlan = {
      ...whole,
      namespaces: [...old.values()].map((ns) => (ns.role === 'node' && fresh.get(ns.name)) || ns),
    };
    expect([known(whole, 'n0'), known(plan, 'n0')]).toEqual([2, 1]);
    const cluster = Cluster.fromPlan(plan);
    expect(connects(cluster, 'w0', 'w1')).toBe(true);
    for (const [from, to] of [
      ['w2', 'w0'],
      ['w2', 'w1'],
      ['w0', 'w2'],
      ['w1', 'w2'],
    ] as const) {
      expect([from, to, connects(cluster, from, to)]).toEqual([from, to, false]);
    }
    expect(dropsOf(cluster)['filtered']).toBe(2);
    expectAccounted(cluster);
  });

  it('FV08 the set is VXLAN’s own: remote nodes with a VTEP, and whom the user adds', () => {
    const cluster = clusterOf(lab(ALWAYS, felix('externalNodesList: [172.16.0.50]')));
    const members = (node: string): string[] =>
      lines(cluster, node, `ipset save ${HOSTS}`).slice(1).sort();
    const added = (...ends: number[]): string[] => ends.map((i) => `add ${HOSTS} 172.16.0.${i}`);
    expect([members('n0'), members('n1')]).toEqual([added(11, 12, 50), added(10, 12, 50)]);
    expect(cluster.exec('n0', ['ipset', 'save'])).not.toContain('all-hosts-net');
    const both = clusterOf(
      lab(ALWAYS.replace('name: p', 'name: q').replace('10.65', '10.66'), pool('ipipMode: Always')),
    );
    expect(known(both.plan, 'n0')).toBe(2);
    expect(lines(both, 'n0', 'ipset save cali40all-hosts-net')).toHaveLength(4);
    // Without a VXLAN pool there is neither the set nor anything to guard.
    const none = clusterOf(lab(pool('ipipMode: Always')));
    expect(none.exec('n0', ['iptables-save'])).not.toContain('--dport 4789 -j CT');
    expect(none.exec('n0', ['ipset', 'save'])).not.toContain(HOSTS);
  });

  it('FV09 a host taken from one set by hand is shut out there, in one direction', () => {
    const plan = forgetting(clusterOf(lab(ALWAYS)).plan, 'n0', '172.16.0.12/32');
    const cluster = Cluster.fromPlan(plan);
    expect([connects(cluster, 'w0', 'w1'), connects(cluster, 'w1', 'w2')]).toEqual([true, true]);
    expect(dropsOf(cluster)).toEqual({});
    const refused = cluster.send({ from: 'w2', to: 'w0', protocol: 'tcp', destinationPort: 8055 });
    expect(refused).toMatchObject({ outcome: 'dropped', at: 'n0', reason: 'filtered' });
    // The other way the packets do arrive; only answers are lost.
    const { asked, answered } = dial(cluster, 'w0', 'w2', { sourcePort: 40001 });
    expect([asked?.at, answered]).toEqual(['x/w2', undefined]);
    expect(dropsOf(cluster)).toEqual({ filtered: 2 });
    expectAccounted(cluster);
  });

  it('FV10 a host reaches a remote pod by a service address, DNAT in OUTPUT', () => {
    const plan = edited(clusterOf(lab(ALWAYS)).plan, 'n0', (ns) =>
      ruled(
        ns,
        `*nat
:OUTPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A OUTPUT -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.101.0.10/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.65.1.2:8055
COMMIT
`,
      ),
    );
    const cluster = Cluster.fromPlan(plan);
    const tunnel = watch(cluster, 'n0:vxlan.calico');
    const { asked, answered } = dial(cluster, 'n0', '10.101.0.10', { port: 80 });
    expect(asked?.at).toBe('x/w1');
    const ip = layer(asked!.layers, 'ipv4');
    const own = cluster.names.port('n0:vxlan.calico').device.plan.addresses[0]!;
    // The host's own address would not come back by the tunnel: masqueraded.
    expect([ip.dst, `${ip.src}/32`]).toEqual(['10.65.1.2', formatPrefix(own)]);
    expect(layer(asked!.layers, 'tcp').dstPort).toBe(8055);
    expect(answered?.at).toBe('n0');
    expect(tunnel.map((frame) => layer(layersOf(frame), 'tcp').flags)).toEqual(['S', 'S.']);
    expectAccounted(cluster);
  });

  it('FV11 a masqueraded host address never gets the VXLAN port', () => {
    const base = clusterOf(lab(ALWAYS, felix('vxlanPort: 33000'))).plan;
    const plan = edited(base, 'n0', (ns) => masquerading(ns, { from: 33001, to: 65535 }));
    const cluster = Cluster.fromPlan(plan);
    const ports = Array.from({ length: 20 }, (_, i) => {
      const { asked, answered } = dial(cluster, 'n0', 'w1', {
        source: '172.16.0.10',
        sourcePort: 33000 + i,
      });
      expect(answered?.at).toBe('n0');
      return layer(asked!.layers, 'tcp').srcPort;
    });
    expect(ports.filter((port) => port < 33001)).toEqual([]);
    expect(new Set(ports).size).toBe(20);
    expectAccounted(cluster);
  });

  it('FV11 since v3.33 a rule for UDP keeps out the VXLAN port, on its wider side', () => {
    const rules = (version: string, port: number): string[] =>
      lines(
        clusterOf(lab(ALWAYS, release(version), felix(`vxlanPort: ${port}`))),
        'n0',
        'iptables -t nat -S cali-POSTROUTING',
      ).slice(2);
    const types = '-m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL';
    const out = '-A cali-POSTROUTING -o vxlan.calico';
    const plain = `${out} ${types} -j MASQUERADE --random-fully`;
    const spared = (ports: string): string =>
      `${out} -p udp ${types} -j MASQUERADE --to-ports ${ports} --random-fully`;
    expect(rules('v3.32.1', 4789)).toEqual([plain]);
    expect(rules('v3.33.0', 4789)).toEqual([spared('4790-65535'), plain]);
    expect(rules('v3.33.0', 33000)).toEqual([spared('33001-65535'), plain]);
    expect(rules('v3.33.0', 60000)).toEqual([spared('1024-59999'), plain]);

    const cluster = clusterOf(lab(ALWAYS, release('v3.33.0'), felix('vxlanPort: 33000')));
    const ports = Array.from({ length: 20 }, (_, i) => {
      const [asked] = arrivals(cluster, () =>
        originate(cluster, 'n0', [
          { layer: 'ipv4', src: '172.16.0.10', dst: '10.65.1.2' },
          { layer: 'udp', srcPort: 33000 + i, dstPort: 8055 },
        ]),
      );
      expect(asked?.at).toBe('x/w1');
      return layer(asked!.layers, 'udp').srcPort;
    });
    expect(ports.filter((port) => port < 33001)).toEqual([]);
    expect(new Set(ports).size).toBe(20);
    expectAccounted(cluster);
  });

  it('FV11 without it, an answer to the VXLAN port is taken for VXLAN where that is not tracked', () => {
    for (const [version, passes] of [
      ['v3.28.0', true],
      ['v3.29.0', false],
    ] as const) {
      const unlucky = edited(clusterOf(lab(ALWAYS, release(version))).plan, 'n0', (ns) =>
        masquerading(ns, { from: 4789, to: 4789 }),
      );
      const cluster = Cluster.fromPlan(unlucky);
      const [asked] = arrivals(cluster, () =>
        originate(cluster, 'n0', [
          { layer: 'ipv4', src: '172.16.0.10', dst: '10.65.1.2' },
          { layer: 'udp', srcPort: 40000, dstPort: 53 },
        ]),
      );
      expect([asked?.at, layer(asked!.layers, 'udp').srcPort]).toEqual(['x/w1', 4789]);
      const [answered] = arrivals(cluster, () =>
        originate(cluster, 'w1', [
          { layer: 'ipv4', src: '10.65.1.2', dst: layer(asked!.layers, 'ipv4').src },
          { layer: 'udp', srcPort: 53, dstPort: 4789 },
        ]),
      );
      expect([version, answered?.at]).toEqual([version, passes ? 'n0' : undefined]);
      expect(dropsOf(cluster)).toEqual(passes ? {} : { filtered: 1 });
      expectAccounted(cluster);
    }
  });

  it('FV12 tunnel addresses borrowed, and from a pool of their own', () => {
    for (const [mode, tunnel] of [
      ['vxlanMode: Always', (ip: string) => `, ipv4VXLANTunnelAddr: ${ip}`],
      ['ipipMode: Always', (ip: string) => `, ipv4IPIPTunnelAddr: ${ip}}`],
    ] as const) {
      const own = (i: number, ip: string): string => {
        const text = node(i, `172.16.0.1${i}/24`, tunnel(ip));
        // An IPIP address stands inside `bgp`, whose brace then closes before it.
        return mode.startsWith('ipip')
          ? text.replace('}, ipv4', ', ipv4').replace(/}}}$/, '}}')
          : text;
      };
      const rest = [0, 1, 2].flatMap((i) => [block(i), pod(`w${i}`, i, `10.65.${i}.2`)]);
      const borrowed = clusterOf(
        LATER,
        pool(mode),
        own(0, '10.65.1.7'),
        own(1, '10.65.1.8'),
        own(2, '10.65.2.8'),
        ...rest,
      );
      const device = borrowed.plan.namespaces[0]!.devices.find((d) =>
        ['vxlan', 'ipip'].includes(d.kind),
      )!;
      expect(device.addresses).toMatchObject([parsePrefix('10.65.1.7/32')]);
      const separate = clusterOf(
        pool(`${mode}, nodeSelector: "!has(tunnels)"`),
        pool(mode)
          .replace('name: p', 'name: q')
          .replace('10.65.0.0/16, blockSize: 26', '10.66.0.0/16, blockSize: 32'),
        ...[0, 1, 2].map((i) => own(i, `10.66.0.${i + 1}`)),
        ...rest,
      );
      for (const cluster of [borrowed, separate]) {
        const pairs = [0, 1, 2].flatMap((i) => [0, 1, 2].map((j) => [`n${i}`, `w${j}`] as const));
        const failed = pairs.filter(([from, to]) => !connects(cluster, from, to));
        expect([mode, failed]).toEqual([mode, []]);
        expectAccounted(cluster);
      }
    }
  });

  it('FV12 a pod that forges a tunnel packet is stopped at its own node', () => {
    const cluster = clusterOf(lab(ALWAYS));
    originate(cluster, 'w0', [
      { layer: 'ipv4', src: '10.65.0.2', dst: '172.16.0.11' },
      { layer: 'udp', srcPort: 1, dstPort: 4789 },
      { layer: 'vxlan', vni: 4096 },
    ]);
    expect(dropsOf(cluster)).toEqual({ filtered: 1 });
    expectAccounted(cluster);
  });
});
