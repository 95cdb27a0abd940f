import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatIp4, formatMac } from '../../src/wire/address.ts';
import { planAs } from './bgp-cluster.ts';
import { block, node, plan, pod, pool, underlay } from './manifests.ts';
import { oracleThere, readScenario, scenarioYaml, tableLines } from './oracle-cluster.ts';
import { calicoLines, namespaceOf, routeLines } from './route-line.ts';

const DOCUMENT = join(process.cwd(), '../shared/documents/003_06bdd62466b25588.txt');
const documentThere = existsSync(DOCUMENT);
if (!documentThere) console.warn(`SKIPPED: document 003 is not at ${DOCUMENT}`);

const endpoint = (name: string, device: string, ip: string): string =>
  [
    'apiVersion: projectcalico.org/v3',
    'kind: WorkloadEndpoint',
    `metadata: {name: ${name}, namespace: default}`,
    `spec: {node: k8s-node1, pod: ${name}, interfaceName: ${device}, ipNetworks: [${ip}/32]}`,
  ].join('\n');

/** Document 003's cluster; `mode` is a line of the pool's spec. */
const documented = (mode: string) =>
  plan(
    pool({ more: [mode] }),
    node('k8s-master', '192.168.33.53/24', 'ipv4VXLANTunnelAddr: 10.2.235.193'),
    node('k8s-node1', '192.168.33.55/24', 'ipv4VXLANTunnelAddr: 10.2.36.72'),
    node('k8s-node2', '192.168.33.57/24', 'ipv4VXLANTunnelAddr: 10.2.169.137'),
    block('10.2.36.64/26', 'k8s-node1'),
    block('10.2.169.128/26', 'k8s-node2'),
    block('10.2.235.192/26', 'k8s-master'),
    endpoint('a', 'calif5eaaa317d1', '10.2.36.68'),
    endpoint('b', 'cali89dc4914562', '10.2.36.69'),
    endpoint('c', 'califd470b788cc', '10.2.36.70'),
    endpoint('d', 'calid2918f95dae', '10.2.36.71'),
    underlay(
      'segments:',
      '- name: A',
      '  members:',
      '  - {name: k8s-master, interface: enp1s0, address: 192.168.33.53/24}',
      '  - {name: k8s-node1, interface: enp1s0, mac: "52:54:00:85:ff:19", address: 192.168.33.55/24}',
      '  - {name: k8s-node2, interface: enp1s0, mac: "52:54:00:b2:72:8d", address: 192.168.33.57/24}',
      'defaultGateway: {A: 192.168.33.1}',
    ),
  );

describe('routes of document 003', () => {
  const lines = documentThere
    ? readFileSync(DOCUMENT, 'utf8')
        .split('\n')
        .map((line) => line.trimEnd())
    : [];
  const printed = (pattern: RegExp) => lines.filter((line) => pattern.test(line)).sort();
  const when = it.skipIf(!documentThere);
  const local = /^(blackhole 10\.2\.|10\.2\.\S+ dev cali)/;

  when('IPIP', () => {
    const expected = [...printed(local), ...printed(/^10\.2\.\S+ via .* dev tunl0 /)].sort();
    expect(expected).toHaveLength(7);
    expect(calicoLines(documented('ipipMode: Always'), 'k8s-node1')).toEqual(expected);
  });

  when('direct', () => {
    const expected = [...printed(local), ...printed(/^10\.2\.\S+ via .* dev enp1s0 /)].sort();
    expect(expected).toHaveLength(7);
    expect(calicoLines(documented('ipipMode: Never'), 'k8s-node1')).toEqual(expected);
  });

  when('VXLAN, with the FDB and ARP tables', () => {
    const made = documented('vxlanMode: Always');
    const remote = printed(/^10\.2\.\S+ via .* dev vxlan\.calico /);
    expect(remote).toHaveLength(2);
    // The document lists only what differs from IPIP; Felix owns the blackhole of a VXLAN pool.
    const pods = printed(/^10\.2\.\S+ dev cali/);
    const expected = [...pods, ...remote, 'blackhole 10.2.36.64/26 proto 80'].sort();
    expect(calicoLines(made, 'k8s-node1')).toEqual(expected);

    const at = namespaceOf(made, 'k8s-node1');
    const fdb = at.fdb.map(({ mac, device, destination, state }) => {
      return `${formatMac(mac)} dev ${device} dst ${formatIp4(destination!)} self ${state}`;
    });
    expect(fdb.sort()).toEqual(printed(/ dst .* self permanent/));
    const arp = at.neighbours.map(({ address, mac, device, state }) => {
      expect(state).toBe('PERMANENT');
      return `? (${formatIp4(address)}) at ${formatMac(mac!)} [ether] PERM on ${device}`;
    });
    expect(arp.sort()).toEqual(printed(/\[ether\] PERM on/));
    const device = at.devices.find(({ name }) => name === 'vxlan.calico')!;
    const [header, link] = printed(/^28: vxlan.calico|^ {4}vxlan id/);
    expect(
      `    vxlan id ${device.vxlan!.vni} local ${formatIp4(device.vxlan!.local)} dev ${device.vxlan!.parent}`,
    ).toBe(header!.split(' srcport')[0]);
    expect(link).toContain(`mtu ${device.mtu} qdisc ${device.qdisc} `);
    expect(device.queueLength).toBe(0);
  });
});

describe.skipIf(!oracleThere)('routes of the oracle', () => {
  it.each(['01-direct', '03-ipip', '04-vxlan', '05-ipip-cross', '06-vxlan-cross'])('%s', (name) => {
    const scenario = readScenario(name);
    const made = plan(scenarioYaml(scenario));
    const main = (namespace: string) =>
      tableLines(name, namespace, 'ip route show table all')
        .filter((line) => !line.includes(' table local '))
        .sort();
    for (const [alias, { hostname }] of Object.entries(scenario.nodes)) {
      expect(main(alias).length).toBeGreaterThan(4);
      expect([alias, ...routeLines(made, hostname)]).toEqual([alias, ...main(alias)]);
    }
    expect(routeLines(made, 'gw')).toEqual(main('gw'));
    for (const alias of Object.keys(scenario.pods)) {
      expect(routeLines(made, `default/${alias}`)).toEqual(main(alias));
    }
  });

  it.each(['01-direct', '03-ipip', '04-vxlan', '05-ipip-cross', '06-vxlan-cross'])(
    'and its devices: %s',
    (name) => {
      const scenario = readScenario(name);
      const made = plan(scenarioYaml(scenario));
      const real = (namespace: string) =>
        tableLines(name, namespace, 'ip -d link').flatMap((line) => {
          const match = /^(\d+): ([^:@]+)(?:@\S+)?: <(.*)> mtu (\d+) /.exec(line);
          // The ipip module's idle tunl0 of a namespace is not planned.
          if (match === null || !match[3]!.includes('UP')) return [];
          return [`${match[1]} ${match[2]} ${match[4]}`];
        });
      const planned = (namespace: string) =>
        namespaceOf(made, namespace).devices.map((d) => `${d.index} ${d.name} ${d.mtu}`);
      for (const [alias, { hostname }] of Object.entries(scenario.nodes)) {
        expect(planned(hostname)).toEqual(real(alias));
      }
      for (const alias of Object.keys(scenario.pods)) {
        expect(planned(`default/${alias}`)).toEqual(real(alias));
      }
    },
  );

  it('permanent neighbours and FDB of 04-vxlan', () => {
    const made = plan(scenarioYaml(readScenario('04-vxlan')));
    const { neighbours, fdb } = namespaceOf(made, 'k8s-node1');
    const real = tableLines('04-vxlan', 'node1', 'ip neigh').filter((l) => l.includes('PERMANENT'));
    expect(
      neighbours.map(
        (n) => `${formatIp4(n.address)} dev ${n.device} lladdr ${formatMac(n.mac!)} ${n.state}`,
      ),
    ).toEqual(real);
    const entries = tableLines('04-vxlan', 'node1', 'bridge fdb show').filter((l) =>
      l.includes(' dst '),
    );
    expect(
      fdb.map(
        (f) =>
          `${formatMac(f.mac)} dev ${f.device} dst ${formatIp4(f.destination!)} self ${f.state}`,
      ),
    ).toEqual(entries);
  });
});

/** Four nodes, two subnets, a router; no Underlay. */
const crossing = (mode: string) =>
  plan(
    pool({ name: 'blue', cidr: '172.20.0.0/18', more: ['blockSize: 27', mode] }),
    node('east-1', '10.9.1.11/24'),
    node('east-2', '10.9.1.12/24'),
    node('west-1', '10.9.2.21/24'),
    node('west-2', '10.9.2.22/24'),
    block('172.20.8.32/27', 'east-1'),
    block('172.20.9.64/27', 'east-2'),
    block('172.20.40.0/27', 'west-1'),
    block('172.20.63.224/27', 'west-2'),
    pod('web', 'east-1', '172.20.8.40'),
  );

describe('a four-node, two-subnet cluster', () => {
  const web = (made: ReturnType<typeof crossing>) =>
    namespaceOf(made, 'east-1').devices.find(({ kind }) => kind === 'veth')!.name;

  it('IPIP CrossSubnet', () => {
    const made = crossing('ipipMode: CrossSubnet');
    expect(routeLines(made, 'east-1')).toEqual(
      [
        'default via 10.9.1.1 dev eth0',
        '10.9.1.0/24 dev eth0 proto kernel scope link src 10.9.1.11',
        `172.20.8.40 dev ${web(made)} scope link`,
        'blackhole 172.20.8.32/27 proto bird',
        '172.20.9.64/27 via 10.9.1.12 dev eth0 proto bird',
        '172.20.40.0/27 via 10.9.2.21 dev tunl0 proto bird onlink',
        '172.20.63.224/27 via 10.9.2.22 dev tunl0 proto bird onlink',
      ].sort(),
    );
    expect(calicoLines(made, 'west-2')).toEqual(
      [
        '172.20.8.32/27 via 10.9.1.11 dev tunl0 proto bird onlink',
        '172.20.9.64/27 via 10.9.1.12 dev tunl0 proto bird onlink',
        '172.20.40.0/27 via 10.9.2.21 dev eth0 proto bird',
        'blackhole 172.20.63.224/27 proto bird',
      ].sort(),
    );
  });

  it('VXLAN CrossSubnet', () => {
    const made = crossing('vxlanMode: CrossSubnet');
    expect(calicoLines(made, 'east-1')).toEqual(
      [
        `172.20.8.40 dev ${web(made)} scope link`,
        'blackhole 172.20.8.32/27 proto 80',
        '172.20.9.64/27 via 10.9.1.12 dev eth0 proto 80 onlink',
        '172.20.40.0/27 via 172.20.40.0 dev vxlan.calico onlink',
        '172.20.63.224/27 via 172.20.63.224 dev vxlan.calico onlink',
      ].sort(),
    );
  });

  it('no encapsulation goes by the router that BIRD finds', () => {
    const made = crossing('natOutgoing: true');
    expect(calicoLines(made, 'east-2')).toEqual(
      [
        '172.20.8.32/27 via 10.9.1.11 dev eth0 proto bird',
        'blackhole 172.20.9.64/27 proto bird',
        '172.20.40.0/27 via 10.9.1.1 dev eth0 proto bird',
        '172.20.63.224/27 via 10.9.1.1 dev eth0 proto bird',
      ].sort(),
    );
  });

  it('joins the subnets with a router', () => {
    const made = crossing('ipipMode: CrossSubnet');
    expect(
      made.segments.map(({ name, members }) => [name, members.map((m) => m.namespace)]),
    ).toEqual([
      ['10.9.1.0/24', ['router', 'east-1', 'east-2']],
      ['10.9.2.0/24', ['router', 'west-1', 'west-2']],
    ]);
    expect(routeLines(made, 'router')).toEqual([
      '10.9.1.0/24 dev eth0 proto kernel scope link src 10.9.1.1',
      '10.9.2.0/24 dev eth1 proto kernel scope link src 10.9.2.1',
    ]);
    expect(namespaceOf(made, 'router').forwarding).toBe(true);
  });
});

describe('routes to single addresses', () => {
  const nodes = (extra: string[] = []) => [
    node('n1', '192.168.0.11/24'),
    node('n2', '192.168.0.12/24', ...extra),
    node('n3', '192.168.0.13/24'),
    block('10.2.0.0/26', 'n1'),
    block('10.2.0.64/26', 'n2'),
    block('10.2.0.128/26', 'n3'),
  ];
  const lines = (made: ReturnType<typeof plan>, name: string, prefix: string) =>
    calicoLines(made, name).filter((line) => line.startsWith(`${prefix} `));

  it('borrowed from another node’s block, in each mode', () => {
    const cases = [
      ['vxlanMode: Always', '10.2.0.7 via 10.2.0.64 dev vxlan.calico onlink'],
      ['vxlanMode: CrossSubnet', '10.2.0.7 via 192.168.0.12 dev eth0 proto 80 onlink'],
      ['ipipMode: Always', '10.2.0.7 via 192.168.0.12 dev tunl0 proto bird onlink'],
      ['ipipMode: Never', '10.2.0.7 via 192.168.0.12 dev eth0 proto bird'],
    ] as const;
    for (const [mode, expected] of cases) {
      const made = plan(pool({ more: [mode] }), ...nodes(), pod('guest', 'n2', '10.2.0.7'));
      // Also on n1, which owns the block, beside its blackhole.
      for (const name of ['n1', 'n3']) expect(lines(made, name, '10.2.0.7')).toEqual([expected]);
      expect(lines(made, 'n2', '10.2.0.7')[0]).toMatch(/^10\.2\.0\.7 dev cali\S{11} scope link$/);
      expect(lines(made, 'n2', '10.2.0.7')).toHaveLength(1);
    }
  });

  it('in a block that nobody claims: the block is the pod’s node’s', () => {
    const made = plan(
      pool({ more: ['vxlanMode: Always'] }),
      ...nodes(),
      pod('stray', 'n2', '10.2.77.1'),
    );
    expect(lines(made, 'n1', '10.2.77.0/26')).toEqual([
      '10.2.77.0/26 via 10.2.0.64 dev vxlan.calico onlink',
    ]);
    expect(made.assumptions.join('\n')).toContain('10.2.77.0/26 of n2');
  });

  it('in no pool: unencapsulated, and noted', () => {
    const made = plan(
      pool({ more: ['vxlanMode: Always'] }),
      ...nodes(),
      pod('odd', 'n2', '10.99.0.1'),
    );
    expect(lines(made, 'n1', '10.99.0.1')).toEqual([
      '10.99.0.1 via 192.168.0.12 dev eth0 proto bird',
    ]);
    expect(made.assumptions.join('\n')).toContain('IPPool around its address');
  });

  it('a VTEP outside its node’s blocks, or a block of its own, is on the device', () => {
    const vxlan = pool({ more: ['vxlanMode: Always'] });
    const texts = [vxlan, ...nodes(['ipv4VXLANTunnelAddr: 10.2.0.9'])];
    // Before v3.29 Felix has no route to it; next hops on the device are onlink anyway.
    expect(lines(plan(...texts), 'n1', '10.2.0.9')).toEqual([]);
    const borrowed = planAs('v3.29', ...texts);
    expect(lines(borrowed, 'n1', '10.2.0.9')).toEqual(['10.2.0.9 dev vxlan.calico scope link']);
    expect(lines(borrowed, 'n3', '10.2.0.64/26')).toEqual([
      '10.2.0.64/26 via 10.2.0.9 dev vxlan.calico onlink',
    ]);
    const own = plan(
      vxlan,
      ...nodes(['ipv4VXLANTunnelAddr: 10.2.9.9']),
      block('10.2.9.9/32', 'n2'),
    );
    expect(lines(own, 'n1', '10.2.9.9')).toEqual(['10.2.9.9 dev vxlan.calico scope link']);
    expect(calicoLines(own, 'n2').filter((line) => line.includes('10.2.9.9'))).toEqual([]);
  });

  it('an IPIP tunnel address outside its node’s blocks goes by BIRD', () => {
    const texts = nodes();
    texts[1] = texts[1]!.replace('/24', '/24\n    ipv4IPIPTunnelAddr: 10.2.0.9');
    const made = plan(pool({ more: ['ipipMode: Always'] }), ...texts);
    expect(lines(made, 'n1', '10.2.0.9')).toEqual([
      '10.2.0.9 via 192.168.0.12 dev tunl0 proto bird onlink',
    ]);
  });

  it('an allocation wins over a /32 block of another node', () => {
    const made = plan(
      pool({ more: ['ipipMode: Always'] }),
      ...nodes(),
      block('10.2.9.9/32', 'n2'),
      pod('guest', 'n3', '10.2.9.9'),
    );
    expect(lines(made, 'n1', '10.2.9.9')).toEqual([
      '10.2.9.9 via 192.168.0.13 dev tunl0 proto bird onlink',
    ]);
    expect(lines(made, 'n3', '10.2.9.9')).toHaveLength(1);
  });
});

describe('same subnet', () => {
  it('is decided by the local mask alone, so it can be one-sided', () => {
    const made = plan(
      pool({ more: ['vxlanMode: CrossSubnet'] }),
      node('wide', '10.0.1.1/16'),
      node('narrow', '10.0.2.1/24'),
      block('10.2.0.0/26', 'wide'),
      block('10.2.0.64/26', 'narrow'),
    );
    expect(calicoLines(made, 'wide')).toContain(
      '10.2.0.64/26 via 10.0.2.1 dev eth0 proto 80 onlink',
    );
    expect(calicoLines(made, 'narrow')).toContain(
      '10.2.0.0/26 via 10.2.0.0 dev vxlan.calico onlink',
    );
  });

  it('without a gateway BIRD’s route to a far node is unreachable', () => {
    const made = plan(
      pool(),
      node('a', '10.0.1.1/24'),
      node('b', '10.0.2.1/24'),
      block('10.2.0.0/26', 'a'),
      block('10.2.0.64/26', 'b'),
      underlay(
        'segments:',
        '- {name: A, members: [{name: a}]}',
        '- {name: B, members: [{name: b}]}',
      ),
    );
    expect(calicoLines(made, 'a')).toContain('unreachable 10.2.0.64/26 proto bird');
  });
});
