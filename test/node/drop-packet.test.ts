/** Ends that no other test comes to, each by the smallest packet that does. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { setLink } from '../../src/cluster/link-state.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { EthernetLayer, Ipv4Layer, Layer } from '../../src/frame/layer.ts';
import type { DevicePlan, NamespacePlan } from '../../src/plan/plan.ts';
import { formatMac, parseIp4, parseMac } from '../../src/wire/address.ts';
import {
  clusterOf,
  dropsOf,
  edited,
  expectAccounted,
  felix,
  lab,
  lines,
  pool,
  underlay,
  watch,
} from '../behaviour/lab.ts';
import { address, device, lo, namespace, route } from '../text/namespace.ts';

const clusterIn = (mode: string, ...more: string[]): Cluster =>
  clusterOf(lab(pool(mode), underlay(), ...more));
const direct = (): Cluster => clusterIn('ipipMode: Never');

const macOf = (cluster: Cluster, port: string): string =>
  formatMac(cluster.names.port(port).device.plan.mac!);

/** An Ethernet frame comes in on a device, to its MAC unless told otherwise. */
function enter(
  cluster: Cluster,
  port: string,
  layers: readonly Layer[],
  to: Partial<EthernetLayer> = {},
): void {
  const src = '02:00:00:00:00:66';
  const header: Layer = { layer: 'ethernet', src, dst: macOf(cluster, port), ...to };
  cluster.arrive(cluster.names.port(port), buildFrame([header, ...layers]));
}

const datagram = (dst: string, more: Partial<Ipv4Layer> = {}): Layer[] => [
  { layer: 'ipv4', src: '172.16.0.11', dst, ...more },
  { layer: 'udp', srcPort: 1, dstPort: 9 },
];
const OWN = '172.16.0.10';
const ELSEWHERE = '172.16.0.12';

const arp = (op: number, targetIp: string): Layer => ({
  ...{ layer: 'arp', op, senderMac: '02:00:00:00:00:99', senderIp: '172.16.0.11' },
  ...{ targetMac: '00:00:00:00:00:00', targetIp },
});

const ends: readonly (readonly [string, () => Cluster, (cluster: Cluster) => void])[] = [
  ['ethernet-type', direct, (c) => enter(c, 'n0:eth0', [], { type: 0x88b5 })],
  ['ipv4-checksum', direct, (c) => enter(c, 'n0:eth0', datagram(OWN, { checksum: 1 }))],
  [
    'unicast-in-group-frame',
    direct,
    (c) => enter(c, 'n0:eth0', datagram(ELSEWHERE), { dst: 'ff:ff:ff:ff:ff:ff' }),
  ],
  ['forwarding-off', direct, (c) => enter(c, 'ext:eth0', datagram(ELSEWHERE))],
  // 83: loose source and record route, of which one address is left.
  [
    'source-route',
    direct,
    (c) => enter(c, 'n0:eth0', datagram(OWN, { options: '830704ac10000c' })),
  ],
  [
    'icmp-checksum',
    direct,
    (c) =>
      enter(c, 'n0:eth0', [
        { layer: 'ipv4', src: '172.16.0.11', dst: OWN },
        { layer: 'icmp', type: 'echo-request', id: 1, seq: 1, checksum: 1 },
      ]),
  ],
  [
    'device-down',
    direct,
    (c) => {
      setLink(c, 'n0:eth0', { up: false });
      enter(c, 'n0:eth0', datagram(OWN));
    },
  ],
  [
    'link-nowhere',
    direct,
    (c) => {
      const src = macOf(c, 'n0:eth0');
      const header: Layer = { layer: 'ethernet', src, dst: '02:00:00:00:00:77' };
      c.depart(c.names.port('n0:eth0'), buildFrame([header, ...datagram(OWN)]));
    },
  ],
  [
    'tunnel-off',
    () => clusterIn('ipipMode: Always'),
    (c) => {
      setLink(c, 'n0:tunl0', { up: false });
      enter(c, 'n0:eth0', [
        { layer: 'ipv4', src: '172.16.0.11', dst: OWN },
        ...datagram('10.65.0.2'),
      ]);
    },
  ],
  [
    'ecn-corrupt',
    () => clusterIn('ipipMode: Always'),
    (c) =>
      enter(c, 'n0:eth0', [
        { layer: 'ipv4', src: '172.16.0.11', dst: OWN, tos: 3 },
        ...datagram('10.65.0.2'),
      ]),
  ],
  ['vxlan-vni', vxlan, (c) => enter(c, 'n0:eth0', inVxlan(c, 4097, '02:00:00:00:00:99'))],
  ['vxlan-loop', vxlan, (c) => enter(c, 'n0:eth0', inVxlan(c, 4096, macOf(c, 'n0:vxlan.calico')))],
  [
    'vxlan-entry-exists',
    // A device that learns: n2's VTEP is where Felix said, and speaks from n1.
    () => Cluster.fromPlan(edited(vxlan().plan, 'n0', learning)),
    (c) => enter(c, 'n0:eth0', inVxlan(c, 4096, macOf(c, 'n2:vxlan.calico'))),
  ],
  [
    'wireguard-tag',
    () => clusterIn('ipipMode: Never', felix('wireguardEnabled: true')),
    (c) => {
      const seen = watch(c, 'n0:eth0');
      c.send({ from: 'w0', to: '10.65.1.2' });
      const data = Buffer.from(seen.findLast((frame) => frame[42] === 4)!);
      data[data.length - 1]! ^= 1;
      // Its UDP checksum says nothing then.
      data.writeUInt16BE(0, 40);
      c.arrive(c.names.port('n1:eth0'), data);
    },
  ],
  ['arp-ignored', direct, (c) => enter(c, 'n0:eth0', [arp(1, '127.0.0.1')], ARP)],
  ['arp-ignored', direct, (c) => enter(c, 'n0:eth0', [arp(2, '224.0.0.5')], ARP)],
  ['arp-ignored', direct, (c) => enter(c, 'n0:eth0', [arp(3, OWN)], ARP)],
];
const ARP = { dst: 'ff:ff:ff:ff:ff:ff' };

function vxlan(): Cluster {
  return clusterIn('vxlanMode: Always');
}

const learning = (ns: NamespacePlan): Partial<NamespacePlan> => ({
  devices: ns.devices.map(
    (d): DevicePlan =>
      d.vxlan === undefined ? d : { ...d, vxlan: { ...d.vxlan, learning: true } },
  ),
});

const inVxlan = (cluster: Cluster, vni: number, src: string): Layer[] => [
  { layer: 'ipv4', src: '172.16.0.11', dst: OWN },
  { layer: 'udp', srcPort: 40_000, dstPort: 4789 },
  { layer: 'vxlan', vni },
  { layer: 'ethernet', src, dst: macOf(cluster, 'n0:vxlan.calico') },
  ...datagram('10.65.0.2'),
];

/** Two routers that send everything to each other, by five bridges. */
function farRouters(): Cluster {
  const bridges = 5;
  const end = (name: string, i: number, at: number, more: Partial<DevicePlan> = {}): DevicePlan =>
    device({ name, index: 5 + i, mac: parseMac(`02:00:00:00:0${i}:0${at}`), ...more });
  const router = (i: number, peer: string): NamespacePlan => {
    const [namespace_ = '', port = ''] = peer.split(':');
    const other = `10.1.0.${2 - i}`;
    const addresses = [address(`10.1.0.${i + 1}/24`)];
    const eth0 = end('eth0', i, 9, { addresses, peer: { namespace: namespace_, device: port } });
    const gateway = route('default', { device: 'eth0', via: parseIp4(other) });
    const link = route('10.1.0.0/24', { device: 'eth0', protocol: 'kernel', scope: 'link' });
    return namespace({
      name: `r${i}`,
      role: 'router',
      devices: [lo, eth0],
      routes: [gateway, link],
    });
  };
  const bridge = (at: number): NamespacePlan => {
    const left = at === 0 ? 'r0:eth0' : `sw${at - 1}:right`;
    const right = at === bridges - 1 ? 'r1:eth0' : `sw${at + 1}:left`;
    const ports = Object.entries({ left, right }).map(([name, to], i) => {
      const [there = '', port = ''] = to.split(':');
      return end(name, i, at, { master: 'br0', peer: { namespace: there, device: port } });
    });
    const br0 = device({
      name: 'br0',
      index: 2,
      kind: 'bridge',
      mac: parseMac('02:00:00:01:00:00'),
    });
    return namespace({ name: `sw${at}`, role: 'router', devices: [lo, br0, ...ports] });
  };
  return Cluster.fromPlan({
    namespaces: [
      router(0, 'sw0:left'),
      router(1, `sw${bridges - 1}:right`),
      ...Array.from({ length: bridges }, (_, at) => bridge(at)),
    ],
    segments: [],
    pools: [],
    free: { identifications: [], vxlanSourcePorts: [] },
    assumptions: [],
    ignored: [],
  });
}

describe('a packet ends', () => {
  it.each(ends)('by %s', (name, make, act) => {
    const cluster = make();
    act(cluster);
    cluster.run();
    expect(dropsOf(cluster)[name]).toBe(1);
    expectAccounted(cluster);
  });

  // Linux 6.18 did the same: 255 frames, and an error that comes back to its sender.
  it('by its TTL alone between routers, whatever bridges are on the way', () => {
    const cluster = farRouters();
    const seen = watch(cluster, 'r0:eth0');
    enter(cluster, 'r0:eth0', datagram('9.9.9.9', { src: '9.9.9.8', ttl: 255 }));
    expect(seen.filter((frame) => frame[23] === 17).map((frame) => frame[22])).toEqual(
      Array.from({ length: 255 }, (_, i) => 255 - i),
    );
    expect(seen.filter((frame) => frame[23] === 1).map((frame) => frame[22])).toEqual([64, 63]);
    expect(dropsOf(cluster)).toEqual({ 'ttl-expired': 1, 'martian-source': 1 });
    expectAccounted(cluster);
  });

  // What Linux 6.18 did with the same ten frames, and two that are cut.
  it('or is taken where its VLAN tags only give a priority', () => {
    const fate = (tags: string, rest?: string): string => {
      const cluster = direct();
      const untagged = buildFrame([
        { layer: 'ethernet', src: '02:00:00:00:00:66', dst: macOf(cluster, 'n0:eth0') },
        ...datagram(OWN),
      ]).toString('hex');
      const frame = untagged.slice(0, 24) + tags + (rest ?? untagged.slice(24));
      cluster.arrive(cluster.names.port('n0:eth0'), Buffer.from(frame, 'hex'));
      expectAccounted(cluster);
      return Object.keys(dropsOf(cluster))[0] ?? 'taken';
    };
    for (const tags of ['', '81000000', '88a80000', '8100000081000000', '8100e000', '81001000']) {
      expect(fate(tags)).toBe('taken');
    }
    expect(fate('88a8000081000000')).toBe('taken');
    for (const tags of ['81000005', '88a80005', '8100000081000007']) {
      expect(fate(tags)).toBe('vlan-unknown');
    }
    expect(fate('8100', '00')).toBe('ethernet-short');
    expect(fate('81000000', '08')).toBe('ethernet-short');
  });

  // Linux 6.18 was asked the same.
  it('and ARP about no station, or of another kind, teaches nothing', () => {
    const told = (operation: number, target: string): string | undefined => {
      const cluster = direct();
      enter(cluster, 'n0:eth0', [arp(operation, target)], ARP);
      return lines(cluster, 'n0', 'ip neigh').find((line) => line.startsWith('172.16.0.11 '));
    };
    const known = told(1, '127.0.0.1');
    expect(known).not.toContain('02:00:00:00:00:99');
    expect(told(1, '224.0.0.5')).toBe(known);
    expect(told(3, OWN)).toBe(known);
    expect(told(2, '127.0.0.1')).toBe(known);
    expect(told(1, OWN)).toContain('02:00:00:00:00:99');
  });
});
