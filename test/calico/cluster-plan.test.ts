import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterPlan, DevicePlan } from '../../src/plan/plan.ts';
import {
  contains,
  formatIp4,
  formatMac,
  formatPrefix,
  type Ip4,
  overlaps,
} from '../../src/wire/address.ts';
import { block, freeInputs, node, plan, pod, pool, underlay } from './manifests.ts';
import { namespaceOf, routeLines } from './route-line.ts';

const summary = ({
  index,
  name,
  kind,
  mac,
  mtu,
  addresses,
  qdisc,
  queueLength,
}: DevicePlan): string =>
  [
    index,
    name,
    kind,
    mac === undefined ? '-' : formatMac(mac),
    mtu,
    addresses.map(formatPrefix).join() || '-',
    qdisc,
    queueLength,
  ].join(' ');

const lab = (mtu: number, device = 'eth0') =>
  underlay(
    'segments:',
    `- {name: A, mtu: ${mtu}, members: [{name: n1, interface: ${device}}, {name: n2, interface: ${device}}]}`,
  );
const two = [
  node('n1', '10.0.0.11/24', 'ipv4VXLANTunnelAddr: 10.2.0.1'),
  node(
    'n2',
    '10.0.0.12/24',
    'ipv4VXLANTunnelAddr: 10.2.0.65',
    'vxlanTunnelMACAddr: "66:00:00:00:00:02"',
  ),
  block('10.2.0.0/26', 'n1'),
  block('10.2.0.64/26', 'n2'),
];

describe('cluster-plan', () => {
  it('plans the devices of a VXLAN node and its pods', () => {
    const made = plan(
      pool({ more: ['vxlanMode: Always'] }),
      ...two,
      pod('b', 'n1', '10.2.0.3'),
      pod('a', 'n1', '10.2.0.2'),
    );
    const { devices, forwarding, neighbours, fdb } = namespaceOf(made, 'n1');
    const nic = formatMac(devices[1]!.mac!);
    expect(devices.map(summary)).toEqual([
      '1 lo loopback - 65536 127.0.0.1/8 noqueue 1000',
      `2 eth0 nic ${nic} 1500 10.0.0.11/24 fq_codel 1000`,
      // SHA-1 of "n1", by sha1sum.
      '3 vxlan.calico vxlan 66:40:b3:ea:b6:3f 1450 10.2.0.1/32 noqueue 0',
      `4 ${devices[3]!.name} veth ee:ee:ee:ee:ee:ee 1450 - noqueue 0`,
      `5 ${devices[4]!.name} veth ee:ee:ee:ee:ee:ee 1450 - noqueue 0`,
    ]);
    expect(forwarding).toBe(true);
    expect(devices.map(({ proxyArp }) => proxyArp)).toEqual([false, false, false, true, true]);
    expect(devices.slice(3).map(({ peer }) => peer)).toEqual([
      { namespace: 'default/a', device: 'eth0' },
      { namespace: 'default/b', device: 'eth0' },
    ]);
    expect(devices[2]!.vxlan).toEqual({
      vni: 4096,
      port: 4789,
      local: (10 << 24) | 11,
      parent: 'eth0',
    });
    expect(
      neighbours.map((n) => `${n.device} ${formatIp4(n.address)} ${formatMac(n.mac!)} ${n.state}`),
    ).toEqual(['vxlan.calico 10.2.0.65 66:00:00:00:00:02 PERMANENT']);
    expect(
      fdb.map((f) => `${f.device} ${formatMac(f.mac)} ${formatIp4(f.destination!)} ${f.state}`),
    ).toEqual(['vxlan.calico 66:00:00:00:00:02 10.0.0.12 permanent']);

    const inside = namespaceOf(made, 'default/a');
    expect(inside).toMatchObject({
      role: 'pod',
      node: 'n1',
      forwarding: false,
      neighbours: [],
      fdb: [],
    });
    expect(inside.devices[1]!.peer).toEqual({ namespace: 'n1', device: devices[3]!.name });
    expect(inside.devices.map((d) => `${d.index} ${d.name} ${d.mtu} ${d.queueLength}`)).toEqual([
      '1 lo 65536 1000',
      '2 eth0 1450 0',
    ]);
    expect(routeLines(made, 'default/a')).toEqual([
      '169.254.1.1 dev eth0 scope link',
      'default via 169.254.1.1 dev eth0',
    ]);
  });

  it('puts eth0 at 3 in pods where the ipip module is loaded', () => {
    const made = plan(pool({ more: ['ipipMode: Always'] }), ...two, pod('a', 'n1', '10.2.0.2'));
    expect(namespaceOf(made, 'default/a').devices.map(({ index }) => index)).toEqual([1, 3]);
    const tunnel = namespaceOf(made, 'n1').devices[2]!;
    expect(summary(tunnel)).toBe('3 tunl0 ipip - 1480 10.2.0.0/32 noqueue 1000');
    expect(namespaceOf(made, 'n1').neighbours).toEqual([]);
  });

  it.each([
    ['ipipMode: Never', 1500, 'eth0', [1500]],
    ['ipipMode: Always', 1500, 'enp1s0', [1480, 1480]],
    ['vxlanMode: CrossSubnet', 1500, 'ens5', [1450, 1450]],
    ['vxlanMode: Always', 9000, 'eno1', [8950, 8950]],
    ['vxlanMode: Always', 1460, 'ens4', [1410, 1410]],
    // Felix sees no uplink in lan0 and starts from 1460.
    ['vxlanMode: Always', 1500, 'lan0', [1410, 1410]],
  ])('MTUs of %s over %i on %s', (mode, mtu, device, expected) => {
    const made = plan(pool({ more: [mode] }), ...two, lab(mtu, device), pod('a', 'n1', '10.2.0.2'));
    const { devices } = namespaceOf(made, 'n1');
    expect(devices[1]!.mtu).toBe(mtu);
    expect(devices.slice(2).map((d) => d.mtu)).toEqual(expected);
    expect(namespaceOf(made, 'default/a').devices[1]!.mtu).toBe(expected.at(-1));
    expect(made.assumptions.some((note) => note.includes('1460'))).toBe(device === 'lan0');
  });

  it('pod MTU leaves room for the largest encapsulation of all pools', () => {
    const made = plan(
      pool({ name: 'a', cidr: '10.2.0.0/24', more: ['ipipMode: Always'] }),
      pool({ name: 'b', cidr: '10.3.0.0/24', more: ['vxlanMode: Always'] }),
      ...two,
      pod('a', 'n1', '10.2.0.2'),
    );
    expect(
      namespaceOf(made, 'n1')
        .devices.map((d) => `${d.index} ${d.name} ${d.mtu}`)
        .slice(2, 4),
    ).toEqual(['3 vxlan.calico 1450', '4 tunl0 1480']);
    expect(namespaceOf(made, 'default/a').devices[1]!.mtu).toBe(1450);
  });

  it('carries free inputs to devices and to the plan', () => {
    const made = plan(
      pool({ more: ['vxlanMode: Always'] }),
      ...two,
      pod('kubia', 'n1', '10.2.0.2'),
      freeInputs(
        'identifications:',
        '- {node: n1, source: 10.0.0.11, destination: 10.0.0.12, protocol: udp, next: 4711}',
        'vxlanSourcePorts:',
        '- {node: n1, source: "10.2.169.136:52920", destination: "10.2.36.71:8080", protocol: tcp, port: 36628}',
        '- {node: n1, source: 10.2.0.2, destination: 10.2.0.66, protocol: icmp, port: 40000}',
        'checksumOffload:',
        '- {node: default/kubia, device: eth0}',
        'ifindex:',
        '- {node: n1, device: vxlan.calico, index: 28}',
        '- {node: n1, device: eth0, index: 3}',
        'listeners:',
        '- {node: default/kubia, tcp: [8080, 9090]}',
        '- {node: n1, udp: [53]}',
      ),
    );
    expect(made.free.listeners).toEqual([
      { node: 'default/kubia', tcp: [8080, 9090], udp: [] },
      { node: 'n1', tcp: [], udp: [53] },
    ]);
    expect(made.free.identifications).toEqual([
      {
        node: 'n1',
        source: (10 << 24) | 11,
        destination: (10 << 24) | 12,
        protocol: 17,
        next: 4711,
      },
    ]);
    expect(made.free.vxlanSourcePorts).toMatchObject([
      { protocol: 6, sourcePort: 52920, destinationPort: 8080, port: 36628 },
      { protocol: 1, sourcePort: 0, destinationPort: 0, port: 40000 },
    ]);
    expect(formatIp4(made.free.vxlanSourcePorts[0]!.source)).toBe('10.2.169.136');
    const indices = namespaceOf(made, 'n1').devices.map(({ name, index }) => [name, index]);
    expect(Object.fromEntries(indices)).toMatchObject({ lo: 1, eth0: 3, 'vxlan.calico': 28 });
    expect(indices[3]![1]).toBe(2);
    const offloaded = made.namespaces.flatMap((n) =>
      n.devices.filter((d) => d.checksumOffload).map((d) => `${n.name} ${d.name}`),
    );
    expect(offloaded).toEqual(['default/kubia eth0']);
  });

  it('makes an endpoint’s stated MAC a permanent neighbour, a pod’s annotation not', () => {
    const made = plan(
      pool(),
      ...two,
      pod('plain', 'n1', '10.2.0.2').replace(
        '  name: plain',
        '  name: plain\n  annotations: {cni.projectcalico.org/hwAddr: 02:00:00:00:00:07}',
      ),
      'apiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\nmetadata: {name: w}\nspec: {node: n1, pod: stated, ipNetworks: [10.2.0.3/32], mac: "02:00:00:00:00:08"}',
    );
    expect(formatMac(namespaceOf(made, 'default/plain').devices[1]!.mac!)).toBe(
      '02:00:00:00:00:07',
    );
    expect(
      namespaceOf(made, 'n1').neighbours.map(({ address, mac }) => [
        formatIp4(address),
        formatMac(mac!),
      ]),
    ).toEqual([['10.2.0.3', '02:00:00:00:00:08']]);
  });

  it('does not depend on the order of resources or files', () => {
    const texts = [
      pool({ more: ['ipipMode: CrossSubnet'] }),
      ...two,
      pod('a', 'n1'),
      pod('b', 'n2'),
      pod('c', 'n1'),
    ];
    const expected = JSON.stringify(plan(...texts));
    fc.assert(
      fc.property(fc.shuffledSubarray(texts, { minLength: texts.length }), (shuffled) => {
        expect(JSON.stringify(plan(...shuffled))).toBe(expected);
      }),
      { numRuns: 30 },
    );
  });
});

const MODES = [
  'ipipMode: Never',
  'ipipMode: Always',
  'ipipMode: CrossSubnet',
  'vxlanMode: Always',
  'vxlanMode: CrossSubnet',
];

const clusters = fc.record({
  mode: fc.constantFrom(...MODES),
  blockSize: fc.integer({ min: 26, max: 30 }),
  /** Subnet of each node. */
  nodes: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 7 }),
  /** Node of each pod, and where its address is stated, an offset in the pool. */
  pods: fc.array(
    fc.record({ on: fc.nat(), offset: fc.option(fc.integer({ min: 0, max: 2000 })) }),
    { maxLength: 12 },
  ),
  /** Nodes that are given a block, far up in the pool. */
  given: fc.uniqueArray(fc.nat({ max: 30 }), { maxLength: 4 }),
});

function randomCluster({
  mode,
  blockSize,
  nodes,
  pods,
  given,
}: Parameters<typeof describeCluster>[0]): ClusterPlan {
  return plan(...describeCluster({ mode, blockSize, nodes, pods, given }));
}

function describeCluster(c: {
  mode: string;
  blockSize: number;
  nodes: number[];
  pods: { on: number; offset: number | null }[];
  given: number[];
}): string[] {
  const name = (i: number) => `node-${i % c.nodes.length}`;
  const offsets = new Set<number>();
  const size = 2 ** (32 - c.blockSize);
  return [
    pool({ cidr: '10.64.0.0/16', more: [c.mode, `blockSize: ${c.blockSize}`] }),
    ...c.nodes.map((subnet, i) => node(name(i), `172.16.${subnet}.${20 + i}/24`)),
    ...c.given.map((n, i) => {
      const start = 1024 + n * size;
      return block(`10.64.${start >> 8}.${start & 255}/${c.blockSize}`, name(i));
    }),
    ...c.pods.map(({ on, offset }, i) => {
      if (offset === null || offsets.has(offset)) return pod(`pod-${i}`, name(on));
      offsets.add(offset);
      return pod(`pod-${i}`, name(on), `10.64.${offset >> 8}.${offset & 255}`);
    }),
  ];
}

describe('any cluster', () => {
  it('has unique addresses, indices and names, and routes every pod to its node', () => {
    fc.assert(
      fc.property(clusters, (description) => {
        const made = randomCluster(description);
        const nodes = made.namespaces.filter(({ role }) => role === 'node');
        const pods = made.namespaces.filter(({ role }) => role === 'pod');

        const addresses = made.namespaces.flatMap((n) =>
          n.devices.flatMap((d) =>
            d.kind === 'loopback' ? [] : d.addresses.map((a) => a.address),
          ),
        );
        expect(new Set(addresses).size).toBe(addresses.length);
        for (const { devices } of made.namespaces) {
          expect(new Set(devices.map(({ index }) => index)).size).toBe(devices.length);
          expect(new Set(devices.map(({ name }) => name)).size).toBe(devices.length);
        }

        const ownerOf = new Map(
          nodes.map((n) => [n.devices[1]!.addresses[0]!.address as Ip4, n.name]),
        );
        for (const n of nodes) {
          for (const { address, devices } of n.neighbours.map((e) => ({
            address: e.address,
            devices: n.fdb.filter((f) => f.mac === e.mac),
          }))) {
            ownerOf.set(address, ownerOf.get(devices[0]!.destination!)!);
          }
        }
        const prefixes = (n: (typeof nodes)[number]) =>
          n.routes.map((r) => formatPrefix(r.destination));
        for (const n of nodes) {
          expect(new Set(prefixes(n)).size).toBe(n.routes.length);
          for (const p of pods) {
            const target = p.devices[1]!.addresses[0]!.address;
            // The slow twin of a lookup: the longest prefix that holds the address.
            const best = n.routes
              .filter((r) => contains(r.destination, target))
              .sort((a, b) => b.destination.length - a.destination.length)[0]!;
            if (p.node === n.name) expect(best.device).toBe(p.devices[1]!.peer!.device);
            else if (
              best.protocol === 'bird' &&
              best.device === 'eth0' &&
              !ownerOf.has(best.via!)
            ) {
              // By the router: the owner must be in another subnet.
              const gateway = n.routes.find((r) => r.destination.length === 0)!.via;
              expect(best.via).toBe(gateway);
            } else expect(ownerOf.get(best.via!)).toBe(p.node);
          }
        }
        const blackholes = nodes.flatMap((n) =>
          n.routes.filter((r) => r.type === 'blackhole').map((r) => r.destination),
        );
        blackholes.forEach((a, i) => {
          for (const b of blackholes.slice(i + 1)) expect(overlaps(a, b)).toBe(false);
        });
      }),
      { numRuns: 200 },
    );
  });
});
