import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseYaml } from '../../src/calico/yaml-document.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { Inventory } from '../../src/plan/plan.ts';
import { printYaml } from '../../src/text/calicoctl-yaml.ts';
import { runCommand } from '../../src/text/command.ts';
import { formatIp4, parseMac } from '../../src/wire/address.ts';
import { block, inventory, node, pool, session } from './inventory.ts';
import { address, device, documentText, namespace, trimLines } from './namespace.ts';

const node1 = namespace({ name: 'node1' });
const run = (facts: Inventory, command: string, since = (): string => '22:05:48'): string =>
  runCommand(node1, command.split(' '), { inventory: facts, since });

const lab = inventory({
  pools: [
    pool('external-pool', '198.19.24.0/21', { blockSize: 29, nodeSelector: '!all()' }),
    pool('default-ipv4-ippool', '198.19.16.0/21'),
  ],
  nodes: [
    node('node2', '198.19.0.3/20', { asNumber: 64513 }),
    node('node1', '198.19.0.2/20'),
    node('spare'),
  ],
});

const one = documentText('001');

describe('calicoctl get', () => {
  it.skipIf(one === undefined)('ippools, as in the document', () => {
    const text = run(lab, 'calicoctl get ippools');
    expect(one).toContain(`calicoctl get ippools\n${text}`);
    expect(text.endsWith('!all()     \n\n')).toBe(true);
  });

  it('every cell is at least five wide and padded by three', () => {
    expect(run(inventory({ nodes: [node('a')] }), 'calicoctl get no')).toBe('NAME   \na      \n\n');
    expect(run(lab, 'calicoctl get node -o wide')).toBe(
      'NAME    ASN       IPV4            IPV6   \n' +
        'node1   (64512)   198.19.0.2/20          \n' +
        'node2   64513     198.19.0.3/20          \n' +
        'spare                                    \n\n',
    );
  });

  it('a column for the assignment mode came with v3.30', () => {
    const command = 'calicoctl get ippool external-pool -o wide';
    expect(run(lab, command).split('\n')[0]).toMatch(/DISABLEBGPEXPORT {3}SELECTOR {3}$/);
    expect(run({ ...lab, release: 'v3.30' }, command)).toMatch(
      /SELECTOR {3}ASSIGNMENTMODE {3}\n.*!all\(\) {5}Automatic {8}\n\n$/,
    );
  });

  it('workload endpoints by namespace', () => {
    const pod = (name: string, ip: string, cali: string) =>
      namespace({
        name,
        role: 'pod',
        node: 'node1',
        devices: [
          device({
            name: 'eth0',
            index: 3,
            mac: parseMac('02:00:00:00:00:01'),
            addresses: [address(ip)],
            peer: { namespace: 'node1', device: cali },
          }),
        ],
      });
    const namespaces = [
      node1,
      pod('default/a', '10.2.36.71/32', 'cali1'),
      pod('shop/web', '10.2.36.72/32', 'cali2'),
    ];
    const get = (...words: string[]): string =>
      runCommand(node1, ['calicoctl', 'get', 'wep', ...words], { inventory: lab, namespaces });
    expect(get()).toBe(
      'WORKLOAD   NODE    NETWORKS        INTERFACE   \n' +
        'a          node1   10.2.36.71/32   cali1       \n\n',
    );
    expect(get('-a').split('\n')[2]).toBe(
      'shop        web        node1   10.2.36.72/32   cali2       ',
    );
    expect(get('-n', 'shop')).toContain('\nshop        web ');
  });

  it.each([
    [
      'calicoctl get ippool nope',
      'expected a name of IPPool (default-ipv4-ippool, external-pool), found "nope"',
    ],
    ['calicoctl get pod', 'expected ippool|node|workloadendpoint|felixconfiguration'],
    ['calicoctl get node -o xml', 'expected -o wide, -o yaml or -o json, found "xml"'],
    ['calicoctl delete node x', 'expected get ippool'],
    ['calicoctl', 'expected get ippool'],
    ['calicoctl ipam show --ip=x', 'expected an IPv4 address, found "x"'],
  ])('%s is refused', (command, message) => expect(() => run(lab, command)).toThrow(message));

  it('is not there in pods, nor without an inventory', () => {
    const pod = namespace({ name: 'default/a', role: 'pod' });
    expect(() => runCommand(pod, ['calicoctl', 'get', 'node'], { inventory: lab })).toThrow(
      'expected a node or host',
    );
    expect(() => runCommand(node1, ['calicoctl', 'get', 'node'])).toThrow('found "tables only"');
  });
});

describe('calicoctl get -o yaml', () => {
  const two = documentText('002');

  it.skipIf(two === undefined)('prints a node as it was read', () => {
    for (const name of ['master1', 'master2']) {
      const start = two!.indexOf(`calicoctl get node ${name} -o yaml`);
      const text = /\napiVersion[\s\S]*?(?=```)/.exec(two!.slice(start))![0].slice(1);
      const [document] = parseYaml(text, 'document 002');
      const manifest: unknown = JSON.parse(JSON.stringify(document!.root));
      const facts = inventory({ nodes: [node(name, undefined, { manifest })] });
      expect(run(facts, `calicoctl get node ${name} -o yaml`)).toBe(text);
    }
  });

  it('makes a node from facts, and lists a listing', () => {
    const facts = node('node1', '10.0.0.1/24', {
      asNumber: 64513,
      ipipTunnel: block('10.2.0.0/26', 'x', { '10.2.0.1': 'y' }).allocations[0]!.address,
      wireguardPublicKey: 'Gx7A7Sf27JT3H5S11wciL6PTpGwSloipBGhjzKGTsw0=',
    });
    expect(run(inventory({ nodes: [facts] }), 'calicoctl get nodes -o yaml')).toBe(
      `apiVersion: projectcalico.org/v3
items:
- apiVersion: projectcalico.org/v3
  kind: Node
  metadata:
    name: node1
  spec:
    addresses:
    - address: 10.0.0.1/24
      type: CalicoNodeIP
    bgp:
      asNumber: 64513
      ipv4Address: 10.0.0.1/24
      ipv4IPIPTunnelAddr: 10.2.0.1
    orchRefs:
    - nodeName: node1
      orchestrator: k8s
  status:
    wireguardPublicKey: Gx7A7Sf27JT3H5S11wciL6PTpGwSloipBGhjzKGTsw0=
kind: NodeList
metadata: {}
`,
    );
  });

  it('leaves out flags that are false, and quotes a selector as Go does', () => {
    expect(run(lab, 'calicoctl get ippool external-pool -o yaml')).toBe(
      `apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: external-pool
spec:
  allowedUses:
  - Workload
  - Tunnel
  blockSize: 29
  cidr: 198.19.24.0/21
  ipipMode: Never
  natOutgoing: true
  nodeSelector: '!all()'
  vxlanMode: Never
`,
    );
  });

  it('whatever is printed reads back', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = printYaml({ value });
        const [document] = parseYaml(text, 'printed');
        // -0 is 0 in JSON.
        expect(JSON.parse(JSON.stringify(document!.root))).toEqual(
          JSON.parse(JSON.stringify({ value })),
        );
      }),
    );
  });

  it.each(['2278', '1e3', 'yes', '~', '', '2025-03-11T17:26:46Z', '0x1f', '10:30'])(
    'text that looks like another type is in double quotes: %s',
    (text) => expect(printYaml({ a: text })).toBe(`a: "${text}"\n`),
  );
});

describe('calicoctl node status', () => {
  const mesh = [session('node1', '198.19.0.1'), session('node1', '198.19.0.3')];
  const peer = session('node1', '198.19.15.254', { kind: 'global' });

  it.skipIf(one === undefined)('as in the document, before and after the global peer', () => {
    const times = ['22:05:48', '22:06:02'];
    const before = run({ ...lab, sessions: mesh }, 'calicoctl node status', () => times.shift()!);
    expect(before).toContain('No IPv6 peers found.\n\n');
    expect(one).toContain(`sudo calicoctl node status\n${before}`);
    const later = ['22:05:49', '22:06:03', '10:58:02'];
    const after = run(
      { ...lab, sessions: [...mesh, peer] },
      'sudo calicoctl node status',
      () => later.shift()!,
    );
    expect(one).toContain(`sudo calicoctl node status\n${after}`);
  });

  it('other nodes, no peers, no BIRD, no Calico', () => {
    const status = (name: string, facts: Inventory): string =>
      runCommand(namespace({ name, role: 'host' }), ['calicoctl', 'node', 'status'], {
        inventory: facts,
      });
    expect(status('node2', { ...lab, sessions: mesh })).toBe(
      'Calico process is running.\n\nIPv4 BGP status\nNo IPv4 peers found.\n\n' +
        'IPv6 BGP status\nNo IPv6 peers found.\n\n',
    );
    const vxlan = { ...lab, pools: [pool('p', '10.0.0.0/16', { vxlanMode: 'Always' })] };
    expect(status('node1', vxlan)).toContain('\n\nThe BGP backend process (BIRD) is not running.');
    expect(status('host1', { ...lab, sessions: mesh })).toBe('Calico process is not running.\n');
  });
});

describe('calicoctl ipam show', () => {
  const facts = inventory({
    pools: [pool('b', '10.2.0.0/16'), pool('a', '10.8.0.0/14')],
    blocks: [
      block('10.2.169.128/26', 'node2', { '10.2.169.128': 'vxlanTunnelAddress' }),
      block('10.2.36.64/26', 'node1', {
        '10.2.36.64': 'ipipTunnelAddress',
        '10.2.36.65': 'default/a',
        '10.2.36.66': 'default/b@node2',
        '10.2.36.67': 'x/y',
        '10.2.36.68': 'x/z',
        '10.2.36.69': 'x/w',
      }),
      block('172.16.0.0/32', undefined, { '172.16.0.0': 'x/lost@node2' }),
    ],
  });

  it('pools in name order, numbers as Go formats them', () => {
    expect(run(facts, 'calicoctl ipam show')).toBe(
      `+----------+-------------+------------+------------+-------------------+
| GROUPING |    CIDR     | IPS TOTAL  | IPS IN USE |     IPS FREE      |
+----------+-------------+------------+------------+-------------------+
| IP Pool  | 10.8.0.0/14 | 2.6214e+05 | 0 (0%)     | 2.6214e+05 (100%) |
| IP Pool  | 10.2.0.0/16 |      65536 | 7 (0%)     | 65529 (100%)      |
+----------+-------------+------------+------------+-------------------+
`,
    );
  });

  it('blocks below their pool, lost ones at the end', () => {
    const rows = run(facts, 'calicoctl ipam show --show-blocks').split('\n').slice(3, -2);
    expect(rows.map((row) => row.split(/ *\| */).slice(1, -1))).toEqual([
      ['IP Pool', '10.8.0.0/14', '2.6214e+05', '0 (0%)', '2.6214e+05 (100%)'],
      ['IP Pool', '10.2.0.0/16', '65536', '7 (0%)', '65529 (100%)'],
      ['Block', '10.2.169.128/26', '64', '1 (2%)', '63 (98%)'],
      ['Block', '10.2.36.64/26', '64', '6 (9%)', '58 (91%)'],
      ['Block', '172.16.0.0/32', '1', '1 (100%)', '0 (0%)'],
    ]);
  });

  it('used and free add up, by brute force over every address', () => {
    const uses = fc.uniqueArray(fc.integer({ min: 0, max: 63 }), { maxLength: 64 });
    fc.assert(
      fc.property(uses, uses, (a, b) => {
        const of = (base: string, hosts: number[]) =>
          block(
            `${base}.64/26`,
            'n',
            Object.fromEntries(hosts.map((h) => [`${base}.${64 + h}`, 'x/y'])),
          );
        const blocks = [of('10.2.1', a), of('10.2.2', b)];
        const text = run(
          inventory({ pools: [pool('p', '10.2.0.0/16')], blocks }),
          'calicoctl ipam show --show-blocks',
        );
        const cells = text
          .split('\n')
          .slice(3, -2)
          .map((row) => row.split('|').map((c) => c.trim()));
        const used = cells.map((c) => Number(c[4]!.split(' ')[0]));
        const free = cells.map((c) => Number(c[5]!.split(' ')[0]));
        const all = new Set(blocks.flatMap((x) => x.allocations.map((y) => formatIp4(y.address))));
        expect(used).toEqual([all.size, a.length, b.length]);
        expect(free).toEqual([65536 - all.size, 64 - a.length, 64 - b.length]);
      }),
      { numRuns: 50 },
    );
  });

  it('a share of one half rounds to the even number', () => {
    const eight = block('10.2.0.0/29', 'n', { '10.2.0.1': 'x/y' });
    expect(run(inventory({ blocks: [eight] }), 'calicoctl ipam show --show-blocks')).toContain(
      '| Block    | 10.2.0.0/29 |         8 | 1 (12%)    | 7 (88%)  |',
    );
  });

  it('one address, and borrowed ones', () => {
    expect(run(facts, 'calicoctl ipam show --ip=10.2.36.65')).toBe(
      'IP 10.2.36.65 is in use\nAttributes:\n  namespace: default\n  node: node1\n  pod: a\n',
    );
    expect(run(facts, 'calicoctl ipam show --ip=10.2.36.64')).toContain('type: ipipTunnelAddress');
    expect(run(facts, 'calicoctl ipam show --ip 10.2.99.1')).toBe('10.2.99.1 is not assigned\n');
    const rows = trimLines(run(facts, 'calicoctl ipam show --show-borrowed')).split('\n');
    expect(rows[1]).toBe(
      '|     IP     | BORROWING-NODE |     BLOCK     | BLOCK OWNER | TYPE | ALLOCATED-TO |',
    );
    expect(rows.slice(3, 5)).toEqual([
      '| 10.2.36.66 | node2          | 10.2.36.64/26 | node1       | pod  | default/b    |',
      '| 172.16.0.0 | node2          | 172.16.0.0/32 |             | pod  | x/lost       |',
    ]);
  });
});

describe('what configures Felix and BGP', () => {
  const yaml = `apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {asNumber: 65001, nodeToNodeMeshEnabled: false}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: rack}
spec: {peerIP: 10.9.0.254, asNumber: 65000, nodeSelector: rack == 'a'}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: all}
spec: {peerIP: 10.9.0.253, asNumber: 65000}
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {vxlanMTU: 1400}
---
apiVersion: projectcalico.org/v3
kind: IPAMConfiguration
metadata: {name: default}
spec: {strictAffinity: true, maxBlocksPerHost: 4}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n1}
spec: {bgp: {ipv4Address: 10.9.0.1/24}}
---
apiVersion: podwire/v1
kind: Underlay
metadata: {name: u}
spec:
  segments:
  - name: A
    members: [{name: n1, interface: eth0, address: 10.9.0.1/24}, {name: gw, interface: a, address: 10.9.0.254/24}, {name: gv, interface: a, address: 10.9.0.253/24}]
  routers: [{name: gw}, {name: gv}]
`;
  const cluster = Cluster.fromYaml(yaml);
  const says = (command: string): string => cluster.exec('n1', command.split(' '));

  it('has calicoctl’s columns', () => {
    expect(says('calicoctl get bgpconfig')).toBe(
      'NAME      LOGSEVERITY   MESHENABLED   ASNUMBER   \n' +
        'default   Info          false         65001      \n\n',
    );
    expect(says('calicoctl get bgpPeers -o wide')).toBe(
      'NAME   PEERIP       NODE          ASN     \n' +
        'all    10.9.0.253   (global)      65000   \n' +
        "rack   10.9.0.254   rack == 'a'   65000   \n\n",
    );
    expect(says('calicoctl get node -o wide')).toContain('(65001)');
  });

  it('comes back as YAML and as JSON', () => {
    expect(says('calicoctl get felixconfig default -o yaml')).toBe(
      'apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata:\n  name: default\nspec:\n  vxlanMTU: 1400\n',
    );
    const text = says('calicoctl get felixconfiguration -o json');
    expect(text).toMatch(
      /^\{\n {2}"kind": "FelixConfigurationList",\n {2}"apiVersion": "projectcalico/,
    );
    expect(JSON.parse(text).items[0].spec).toEqual({ vxlanMTU: 1400 });
    expect(() => says('calicoctl get bgppeer nobody')).toThrow('BGPPeer (all, rack)');
  });

  it('IPAM’s own is shown as it is stored', () => {
    expect(says('calicoctl ipam show --show-configuration')).toBe(
      `+--------------------+-------+
|      PROPERTY      | VALUE |
+--------------------+-------+
| StrictAffinity     | true  |
| AutoAllocateBlocks | true  |
| MaxBlocksPerHost   |     4 |
+--------------------+-------+
`,
    );
  });
});
