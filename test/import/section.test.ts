/** Which command printed a text where, told by prompts, headings, names of files, or its look. */
import { describe, expect, it } from 'vitest';
import { vethName } from '../../src/calico/names.ts';
import type { DumpFile } from '../../src/import/dump-file.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { planFiles } from '../../src/import/plan-files.ts';
import { cutSections, placeOfPath } from '../../src/import/section.ts';
import { formatImport } from '../../src/import/tables-resource.ts';
import { formatIp4, formatPrefix } from '../../src/wire/address.ts';
import { documentText } from '../text/namespace.ts';
import { file } from './dumps.ts';

const ROUTE = 'default via 10.0.0.1 dev eth0 proto dhcp src 10.0.0.2 metric 100 ';
const cut = (text: string, path = 'some.txt') =>
  cutSections([file(text, path)]).sections.map(({ node, listing, text: body }) => [
    node,
    listing.command,
    body.split('\n').length - 1,
  ]);

describe('prompts and headings', () => {
  it.each([
    [`root@node1:/home/shell# ip route\n${ROUTE}\n`, 'node1', 'ip route'],
    [`ubuntu@node1:~$ sudo ip -c r\n${ROUTE}\n`, 'node1', 'ip -c r'],
    [`[root@node1 ~]# ip ro sh table all\n${ROUTE}\n`, 'node1', 'ip ro sh table all'],
    [`ubuntu@host1:~$ ssh node1 ip route\n${ROUTE}\n`, 'node1', 'ip route'],
    [
      `ubuntu@host1:~$ ssh ubuntu@node1\nubuntu@node1:~$ ip route\n${ROUTE}\nubuntu@node1:~$ \n`,
      'node1',
      'ip route',
    ],
    [
      `$ kubectl exec -ti -n yaobank pod/web-1 -c app -- ip route\n${ROUTE}\n`,
      'yaobank/web-1',
      'ip route',
    ],
    [`root@n:~# ip netns exec node1 ip route\n${ROUTE}\n`, 'node1', 'ip route'],
    [`root@n:~# ip -n node1 route\n${ROUTE}\n`, 'node1', 'ip -n node1 route'],
    [
      `##### namespace node1\n# ip route show table all\n${ROUTE}\n`,
      'node1',
      'ip route show table all',
    ],
    [`root@node1:~# cat notes\nsome text\n\n    ${ROUTE}\nmore text\n`, 'node1', 'ip route'],
    [
      `\u001b[01;32mroot@node1\u001b[00m:\u001b[01;34m~\u001b[00m# ip route\r\n${ROUTE}\r\n`,
      'node1',
      'ip route',
    ],
  ])('%j', (text, node, command) => {
    expect(cut(text)).toEqual([[node, command, 1]]);
  });

  it('a pipe makes a listing partial, and prose is not a command', () => {
    const { sections, around } = cutSections([
      file(
        `ip route\nis a command that prints this:\n\nroot@node1:~# arp -an | grep vxlan\n? (10.0.0.9) at 66:00:00:00:00:01 [ether] PERM on vxlan.calico\n`,
      ),
    ]);
    expect(around).toBe(1);
    expect(sections.map(({ format, listing }) => [format, listing.whole])).toEqual([
      ['arp', false],
    ]);
  });

  it('an empty table is a fact after its command, and none without', () => {
    expect(
      cut('root@node1:~# ip neigh\nroot@node1:~# bridge fdb show\nroot@node1:~# ip route\n'),
    ).toEqual([
      ['node1', 'ip neigh', 0],
      ['node1', 'bridge fdb show', 0],
    ]);
  });

  it('a damaged line between good ones is named', () => {
    const { assumed } = importDumps([
      file(
        `root@node1:~# ip route\n${ROUTE}\n10.9.x.0/24 via 10.0.0.9\n10.0.0.0/24 dev eth0 scope link\n`,
      ),
    ]);
    expect(assumed).toContain(
      'dump.txt:3: not read as output of a command: 10.9.x.0/24 via 10.0.0.9',
    );
  });
});

describe('names of files', () => {
  it.each([
    ['node1.txt', 'node1', undefined],
    ['node1/ip-route.txt', 'node1', 'ip route'],
    ['node1-ip-route.txt', 'node1', 'ip route'],
    ['k8s-node1-ip-d-link.txt', 'k8s-node1', 'ip -d link'],
    ['k8s-node1_arp_an.log', 'k8s-node1', 'arp -an'],
    ['node1/bridge-fdb-show', 'node1', 'bridge fdb show'],
    ['default/client/ip-addr.txt', 'default/client', 'ip addr'],
    ['ip-10-0-0-1.txt', 'ip-10-0-0-1', undefined],
  ])('%s', (path, node, command) => {
    const place = placeOfPath(path);
    expect([place.node, place.listing?.command]).toEqual([node, command]);
  });
});

describe('real nodes print more than a plan holds', () => {
  it('flags and metrics of the moment are taken off, and said', () => {
    const text = `root@node1:~# ip route
${ROUTE}
10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2
172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1 linkdown
10.5.0.0/16 via 10.0.0.9 dev eth0 mtu lock 1400 advmss 1360
fe80::/64 dev eth0 proto kernel metric 256 pref medium
`;
    const { plan, assumed } = importDumps([file(text)]);
    expect(plan.namespaces[0]?.routes.map(({ mtu }) => mtu)).toEqual([
      undefined,
      undefined,
      undefined,
      1400,
    ]);
    expect(assumed).toContain('dump.txt:4: linkdown is not modelled');
    expect(assumed).toContain('dump.txt:5: advmss is not modelled');
    expect(plan.ignored).toEqual(['1 lines of IPv6 tables']);
  });

  it('the same address on two nodes is a network of each one’s own', () => {
    const node = (name: string, last: number) => `##### namespace ${name}
# ip route
10.0.2.0/24 dev eth0 proto kernel scope link src 10.0.2.15
192.168.56.0/24 dev eth1 proto kernel scope link src 192.168.56.${last}
`;
    const { plan, assumed } = importDumps([file(node('master1', 11) + node('master2', 12))]);
    expect(plan.segments.map(({ name }) => name)).toEqual(['192.168.56.0/24']);
    expect(
      assumed.some((line) => line.startsWith('10.0.2.0/24: two dumps have the same address')),
    ).toBe(true);
  });

  it('tables that contradict each other are refused with both places', () => {
    const link = (index: number) =>
      `${index}: eth0: <UP> mtu 1500 qdisc noqueue state UP group default\n`;
    const text = `##### namespace node1\n# ip link\n${link(2)}# ip addr\n${link(3)}`;
    expect(() => importDumps([file(text)])).toThrow(
      /^dump\.txt:5: expected eth0 with one index, found another in dump\.txt:3$/,
    );
  });

  it('of two listings that differ the later one counts, and it is said', () => {
    const neigh = (state: string) =>
      `# ip neigh\n10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01 ${state}\n`;
    const { plan, assumed } = importDumps([
      file(`##### namespace node1\n${neigh('STALE')}${neigh('REACHABLE')}`),
    ]);
    expect(plan.namespaces[0]?.neighbours.map(({ state }) => state)).toEqual(['REACHABLE']);
    expect(assumed).toContain(
      'node1: `ip neigh` was listed twice; dump.txt:5 counts, not dump.txt:3',
    );
  });
});

describe('pods that only a list names', () => {
  const device = vethName('shop', 'web-1');
  const node = `##### namespace node1\n# ip route\n10.0.1.5 dev ${device} scope link\n10.0.1.6 dev cali0123456789a scope link\n`;
  const names = (files: DumpFile[]): string[] =>
    importDumps(files).plan.namespaces.map(({ name }) => name);

  it('kubectl get pods -o yaml', () => {
    const pod =
      'apiVersion: v1\nkind: Pod\nmetadata: {name: web-1, namespace: shop}\nspec: {nodeName: node1}\nstatus: {phase: Running, podIP: 10.0.1.5}\n';
    expect(names([file(node), file(pod, 'pods.yaml')])).toEqual([
      'node1',
      'shop/web-1',
      'unknown/10.0.1.6',
    ]);
  });

  it('calicoctl get wep', () => {
    const table =
      '# calicoctl get wep\nWORKLOAD   NODE    NETWORKS      INTERFACE         \nweb-2      node1   10.0.1.6/32   cali0123456789a   \n';
    expect(names([file(node + table)])).toEqual(['node1', 'unknown/10.0.1.5', 'default/web-2']);
  });
});

describe('whole documents', () => {
  const two = documentText('002');
  it.skipIf(two === undefined)(
    '002: both masters, their pods and VTEPs, from one page of notes',
    () => {
      // The page names its nodes in prose only; a heading of ours stands for it.
      const text = (two ?? '').replace(/^\*\*(\d)\.1 Check `(\w+)` eth.*$/gm, '##### namespace $2');
      const { plan, assumed } = importDumps([
        file(text.slice(0, text.indexOf('### 3. ')), 'notes.md'),
      ]);
      const names = plan.namespaces.map(({ name }) => name);
      expect(names).toEqual([
        'master1',
        'master2',
        'unknown/10.233.104.65',
        'unknown/10.233.116.1',
      ]);
      const [master1, master2] = plan.namespaces;
      expect([master1?.role, master1?.routes.length, master2?.routes.length]).toEqual([
        'node',
        8,
        11,
      ]);
      const vtep = master1?.devices.find(({ name }) => name === 'vxlan.calico');
      expect([vtep?.index, formatPrefix(vtep!.addresses[0]!)]).toEqual([4, '10.233.104.64/32']);
      // Not 10.0.2.15, which every Vagrant machine has: the page has the nodes' own resources.
      expect(formatIp4(vtep?.vxlan?.local ?? 0)).toBe('192.168.56.11');
      expect(
        assumed.some((line) =>
          line.startsWith('master1: `ip -d link` of vxlan.calico is not whole'),
        ),
      ).toBe(true);
      expect(plan.inventory?.nodes.map(({ name }) => name)).toEqual(['master1', 'master2']);
      expectKept([file(text.slice(0, text.indexOf('### 3. ')), 'notes.md')]);
    },
  );

  /** Written down and read back it is the same cluster. */
  function expectKept(files: DumpFile[]): void {
    const made = importDumps(files);
    const again = planFiles([{ text: formatImport(made), source: 'cluster.yaml' }]);
    const { namespaces, segments, pools, inventory } = made.plan;
    expect(again).toMatchObject({ namespaces, segments, pools, inventory });
  }

  const one = documentText('001');
  it.skipIf(one === undefined)('001: a node, its pod and the sessions', () => {
    const { plan } = importDumps([file(one ?? '', 'notes.md')]);
    const names = plan.namespaces.map(({ name, role }) => `${role} ${name}`);
    expect(names).toContain('node node1');
    expect(names).toContain('pod customer-574bd6cc75-77tw4');
    const pod = plan.namespaces.find(
      ({ role, name }) => role === 'pod' && name.startsWith('customer'),
    );
    expect(pod?.node).toBe('node1');
    expect(
      plan.inventory?.sessions.filter(({ node }) => node === 'node1').map(({ kind }) => kind),
    ).toContain('global');
    expect(plan.pools.map(({ name }) => name)).toEqual(['external-pool', 'default-ipv4-ippool']);
    expectKept([file(one ?? '', 'notes.md')]);
  });
});
