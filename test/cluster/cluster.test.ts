import '../accounts.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { loadCluster } from '../../src/cluster/load.ts';
import type { SendOptions, Trace } from '../../src/cluster/send.ts';
import { Drop } from '../../src/drop.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import { counts, inUse } from '../../src/packet/slab.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { cluster as arbitraryCluster } from '../../src/testing/index.ts';
import { formatIp4, parseIp4, parseMac } from '../../src/wire/address.ts';
import { installed, printed, tshark } from '../judge.ts';

const VXLAN = join('fixtures', 'calico-vxlan');
const IPIP = join('fixtures', 'calico-ipip');
const BGP = join('fixtures', 'calico-bgp');

const pair = { from: 'kubia-d278t', to: 'client' };
const entries = (trace: Trace, node: string): (string | undefined)[] =>
  trace.steps.filter((s) => s.node === node && s.entry !== undefined).map((s) => s.entry);

/** entered + born = delivered + dropped + consumed + waiting, and nothing waits at the end. */
function expectAccounted(cluster: Cluster): void {
  const { dropped } = cluster.counts;
  expect(cluster.waiting()).toBe(0);
  expect(cluster.drops().reduce((sum, n) => sum + n, 0)).toBe(dropped);
}

describe('a trace names the winning entries', () => {
  it('VXLAN: route, neighbour, FDB, underlay route, underlay neighbour', () => {
    const trace = loadCluster(VXLAN).send(pair);
    expect(trace.outcome).toBe('delivered');
    expect(trace.at).toBe('default/client');
    expect(entries(trace, 'k8s-node1')).toEqual([
      '10.2.169.128/26 via 10.2.169.137 dev vxlan.calico onlink',
      '10.2.169.137 dev vxlan.calico lladdr 66:90:43:3d:b3:e7 PERMANENT',
      '66:90:43:3d:b3:e7 dev vxlan.calico dst 192.168.33.57 self permanent',
      '192.168.33.0/24 dev enp1s0 proto kernel scope link src 192.168.33.55',
      '192.168.33.57 dev enp1s0 lladdr 52:54:00:b2:72:8d REACHABLE',
    ]);
  });

  it('IPIP: FIB and underlay ARP only, never an FDB', () => {
    const trace = loadCluster(IPIP).send(pair);
    expect(entries(trace, 'k8s-node1')).toEqual([
      '10.2.169.128/26 via 192.168.33.57 dev tunl0 proto bird onlink',
      '192.168.33.0/24 dev enp1s0 proto kernel scope link src 192.168.33.55',
      '192.168.33.57 dev enp1s0 lladdr 52:54:00:b2:72:8d REACHABLE',
    ]);
    expect(trace.steps.some((s) => s.room.startsWith('vxlan'))).toBe(false);
  });

  it('direct: one route, one neighbour', () => {
    const trace = loadCluster(BGP).send(pair);
    expect(entries(trace, 'k8s-node1')).toEqual([
      '10.2.169.128/26 via 192.168.33.57 dev enp1s0 proto bird',
      '192.168.33.57 dev enp1s0 lladdr 52:54:00:b2:72:8d REACHABLE',
    ]);
  });

  it('frames are those of every device on the way, TTL one less a node', () => {
    const trace = loadCluster(VXLAN).send({ ...pair, protocol: 'udp', destinationPort: 9000 });
    const devices = trace.frames.map((f) => `${f.node}:${f.device}`);
    expect(devices).toEqual([
      'default/kubia-d278t:eth0',
      'k8s-node1:calid2918f95dae',
      'k8s-node1:vxlan.calico',
      'k8s-node1:enp1s0',
      'k8s-node2:enp1s0',
      'k8s-node2:vxlan.calico',
      'k8s-node2:calia7a3e029a7b',
      'default/client:eth0',
    ]);
    const ttls = trace.frames.map(({ hex }) => {
      const inner = dissect(Buffer.from(hex, 'hex'))
        .layers.filter((l) => l.layer === 'ipv4')
        .at(-1);
      return inner?.layer === 'ipv4' ? inner.ttl : undefined;
    });
    expect(ttls).toEqual([64, 64, 63, 63, 63, 63, 62, 62]);
  });

  it('pods of one node meet at their node only', () => {
    const trace = loadCluster(VXLAN).send({ from: 'kubia-d278t', to: 'pod-68' });
    expect(trace.outcome).toBe('delivered');
    expect(new Set(trace.frames.map((f) => f.node))).toEqual(
      new Set(['default/kubia-d278t', 'k8s-node1', 'default/pod-68']),
    );
  });
});

describe('what ends badly has one name', () => {
  const reason = (folder: string, options: Partial<SendOptions>): string | undefined => {
    const cluster = loadCluster(folder);
    const trace = cluster.send({ ...pair, ...options });
    expectAccounted(cluster);
    if (trace.outcome === 'dropped')
      expect(trace.steps.some((s) => s.note.includes('dropped'))).toBe(true);
    return trace.reason;
  };

  it.each([
    [VXLAN, { ttl: 1 }, 'ttl-expired'],
    [VXLAN, { ttl: 2 }, 'ttl-expired'],
    [VXLAN, { ttl: 3 }, undefined],
    [VXLAN, { size: 1450, dontFragment: true }, undefined],
    [VXLAN, { size: 1500, protocol: 'tcp' }, 'packet-too-big'],
    [VXLAN, { to: '10.2.36.100' }, 'blackhole'],
    [VXLAN, { to: '10.2.169.150' }, 'blackhole'],
    [IPIP, { to: '10.2.169.150' }, 'blackhole'],
    [IPIP, { size: 1480, dontFragment: true }, undefined],
    [BGP, { size: 1500, dontFragment: true }, undefined],
    [BGP, { size: 1501, dontFragment: true }, 'packet-too-big'],
    [BGP, { to: '192.168.33.200' }, 'neighbour-failed'],
    [BGP, { to: '224.0.0.1' }, 'group-destination'],
  ] as const)('%s %o: %s', (folder, options, expected) => {
    expect(reason(folder, options)).toBe(expected);
  });

  it('one entry of the VXLAN path missing: three distinct reasons', () => {
    const { plan } = loadCluster(VXLAN);
    const edited = (edit: 'routes' | 'neighbours' | 'fdb'): string | undefined => {
      const namespaces = plan.namespaces.map((ns) => {
        if (ns.name !== 'k8s-node1') return ns;
        if (edit === 'routes') {
          // The default route takes over, to a router that knows no pods.
          return { ...ns, routes: ns.routes.filter((r) => r.device !== 'vxlan.calico') };
        }
        if (edit === 'neighbours') return { ...ns, neighbours: [] };
        return { ...ns, fdb: [] };
      });
      return Cluster.fromPlan({ ...plan, namespaces }).send(pair).reason;
    };
    expect([edited('routes'), edited('neighbours'), edited('fdb')]).toEqual([
      'no-route',
      'neighbour-failed',
      'fdb-missing',
    ]);
  });

  it('natOutgoing: the source becomes the node’s where the packet leaves the pools', () => {
    const trace = loadCluster(VXLAN).send({ from: 'client', to: '192.168.33.1' });
    expect(trace.outcome).toBe('delivered');
    const step = trace.steps.find(({ room, note }) => room === 'postrouting' && note !== 'passed');
    expect(step?.note).toBe('source is now 192.168.33.57');
    expect(step?.entry).toContain('-j MASQUERADE');
    const last = dissect(Buffer.from(trace.frames.at(-1)!.hex, 'hex'));
    expect(last.layers.find((l) => l.layer === 'ipv4')).toMatchObject({
      src: '192.168.33.57',
      checksumState: 'valid',
    });
  });
});

describe('cold: ARP as it happens', () => {
  it('pod asks for 169.254.1.1, node answers as proxy, nodes ask each other', () => {
    const cluster = Cluster.fromPlan(loadCluster(BGP).plan, { neighbours: 'cold' });
    const seen: string[] = [];
    for (const name of ['k8s-node1:calid2918f95dae', 'k8s-node1:enp1s0']) {
      captureAt(cluster, cluster.names.port(name), {
        write: (_s, _n, b, start, end) => {
          const arp = dissect(b.subarray(start, end)).layers.find((l) => l.layer === 'arp');
          if (arp?.layer === 'arp')
            seen.push(`${arp.op} ${arp.senderIp} ${arp.senderMac} ${arp.targetIp}`);
        },
      });
    }
    expect(cluster.send(pair).outcome).toBe('delivered');
    const podMac = cluster.names.port('kubia-d278t:eth0').device.plan.mac;
    expect(seen).toEqual([
      `request 10.2.36.71 ${podMac?.toString(16).replace(/(..)(?=.)/g, '$1:')} 169.254.1.1`,
      `reply 169.254.1.1 ee:ee:ee:ee:ee:ee 10.2.36.71`,
      'request 192.168.33.55 52:54:00:85:ff:19 192.168.33.57',
      'reply 192.168.33.57 52:54:00:b2:72:8d 192.168.33.55',
    ]);
    expectAccounted(cluster);
    // Learned: the way back asks nobody but the last pod.
    seen.length = 0;
    expect(cluster.send({ from: 'client', to: 'kubia-d278t' }).outcome).toBe('delivered');
    expect(seen).toEqual([]);
  });

  it('listed: who stands in the tables is not asked for, others are', () => {
    const { plan } = loadCluster(BGP);
    const peer = Cluster.fromPlan(plan).names.port('k8s-node2:enp1s0').device.plan;
    const entry = { device: 'enp1s0', address: parseIp4('192.168.33.57'), mac: peer.mac! };
    const namespaces = plan.namespaces.map((ns) =>
      ns.name === 'k8s-node1'
        ? { ...ns, neighbours: [{ ...entry, state: 'PERMANENT' as const }] }
        : ns,
    );
    const asked = (neighbours: 'warm' | 'listed' | 'cold', all: ClusterPlan): string[] => {
      const cluster = Cluster.fromPlan(all, { neighbours });
      const targets: string[] = [];
      for (const name of ['k8s-node1:calid2918f95dae', 'k8s-node1:enp1s0']) {
        captureAt(cluster, cluster.names.port(name), {
          write: (_s, _n, b, start, end) => {
            const arp = dissect(b.subarray(start, end)).layers.find((l) => l.layer === 'arp');
            if (arp?.layer === 'arp' && arp.op === 'request') targets.push(arp.targetIp);
          },
        });
      }
      expect(cluster.send(pair).outcome).toBe('delivered');
      return targets;
    };
    expect(asked('warm', plan)).toEqual([]);
    expect(asked('listed', plan)).toEqual(['169.254.1.1', '192.168.33.57']);
    expect(asked('listed', { ...plan, namespaces })).toEqual(['169.254.1.1']);
  });

  it('a node without a default route does not answer for 169.254.1.1', () => {
    const { plan } = loadCluster(BGP);
    const namespaces = plan.namespaces.map((ns) => ({
      ...ns,
      routes: ns.role === 'node' ? ns.routes.filter((r) => r.destination.length > 0) : ns.routes,
    }));
    for (const neighbours of ['cold', 'warm'] as const) {
      const cluster = Cluster.fromPlan({ ...plan, namespaces }, { neighbours });
      const trace = cluster.send(pair);
      expect([trace.outcome, trace.at, trace.reason]).toEqual([
        'dropped',
        'default/kubia-d278t',
        'neighbour-failed',
      ]);
      // Three requests a second apart, then the end.
      expect(cluster.now.seconds).toBe(3);
      expectAccounted(cluster);
    }
  });

  it('five packets behind one resolution leave in order', () => {
    const cluster = Cluster.fromPlan(loadCluster(IPIP).plan, { neighbours: 'cold' });
    const ids: number[] = [];
    captureAt(cluster, cluster.names.port('k8s-node1:tunl0'), {
      write: (_s, _n, b, start) => ids.push(b.readUInt16BE(start + 4)),
    });
    const node = cluster.names.find('kubia-d278t');
    for (let id = 1; id <= 5; id++) {
      const packet = buildFrame([
        { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136', id },
        { layer: 'udp', srcPort: 1, dstPort: 2 },
      ]);
      cluster.originate(node, packet);
    }
    cluster.run();
    expect(ids).toEqual([1, 2, 3, 4, 5]);
    expect(cluster.counts.delivered).toBe(5);
    expectAccounted(cluster);
  });

  // As many empty datagrams of a socket as Linux 6.18 held: unres_qlen_bytes over their truesize of 832.
  it('holds at most 256 small packets for one neighbour, and drops the others', () => {
    const cluster = loadCluster(BGP);
    const node = cluster.names.find('k8s-node1');
    for (let i = 0; i < 300; i++) {
      cluster.originate(
        node,
        buildFrame([
          { layer: 'ipv4', src: '192.168.33.55', dst: '192.168.33.200', id: i },
          { layer: 'udp', srcPort: 1, dstPort: 2 },
        ]),
      );
    }
    expect(cluster.waiting()).toBe(256);
    cluster.run();
    const drops = cluster.drops();
    expect([drops[Drop.NeighbourQueue], drops[Drop.NeighbourFailed]]).toEqual([44, 256]);
    expectAccounted(cluster);
  });
});

describe('the underlay', () => {
  const yaml = (extra: string, gwRoutes = '[]'): string => `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: p}
spec: {cidr: 10.65.0.0/16, blockSize: 26, ipipMode: Never, vxlanMode: Never}
---
apiVersion: v1
kind: List
items:
- {apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: n1}, spec: {bgp: {ipv4Address: 172.16.1.10/24}}}
- {apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: n2}, spec: {bgp: {ipv4Address: 172.16.2.10/24}}}
- {apiVersion: crd.projectcalico.org/v1, kind: IPAMBlock, metadata: {name: b1}, spec: {cidr: 10.65.1.0/26, affinity: "host:n1"}}
- {apiVersion: crd.projectcalico.org/v1, kind: IPAMBlock, metadata: {name: b2}, spec: {cidr: 10.65.2.0/26, affinity: "host:n2"}}
- {apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x}, spec: {nodeName: n1}, status: {podIP: 10.65.1.5}}
- {apiVersion: v1, kind: Pod, metadata: {name: b, namespace: x}, spec: {nodeName: n2}, status: {podIP: 10.65.2.5}}
---
apiVersion: podwire/v1
kind: Underlay
metadata: {name: lab}
spec:
  segments:
  - name: A
    members: [{name: n1, interface: eth0, address: 172.16.1.10/24}, {name: gw, interface: etha, address: 172.16.1.1/24}]
  - name: B
    members: [{name: n2, interface: eth0, address: 172.16.2.10/24}, {name: gw, interface: ethb, address: 172.16.2.1/24}, {name: host1, interface: eth0, address: 172.16.2.99/24}]
  routers: [{name: gw, routes: ${gwRoutes}}]
  hosts: [{name: host1, gateway: 172.16.2.1}]
  defaultGateway: {A: 172.16.1.1, B: 172.16.2.1}
${extra}`;

  it('a router that does not know pod ranges ends direct mode; one that does costs one TTL', () => {
    const lost = Cluster.fromYaml(yaml('')).send({ from: 'a', to: 'b' });
    expect([lost.outcome, lost.at, lost.reason]).toEqual(['dropped', 'gw', 'no-route']);
    const peered = Cluster.fromYaml(
      yaml('', '["10.65.2.0/26 via 172.16.2.10", "10.65.1.0/26 via 172.16.1.10"]'),
    );
    const trace = peered.send({ from: 'a', to: 'b' });
    expect(trace.outcome).toBe('delivered');
    const last = dissect(Buffer.from(trace.frames.at(-1)!.hex, 'hex')).layers[1];
    expect(last?.layer === 'ipv4' && last.ttl).toBe(61);
  });

  it('a fabric with source/destination check drops pod addresses in direct mode', () => {
    const checked = Cluster.fromYaml(yaml('  srcDstCheck: true'));
    const trace = checked.send({ from: 'a', to: 'b' });
    expect([trace.outcome, trace.reason]).toEqual(['dropped', 'underlay-src-dst-check']);
    expect(checked.send({ from: 'n1', to: 'n2' }).outcome).toBe('delivered');
    expectAccounted(checked);
  });

  it('hosts send through their gateway', () => {
    const cluster = Cluster.fromYaml(yaml(''));
    expect(cluster.send({ from: 'host1', to: 'n1' }).outcome).toBe('delivered');
    expect(cluster.send({ from: 'host1', to: 'a' })).toMatchObject({
      outcome: 'dropped',
      at: 'gw',
    });
  });
});

describe('the switch of a segment', () => {
  const segment = (count: number): string => `
apiVersion: v1
kind: List
items:
${Array.from({ length: count }, (_, i) => `- {apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: n${i + 1}}, spec: {bgp: {ipv4Address: 172.16.1.1${i}/24}}}`).join('\n')}
---
apiVersion: podwire/v1
kind: Underlay
metadata: {name: lab}
spec:
  segments:
  - name: A
    members: [${Array.from({ length: count }, (_, i) => `{name: n${i + 1}, interface: eth0, address: 172.16.1.1${i}/24}`).join(', ')}]
`;
  const MACS = ['02:00:00:00:00:01', '02:00:00:00:00:02', '02:00:00:00:00:03'].map(parseMac);

  /** Three nodes whose administrators wrote every neighbour down; frames seen at each NIC are counted. */
  function watched(neighbours: 'warm' | 'cold', flowCache = true) {
    const { plan } = Cluster.fromYaml(segment(3));
    const namespaces = plan.namespaces.map((ns, me) => ({
      ...ns,
      devices: ns.devices.map((d) => (d.name === 'eth0' ? { ...d, mac: MACS[me]! } : d)),
      neighbours: MACS.flatMap((mac, i) =>
        i === me
          ? []
          : [
              {
                device: 'eth0',
                address: parseIp4(`172.16.1.1${i}`),
                mac,
                state: 'PERMANENT' as const,
              },
            ],
      ),
    }));
    const cluster = Cluster.fromPlan({ ...plan, namespaces }, { neighbours, flowCache });
    const seen = [0, 0, 0];
    for (const i of [0, 1, 2]) {
      captureAt(cluster, cluster.names.port(`n${i + 1}:eth0`), {
        write: () => {
          seen[i]!++;
        },
      });
    }
    const send = (from: string, dst: string): number[] => {
      seen.fill(0);
      const node = cluster.names.find(from);
      const src = formatIp4(node.devices.find((d) => d.name === 'eth0')!.addresses[0]!);
      const layers = [
        { layer: 'ipv4', src, dst },
        { layer: 'udp', srcPort: 1, dstPort: 2 },
      ] as const;
      cluster.originate(node, buildFrame(layers));
      cluster.run();
      expectAccounted(cluster);
      return [...seen];
    };
    return { cluster, send };
  }

  it('floods what it has not learned, where nothing is known', () => {
    const { send } = watched('cold');
    expect(send('n1', '172.16.1.11')).toEqual([1, 1, 1]);
    // n2 has not spoken: podwire's hosts keep silent about what no socket takes.
    expect(send('n1', '172.16.1.11')).toEqual([1, 1, 1]);
    // n1 has, and so is known.
    expect(send('n2', '172.16.1.10')).toEqual([1, 1, 0]);
    expect(send('n1', '172.16.1.11')).toEqual([1, 1, 0]);
  });

  it('knows every member of a network in use', () => {
    const { send } = watched('warm');
    expect(send('n1', '172.16.1.11')).toEqual([1, 1, 0]);
  });

  it('follows a MAC to another place, flows that are known too', () => {
    for (const flowCache of [true, false]) {
      const { cluster, send } = watched('cold', flowCache);
      send('n2', '172.16.1.10');
      for (let i = 0; i < 3; i++) expect(send('n1', '172.16.1.11')).toEqual([1, 1, 0]);
      // Somebody at n3's port speaks with n2's MAC.
      const forged = buildFrame([
        { layer: 'ethernet', src: '02:00:00:00:00:02', dst: '02:00:00:00:00:01' },
        { layer: 'ipv4', src: '172.16.1.11', dst: '172.16.1.10', protocol: 253 },
      ]);
      cluster.depart(cluster.names.port('n3:eth0'), forged);
      cluster.run();
      for (let i = 0; i < 3; i++) expect(send('n1', '172.16.1.11')).toEqual([1, 0, 1]);
    }
  });
});

describe('one copy in, none inside', () => {
  it.each([VXLAN, IPIP, BGP])('%s', (folder) => {
    const cluster = loadCluster(folder);
    const node = cluster.names.find('kubia-d278t');
    const packet = buildFrame([
      { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136' },
      { layer: 'udp', srcPort: 1, dstPort: 2 },
    ]);
    const before = { ...counts };
    for (let i = 0; i < 100; i++) cluster.originate(node, packet);
    expect(counts.copies - before.copies).toBe(100);
    expect(counts.taken - before.taken).toBe(100);
    expect(cluster.counts.delivered).toBe(100);
  });
});

describe('clusters nobody here saw', () => {
  it('every pod reaches every pod, all packets accounted for, all frames sound', () => {
    fc.assert(
      fc.property(arbitraryCluster(), fc.boolean(), ({ yaml, pods, mode }, cold) => {
        const cluster = Cluster.fromYaml(yaml, 'any.yaml', { neighbours: cold ? 'cold' : 'warm' });
        const held = inUse();
        for (const from of pods) {
          for (const to of pods) {
            const trace = cluster.send({ from: from.name, to: to.name, protocol: 'udp' });
            const offSubnet = mode === 'direct' && trace.at === 'router';
            if (from.name === to.name || !offSubnet)
              expect(trace.outcome, `${from.name} > ${to.name}: ${trace.reason}`).toBe('delivered');
            for (const { hex } of trace.frames) {
              const raw = hex.startsWith('45') && !hex.startsWith('4500000000');
              const dissection = dissect(
                Buffer.from(hex, 'hex'),
                raw && hex.length % 2 === 0 && isIp(hex) ? { linkType: 101 } : {},
              );
              for (const layer of dissection.layers) {
                if ('checksumState' in layer) expect(layer.checksumState).toBe('valid');
              }
            }
          }
        }
        expectAccounted(cluster);
        expect(inUse()).toBe(held);
      }),
      { numRuns: 60 },
    );
  });

  /** A raw IP frame of tunl0: its total length is the frame's. */
  const isIp = (hex: string): boolean => Number.parseInt(hex.slice(4, 8), 16) === hex.length / 2;

  const judged = installed('tshark', 'written captures are not judged');

  it.skipIf(!judged)('four nodes, two subnets, CrossSubnet: tshark finds every frame sound', () => {
    const folder = mkdtempSync(join(tmpdir(), 'podwire-'));
    try {
      for (const [ipip, vxlan] of [
        ['CrossSubnet', 'Never'],
        ['Never', 'CrossSubnet'],
      ]) {
        const nodes = ['paris', 'oslo', 'rome', 'bern'];
        const yaml = [
          `apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: blue}\nspec: {cidr: 172.20.0.0/20, blockSize: 28, ipipMode: ${ipip}, vxlanMode: ${vxlan}}`,
          ...nodes.map(
            (n, i) =>
              `apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: ${n}}\nspec: {bgp: {ipv4Address: 10.9.${i % 2}.${20 + i}/24}}`,
          ),
          ...nodes.map(
            (n) =>
              `apiVersion: v1\nkind: Pod\nmetadata: {name: app-${n}, namespace: shop}\nspec: {nodeName: ${n}}`,
          ),
        ].join('\n---\n');
        const cluster = Cluster.fromYaml(yaml);
        const file = join(folder, `${ipip}.pcap`);
        const writer = new CaptureWriter(file);
        for (const n of nodes) captureAt(cluster, cluster.names.port(`${n}:eth0`), writer);
        let tunnelled = 0;
        for (const from of nodes) {
          for (const to of nodes) {
            const trace = cluster.send({
              from: `app-${from}`,
              to: `app-${to}`,
              protocol: 'tcp',
              size: 700,
            });
            expect(trace.outcome).toBe('delivered');
            const wrapped = trace.steps.some(
              (s) => s.room === 'ipip-out' || s.room === 'vxlan-out',
            );
            expect(wrapped).toBe(nodes.indexOf(from) % 2 !== nodes.indexOf(to) % 2);
            tunnelled += Number(wrapped);
          }
        }
        writer.close();
        expect(tunnelled).toBe(8);
        const checks = ['ip', 'udp', 'tcp'].flatMap((p) => ['-o', `${p}.check_checksum:TRUE`]);
        const bad = printed(
          'tshark',
          '-r',
          file,
          ...checks,
          '-Y',
          '_ws.malformed || _ws.expert.severity == error || ip.checksum.status == 0 || udp.checksum.status == 0 || tcp.checksum.status == 0',
        );
        expect(bad).toBe('');
        expect(tshark(file, ['ip.src'])).toHaveLength(writer.count);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('names', () => {
  const cluster = loadCluster(VXLAN);

  it.each([
    ['nope', /expected a pod \(default\/client, .*\) or a node \(k8s-master.*\), found "nope"/],
    ['default/nope', /found "default\/nope"/],
    ['', /found ""/],
  ])('%s is refused with what is there', (name, message) => {
    expect(() => cluster.send({ from: name, to: 'client' })).toThrow(message);
  });

  it('a destination may be more than a namespace', () => {
    expect(() => cluster.send({ from: 'client', to: 'nope' })).toThrow(
      /or a node \(.*\), or a service as NAME\.NAMESPACE or an IPv4 address, found "nope"/,
    );
  });

  it('a bare pod name must be unambiguous', () => {
    const yaml = `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: p}
spec: {cidr: 10.65.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: web}
spec: {bgp: {ipv4Address: 172.16.1.10/24}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: a}
spec: {nodeName: web}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: b}
spec: {nodeName: web}
`;
    const three = Cluster.fromYaml(yaml);
    expect(() => three.names.find('web')).toThrow(/expected one of web, a\/web, b\/web/);
    expect(three.names.find('b/web').name).toBe('b/web');
  });

  it('ports name a device that is there', () => {
    expect(() => cluster.names.port('k8s-node1:eth9')).toThrow(/expected a device of lo, enp1s0/);
    expect(() => cluster.names.port('k8s-node1')).toThrow(/expected NODE:DEVICE/);
  });

  it('an address stands for itself', () => {
    expect(formatIp4(cluster.names.address('10.2.169.136'))).toBe('10.2.169.136');
    expect(formatIp4(cluster.names.address('k8s-node2'))).toBe('192.168.33.57');
  });
});

describe('the same inputs and seed give the same bytes', () => {
  const digest = (seed: number): string =>
    JSON.stringify(loadCluster(VXLAN, { seed }).send({ ...pair, protocol: 'udp' }).frames);

  it('always', () => {
    expect(new Set(Array.from({ length: 10 }, () => digest(7))).size).toBe(1);
    expect(digest(8)).not.toBe(digest(7));
  });
});

it('a route that leads somewhere names its device', () => {
  const { plan } = loadCluster(BGP);
  const namespaces = plan.namespaces.map((n) => ({
    ...n,
    routes: n.routes.map(({ device: _, ...rest }) => rest),
  }));
  const cluster = Cluster.fromPlan({ ...plan, namespaces });
  expect(() => cluster.send(pair)).toThrow(/^route \S+: expected a device, found none$/);
});
