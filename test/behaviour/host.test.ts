/** Calico's functional tests of MTUs, spoofing, NAT and routes on a host (felix/fv): FV27 to FV40. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { deleteLink, setLink } from '../../src/cluster/link-state.ts';
import { listen } from '../../src/cluster/listen.ts';
import { addRoute } from '../../src/cluster/table-edit.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { formatPrefix } from '../../src/wire/address.ts';
import {
  API,
  arrivals,
  block,
  chainPolicy,
  clusterOf,
  connects,
  dial,
  dropsOf,
  edited,
  expectAccounted,
  felix,
  hostEndpoint,
  hostPolicy,
  lab,
  layer,
  layersOf,
  lines,
  node,
  originate,
  pod,
  pool,
  ruled,
  underlay,
  watch,
} from './lab.ts';

const VXLAN = pool('vxlanMode: Always');
/** What pods ask of n0 under FV34. */
const DENY_N0 = 'ingress: [{action: Deny, protocol: TCP, destination: {nets: [172.16.0.10/32]}}]';
const DIRECT = pool('ipipMode: Never, vxlanMode: Never');

const sorted = (text: string): string[] => text.split('\n').sort();

const vxlanMtu = (cluster: Cluster): string | undefined =>
  / mtu (\d+) /.exec(cluster.exec('n0', ['ip', 'link', 'show', 'vxlan.calico']))?.[1];

/** n0 with a second NIC on a segment of its own. */
const twoNics = (first: number, second: number): string =>
  `apiVersion: podwire/v1\nkind: Underlay\nmetadata: {name: u}\nspec:\n  segments:\n` +
  `  - {name: a, mtu: ${first}, members: [{name: n0, interface: eth0, address: 172.16.0.10/24}, {name: n1, interface: eth0}, {name: n2, interface: eth0}, {name: gw, interface: eth0, address: 172.16.0.1/24}]}\n` +
  `  - {name: b, mtu: ${second}, members: [{name: n0, interface: eth1, address: 172.17.0.10/24}]}\n` +
  `  routers: [{name: gw}]\n  defaultGateway: {a: 172.16.0.1}`;

describe('MTU', () => {
  it('FV27 the smallest uplink decides', () => {
    expect(vxlanMtu(clusterOf(lab(VXLAN, underlay(1362))))).toBe('1312');
    const cluster = clusterOf(lab(VXLAN, twoNics(1362, 1350)));
    expect(vxlanMtu(cluster)).toBe('1300');
    const ping = { from: 'w0', to: 'w1', dontFragment: true };
    expect(cluster.send({ ...ping, size: 1300 }).outcome).toBe('delivered');
    expect(cluster.send({ ...ping, size: 1301 }).reason).toBe('packet-too-big');
    expectAccounted(cluster);
  });

  it('FV27 a NIC that is down does not count', () => {
    const down = twoNics(1362, 1350).replace('172.17.0.10/24', '172.17.0.10/24, up: false');
    const cluster = clusterOf(lab(VXLAN, down));
    expect(vxlanMtu(cluster)).toBe('1312');
    expect(cluster.exec('n0', ['ip', 'link', 'show', 'eth1'])).toContain(
      '<BROADCAST,MULTICAST> mtu 1350 qdisc fq_codel state DOWN',
    );
    expect(cluster.exec('n0', ['ip', 'route'])).not.toContain('172.17.0.0/24');
    expect(connects(cluster, 'w0', 'w1')).toBe(true);
    setLink(cluster, 'n0:eth1', { up: true });
    expect(cluster.exec('n0', ['ip', 'route'])).toContain(
      '172.17.0.0/24 dev eth1 proto kernel scope link src 172.17.0.10',
    );
    expectAccounted(cluster);
  });

  it('FV28 no NIC matches the pattern: 1460', () => {
    const pattern = felix('mtuIfacePattern: "^nothing$"');
    expect(vxlanMtu(clusterOf(lab(VXLAN, pattern)))).toBe('1410');
    const plain = clusterOf(lab(DIRECT, pattern));
    expect(plain.exec('w0', ['ip', 'link', 'show', 'eth0'])).toContain(' mtu 1460 ');
    const inside = watch(plain, 'w1:eth0');
    expect(plain.send({ from: 'w0', to: 'w1', size: 1460, dontFragment: true }).outcome).toBe(
      'delivered',
    );
    expect(inside.map((f) => layer(layersOf(f), 'ipv4').totalLength)).toEqual([1460]);
    expectAccounted(plain);
  });
});

describe('a node', () => {
  it('FV29 lets no pod send with the address of another', () => {
    const cluster = clusterOf(lab(VXLAN));
    const forged = dial(cluster, 'w0', 'w1', { source: '10.65.2.2' });
    expect(forged.asked).toBeUndefined();
    expect(dropsOf(cluster)).toSatisfy(
      (drops: Record<string, number>) => (drops['filtered'] ?? drops['martian-source']) === 1,
    );
    expect(cluster.names.find('n0').drops.reduce((sum, n) => sum + n, 0)).toBe(1);
    expect(connects(cluster, 'w2', 'w1')).toBe(true);
    expect(connects(cluster, 'w0', 'w1', { source: '10.65.0.2', sourcePort: 40001 })).toBe(true);
    expectAccounted(cluster);
  });

  it('FV30 answers a stray ACK from outside by RST with its acknowledgement as number', () => {
    const cluster = clusterOf(lab(VXLAN, underlay()));
    const got = arrivals(cluster, () =>
      originate(cluster, 'ext', [
        { layer: 'ipv4', src: '172.16.0.50', dst: '172.16.0.10', df: true },
        { layer: 'tcp', srcPort: 40000, dstPort: 8055, seq: 5, ack: 777, flags: '.', window: 9 },
      ]),
    );
    const { layers } = got.find(({ at }) => at === 'ext')!;
    expect(layer(layers, 'ipv4')).toMatchObject({ src: '172.16.0.10', ttl: 64, df: true, id: 0 });
    expect(layer(layers, 'tcp')).toMatchObject({
      srcPort: 8055,
      dstPort: 40000,
      seq: 777,
      flags: 'R',
      checksumState: 'valid',
    });
    expectAccounted(cluster);
  });

  it('FV30 so do pods and hosts, to whom stray segments are, and ports that nobody listens on', () => {
    const cluster = clusterOf(lab(VXLAN, underlay()));
    listen(cluster, 'w0', { tcp: [8055] });
    cluster.answering = true;
    const segment = { layer: 'tcp', srcPort: 40000, seq: 5, ack: 777, window: 9 } as const;
    const answer = (flags: string, dstPort: number): (string | number)[] => {
      const ip = { layer: 'ipv4', src: '10.65.1.2', dst: '10.65.0.2', df: true } as const;
      const got = arrivals(cluster, () =>
        originate(cluster, 'w1', [ip, { ...segment, dstPort, flags }]),
      ).find(({ at }) => at === 'x/w1');
      if (got === undefined) return [];
      const reset = layer(got.layers, 'tcp');
      return [reset.flags, reset.seq, reset.ack];
    };
    expect(answer('.', 8055)).toEqual(['R', 777, 0]);
    expect(answer('.', 8056)).toEqual(['R', 777, 0]);
    expect(answer('S', 8056)).toEqual(['R.', 0, 6]);
    expect(dropsOf(cluster)).toEqual({ 'port-closed': 2, 'tcp-flags': 1 });
    expectAccounted(cluster);
  });

  it('FV32 a service range routed back: a loop that only TTL ends, and one packet where it is dropped', () => {
    const loop = clusterOf(lab(DIRECT, underlay(1500, '["10.96.0.0/17 via 172.16.0.10"]')));
    const knock = { from: 'ext', to: '10.96.0.10', protocol: 'tcp', destinationPort: 80 } as const;
    const frames = watch(loop, 'n0:eth0');
    const trace = loop.send(knock);
    expect(trace.reason).toBe('ttl-expired');
    // The rest is redirects and the last error.
    const ttlsOf = (seen: readonly Buffer[]): number[] =>
      seen
        .map((frame) => layer(layersOf(frame), 'ipv4'))
        .filter(({ dst }) => dst === '10.96.0.10')
        .map(({ ttl }) => ttl);
    // gw takes one, n0 the next: TTL 63 comes in, 62 goes out, 61 comes in again …
    expect(ttlsOf(frames)).toEqual(Array.from({ length: 63 }, (_, i) => 63 - i));
    expectAccounted(loop);

    const plan = edited(loop.plan, 'n0', (ns) =>
      ruled(
        ns,
        `*filter
:FORWARD ACCEPT [0:0]
:cali-cidr-block - [0:0]
-A FORWARD -j cali-cidr-block
-A cali-cidr-block -d 10.96.0.0/17 -j DROP
COMMIT
`,
      ),
    );
    const dropping = Cluster.fromPlan(plan);
    const seen = watch(dropping, 'n0:eth0');
    expect(dropping.send(knock)).toMatchObject({ at: 'n0', reason: 'filtered' });
    expect(ttlsOf(seen)).toEqual([63]);
    expectAccounted(dropping);
  });

  it.each([
    ['Drop', 1, ['filtered']],
    ['Reject', 1, ['filtered']],
    ['Disabled', 63, ['ttl-expired']],
  ])('FV32 serviceLoopPrevention %s: %i packets', (setting, count, reason) => {
    const advertised = `${API}\nkind: BGPConfiguration\nmetadata: {name: default}\nspec: {serviceClusterIPs: [{cidr: 10.96.0.0/17}]}`;
    const settings = [advertised, felix(`serviceLoopPrevention: ${setting}`)];
    const back = underlay(1500, '["10.96.0.0/17 via 172.16.0.10"]');
    const cluster = clusterOf(lab(DIRECT, back, ...settings));
    const frames = watch(cluster, 'n0:eth0');
    const trace = cluster.send({ from: 'ext', to: '10.96.0.10', protocol: 'tcp', reply: true });
    expect([trace.reason]).toEqual(reason);
    const seen = frames.map((frame) => layersOf(frame));
    expect(seen.filter((layers) => layer(layers, 'ipv4').dst === '10.96.0.10')).toHaveLength(count);
    // Only who rejects says so; a redirect is another matter.
    const told = seen.filter((layers) =>
      layers.some((one) => one.layer === 'icmp' && one.type === 'unreachable'),
    );
    expect(told).toHaveLength(setting === 'Reject' ? 1 : 0);
    expectAccounted(cluster);
  });

  it('FV33 FORWARD policy DROP stops pods, ACCEPT lets them', () => {
    const base = clusterOf(lab(DIRECT)).plan;
    const dropping = edited(base, 'n0', (ns) => chainPolicy(ns, 'FORWARD', 'DROP'));
    const cluster = Cluster.fromPlan(dropping);
    expect(connects(cluster, 'w0', 'w1')).toBe(false);
    expect(dropsOf(cluster)).toEqual({ filtered: 1 });
    expectAccounted(cluster);
    const accepting = Cluster.fromPlan(base);
    expect(connects(accepting, 'w0', 'w1')).toBe(true);
    expectAccounted(accepting);
  });

  it.each([
    ['DROP', 'Accept', true],
    ['DROP', 'Return', false],
    ['DROP', 'Drop', false],
    ['ACCEPT', 'Accept', true],
    ['ACCEPT', 'Return', true],
    ['ACCEPT', 'Drop', false],
  ] as const)(
    'FV34 INPUT %s and endpoint to host %s: %s, whatever a host endpoint says',
    (policy, action, passes) => {
      const hosts: [string[], boolean][] = [
        [[], passes],
        [[hostEndpoint('*')], passes],
        [[hostEndpoint('eth0'), hostPolicy('p', 'ingress: [{action: Deny}]')], passes],
        // Asked before all else, about every interface.
        [
          [hostEndpoint('*'), hostPolicy('p', `preDNAT: true, applyOnForward: true, ${DENY_N0}`)],
          false,
        ],
      ];
      for (const [more, wanted] of hosts) {
        const setting = felix(`defaultEndpointToHostAction: ${action}`);
        const base = clusterOf(lab(VXLAN, setting, ...more)).plan;
        // ACCEPT is what it is.
        const plan =
          policy === 'DROP' ? edited(base, 'n0', (ns) => chainPolicy(ns, 'INPUT', policy)) : base;
        const cluster = Cluster.fromPlan(plan);
        expect(connects(cluster, 'w0', 'n0')).toBe(wanted);
        expect(dropsOf(cluster)).toEqual(wanted ? {} : { filtered: 1 });
        for (const [from, to] of [
          ['w0', 'w1'],
          ['w1', 'w0'],
        ] as const) {
          expect([from, connects(cluster, from, to, { sourcePort: 41000 })]).toEqual([from, true]);
        }
        expectAccounted(cluster);
      }
    },
  );

  it('FV35 apply on forward over VXLAN and IPIP: a denial for all interfaces stops pods', () => {
    for (const mode of [VXLAN, pool('ipipMode: Always')]) {
      const heps = [0, 1].map((i) => hostEndpoint('*', i));
      const before = clusterOf(lab(mode, ...heps));
      const after = clusterOf(
        lab(mode, ...heps, hostPolicy('p', 'applyOnForward: true, ingress: [{action: Deny}]')),
      );
      for (const [from, to] of [
        ['w0', 'w1'],
        ['w1', 'w0'],
      ] as const) {
        expect([from, connects(before, from, to)]).toEqual([from, true]);
        expect([from, connects(after, from, to)]).toEqual([from, false]);
      }
      expect(dropsOf(after)).toEqual({ filtered: 2 });
      expectAccounted(before);
      expectAccounted(after);
    }
  });

  it('FV35 the same over WireGuard', () => {
    const heps = [0, 1].map((i) => hostEndpoint('*', i));
    const encrypted = felix('wireguardEnabled: true');
    const before = clusterOf(lab(DIRECT, encrypted, ...heps));
    const outside = watch(before, 'n0:eth0');
    expect(connects(before, 'w0', 'w1')).toBe(true);
    const udp = outside.map((frame) => layer(layersOf(frame), 'udp').dstPort);
    expect(udp.length).toBeGreaterThan(1);
    expect(udp.every((port) => port === 51820)).toBe(true);
    const policy = hostPolicy('p', 'applyOnForward: true, ingress: [{action: Deny}]');
    const after = clusterOf(lab(DIRECT, encrypted, ...heps, policy));
    for (const [from, to] of [
      ['w0', 'w1'],
      ['w1', 'w0'],
    ] as const) {
      expect([from, connects(after, from, to)]).toEqual([from, false]);
    }
    expect(dropsOf(after)).toEqual({ filtered: 2 });
    expectAccounted(before);
    expectAccounted(after);
  });

  it('FV36 NAT out of a pool by one device and a range of ports', () => {
    const base = clusterOf(lab(pool('vxlanMode: Always', ', natOutgoing: true'), underlay())).plan;
    const plan = edited(base, 'n0', (ns) => ({
      netfilter: {
        sets: ns.netfilter!.sets,
        chains: ns.netfilter!.chains.map((chain) => ({
          ...chain,
          rules: chain.rules.map((rule) =>
            chain.name === 'cali-nat-outgoing' && rule.target.kind === 'masquerade'
              ? {
                  ...rule,
                  matches: { ...rule.matches, outDevice: { not: false, name: 'eth+' } },
                  target: { ...rule.target, ports: { from: 32768, to: 65535 } },
                }
              : rule,
          ),
        })),
      },
    }));
    const cluster = Cluster.fromPlan(plan);
    for (let i = 0; i < 20; i++) {
      const { asked, answered } = dial(cluster, 'w0', 'ext', { sourcePort: 1024 + i });
      expect(layer(asked!.layers, 'ipv4').src).toBe('172.16.0.10');
      expect(layer(asked!.layers, 'tcp').srcPort).toBeGreaterThanOrEqual(32768);
      expect(answered?.at).toBe('x/w0');
    }
    // To another pod it keeps its address.
    expect(layer(dial(cluster, 'w0', 'w1').asked!.layers, 'ipv4').src).toBe('10.65.0.2');
    expectAccounted(cluster);
  });

  it('FV36 the same as FelixConfiguration states it', () => {
    const nat = pool('vxlanMode: Always', ', natOutgoing: true');
    const ranged = felix('natPortRange: "32768:65535", iptablesNATOutgoingInterfaceFilter: eth+');
    const cluster = clusterOf(lab(nat, underlay(), ranged));
    const rules = cluster.plan.namespaces
      .find(({ name }) => name === 'n0')!
      .netfilter!.chains.find(({ name }) => name === 'cali-nat-outgoing')!
      .rules.map(({ text }) => text);
    const sets =
      '-m set --match-set cali40masq-ipam-pools src -m set ! --match-set cali40all-ipam-pools dst';
    expect(rules).toEqual([
      ...['tcp', 'udp'].flatMap((protocol) => [
        `-A cali-nat-outgoing -o eth+ -p ${protocol} ${sets} -j MASQUERADE --to-ports 32768-65535 --random-fully`,
        `-A cali-nat-outgoing -o eth+ -p ${protocol} ${sets} -j RETURN`,
      ]),
      `-A cali-nat-outgoing -o eth+ ${sets} -j MASQUERADE --random-fully`,
    ]);
    for (let i = 0; i < 20; i++) {
      const { asked, answered } = dial(cluster, 'w0', 'ext', { sourcePort: 1024 + i });
      expect(layer(asked!.layers, 'ipv4').src).toBe('172.16.0.10');
      expect(layer(asked!.layers, 'tcp').srcPort).toBeGreaterThanOrEqual(32768);
      expect(answered?.at).toBe('x/w0');
    }
    expectAccounted(cluster);
    // By another device it keeps its address.
    const sourceBy = (setting: string): string => {
      const other = clusterOf(lab(nat, underlay(), felix(setting)));
      const frames = watch(other, 'ext:eth0');
      other.send({ from: 'w0', to: 'ext', protocol: 'udp' });
      return layer(layersOf(frames[0]!), 'ipv4').src;
    };
    expect(sourceBy('iptablesNATOutgoingInterfaceFilter: bond+')).toBe('10.65.0.2');
    expect(sourceBy('natOutgoingAddress: 172.16.0.77')).toBe('172.16.0.77');
    expect(() => clusterOf(lab(nat, felix('natPortRange: "9:8"')))).toThrow(/natPortRange/);
    expect(() =>
      clusterOf(lab(nat, felix('iptablesNATOutgoingInterfaceFilter: "eth0 -j DROP"'))),
    ).toThrow(/InterfaceFilter/);
  });

  it('FV37 answers ARP for pods in the subnet of the hosts', () => {
    const inSubnet = DIRECT.replace(
      '10.65.0.0/16, blockSize: 26',
      '172.16.0.128/25, blockSize: 26',
    );
    const base = clusterOf(
      inSubnet,
      node(0),
      block(0).replace('10.65.0.0/26', '172.16.0.128/26'),
      pod('w0', 0, '172.16.0.130'),
      underlay().replace(/ {4}- \{name: n[12].*\n/g, ''),
    ).plan;
    const plan = edited(base, 'n0', (ns) => ({
      devices: ns.devices.map((d) => (d.name === 'eth0' ? { ...d, proxyArp: true } : d)),
    }));
    const cluster = Cluster.fromPlan(plan, { neighbours: 'cold' });
    const frames = watch(cluster, 'ext:eth0');
    const { asked, answered } = dial(cluster, 'ext', 'w0');
    expect([asked?.at, answered?.at]).toEqual(['x/w0', 'ext']);
    const answer = layer(layersOf(frames[1]!), 'arp');
    const nic = layer(layersOf(frames[2]!), 'ethernet').dst;
    expect(answer).toMatchObject({ op: 'reply', senderIp: '172.16.0.130', senderMac: nic });
    expectAccounted(cluster);
    // Without proxy_arp nobody answers.
    const mute = Cluster.fromPlan(base, { neighbours: 'cold' });
    expect(mute.send({ from: 'ext', to: 'w0' }).reason).toBe('neighbour-failed');
    expectAccounted(mute);
  });

  it('FV38 of two local pods with one address the one of the higher interface index wins', () => {
    const twins = [pod('a', 0, '10.65.0.2'), pod('b', 0, '10.65.0.2')];
    const made = (...more: string[]): Cluster =>
      clusterOf(VXLAN, node(0), node(1), block(0), block(1), pod('c', 1, '10.65.1.2'), ...more);
    const veth = (of: Cluster, name: string): string =>
      of.tables(`x/${name}`).devices.find(({ peer }) => peer)!.peer!.device;
    const index = (name: string, n: number): string =>
      `apiVersion: podwire/v1\nkind: FreeInputs\nmetadata: {name: f}\nspec: {ifindex: [{node: n0, device: ${name}, index: ${n}}]}`;
    const plain = made(...twins);
    const [a, b] = [veth(plain, 'a'), veth(plain, 'b')];
    const way = (of: Cluster): string[] =>
      lines(of, 'n0', 'ip route').filter((line) => line.startsWith('10.65.0.2 '));
    const reached = (of: Cluster): string[] => {
      const found = ['c', 'n0', 'n1'].map((from) => of.send({ from, to: '10.65.0.2' }).at);
      expectAccounted(of);
      return [...new Set(found)];
    };
    for (const mode of [VXLAN, DIRECT, pool('ipipMode: Always')]) {
      const cluster = clusterOf(lab(mode), pod('z', 0, '10.65.0.2'));
      expect(way(cluster)).toEqual([`10.65.0.2 dev ${veth(cluster, 'z')} scope link`]);
    }
    expect([way(plain), reached(plain)]).toEqual([[`10.65.0.2 dev ${b} scope link`], ['x/b']]);
    const stated = made(...twins, index(a, 40));
    expect([way(stated), reached(stated)]).toEqual([[`10.65.0.2 dev ${a} scope link`], ['x/a']]);

    // The winner goes down, comes back, loses its pod's end, is removed.
    setLink(plain, `n0:${b}`, { up: false });
    expect([way(plain), reached(plain)]).toEqual([[`10.65.0.2 dev ${a} scope link`], ['x/a']]);
    setLink(plain, `n0:${b}`, { up: true });
    expect([way(plain), reached(plain)]).toEqual([[`10.65.0.2 dev ${b} scope link`], ['x/b']]);
    setLink(plain, 'x/b:eth0', { up: false });
    expect([way(plain), reached(plain)]).toEqual([[`10.65.0.2 dev ${a} scope link`], ['x/a']]);
    setLink(plain, 'x/b:eth0', { up: true });
    expect(way(plain)).toEqual([`10.65.0.2 dev ${b} scope link`]);
    deleteLink(plain, `n0:${b}`);
    expect([way(plain), reached(plain)]).toEqual([[`10.65.0.2 dev ${a} scope link`], ['x/a']]);
    deleteLink(plain, `n0:${a}`);
    expect(way(plain)).toEqual([]);

    // What becomes of the loser changes nothing.
    const loser = made(...twins);
    const before = loser.exec('n0', ['ip', 'route']);
    setLink(loser, `n0:${a}`, { up: false });
    expect(loser.exec('n0', ['ip', 'route'])).toBe(before);
    setLink(loser, `n0:${a}`, { up: true });
    expect(loser.exec('n0', ['ip', 'route'])).toBe(before);
    deleteLink(loser, `n0:${a}`);
    expect([loser.exec('n0', ['ip', 'route']), reached(loser)]).toEqual([before, ['x/b']]);
  });

  it('FV39 of a local and a remote pod with one address the local one wins', () => {
    const borrowing = clusterOf(
      VXLAN,
      ...[0, 1].flatMap((i) => [node(i), block(i)]),
      pod('v', 0, '10.65.1.2'),
    ).plan;
    const remote = clusterOf(
      VXLAN,
      ...[0, 1].flatMap((i) => [node(i), block(i)]),
      pod('w', 1, '10.65.1.2'),
    ).plan;
    const both: ClusterPlan = {
      ...borrowing,
      namespaces: [
        ...borrowing.namespaces.filter(({ name }) => name !== 'n1'),
        ...remote.namespaces.filter(({ name }) => name === 'n1' || name === 'x/w'),
      ],
    };
    const cluster = Cluster.fromPlan(both);
    const route = (of: Cluster): string[] =>
      lines(of, 'n0', 'ip route get 10.65.1.2').filter((line) => line.startsWith('10.65.1.2'));
    expect(route(cluster)).toMatchObject([expect.stringMatching(/^10\.65\.1\.2 dev cali/)]);
    const ping = (of: Cluster): string[] =>
      arrivals(of, () =>
        originate(of, 'n0', [
          { layer: 'ipv4', src: '172.16.0.10', dst: '10.65.1.2' },
          { layer: 'udp', srcPort: 1, dstPort: 2 },
        ]),
      ).map(({ at }) => at);
    expect(ping(cluster)).toEqual(['x/v']);
    expectAccounted(cluster);
    const removed = Cluster.fromPlan(
      edited(both, 'n0', (ns) => ({
        routes: ns.routes.filter(({ destination }) => formatPrefix(destination) !== '10.65.1.2/32'),
      })),
    );
    expect(route(removed)).toMatchObject([expect.stringContaining('dev vxlan.calico')]);
    expect(ping(removed)).toEqual(['x/w']);
    expectAccounted(removed);
  });

  it('FV40 interfaces that flap: what Felix and BIRD had by them comes back', () => {
    for (const mode of [VXLAN, DIRECT, pool('ipipMode: Always')]) {
      const cluster = clusterOf(lab(mode, underlay()));
      const before = cluster.exec('n0', ['ip', 'route']);
      const { device } = cluster.tables('x/w0').devices.find(({ peer }) => peer)!.peer!;
      const devices = cluster.tables('n0').devices.filter(({ kind }) => kind !== 'loopback');
      expect(devices.map(({ name }) => name)).toContain(device);
      for (let round = 0; round < 20; round++) {
        for (const { name } of devices) {
          setLink(cluster, `n0:${name}`, { up: false });
          cluster.advance({ seconds: 0, nanoseconds: (round * 110 + 10) * 1e6 });
          if (name === device) expect(connects(cluster, 'n0', 'w0')).toBe(false);
          setLink(cluster, `n0:${name}`, { up: true });
          cluster.advance({ seconds: 0, nanoseconds: (round * 110 + 110) * 1e6 });
        }
      }
      // The default route was somebody else's to put back.
      const lost = before.split('\n').filter((line) => /^default/.test(line));
      expect(sorted(cluster.exec('n0', ['ip', 'route']))).toEqual(
        sorted(before).filter((line) => !lost.includes(line)),
      );
      // Without it nobody answers for 169.254.1.1 on the pods' links.
      const n0 = cluster.names.find('n0');
      const planned = cluster.plan.namespaces[n0.position]!.routes;
      addRoute(n0, planned.find(({ destination }) => destination.length === 0)!);
      for (const [from, to] of [
        ['n0', 'w0'],
        ['w0', 'w1'],
        ['w1', 'w0'],
        ['n1', 'n0'],
      ] as const) {
        const sourcePort = 41000 + from.charCodeAt(0);
        expect([from, to, connects(cluster, from, to, { sourcePort })]).toEqual([from, to, true]);
      }
      expectAccounted(cluster);
    }
  });

  it('FV37 does not answer for an address that is nobody’s', () => {
    const cluster = clusterOf(lab(VXLAN, underlay()));
    const eth0 = cluster.names.port('n0:eth0');
    const frames = watch(cluster, 'n0:eth0');
    cluster.arrive(
      eth0,
      buildFrame([
        { layer: 'ethernet', src: '02:00:00:00:00:50', dst: 'ff:ff:ff:ff:ff:ff' },
        {
          layer: 'arp',
          op: 'request',
          senderMac: '02:00:00:00:00:50',
          senderIp: '172.16.0.50',
          targetMac: '00:00:00:00:00:00',
          targetIp: '172.16.0.77',
        },
      ]),
    );
    expect(frames).toHaveLength(1);
    expect(cluster.counts.consumed).toBe(1);
    expectAccounted(cluster);
  });
});
