/** What is not in the dumps is called by its name. */
import { describe, expect, it } from 'vitest';
import { importDumps } from '../../src/import/import-dumps.ts';
import { missingFor } from '../../src/import/missing-fact.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { parseIp4 } from '../../src/wire/address.ts';
import { documentText } from '../text/namespace.ts';
import { file, labTables, send } from './dumps.ts';

const A1 = '10.2.36.71';
const B1 = '10.2.169.136';

const lacking = (plan: ClusterPlan, from: string, to: string): string[] =>
  missingFor(plan, { from, to: parseIp4(to) }).map(({ text }) => text);

const vxlan = labTables('04-vxlan');

describe.skipIf(vxlan === undefined)('the VXLAN lab', () => {
  const text = vxlan ?? '';
  /** The text without the lines of a namespace's section that match. */
  const without = (namespace: string, heading: string, pattern: RegExp): string =>
    text
      .split(/^(?=##### namespace )/m)
      .map((part) =>
        part.startsWith(`##### namespace ${namespace}\n`)
          ? part
              .split(/^(?=# )/m)
              .map((section) =>
                section.startsWith(`# ${heading}`)
                  ? section
                      .split('\n')
                      .filter((line) => !pattern.test(line))
                      .join('\n')
                  : section,
              )
              .join('')
          : part,
      )
      .join('');

  it.each<[string, string, RegExp, string, string]>([
    [
      'node2',
      'bridge fdb',
      /dst/,
      'b1',
      "node2's FDB entry for 66:8c:73:5a:90:99 is not in the dump",
    ],
    [
      'node1',
      'ip route',
      /vxlan\.calico onlink/,
      'a1',
      `node1's route to ${B1} (b1 on node2) is not in the dump`,
    ],
    [
      'node1',
      'ip route',
      /^default|vxlan\.calico onlink/,
      'a1',
      `node1's route to ${B1} is not in the dump`,
    ],
    [
      'node2',
      'ip route',
      /cali947a4e9318d/,
      'a1',
      `node2's route to its pod ${B1} is not in the dump`,
    ],
    [
      'node1',
      'ip route',
      /^default/,
      'a1',
      "node1's route to 169.254.1.1, such as a default route, for which it answers ARP, is not in the dump",
    ],
    ['a1', 'ip route', /^default/, 'a1', `a1's route to ${B1} is not in the dump`],
  ])('%s: %s without %s', (namespace, heading, pattern, from, expected) => {
    const { plan, missing } = importDumps([
      file(without(namespace, heading, pattern).replace(/^# route -n\n(.+\n)+/gm, '')),
    ]);
    const to = from === 'a1' ? B1 : A1;
    expect(send(plan, { from, to }).outcome).toBe('dropped');
    expect(lacking(plan, from, to)).toContain(expected);
    expect(missing.map((fact) => fact.text)).toContain(expected);
  });

  it('a neighbour entry of a VTEP, also when arp was not listed either', () => {
    const cut = without('node1', 'ip neigh', /vxlan/).replace(/^# arp -an\n(.+\n)*/gm, '');
    const { plan } = importDumps([file(cut)]);
    expect(send(plan, { from: 'a1', to: B1 }).outcome).toBe('dropped');
    expect(lacking(plan, 'a1', B1)).toEqual([
      "node1's neighbour entry for 10.2.169.137 on vxlan.calico is not in the dump",
    ]);
    // The other listing of the same table tells it as well.
    const other = importDumps([file(without('node1', 'ip neigh', /vxlan/))]);
    expect(send(other.plan, { from: 'a1', to: B1 }).outcome).toBe('delivered');
  });

  it('a node that was not dumped at all', () => {
    const cut = text
      .split(/^(?=##### namespace )/m)
      .filter((part) => !/^##### namespace (node2|b1)\n/.test(part))
      .join('');
    const { plan, missing } = importDumps([file(cut)]);
    expect(send(plan, { from: 'a1', to: B1 }).outcome).toBe('dropped');
    const [fact] = lacking(plan, 'a1', B1);
    expect(fact).toMatch(
      /^the host at 192\.168\.33\.57.*, next hop of node1's route 192\.168\.33\.0\/24 by enp1s0, is not in the dump$/,
    );
    expect(missing.map((m) => m.text)).toContain(fact);
  });

  it('pods that were not dumped are assumed, one by one, and packets reach them', () => {
    const cut = text
      .split(/^(?=##### namespace )/m)
      .filter((part) => !/^##### namespace [abc]\d\n/.test(part))
      .join('');
    const { plan, assumed } = importDumps([file(cut)]);
    const trace = send(plan, { from: A1, to: B1, protocol: 'tcp' });
    expect([trace.outcome, trace.at]).toEqual(['delivered', `unknown/${B1}`]);
    for (const address of [A1, B1]) {
      expect(assumed.filter((line) => line.startsWith(`unknown/${address}: `))).toHaveLength(1);
    }
  });

  it('without ip link and ip addr the rest still carries packets, and says what was assumed', () => {
    const cut = text.replace(/^# (ip -4 addr|ip -d link|route -n)\n(.+\n)+/gm, '');
    const { plan, assumed } = importDumps([file(cut)]);
    const trace = send(plan, { from: 'a1', to: B1 });
    expect(trace.outcome).toBe('delivered');
    const fdbMac = assumed.find((line) => line.startsWith('node2: vxlan.calico has MAC'));
    expect(fdbMac).toBe(
      'node2: vxlan.calico has MAC 66:90:43:3d:b3:e7, from a neighbour table elsewhere',
    );
    expect(assumed.join('\n')).toMatch(
      /^node1: enp1s0 is in no `ip link`; taken as nic, up, MTU 1500, index \d$/m,
    );
    expect(
      assumed.some((line) => line.startsWith('node1: `ip -d link` of vxlan.calico is not whole')),
    ).toBe(true);
  });
});

const three = documentText('003');

describe.skipIf(three === undefined)('document 003, one node of three', () => {
  const text = three ?? '';
  const block = (heading: string, next: string): string => {
    const start = text.indexOf(`\n# ${heading}\n`);
    return text.slice(start + 1, text.indexOf(`\n# ${next}\n`, start + 1));
  };

  it('IPIP: from the prompt alone', () => {
    const { plan, missing, assumed } = importDumps([file(block('ipip', 'bgp'), 'notes.md')]);
    expect(plan.namespaces.map(({ name }) => name)).toEqual([
      'k8s-node1',
      ...[68, 69, 70, 71].map((n) => `unknown/10.2.36.${n}`),
    ]);
    expect(plan.namespaces[0]?.routes).toHaveLength(7);
    expect(send(plan, { from: A1, to: '10.2.36.68' }).reason).toBe('neighbour-failed');
    expect(lacking(plan, `unknown/${A1}`, '10.2.36.68')[0]).toContain(
      "k8s-node1's route to 169.254.1.1",
    );
    expect(missing.map((m) => m.text)).toContain(
      "k8s-node1's route to 192.168.33.57 is not in the dump",
    );
    expect(assumed.filter((line) => line.startsWith('unknown/'))).toHaveLength(4);
  });

  it('VXLAN: the pasted blocks with the routes the document leaves out', () => {
    const route =
      'default via 192.168.33.1 dev enp1s0 \n192.168.33.0/24 dev enp1s0 proto kernel scope link src 192.168.33.55 \n10.2.36.71 dev calid2918f95dae scope link \n';
    const { plan, missing } = importDumps([
      file(`${block('vxlan', '结论')}\n# ip route\n${route}`, 'k8s-node1.txt'),
    ]);
    const trace = send(plan, { from: A1, to: B1 });
    // Up to the wire of its only node it goes as in the document's capture.
    const out = trace.steps.find(({ room }) => room === 'vxlan-out');
    expect(out?.entry).toBe('66:90:43:3d:b3:e7 dev vxlan.calico dst 192.168.33.57 self permanent');
    const expected =
      "the host at 192.168.33.57, next hop of k8s-node1's route 192.168.33.0/24 by enp1s0, is not in the dump";
    expect(lacking(plan, `unknown/${A1}`, B1)).toEqual([expected]);
    expect(missing.map((m) => m.text)).toContain(expected);
  });
});

describe('route -n and wg', () => {
  const node = (name: string, own: number, far: number): string => `
##### namespace ${name}
# route -n
Kernel IP routing table
Destination     Gateway         Genmask         Flags Metric Ref    Use Iface
0.0.0.0         192.168.1.1     0.0.0.0         UG    0      0        0 eth0
10.0.${own}.0        0.0.0.0         255.255.255.0   U     0      0        0 *
10.0.${own}.5        0.0.0.0         255.255.255.255 UH    0      0        0 cali${own}
10.0.${far}.0        192.168.1.${far}     255.255.255.0   UG    0      0        0 tunl0
192.168.1.0     0.0.0.0         255.255.255.0   U     0      0        0 eth0
# ip -4 addr
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000
    inet 192.168.1.${own}/24 brd 192.168.1.255 scope global eth0
       valid_lft forever preferred_lft forever
3: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN group default qlen 1000
    inet 10.0.${own}.1/32 scope global tunl0
       valid_lft forever preferred_lft forever
`;

  it('old route listings carry packets through tunl0', () => {
    const { plan, assumed, missing } = importDumps([file(node('n2', 2, 3) + node('n3', 3, 2))]);
    const trace = send(plan, { from: '10.0.2.5', to: '10.0.3.5' });
    expect([trace.outcome, trace.at]).toEqual(['delivered', 'unknown/10.0.3.5']);
    expect(trace.steps.map(({ room }) => room)).toContain('ipip-out');
    expect(assumed.filter((line) => line.includes('`route -n`'))).toHaveLength(2);
    expect(missing).toEqual([]);
  });

  it('a WireGuard peer that wg show does not list', () => {
    const wg = (allowed: string) => `interface: wireguard.cali
  public key: ${'A'.repeat(43)}=
  listening port: 51820
  fwmark: 0x100000

peer: ${'B'.repeat(43)}=
  endpoint: 192.168.1.3:51820
  allowed ips: ${allowed}
`;
    const rules =
      '0:\tfrom all lookup local\n99:\tnot from all fwmark 0x100000/0x100000 lookup 1\n32766:\tfrom all lookup main\n';
    const dump = (allowed: string) =>
      `${node('n2', 2, 3)}# ip route show table 1\n10.0.3.0/24 dev wireguard.cali scope link \n# ip rule\n${rules}# wg show\n${wg(allowed)}${node('n3', 3, 2)}`;
    const whole = importDumps([file(dump('10.0.3.0/24'))]).plan;
    expect(whole.namespaces[0]?.rules?.[1]).toMatchObject({ priority: 99, not: true, table: 1 });
    expect(lacking(whole, 'unknown/10.0.2.5', '10.0.3.5')).toEqual([]);
    const cut = importDumps([file(dump('10.0.9.0/24'))]).plan;
    expect(lacking(cut, 'unknown/10.0.2.5', '10.0.3.5')).toEqual([
      "n2's WireGuard peer for 10.0.3.5 is not in the dump",
    ]);
  });
});
