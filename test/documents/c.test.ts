/** Rows C1 to C25 of the inventory: VXLAN on two VirtualBox nodes, and three modes by `route -n`. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { applyManifests } from '../../src/calico/apply.ts';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { editManifests } from '../../src/calico/edit.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { diffPlans } from '../../src/report/diff.ts';
import { runCommand } from '../../src/text/command.ts';
import { parseIpRoute } from '../../src/text/ip-route.ts';
import { parseRouteN } from '../../src/text/route-n-reader.ts';
import {
  contains,
  formatIp4,
  formatMac,
  formatPrefix,
  parseIp4,
  parsePrefix,
} from '../../src/wire/address.ts';
import { file } from '../import/dumps.ts';
import { namespace, trimLines } from '../text/namespace.ts';
import {
  between,
  document,
  fromYaml,
  grep,
  node,
  pod,
  pool,
  reprintLinks,
  said,
} from './document.ts';

const two = document('002');
const text = two ?? '';

const NODES = ['master1', 'master2', 'master3', 'worker1', 'worker2'];
const VXLAN = [
  pool('default-pool', 'cidr: 10.233.64.0/18, natOutgoing: true, vxlanMode: Always'),
  ...NODES.map((name, i) =>
    node(
      name,
      `192.168.56.${11 + i}/24`,
      name === 'worker1' ? ', ipv4VXLANTunnelAddr: 10.233.105.132' : '',
    ),
  ),
  `apiVersion: podwire/v1
kind: Underlay
metadata: {name: lab}
spec:
  segments:
  - name: host-only
    members:
    - {name: master1, interface: eth1, address: 192.168.56.11/24, mac: "08:00:27:c8:72:ad"}
    - {name: master2, interface: eth1, address: 192.168.56.12/24, mac: "08:00:27:a7:73:ce"}
${NODES.slice(2)
  .map((name, i) => `    - {name: ${name}, interface: eth1, address: 192.168.56.${13 + i}/24}`)
  .join('\n')}`,
  pod('coredns-1', 'master1', '10.233.104.65'),
  pod('coredns-2', 'master2', '10.233.116.1'),
  pod('web', 'worker1', '10.233.105.130'),
];
const lab = (): Cluster => fromYaml(...VXLAN);

/** The cluster of the second half: /24 blocks, and one node behind a router. */
const KUBEADM = [
  pool(
    'default-ipv4-ippool',
    'blockSize: 24, cidr: 172.16.0.0/16, ipipMode: Always, natOutgoing: true',
  ),
  node('k8s-m', '192.168.10.10/24'),
  node('k8s-w0', '192.168.20.100/24'),
  node('k8s-w1', '192.168.10.101/24'),
  node('k8s-w2', '192.168.10.102/24'),
  `apiVersion: podwire/v1
kind: Underlay
metadata: {name: lab}
spec:
  segments:
  - name: A
    members:
    - {name: k8s-m, interface: ens5, address: 192.168.10.10/24}
    - {name: k8s-w1, interface: ens5, address: 192.168.10.101/24}
    - {name: k8s-w2, interface: ens5, address: 192.168.10.102/24}
    - {name: gw, interface: a, address: 192.168.10.1/24}
  - name: B
    members:
    - {name: k8s-w0, interface: ens5, address: 192.168.20.100/24}
    - {name: gw, interface: b, address: 192.168.20.1/24}
  routers: [{name: gw}]
  defaultGateway: {A: 192.168.10.1, B: 192.168.20.1}`,
  pod('a', 'k8s-m', '172.16.116.1'),
  pod('b', 'k8s-w0', '172.16.34.1'),
  pod('c', 'k8s-w1', '172.16.158.1'),
  pod('d', 'k8s-w2', '172.16.184.1'),
];
const files = [{ text: KUBEADM.join('\n---\n'), source: 'kubeadm.yaml' }];
const NEVER = 'ippool/default-ipv4-ippool.ipipMode=Never';

/** Rows of pod blocks in a `route -n` of the document; the section begins with its heading. */
const blockRows = (heading: string): string =>
  grep(text.slice(text.indexOf(heading)).split('```')[1]!, /^172\.16\./);

/** Tables of the document whose lines begin at a command and end at a blank line or fence. */
const routes = (from: string): string =>
  `${between(text.slice(text.indexOf(from)), '\ndefault', '\n```').replace(/^/, 'default')}\n`;

describe.skipIf(two === undefined)('document 002', () => {
  it('C1: every route names the component that would make it', () => {
    const origins = new Map(
      lab()
        .plan.namespaces.find(({ name }) => name === 'master1')!
        .routes.map((r) => [`${r.type} ${r.device ?? ''}`, r.origin]),
    );
    expect(origins.get('unicast vxlan.calico')).toBe('felix');
    expect(origins.get('blackhole ')).toBe('felix');
    expect(origins.get('unicast eth1')).toBe('kernel');
  });

  it('C2: IPIP, direct, VXLAN and WireGuard each have their own device', () => {
    const felix =
      'apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {wireguardEnabled: true}';
    const device = (modes: string, ...more: string[]): string =>
      /dev (\S+)/.exec(
        said(
          fromYaml(
            pool('p', `cidr: 10.0.0.0/16${modes}`),
            node('a', '10.30.0.1/24'),
            node('b', '10.30.0.2/24'),
            pod('x', 'b'),
            ...more,
          ),
          'a',
          `ip route get ${'10.0'}.${blockOf('b')}`,
        ),
      )![1]!;
    const blockOf = (name: string): string =>
      formatIp4(
        fromYaml(pool('p', 'cidr: 10.0.0.0/16'), node(name, '10.30.0.2/24'), pod('x', name)).plan
          .inventory!.blocks[0]!.cidr.address,
      )
        .split('.')
        .slice(2)
        .join('.');
    expect([device(', ipipMode: Always'), device(''), device(', vxlanMode: Always')]).toEqual([
      'tunl0',
      'eth0',
      'vxlan.calico',
    ]);
    expect(device(', vxlanMode: Always', felix)).toBe('wireguard.cali');
  });

  it('C4: calicoctl version, read and printed; the versions and the type from the cluster alone', () => {
    const shown = between(text, 'calicoctl version\n', '\n\n');
    const pasted = `root@master1:~# calicoctl version\n${shown}\n\nroot@master1:~# ip -c route\n${routes('ip -c route')}`;
    const { plan } = importDumps([file(pasted)]);
    const again = Cluster.fromPlan(plan);
    expect(said(again, 'master1', 'calicoctl version')).toBe(`${shown}\n`);
    const [, version] = /Cluster Version: +(\S+)/.exec(shown)!;
    const [, type] = /Cluster Type: +(\S+)/.exec(shown)!;
    const information = `apiVersion: projectcalico.org/v3
kind: ClusterInformation
metadata: {name: default}
spec: {calicoVersion: ${version}, clusterType: "${type}"}`;
    const cluster = new Cluster(planCluster([...files, { text: information, source: 'info' }]));
    expect(said(cluster, 'k8s-m', 'calicoctl version')).toBe(
      `${shown.replace(/^(Git commit: +).*$/m, '$1unknown')}\n`,
    );
  });

  it('C5: both ranges, from the lines of the kubeadm config map', () => {
    const shown = between(text, '# result:\n', '```');
    const { plan } = importDumps([
      file(
        `root@master1:~# k cluster-info dump\n${shown}\nroot@master1:~# ip route\n${routes('ip -c route')}`,
      ),
    ]);
    expect(plan.inventory!.ranges).toEqual({
      pods: parsePrefix('10.233.64.0/18'),
      services: parsePrefix('10.233.0.0/18'),
    });
  });

  it('C6: master1: block, tunnel address and VTEP MAC follow from its name', () => {
    expectNode('master1', '10.233.104.64', '08:00:27:c8:72:ad');
  });

  it('C7: ip addr on master1', () => {
    const shown = between(text, 'ip -c addr\n\n# result\n', '```');
    expect(shown).toContain('    altname enp0s8\n');
    expect(shown).toContain('9: nodelocaldns: <BROADCAST,NOARP> ');
    expect(reprintLinks(shown, 'ip -c addr')).toBe(shown);
    const up = shown.slice(0, shown.indexOf('9: nodelocaldns'));
    expect(reprintLinks(shown, 'ip addr show up')).toBe(up);
    for (const line of said(lab(), 'master1', 'ip addr show vxlan.calico').split('\n')) {
      // The index, and qlen on newer kernels only, are that machine's own.
      expect(shown).toContain(line.replace(/^\d+/, ''));
    }
  });

  it('C8: ip route on master1, read and printed; Calico’s lines of it from names alone', () => {
    const shown = routes('ip -c route');
    expect(reprintRoutes(shown)).toBe(shown);
    expect(shown.split('\n')).toHaveLength(9);
    expect(calico('master1', shown)).toBe(grep(shown, CALICO));
  });

  it('C9: the Nodes go in and come out', () => {
    for (const name of ['master1', 'master2']) {
      const start = text.indexOf(`calicoctl get node ${name} -o yaml`);
      const [found] = /\napiVersion[\s\S]*?(?=```)/.exec(text.slice(start))!;
      const resource = found.slice(1);
      const cluster = Cluster.fromYaml(`${VXLAN[0]}\n---\n${resource}`);
      expect(said(cluster, name, `calicoctl get node ${name} -o yaml`)).toBe(resource);
    }
  });

  it('C10: master2: block, tunnel address and VTEP MAC follow from its name', () => {
    expectNode('master2', '10.233.116.0', '08:00:27:a7:73:ce');
  });

  it('C11: ip route on master2, with metrics among routes of one prefix', () => {
    const shown = routes('Check route on `master2`');
    expect(reprintRoutes(shown)).toBe(shown);
    expect(shown.split('\n')).toHaveLength(12);
    expect(calico('master2', shown)).toBe(grep(shown, CALICO));
  });

  it('C12: the gateway is the node’s tunnel address, not the first of its block', () => {
    expect(said(lab(), 'master1', 'ip route show 10.233.105.128/26')).toBe(
      '10.233.105.128/26 via 10.233.105.132 dev vxlan.calico onlink\n',
    );
  });

  it('C18: calicoctl get ippool -o wide, VXLAN', () => {
    const shown = between(text, 'calicoctl get ippool -o wide\n\n# result\n', '```');
    expect(said(lab(), 'master1', 'calicoctl get ippool -o wide')).toBe(`${shown}\n`);
  });

  it('C19: route -n in VXLAN mode', () => {
    const shown = text.slice(text.indexOf('#### 4.1')).split('# result\n')[1]!.split('```')[0]!;
    const rows = grep(said(lab(), 'master1', 'route -n'), /(Destination|UG)/);
    const own = (table: string): string => grep(table, /^10\.233\./);
    // On that node another block is local, so its list has one row that ours lacks, and vice versa.
    for (const row of own(shown).split('\n'))
      if (!row.startsWith('10.233.104')) expect(rows).toContain(row);
    expect(reprintN(shown)).toBe(shown);
  });

  it('C20: route -n in IPIP mode, with blocks of /24', () => {
    const cluster = new Cluster(planCluster(files));
    expect(grep(said(cluster, 'k8s-w1', 'route -n'), /^172\.16\.\S+ +\S+ +\S+ +UG/)).toBe(
      blockRows('#### 4.2'),
    );
    const shown = text.slice(text.indexOf('#### 4.2')).split('# result\n')[1]!.split('```')[0]!;
    expect(reprintN(shown)).toBe(shown);
  });

  it('C21: route -n in direct mode, by the switch alone', () => {
    const cluster = new Cluster(planCluster(editManifests(files, [NEVER])));
    expect(grep(said(cluster, 'k8s-w1', 'route -n'), /^172\.16\.\S+ +\S+ +\S+ +UG/)).toBe(
      blockRows('#### 4.3').length === 0 ? rowsOf('k8s-w1:~$ route -n') : blockRows('#### 4.3'),
    );
  });

  it('C22: the switch changes exactly the rows in which C20 and C21 differ', () => {
    const diff = diffPlans(planCluster(files), planCluster(editManifests(files, [NEVER])));
    const { routes: changes } = diff.namespaces.find(({ name }) => name === 'k8s-w1')!;
    expect(changes).toEqual({
      removed: [],
      added: [],
      changed: [
        ['172.16.34.0/24 via 192.168.20.100', '172.16.34.0/24 via 192.168.10.1'],
        ['172.16.116.0/24 via 192.168.10.10', '172.16.116.0/24 via 192.168.10.10'],
        ['172.16.184.0/24 via 192.168.10.102', '172.16.184.0/24 via 192.168.10.102'],
      ].map(([from, to]) => ({
        from: `${from} dev tunl0 proto bird onlink`,
        to: `${to} dev ens5 proto bird`,
      })),
    });
  });

  it('C22 (message): calicoctl apply of a pool as calicoctl printed it, and what it says', () => {
    const [, sed = '', message = ''] =
      /sed -e "s\/(.*)\/" \| calicoctl apply -f -\n[\s\S]*?\n(Success.*\n)/.exec(text)!;
    const [before = '', after = ''] = sed.split('/');
    const cluster = new Cluster(planCluster(files));
    const yaml = said(cluster, 'k8s-m', 'calicoctl get ippool default-ipv4-ippool -o yaml');
    expect(yaml).toContain(before);
    const applied = applyManifests(files, [{ text: yaml.replace(before, after), source: '-' }]);
    expect(applied.message).toBe(message);
    const wide = (list: typeof applied.files): string =>
      said(new Cluster(planCluster(list)), 'k8s-m', 'calicoctl get ippool -o wide');
    expect(wide(applied.files)).toBe(wide(editManifests(files, [NEVER])));
  });

  it('C23: calicoctl get ippool -o wide, neither overlay', () => {
    const shown = between(text, 'ubuntu@master1:~# calicoctl get ippool -o wide\n', '```');
    const cluster = new Cluster(planCluster(editManifests(files, [NEVER])));
    expect(said(cluster, 'k8s-m', 'calicoctl get ippool -o wide')).toBe(`${shown}\n`);
  });

  it('C24: the tunnel address of a node, and the node of a tunnel address', () => {
    const cluster = lab();
    const shown = said(cluster, 'master2', 'ip -4 addr show vxlan.calico');
    expect(shown).toContain('    inet 10.233.116.0/32 scope global vxlan.calico\n');
    const address = parseIp4('10.233.116.0');
    expect(cluster.plan.inventory!.nodes.find((n) => n.vxlanTunnel === address)!.name).toBe(
      'master2',
    );
    expect(said(cluster, 'master1', 'calicoctl ipam show --ip=10.233.116.0')).toContain(
      'node: master2\n  type: vxlanTunnelAddress\n',
    );
  });

  it('C25: whose is an address: block, tunnel address and node of every listed row', () => {
    const table = [...text.matchAll(/^\| `([\d./]+) via ([\d.]+) /gm)];
    expect(table).toHaveLength(4);
    const { blocks, nodes } = lab().plan.inventory!;
    const owners = table.map(([, cidr, via]) => {
      const block = blocks.find((b) => formatPrefix(b.cidr) === cidr)!;
      const owner = nodes.find(({ name }) => name === block.node)!;
      expect(formatIp4(owner.vxlanTunnel!)).toBe(via);
      expect(contains(block.cidr, owner.vxlanTunnel!)).toBe(true);
      return owner.name;
    });
    expect(owners).toEqual(['master3', 'worker1', 'master2', 'worker2']);
  });
});

const CALICO = /^(?:blackhole )?10\.233\./;
/** Names of veths follow from names of pods, which the document does not tell. */
const anyPod = (lines: string): string => lines.replace(/cali[0-9a-f]{11}/g, 'cali*');

function calico(name: string, shown: string): string {
  const real = /cali[0-9a-f]{11}/.exec(shown)![0];
  return anyPod(grep(said(lab(), name, 'ip route'), CALICO)).replaceAll('cali*', real);
}

const reprintRoutes = (shown: string): string =>
  trimLines(runCommand(namespace({ routes: parseIpRoute(shown) }), ['ip', 'route']));

const reprintN = (shown: string): string =>
  grep(runCommand(namespace({ routes: parseRouteN(shown) }), ['route', '-n']), /(Destination|UG)/);

/** Pod rows below a prompt in the document. */
const rowsOf = (prompt: string): string =>
  grep(text.slice(text.indexOf(prompt)).split('```')[0]!, /^172\.16\./);

function expectNode(name: string, tunnel: string, mac: string): void {
  const cluster = lab();
  const facts = cluster.plan.inventory!.nodes.find((n) => n.name === name)!;
  expect(formatIp4(facts.vxlanTunnel!)).toBe(tunnel);
  expect(text).toContain(`ipv4VXLANTunnelAddr: ${tunnel}/32`);
  const devices = cluster.plan.namespaces.find((ns) => ns.name === name)!.devices;
  const macs = ['eth1', 'vxlan.calico'].map((dev) =>
    formatMac(devices.find((d) => d.name === dev)!.mac!),
  );
  expect(macs[0]).toBe(mac);
  expect(text).toContain(`link/ether ${macs[1]} brd`);
}
