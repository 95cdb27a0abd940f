/** The kernel's pmtu.sh, what of it needs one kernel: PM01 to PM10. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { deleteLink, flushRouteCache, setLink } from '../../src/cluster/link-state.ts';
import type { SendOptions } from '../../src/cluster/send.ts';
import { addRoute, removeRoute } from '../../src/cluster/table-edit.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { ClusterPlan, NamespacePlan, SegmentPlan } from '../../src/plan/plan.ts';
import { rulesOf } from '../../src/text/ip-rule.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';
import { address, device, lo, route } from '../text/namespace.ts';
import {
  arrivals,
  block,
  clusterOf,
  dropsOf,
  echo,
  expectAccounted,
  lab,
  layer,
  layersOf,
  lines,
  node,
  originate,
  pod,
  pool,
  sourceOf,
  watch,
} from './lab.ts';

interface Mtus {
  readonly aR1: number;
  readonly r1B: number;
  readonly aR2: number;
  readonly r2B: number;
}

/** A NIC: `leg` names the segment, its last byte the namespace. */
const nic = (name: string, index: number, leg: number, host: number, mtu: number) =>
  device({
    name,
    index,
    kind: 'nic',
    mac: parseMac(`02:00:00:00:0${leg}:0${host}`),
    mtu,
    addresses: [address(`10.0.${leg}.${host}/24`, `10.0.${leg}.255`)],
  });

const connected = (dev: string, leg: number, host: number) =>
  route(`10.0.${leg}.0/24`, {
    device: dev,
    protocol: 'kernel',
    scope: 'link',
    source: parseIp4(`10.0.${leg}.${host}`),
    origin: 'kernel',
  });

const by = (to: string, via: string, dev: string) => route(to, { via: parseIp4(via), device: dev });

/** Legs: 1 A to R1, 2 A to R2, 3 R1 to B, 4 R2 to B. A is .1, B .2, the routers .9. */
function diamond({ aR1, r1B, aR2, r2B }: Mtus): ClusterPlan {
  const end = (name: string, host: number, legs: [number, number], mtus: [number, number]) => ({
    name,
    role: 'host' as const,
    forwarding: false,
    devices: [lo, nic('r1', 2, legs[0], host, mtus[0]), nic('r2', 3, legs[1], host, mtus[1])],
    routes: [
      connected('r1', legs[0], host),
      connected('r2', legs[1], host),
      by('default', `10.0.${legs[0]}.9`, 'r1'),
      by(`10.0.${name === 'A' ? 4 : 2}.0/24`, `10.0.${legs[1]}.9`, 'r2'),
    ],
    neighbours: [],
    fdb: [],
  });
  const router = (name: string, legs: [number, number], mtus: [number, number]): NamespacePlan => ({
    name,
    role: 'router',
    forwarding: true,
    devices: [lo, nic('a', 2, legs[0], 9, mtus[0]), nic('b', 3, legs[1], 9, mtus[1])],
    routes: [connected('a', legs[0], 9), connected('b', legs[1], 9)],
    neighbours: [],
    fdb: [],
  });
  const segment = (name: string, mtu: number, ends: string[]): SegmentPlan => ({
    name,
    mtu,
    srcDstCheck: false,
    members: ends.map((text) => {
      const [namespace = '', dev = ''] = text.split(':');
      return { namespace, device: dev };
    }),
  });
  return {
    namespaces: [
      end('A', 1, [1, 2], [aR1, aR2]),
      end('B', 2, [3, 4], [r1B, r2B]),
      router('R1', [1, 3], [aR1, r1B]),
      router('R2', [2, 4], [aR2, r2B]),
    ],
    segments: [
      segment('a-r1', aR1, ['A:r1', 'R1:a']),
      segment('r1-b', r1B, ['R1:b', 'B:r1']),
      segment('a-r2', aR2, ['A:r2', 'R2:a']),
      segment('r2-b', r2B, ['R2:b', 'B:r2']),
    ],
    pools: [],
    free: { identifications: [], vxlanSourcePorts: [] },
    assumptions: [],
    ignored: [],
  };
}

const subnet = (dev: string, own: string) =>
  route('10.7.0.0/24', {
    device: dev,
    protocol: 'kernel',
    scope: 'link',
    source: parseIp4(own),
    origin: 'kernel',
  });

const cacheOf = (cluster: Cluster, to: string) => lines(cluster, 'A', `ip route get ${to}`)[1];

/** What a DF ping of a size brings: where it arrives, or who says what MTU. */
function ping(cluster: Cluster, size: number, to: string): string[] {
  const from = to.startsWith('10.0.3') ? '10.0.1.1' : '10.0.2.1';
  const packet = echo(from, to, size, { df: true });
  return arrivals(cluster, () => originate(cluster, 'A', packet)).map(({ at, layers }) => {
    const { code, mtu, type } = layer(layers, 'icmp');
    return `${at} ${layer(layers, 'ipv4').src} ${type} ${code ?? 0} ${mtu ?? ''}`.trim();
  });
}

const tooBig = (router: string, mtu: number): string[] => [`A ${router} unreachable 4 ${mtu}`];

describe('path MTU', () => {
  it('PM01 each router tells the MTU of its own way on', () => {
    const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 1400, aR2: 2000, r2B: 1500 }));
    expect(ping(cluster, 1800, '10.0.3.2')).toEqual(tooBig('10.0.1.9', 1400));
    expect(ping(cluster, 1800, '10.0.4.2')).toEqual(tooBig('10.0.2.9', 1500));
    expect(ping(cluster, 1400, '10.0.3.2')).toEqual(['B 10.0.1.1 echo-request 0']);
    expect(ping(cluster, 1500, '10.0.4.2')).toEqual(['B 10.0.2.1 echo-request 0']);
    expect(dropsOf(cluster)).toEqual({ 'packet-too-big': 2 });
    expectAccounted(cluster);
  });

  it('PM01 the sender keeps one exception a destination, and sends no more than that', () => {
    const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 1400, aR2: 2000, r2B: 1500 }));
    ping(cluster, 1800, '10.0.3.2');
    ping(cluster, 1800, '10.0.4.2');
    // The words of iproute2 on a real kernel in the same place.
    expect(lines(cluster, 'A', 'ip route get 10.0.3.2')[1]).toBe('cache expires 600sec mtu 1400');
    expect(lines(cluster, 'A', 'ip route get 10.0.4.2')[1]).toBe('cache expires 600sec mtu 1500');
    expect(lines(cluster, 'A', 'ip route get 10.0.3.3')[1]).toBe('cache');
    const [told] = JSON.parse(cluster.exec('A', ['ip', '-j', 'route', 'get', '10.0.3.2']));
    expect(told).toMatchObject({ cache: [], expires: 600, metrics: [{ mtu: 1400 }] });
    const leg = watch(cluster, 'A:r1');
    expect(ping(cluster, 1401, '10.0.3.2')).toEqual([]);
    expect(leg).toEqual([]);
    expect(dropsOf(cluster)).toEqual({ 'packet-too-big': 3 });
    // Without DF the sender makes the fragments itself.
    originate(cluster, 'A', echo('10.0.1.1', '10.0.3.2', 1800));
    expect(leg.slice(0, 2).map((f) => layer(layersOf(f), 'ipv4').totalLength)).toEqual([1396, 424]);
    // Ten minutes later it tries again.
    cluster.advance({ seconds: 599, nanoseconds: 0 });
    expect(ping(cluster, 1800, '10.0.3.2')).toEqual([]);
    cluster.advance({ seconds: 601, nanoseconds: 0 });
    expect(ping(cluster, 1800, '10.0.3.2')).toEqual(tooBig('10.0.1.9', 1400));
    expectAccounted(cluster);
  });

  it('PM02 an exception follows the MTU of the local device', () => {
    const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 1400, aR2: 2000, r2B: 1500 }));
    ping(cluster, 1800, '10.0.3.2');
    ping(cluster, 1800, '10.0.4.2');
    const learned = () => ['10.0.3.2', '10.0.4.2'].map((to) => cacheOf(cluster, to));
    expect(learned()).toEqual(['cache expires 600sec mtu 1400', 'cache expires 600sec mtu 1500']);
    for (const mtu of [1300, 1700]) {
      setLink(cluster, 'A:r1', { mtu });
      const [first, second] = learned();
      expect([first, second]).toEqual([
        `cache expires 600sec mtu ${mtu}`,
        'cache expires 600sec mtu 1500',
      ]);
    }
    // The way has stayed as narrow as it was, and says so again.
    expect(ping(cluster, 1700, '10.0.3.2')).toEqual(tooBig('10.0.1.9', 1400));
    expect(learned()[0]).toBe('cache expires 600sec mtu 1400');
    expectAccounted(cluster);
  });

  it('PM01 heeds only what quotes a packet of its own, and as much of it as the kernel asks for', () => {
    const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 2000, aR2: 2000, r2B: 2000 }));
    const tell = (src: string, dst: string, quoted: number, mtu = 1300): string => {
      const quote = buildFrame(echo(src, dst, 1800, { df: true })).subarray(0, quoted);
      arrivals(cluster, () =>
        originate(cluster, 'R1', [
          { layer: 'ipv4', src: '10.0.1.9', dst: '10.0.1.1' },
          { layer: 'icmp', type: 'unreachable', code: 4, mtu },
          { layer: 'payload', bytes: quote },
        ]),
      );
      return lines(cluster, 'A', `ip route get ${dst}`)[1]!;
    };
    expect(tell('10.0.3.1', '10.0.3.7', 28)).toBe('cache');
    expect(tell('10.0.1.1', '10.0.3.7', 27)).toBe('cache');
    expect(tell('10.0.1.1', '10.0.3.7', 28)).toBe('cache expires 600sec mtu 1300');
    // Longer than what is known: not believed. Shorter: believed.
    expect(tell('10.0.1.1', '10.0.3.7', 28, 1500)).toBe('cache expires 600sec mtu 1300');
    expect(tell('10.0.1.1', '10.0.3.7', 28, 1200)).toBe('cache expires 600sec mtu 1200');
    expect(tell('10.0.1.1', '10.0.3.8', 28, 4000)).toBe('cache');
    expect(tell('10.0.1.1', '10.0.3.8', 28, 0)).toBe('cache expires 600sec mtu lock 552');
    expectAccounted(cluster);
  });

  it('PM01 what a router only forwards is not held to what it has learned', () => {
    const base = diamond({ aR1: 2000, r1B: 2000, aR2: 2000, r2B: 2000 });
    for (const forwardUsePmtu of [false, true]) {
      const namespaces = base.namespaces.map((ns) =>
        ns.name === 'R1' ? { ...ns, forwardUsePmtu } : ns,
      );
      const cluster = Cluster.fromPlan({ ...base, namespaces });
      arrivals(cluster, () =>
        originate(cluster, 'B', [
          { layer: 'ipv4', src: '10.0.3.2', dst: '10.0.3.9' },
          { layer: 'icmp', type: 'unreachable', code: 4, mtu: 1000 },
          { layer: 'payload', bytes: buildFrame(echo('10.0.3.9', '10.0.3.2', 1800)) },
        ]),
      );
      expect(lines(cluster, 'R1', 'ip route get 10.0.3.2')[1]).toContain('mtu 1000');
      const passed = ['B 10.0.1.1 echo-request 0'];
      const told = forwardUsePmtu ? tooBig('10.0.1.9', 1000) : passed;
      expect(ping(cluster, 1800, '10.0.3.2')).toEqual(told);
      expectAccounted(cluster);
    }
  });

  it('PM03 an MTU below the least is told all the same, and without DF fragments go through', () => {
    const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 2000, aR2: 2000, r2B: 400 }));
    expect(ping(cluster, 1400, '10.0.4.2')).toEqual(tooBig('10.0.2.9', 400));
    expectAccounted(cluster);
    // A sender that has learned nothing yet.
    const fresh = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 2000, aR2: 2000, r2B: 400 }));
    const leg = watch(fresh, 'R2:b');
    const packet = echo('10.0.2.1', '10.0.4.2', 1400);
    const [whole] = arrivals(fresh, () => originate(fresh, 'A', packet));
    expect(whole!.at).toBe('B');
    expect(layer(whole!.layers, 'ipv4').totalLength).toBe(1400);
    // 376 = 47 * 8 bytes of data in each but the last.
    expect(leg.map((f) => layer(layersOf(f), 'ipv4').totalLength)).toEqual([396, 396, 396, 272]);
    expectAccounted(fresh);
  });

  it('PM03 an MTU below the least is not believed: 552, locked', () => {
    const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 2000, aR2: 2000, r2B: 400 }));
    ping(cluster, 1400, '10.0.4.2');
    expect(lines(cluster, 'A', 'ip route get 10.0.4.2')[1]).toBe(
      'cache expires 600sec mtu lock 552',
    );
    expectAccounted(cluster);
  });

  it('PM03 where the MTU is locked a sender leaves DF out, and fragments', () => {
    const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 2000, aR2: 2000, r2B: 400 }));
    const syn = { from: 'A', to: '10.0.4.2', protocol: 'tcp', size: 1400 } as const;
    const flags = (more: Partial<SendOptions> = {}): boolean[] =>
      cluster
        .send({ ...syn, ...more })
        .frames.filter(({ node }) => node === 'A')
        .map(({ hex }) => layer(layersOf(Buffer.from(hex, 'hex')), 'ipv4'))
        .map(({ df, totalLength }) => {
          expect(totalLength).toBeLessThanOrEqual(1400);
          return df;
        });
    expect(flags()).toEqual([true]);
    expect(lines(cluster, 'A', 'ip route get 10.0.4.2')[1]).toContain('mtu lock 552');
    expect(flags()).toEqual([false, false, false]);
    expect(cluster.send({ ...syn, reply: true }).reply?.outcome).toBe('delivered');
    // Who asks for DF gets it, and nothing through.
    expect(cluster.send({ ...syn, dontFragment: true }).reason).toBe('packet-too-big');
    expectAccounted(cluster);
  });

  it('PM04 the exception after the local MTU fell and rose', () => {
    const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 2000, aR2: 2000, r2B: 400 }));
    ping(cluster, 1400, '10.0.4.2');
    const told = [500, 1500].map((mtu) => {
      setLink(cluster, 'A:r2', { mtu });
      return cacheOf(cluster, '10.0.4.2');
    });
    ping(cluster, 1400, '10.0.4.2');
    expect([...told, cacheOf(cluster, '10.0.4.2')]).toEqual([
      'cache expires 600sec mtu 500',
      'cache expires 600sec mtu 1500',
      'cache expires 600sec mtu lock 552',
    ]);
    expectAccounted(cluster);
  });

  it('PM05 exceptions in a table chosen by DSCP, with and without ECN, ICMP and UDP', () => {
    const base = diamond({ aR1: 2000, r1B: 1400, aR2: 2000, r2B: 1500 });
    const steered = (ns: NamespacePlan): NamespacePlan => ({
      ...ns,
      rules: [{ priority: 100, not: false, tos: 0x04, table: 100 }, ...rulesOf({})],
      routes: [
        ...ns.routes,
        { ...by('10.0.3.0/24', '10.0.2.9', 'r2'), table: 100 },
        { ...by('10.0.4.0/24', '10.0.2.9', 'r2'), table: 100 },
      ],
    });
    const namespaces = base.namespaces.map((ns) =>
      ns.name === 'A'
        ? steered(ns)
        : ns.name === 'R2'
          ? { ...ns, routes: [...ns.routes, by('10.0.3.0/24', '10.0.4.2', 'b')] }
          : ns,
    );
    for (const [ecn, protocol] of [0, 1, 2, 3].flatMap(
      (n) =>
        [
          [n, 'icmp'],
          [n, 'udp'],
        ] as const,
    )) {
      const cluster = Cluster.fromPlan({ ...base, namespaces });
      const send = (tos: number, from: string) => {
        const packet =
          protocol === 'icmp'
            ? echo(from, '10.0.3.2', 1800, { df: true, tos })
            : [
                { layer: 'ipv4' as const, src: from, dst: '10.0.3.2', df: true, tos },
                { layer: 'udp' as const, srcPort: 1, dstPort: 2 },
                { layer: 'payload' as const, bytes: Buffer.alloc(1800 - 28) },
              ];
        originate(cluster, 'A', packet);
      };
      send(0x04 | ecn, '10.0.2.1');
      expect(lines(cluster, 'A', 'ip route get 10.0.3.2 tos 0x04')).toEqual([
        '10.0.3.2 via 10.0.2.9 dev r2 table 100 src 10.0.2.1 uid 0',
        'cache expires 600sec mtu 1500',
      ]);
      expect(cacheOf(cluster, '10.0.3.2')).toBe('cache');
      send(ecn, '10.0.1.1');
      expect(cacheOf(cluster, '10.0.3.2')).toBe('cache expires 600sec mtu 1400');
      expect(lines(cluster, 'A', 'ip route get 10.0.3.2 tos 0x04')[1]).toContain('mtu 1500');
      expect(dropsOf(cluster)).toEqual({ 'packet-too-big': 2 });
      expectAccounted(cluster);
    }
  });

  it('PM06 a narrow leg under VXLAN without DF: outer fragments, and the inner packet whole', () => {
    const plan = clusterOf(lab(pool('vxlanMode: Always'))).plan;
    const narrow = {
      ...plan,
      namespaces: plan.namespaces.map((ns) =>
        ns.name !== 'n0'
          ? ns
          : {
              ...ns,
              devices: ns.devices.map((d) => (d.name === 'eth0' ? { ...d, mtu: 1400 } : d)),
            },
      ),
    };
    const cluster = Cluster.fromPlan(narrow);
    const outside = watch(cluster, 'n0:eth0');
    const inside = watch(cluster, 'w1:eth0');
    const trace = cluster.send({ from: 'w0', to: 'w1', size: 1450, dontFragment: true });
    expect(trace.outcome).toBe('delivered');
    // 1450 + 50 in pieces of 1376 = 172 * 8 bytes.
    const pieces = outside.map((frame) => layer(layersOf(frame), 'ipv4'));
    expect(pieces.map(({ totalLength, mf }) => [totalLength, mf])).toEqual([
      [1396, true],
      [124, false],
    ]);
    expect(layer(layersOf(inside[0]!), 'ipv4')).toMatchObject({
      totalLength: 1450,
      df: true,
      ttl: 62,
    });
    expectAccounted(cluster);
  });

  it('PM06 the node that sends by VXLAN learns what its underlay carries', () => {
    const base = clusterOf(lab(pool('vxlanMode: Always'))).plan;
    const namespaces = base.namespaces.map((ns) => ({
      ...ns,
      devices: ns.devices.map((d) => {
        if (d.kind === 'loopback') return d;
        return { ...d, mtu: d.name === 'eth0' && ns.name === 'n0' ? 4000 : 5000 };
      }),
    }));
    const segments = base.segments.map((segment) => ({ ...segment, mtu: 5000 }));
    const cluster = Cluster.fromPlan({ ...base, namespaces, segments });
    const sent = () => echo(sourceOf(cluster, 'n0', '10.65.1.2'), '10.65.1.2', 4500);
    originate(cluster, 'n0', sent());
    const [, cache] = lines(cluster, 'n0', 'ip route get 10.65.1.2');
    expect(cache).toBe('cache expires 600sec mtu 3950');
    // From now on it makes the fragments inside.
    const inside = watch(cluster, 'n0:vxlan.calico');
    originate(cluster, 'n0', sent());
    expect(inside.map((f) => layer(layersOf(f), 'ipv4').totalLength)).toEqual([3948, 572]);
    expectAccounted(cluster);
  });

  it('PM06 exception 3950 by df set: the leg behind the router tells the tunnel', () => {
    const { plan } = clusterOf(
      pool('vxlanMode: Always'),
      ...[0, 1].flatMap((i) => [
        node(i, `172.16.${i}.1${i}/24`),
        block(i),
        pod(`w${i}`, i, `10.65.${i}.2`),
      ]),
    );
    const router = plan.namespaces.find(({ role }) => role === 'router')!.name;
    const namespaces = plan.namespaces.map((ns) => ({
      ...ns,
      devices: ns.devices.map((d) => {
        const leg = d.addresses.some(({ address }) => (address >>> 8) % 256 === 1);
        const mtu = ns.name === router && leg ? 4000 : d.kind === 'loopback' ? d.mtu : 5000;
        return { ...d, mtu, ...(d.vxlan ? { vxlan: { ...d.vxlan, df: 'set' as const } } : {}) };
      }),
    }));
    const segments = plan.segments.map((segment) => ({ ...segment, mtu: 5000 }));
    const cluster = Cluster.fromPlan({ ...plan, namespaces, segments });
    const from = sourceOf(cluster, 'n0', '10.65.1.2');
    const sent = () => originate(cluster, 'n0', echo(from, '10.65.1.2', 4500, { df: true }));
    sent();
    expect(lines(cluster, 'n0', 'ip route get 172.16.1.11')[1]).toBe(
      'cache expires 600sec mtu 4000',
    );
    sent();
    expect(lines(cluster, 'n0', 'ip route get 10.65.1.2')[1]).toBe('cache expires 600sec mtu 3950');
    expectAccounted(cluster);
  });
  it('PM07 VXLAN on a bridge: the host behind it and the node itself learn the same', () => {
    const base = clusterOf(lab(pool('vxlanMode: Always'))).plan;
    const far = parseMac('02:00:00:00:08:99');
    const namespaces = base.namespaces.map((ns): NamespacePlan => {
      const devices = ns.devices.map((d) => {
        const mtu =
          d.kind === 'loopback' ? d.mtu : d.name === 'eth0' && ns.name === 'n0' ? 4000 : 5000;
        const bridged = ns.name === 'n0' && d.vxlan !== undefined ? { master: 'br0' } : {};
        return { ...d, mtu, ...bridged };
      });
      if (ns.name !== 'n0') return { ...ns, devices };
      const own = { mtu: 5000, kind: 'veth' as const };
      const mac = (i: number) => parseMac(`02:00:00:00:08:0${i}`);
      return {
        ...ns,
        devices: [
          ...devices,
          device({
            ...own,
            name: 'br0',
            index: 90,
            kind: 'bridge',
            mac: mac(0),
            addresses: [address('10.7.0.1/24', '10.7.0.255')],
          }),
          device({
            ...own,
            name: 'pC',
            index: 91,
            mac: mac(1),
            master: 'br0',
            peer: { namespace: 'C', device: 'eth0' },
          }),
        ],
        routes: [...ns.routes, subnet('br0', '10.7.0.1')],
        neighbours: [
          ...ns.neighbours,
          { device: 'br0', address: parseIp4('10.7.0.9'), mac: far, state: 'PERMANENT' },
        ],
        fdb: [
          ...ns.fdb,
          {
            device: 'vxlan.calico',
            mac: far,
            destination: parseIp4('172.16.0.11'),
            state: 'permanent',
          },
          { device: 'vxlan.calico', master: 'br0', mac: far, state: 'static' },
        ],
      };
    });
    const c: NamespacePlan = {
      name: 'C',
      role: 'host',
      forwarding: false,
      devices: [
        lo,
        device({
          name: 'eth0',
          index: 2,
          mtu: 5000,
          mac: parseMac('02:00:00:00:08:02'),
          addresses: [address('10.7.0.2/24', '10.7.0.255')],
          peer: { namespace: 'n0', device: 'pC' },
        }),
      ],
      routes: [subnet('eth0', '10.7.0.2')],
      neighbours: [{ device: 'eth0', address: parseIp4('10.7.0.9'), mac: far, state: 'PERMANENT' }],
      fdb: [],
    };
    const segments = base.segments.map((segment) => ({ ...segment, mtu: 5000 }));
    const cluster = Cluster.fromPlan({ ...base, namespaces: [...namespaces, c], segments });
    const told = watch(cluster, 'C:eth0');
    originate(cluster, 'C', echo('10.7.0.2', '10.7.0.9', 4500, { df: true }));
    originate(cluster, 'n0', echo('10.7.0.1', '10.7.0.9', 4500, { df: true }));
    for (const name of ['C', 'n0']) {
      expect(lines(cluster, name, 'ip route get 10.7.0.9')[1]).toBe(
        'cache expires 600sec mtu 3950',
      );
    }
    const answer = layersOf(told.at(-1)!);
    expect(layer(answer, 'ethernet').src).toBe('02:00:00:00:08:99');
    expect(layer(answer, 'ipv4')).toMatchObject({
      src: '10.7.0.9',
      dst: '10.7.0.2',
      totalLength: 576,
      df: true,
      id: 0,
    });
    expect(layer(answer, 'icmp')).toMatchObject({ code: 4, mtu: 3950, checksumState: 'valid' });
    cluster.run();
    expectAccounted(cluster);
  });

  it('PM08 IPIP counts its 20 bytes off the MTU of the way out', () => {
    const plan = clusterOf(lab(pool('ipipMode: Always'))).plan;
    const wide = {
      ...plan,
      segments: plan.segments.map((segment) => ({ ...segment, mtu: 5000 })),
      namespaces: plan.namespaces.map((ns) => ({
        ...ns,
        devices: ns.devices.map((d) => {
          if (d.kind === 'loopback') return d;
          if (d.name === 'eth0' && ns.name === 'n0') return { ...d, mtu: 4000 };
          return { ...d, mtu: 5000 };
        }),
      })),
    };
    const cluster = Cluster.fromPlan(wide);
    const seen = (size: number) =>
      arrivals(cluster, () =>
        originate(cluster, 'w0', echo('10.65.0.2', '10.65.1.2', size, { df: true })),
      ).map(({ at, layers }) => [at, layer(layers, 'icmp').mtu]);
    expect(seen(4500)).toEqual([['x/w0', 3980]]);
    expect(seen(3980)).toEqual([['x/w1', undefined]]);
    expect(dropsOf(cluster)).toEqual({ 'packet-too-big': 1 });
    expectAccounted(cluster);
  });

  it('PM08 a router further on is narrow: the node learns 4000, its tunnel tells 3980', () => {
    const plan = clusterOf(
      pool('ipipMode: Always'),
      `apiVersion: podwire/v1
kind: Underlay
metadata: {name: u}
spec:
  segments:
  - {name: a, mtu: 5000, members: [{name: n0, interface: eth0, address: 172.16.0.10/24}, {name: gw, interface: a, address: 172.16.0.1/24}]}
  - {name: b, mtu: 4000, members: [{name: n1, interface: eth0, address: 172.17.0.11/24}, {name: gw, interface: b, address: 172.17.0.1/24}]}
  routers: [{name: gw}]
  defaultGateway: {a: 172.16.0.1, b: 172.17.0.1}`,
      node(0),
      node(1, '172.17.0.11/24'),
      block(0),
      block(1),
      pod('w0', 0, '10.65.0.2'),
      pod('w1', 1, '10.65.1.2'),
    ).plan;
    const wide = {
      ...plan,
      namespaces: plan.namespaces.map((ns) => ({
        ...ns,
        devices: ns.devices.map((d) =>
          d.kind === 'loopback' || d.name === 'b' || ns.name === 'n1' ? d : { ...d, mtu: 5000 },
        ),
      })),
    };
    const cluster = Cluster.fromPlan(wide);
    const told = (): unknown[] =>
      arrivals(cluster, () =>
        originate(cluster, 'w0', echo('10.65.0.2', '10.65.1.2', 4500, { df: true })),
      ).map(({ at, layers }) => [at, layer(layers, 'icmp').mtu]);
    // The first is lost on the way: the router's error is for the node.
    expect(told()).toEqual([['n0', 4000]]);
    expect(lines(cluster, 'n0', 'ip route get 172.17.0.11')[1]).toBe(
      'cache expires 600sec mtu 4000',
    );
    expect(told()).toEqual([['x/w0', 3980]]);
    expect(lines(cluster, 'w0', 'ip route get 10.65.1.2')[1]).toBe('cache expires 600sec mtu 3980');
    expectAccounted(cluster);
  });

  it('PM09 exceptions are listed, and flushed', () => {
    const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 1400, aR2: 2000, r2B: 400 }));
    ping(cluster, 1800, '10.0.3.2');
    ping(cluster, 1800, '10.0.4.2');
    const list = () => cluster.exec('A', ['ip', 'route', 'list', 'cache']);
    expect(list()).toBe(
      '10.0.3.2 via 10.0.1.9 dev r1 \n    cache expires 600sec mtu 1400 \n' +
        '10.0.4.2 via 10.0.2.9 dev r2 \n    cache expires 600sec mtu lock 552 \n',
    );
    flushRouteCache(cluster, 'A');
    expect(list()).toBe('');
    // It is learned anew.
    expect(ping(cluster, 1800, '10.0.3.2')).toEqual(tooBig('10.0.1.9', 1400));
    expect(list()).toContain('mtu 1400');
    expectAccounted(cluster);
  });

  it('PM10 no exception outlives its route or its device', () => {
    const start = () => {
      const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 1400, aR2: 2000, r2B: 1500 }));
      ping(cluster, 1800, '10.0.3.2');
      ping(cluster, 1800, '10.0.4.2');
      return cluster;
    };
    const list = (cluster: Cluster) => lines(cluster, 'A', 'ip route list cache');
    const deleted = start();
    deleteLink(deleted, 'A:r1');
    expect(list(deleted)).toEqual([
      '10.0.4.2 via 10.0.2.9 dev r2',
      'cache expires 600sec mtu 1500',
    ]);
    const flapped = start();
    setLink(flapped, 'A:r2', { up: false });
    setLink(flapped, 'A:r2', { up: true });
    expect(list(flapped)).toEqual([
      '10.0.3.2 via 10.0.1.9 dev r1',
      'cache expires 600sec mtu 1400',
    ]);
    const replaced = start();
    const a = replaced.names.find('A');
    const way = a.plan.routes.find(({ destination }) => destination.length === 0)!;
    removeRoute(a, way);
    addRoute(a, way);
    expect(list(replaced)).toEqual([
      '10.0.4.2 via 10.0.2.9 dev r2',
      'cache expires 600sec mtu 1500',
    ]);
    for (const cluster of [deleted, flapped, replaced]) expectAccounted(cluster);
  });
});
