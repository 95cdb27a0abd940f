/** Rows B1 to B33 of the inventory: a k3s lab with pools, a global peer and WireGuard. */
import { describe, expect, it } from 'vitest';
import { patchManifests } from '../../src/calico/apply.ts';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { editManifests } from '../../src/calico/edit.ts';
import type { ManifestFile } from '../../src/calico/manifest.ts';
import { parseYaml } from '../../src/calico/yaml-document.ts';
import type { Cluster } from '../../src/cluster/cluster.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { diffPlans } from '../../src/report/diff.ts';
import { runCommand } from '../../src/text/command.ts';
import { parseIpRoute } from '../../src/text/ip-route.ts';
import { contains, formatPrefix, overlaps, parseIp4, parsePrefix } from '../../src/wire/address.ts';
import { file } from '../import/dumps.ts';
import { inventory, pool as poolFacts } from '../text/inventory.ts';
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

const one = document('001');

const UNDERLAY = `apiVersion: podwire/v1
kind: Underlay
metadata: {name: lab}
spec:
  segments:
  - name: lan
    mtu: 1460
    members:
    - {name: control, interface: ens4, address: 198.19.0.1/20}
    - {name: node1, interface: ens4, address: 198.19.0.2/20}
    - {name: node2, interface: ens4, address: 198.19.0.3/20}
    - {name: host1, interface: ens4, address: 198.19.15.254/20}
  hosts: [{name: host1, bgp: {asNumber: 64512}}]`;
const NODES = [
  pool('default-ipv4-ippool', 'cidr: 198.19.16.0/21, natOutgoing: true'),
  node('control', '198.19.0.1/20'),
  node('node1', '198.19.0.2/20'),
  node('node2', '198.19.0.3/20'),
];
const CUSTOMER = 'yaobank/customer-574bd6cc75-77tw4';
/** In the order in which they got their addresses. */
const PODS = [
  pod('yaobank/first', 'node1', '198.19.22.128'),
  pod(CUSTOMER, 'node1', '198.19.22.129'),
  pod('yaobank/third', 'node1', '198.19.22.130'),
];
const EXTERNAL = pool(
  'external-pool',
  "cidr: 198.19.24.0/21, blockSize: 29, ipipMode: Never, natOutgoing: true, nodeSelector: '!all()'",
);
const PEER =
  'apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: bgppeer-global-host1}\nspec: {peerIP: 198.19.15.254, asNumber: 64512}';
const FELIX =
  'apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {wireguardEnabled: true}';
const lab = (...more: string[]): Cluster => fromYaml(UNDERLAY, ...NODES, ...PODS, ...more);

const ready = one !== undefined;
const text = one ?? '';

describe.skipIf(!ready)('document 001', () => {
  const addr = () => `${between(text, '/app# ip addr\n', '\n\n\n198.19.22.129')}\n`;

  it('B2: ip addr in the pod', () => {
    expect(reprintLinks(addr(), 'ip addr')).toBe(addr());
    expect(addr()).toContain('inet6 fe80::2871:d7ff:fe3e:7855/64');
  });

  it('B3: ip link in the pod', () => {
    const links = between(text, '/app# ip -c link show up\n', 'root@customer');
    expect(reprintLinks(addr(), 'ip -c link show up')).toBe(links);
  });

  it('B4: ip route in every pod', () => {
    const routes = between(text, 'ip route\ndefault via 169', '\n\npods default').replace(
      '  ',
      ' ',
    );
    for (const name of PODS.map((yaml) => /name: ([\w-]+)/.exec(yaml)![1])) {
      expect(said(lab(), `yaobank/${name}`, 'ip route')).toBe(`default via 169${routes}\n`);
    }
  });

  it('B6: the ends of a veth know each other’s index', () => {
    const cluster = lab();
    const index = (where: string, dev: string): (string | undefined)[] =>
      /^(\d+): \S+@if(\d+):/.exec(said(cluster, where, `ip link show ${dev}`))!.slice(1);
    expect(index('node1', 'cali1e6904b30ae')).toEqual(index(CUSTOMER, 'eth0').reverse());
    const peer = cluster.plan.namespaces
      .find(({ name }) => name === CUSTOMER)!
      .devices.find(({ name }) => name === 'eth0')!.peer;
    expect(peer).toEqual({ namespace: 'node1', device: 'cali1e6904b30ae' });
  });

  it('B7: the host’s side of it in ip link', () => {
    const link = `6: ${between(text, 'ip -c link show up\n6: ', '\n\n\ncali1e')}\n`;
    expect(reprintLinks(link, 'ip link show up')).toBe(link);
    expect(said(lab(), 'node1', 'ip link show cali1e6904b30ae')).toContain('mtu 1460 ');
    expect(said(lab(FELIX), 'node1', 'ip link show cali1e6904b30ae')).toContain('mtu 1400 ');
  });

  it('B8: the name of the interface follows from namespace and pod', () => {
    expect(text).toContain('cali1e6904b30ae');
    expect(said(lab(), 'node1', 'ip route get 198.19.22.129')).toContain('dev cali1e6904b30ae ');
  });

  it('B9: ip route on node1, read and printed; Calico’s lines of it from names alone', () => {
    const routes = between(text, 'ubuntu@node1:~$ ip route\n', 'ubuntu@node1');
    const read = namespace({ routes: parseIpRoute(routes) });
    expect(trimLines(runCommand(read, ['ip', 'route']))).toBe(routes);
    const own = /^(?:blackhole )?198\.19\.2\d\.\S+ /;
    const names = (lines: string) => lines.replace(/cali(94aab30c8b6|0621956e322)/g, 'cali*');
    const derived = grep(said(lab(), 'node1', 'ip route'), own).replace(
      /(?<=198\.19\.22\.1(28|30) dev )cali\w+/g,
      'cali*',
    );
    expect(derived).toBe(names(grep(routes, own)));
  });

  it('B13: a block of 64 addresses by default, another one only when it is full', () => {
    const many = (count: number): string[] =>
      Array.from({ length: count }, (_, i) => pod(`p${String(i).padStart(3, '0')}`, 'node1'));
    const blocks = (count: number): string[] =>
      fromYaml(...NODES, ...many(count))
        .plan.inventory!.blocks.filter((b) => b.node === 'node1')
        .map((b) => formatPrefix(b.cidr));
    expect(blocks(64)).toEqual(['198.19.22.128/26']);
    expect(new Set(blocks(65))).toEqual(new Set(['198.19.22.128/26', '198.19.22.192/26']));
  });

  it('B15: two addresses on one NIC, and the source the route names', () => {
    const routes = between(text, 'ubuntu@node1:~$ ip route\n', 'ubuntu@node1');
    const ns = namespace({ routes: parseIpRoute(routes) });
    const source = (to: string): string =>
      /src (\S+)/.exec(runCommand(ns, ['ip', 'route', 'get', to]))![1]!;
    expect(source('8.8.8.8')).toBe('10.229.120.154');
    expect(source('198.19.0.3')).toBe('198.19.0.2');
  });

  it('B16: WireGuard switched on, and off again', () => {
    const files = (yaml: string[]) => [{ text: yaml.join('\n---\n'), source: 'lab' }];
    const base = files([UNDERLAY, ...NODES, ...PODS]);
    const on = planCluster(
      editManifests(base, ['felixconfiguration/default.wireguardEnabled=true']),
    );
    const off = planCluster(
      editManifests(files([UNDERLAY, ...NODES, ...PODS, FELIX]), [
        'felixconfiguration/default.wireguardEnabled=false',
      ]),
    );
    expect(diffPlans(planCluster(base), off).namespaces).toEqual([]);
    const node1 = diffPlans(off, on).namespaces.find(({ name }) => name === 'node1')!;
    expect(node1.devices.added.join()).toContain('wireguard.cali: <POINTOPOINT,NOARP,UP,LOWER_UP>');
    expect(node1.rules.added).toEqual(['99:\tnot from all fwmark 0x100000/0x100000 lookup 1']);
  });

  it('B16 (message): calicoctl patch, there and back, and what it says', () => {
    const command = /calicoctl patch (\S+) (\S+) --type='merge' -p '(.*)'\n(Success.*\n)/.exec(
      text,
    )!;
    const [, kind = '', name = '', patch = '', said = ''] = command;
    const files = [{ text: [UNDERLAY, ...NODES].join('\n---\n'), source: 'lab' }];
    const on = patchManifests(files, { kind, name, patch });
    expect(on.message).toBe(said);
    const encrypts = (list: readonly ManifestFile[]): boolean =>
      planCluster(list).namespaces.some((ns) => ns.devices.some((d) => d.kind === 'wireguard'));
    expect([encrypts(files), encrypts(on.files)]).toEqual([false, true]);
    const [, off = ''] = /^calicoctl patch .* -p '(.*false.*)'$/m.exec(text)!;
    expect(encrypts(patchManifests(on.files, { kind, name, patch: off }).files)).toBe(false);
  });

  it('B17: every node has a key of 32 bytes of its own; a given one is kept', () => {
    const given = /wireguardPublicKey: (\S+)/.exec(text)![1]!;
    const node1 = `${node('node1', '198.19.0.2/20')}\nstatus: {wireguardPublicKey: ${given}}`;
    const cluster = fromYaml(
      UNDERLAY,
      ...NODES.filter((y) => !y.includes('name: node1')),
      node1,
      FELIX,
    );
    const keys = cluster.plan.inventory!.nodes.map((n) => n.wireguardPublicKey!);
    expect(keys).toContain(given);
    expect(new Set(keys).size).toBe(3);
    for (const key of keys) expect(Buffer.from(key, 'base64')).toHaveLength(32);
    expect(said(cluster, 'node1', 'calicoctl get node node1 -o yaml')).toContain(
      `wireguardPublicKey: ${given}\n`,
    );
  });

  it('B18: n nodes have n - 1 peers each, allowed that peer’s blocks', () => {
    const cluster = lab(FELIX);
    const peers = said(cluster, 'node1', 'wg show').match(/allowed ips: .*/g);
    expect(peers).toHaveLength(2);
    expect(peers!.join()).toContain('198.19.21.0/26');
    expect(peers!.join()).toContain('198.19.21.64/26');
  });

  it('B19: wireguard.cali takes its address from the node’s block', () => {
    const shown = between(text, 'ip addr | grep wireguard\n', '\n\n\nWireguard');
    const ours = said(lab(FELIX), 'node1', 'ip addr');
    // Releases of that time set a broadcast address, and the index counts what came before.
    const plain = shown.replace(' brd 198.19.22.131', '').replace(/^\d+: /, '');
    expect(grep(ours, /wireguard/).replace(/^\d+: /, '')).toBe(`${plain}\n`);
  });

  it('B21: WireGuard takes 60 bytes', () => {
    expect(said(lab(FELIX), 'node1', 'ip link show wireguard.cali')).toContain(' mtu 1400 ');
    expect(said(lab(FELIX), 'node1', 'ip link show ens4')).toContain(' mtu 1460 ');
  });

  it('B22: cluster, pool and service ranges: inside and apart; services are in no FIB', () => {
    const [all, pods, services] = ['198.19.16.0/20', '198.19.16.0/21', '198.19.32.0/20'].map(
      parsePrefix,
    ) as [
      ReturnType<typeof parsePrefix>,
      ReturnType<typeof parsePrefix>,
      ReturnType<typeof parsePrefix>,
    ];
    expect(contains(all, pods.address)).toBe(true);
    expect(overlaps(all, services)).toBe(false);
    for (const { routes } of lab().plan.namespaces) {
      expect(
        routes.filter((r) => r.destination.length > 0 && overlaps(r.destination, services)),
      ).toEqual([]);
    }
    expect(text).toContain('198.19.32.0/20 - Service CIDR');
  });

  it('B23: both ranges, from the line of kubectl cluster-info dump', () => {
    const prompt = 'ubuntu@host1:~$ kubectl cluster-info dump';
    const dump = `${prompt}${between(text, prompt, '\n\n')}`;
    const routes = 'root@node1:~# ip route\ndefault via 198.19.0.1 dev eth0\n';
    const { plan } = importDumps([file(`${dump}\n\n${routes}`)]);
    expect(plan.inventory!.ranges).toEqual({
      pods: parsePrefix('198.19.16.0/20'),
      services: parsePrefix('198.19.32.0/20'),
    });
  });

  it('B24: calicoctl get ippools, before and after', () => {
    const [before, after] = text
      .split('ubuntu@host1:~$ calicoctl get ippools\n')
      .slice(1)
      .map((part) => part.slice(0, part.indexOf('\n\n')));
    expect(said(lab(), 'host1', 'calicoctl get ippools')).toBe(`${before}\n\n`);
    expect(said(lab(EXTERNAL), 'host1', 'calicoctl get ippools')).toBe(`${after}\n\n`);
  });

  it('B25: the external pool goes in and comes out, and gives nothing by itself', () => {
    const yaml = between(text, 'calicoctl apply -f - \n---\n'.replace(' \n', '\n'), 'EOF');
    const [written] = parseYaml(yaml, 'document');
    const { spec } = JSON.parse(JSON.stringify(written!.root)) as { spec: object };
    const cluster = fromYaml(...NODES, yaml, ...PODS.map((p) => p.replace(/\nstatus.*/, '')));
    const [printed] = parseYaml(
      said(cluster, 'node1', 'calicoctl get ippool external-pool -o yaml'),
      'printed',
    );
    expect(JSON.parse(JSON.stringify(printed!.root))).toMatchObject({
      kind: 'IPPool',
      metadata: { name: 'external-pool' },
      spec,
    });
    const blocks = cluster.plan.inventory!.blocks.map(({ cidr }) => cidr);
    expect(blocks.filter((b) => contains(parsePrefix('198.19.24.0/21'), b.address))).toEqual([]);
  });

  const NAMESPACE = `apiVersion: v1
kind: Namespace
metadata:
  annotations:
    cni.projectcalico.org/ipv4pools: '["external-pool"]'
  name: external-ns`;

  it('B27: the namespace’s annotation picks the pool', () => {
    expect(text.replaceAll('> ', '')).toContain(NAMESPACE);
    const cluster = lab(EXTERNAL, NAMESPACE, pod('external-ns/nginx', 'node1'));
    const block = cluster.plan.inventory!.blocks.find(({ cidr }) => cidr.length === 29)!;
    expect(contains(parsePrefix('198.19.24.0/21'), block.cidr.address)).toBe(true);
    expect(said(cluster, 'external-ns/nginx', 'ip -4 addr show eth0')).toMatch(
      /inet 198\.19\.(2[4-9]|3[01])\.\d+\/32 /,
    );
  });

  it('B28: host1 learns the external block over BGP', () => {
    const nginx = [EXTERNAL, NAMESPACE, pod('external-ns/nginx', 'node1', '198.19.28.208')];
    const route = '198.19.28.208/29 via 198.19.0.2 dev ens4 proto bird\n';
    expect(said(lab(...nginx), 'host1', 'ip route')).not.toContain(route);
    const peered = lab(...nginx, PEER);
    expect(said(peered, 'host1', 'ip route')).toContain(route);
    expect(peered.send({ from: 'host1', to: '198.19.28.208' }).outcome).toBe('delivered');
  });

  it('B29: a BGPPeer without a node is a global peer of each node', () => {
    expect(text).toContain('peerIP: 198.19.15.254\n  asNumber: 64512');
    const sessions = lab(PEER).plan.inventory!.sessions.filter(({ kind }) => kind === 'global');
    expect(sessions.map(({ node: on, peer }) => [on, peer === parseIp4('198.19.15.254')])).toEqual([
      ['control', true],
      ['node1', true],
      ['node2', true],
    ]);
  });

  it('B30: node status before and after the global peer', () => {
    const [before, after] = text
      .split('sudo calicoctl node status\n')
      .slice(1)
      .map((part) => part.slice(0, part.indexOf('No IPv6 peers found.\n')));
    const status = (cluster: Cluster, times: string[]): string => {
      const { plan } = cluster;
      const ns = cluster.tables('node1');
      const print = { inventory: plan.inventory, since: () => times.shift()! };
      return trimLines(runCommand(ns, ['calicoctl', 'node', 'status'], print));
    };
    const tail = 'No IPv6 peers found.\n\n';
    expect(status(lab(), ['22:05:48', '22:06:02'])).toBe(before + tail);
    expect(status(lab(PEER), ['22:05:49', '22:06:03', '10:58:02'])).toBe(after + tail);
  });

  it('B32: ipam show adds up what is used and what is free', () => {
    const cluster = lab(EXTERNAL);
    const rows = said(cluster, 'host1', 'calicoctl ipam show').match(/\| IP Pool.*/g)!;
    const cells = rows.map((row) =>
      row
        .split('|')
        .map((cell) => cell.trim())
        .slice(2, 6),
    );
    const used = cluster.plan.namespaces.flatMap(({ devices }) =>
      devices.flatMap(({ addresses }) =>
        addresses.filter(({ address }) => contains(parsePrefix('198.19.16.0/21'), address)),
      ),
    ).length;
    expect(cells).toEqual([
      ['198.19.16.0/21', '2048', `${used} (0%)`, `${2048 - used} (100%)`],
      ['198.19.24.0/21', '2048', '0 (0%)', '2048 (100%)'],
    ]);
  });

  it('B33: CrossSubnet exists for both overlays', () => {
    const cross = (mode: string): string =>
      grep(
        said(
          fromYaml(
            pool('p', `cidr: 10.0.0.0/16, ${mode}: CrossSubnet`),
            node('a', '10.30.0.1/24'),
            node('b', '10.30.0.2/24'),
            node('c', '10.30.1.1/24'),
            ...['a', 'b', 'c'].map((on) => pod(`p-${on}`, on)),
          ),
          'a',
          'ip route',
        ),
        /^10\.0\..* via /,
      );
    expect(
      cross('ipipMode')
        .match(/dev \S+/g)!
        .sort(),
    ).toEqual(['dev eth0', 'dev tunl0']);
    expect(
      cross('vxlanMode')
        .match(/dev \S+/g)!
        .sort(),
    ).toEqual(['dev eth0', 'dev vxlan.calico']);
  });

  it('the pools of the tables are those of the inventory', () => {
    expect(
      runCommand(namespace({}), ['calicoctl', 'get', 'ipp'], {
        inventory: inventory({ pools: [poolFacts('default-ipv4-ippool', '198.19.16.0/21')] }),
      }),
    ).toBe(lab().exec('node1', ['calicoctl', 'get', 'ipp']));
  });
});
