/** Rows E1 to E9 of the inventory: an installation, its pool, and the exchange of overlays. */
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { editManifests } from '../../src/calico/edit.ts';
import { parseYaml } from '../../src/calico/yaml-document.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { diffPlans } from '../../src/report/diff.ts';
import { formatPrefix } from '../../src/wire/address.ts';
import { file } from '../import/dumps.ts';
import { between, document, fromYaml, grep, node, pod, pool, said } from './document.ts';

const four = document('004');
const text = four ?? '';

const NODES = [
  node('ip-174-161.kryukov.local', '192.168.174.161/24'),
  node('ip-174-162.kryukov.local', '192.168.174.162/24'),
  node('ip-174-163.kryukov.local', '192.168.175.163/24'),
];
const PODS = NODES.map((yaml, i) => pod(`p${i}`, /name: ([^}]+)/.exec(yaml)![1]!));
const yaml = (): string => between(text, '```yaml\n', '```');

describe.skipIf(four === undefined)('document 004', () => {
  it('E1: three modes, and the pool says which', () => {
    const devices = ['', ', ipipMode: Always', ', vxlanMode: Always'].map((mode) => {
      const cluster = fromYaml(pool('p', `cidr: 192.168.180.0/24${mode}`), ...NODES, ...PODS);
      const routes = said(cluster, 'ip-174-161.kryukov.local', 'ip route');
      return new Set(grep(routes, /^192\.168\.180\.\S+ via /).match(/dev \S+/g));
    });
    expect(devices.map((set) => [...set])).toEqual([
      ['dev eth0'],
      ['dev tunl0'],
      ['dev vxlan.calico'],
    ]);
  });

  it('E2: names that NetworkManager must leave alone, and the one the note lacks', () => {
    const [, list] = /unmanaged-devices=(\S+)/.exec(text)!;
    const patterns = list!
      .split(';')
      .map(
        (one) =>
          new RegExp(
            `^${one.replace('interface-name:', '').replaceAll('.', '\\.').replace('*', '.*')}$`,
          ),
      );
    const felix =
      'apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {wireguardEnabled: true}';
    const names = ['ipipMode', 'vxlanMode'].flatMap((mode) => {
      const cluster = fromYaml(
        pool('p', `cidr: 10.0.0.0/16, ${mode}: Always`),
        ...NODES,
        ...PODS,
        felix,
      );
      return cluster.tables('ip-174-161.kryukov.local').devices.map(({ name }) => name);
    });
    const unknown = names.filter((name) => !patterns.some((pattern) => pattern.test(name)));
    expect(new Set(unknown)).toEqual(new Set(['lo', 'eth0', 'wireguard.cali']));
  });

  it('E3: the variables of calico.yaml, before and after, make the pool', () => {
    const part = (from: string, to: string): string =>
      between(text, from, to).replace(/^ {4}/gm, '');
    const before = part('В файле заменим\n\n', '\nна\n');
    const after = part('\nна\n\n', '\nПеременная');
    const size = part('Значение по умолчанию - 26):\n\n', '\nПодробное');
    const pools = (env: string) =>
      fromYaml(
        `apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node, namespace: kube-system}
spec:
  template:
    spec:
      containers:
      - name: calico-node
        env:
${env.replace(/^/gm, '        ')}`,
        ...NODES,
      ).plan.inventory!.pools.map((p) => [formatPrefix(p.cidr), p.ipipMode, p.blockSize]);
    expect(pools(before)).toEqual([['192.168.0.0/16', 'Always', 26]]);
    expect(pools(after)).toEqual([['192.168.180.0/24', 'Never', 26]]);
    expect(pools(after + size)).toEqual([['192.168.180.0/24', 'Never', 25]]);

    // The same lines pasted among dumps.
    const pasted = `${after}${size}\nroot@ip-174-161.kryukov.local:~# ip route\ndefault via 192.168.174.1 dev eth0\n`;
    const { plan } = importDumps([file(pasted)]);
    expect(plan.pools.map(({ cidr }) => formatPrefix(cidr))).toEqual(['192.168.180.0/24']);
    expect(plan.inventory!.pools[0]!.blockSize).toBe(25);
  });

  it('E4: two blocks of /25 in a /24; the third node has none and borrows', () => {
    const cluster = fromYaml(pool('p', 'cidr: 192.168.180.0/24, blockSize: 25'), ...NODES, ...PODS);
    const { blocks } = cluster.plan.inventory!;
    expect(blocks).toHaveLength(2);
    const borrowed = blocks.flatMap((b) => b.allocations.filter((a) => a.node !== b.node));
    expect(borrowed).toHaveLength(1);
    expect(said(cluster, borrowed[0]!.node, 'calicoctl ipam show --show-borrowed')).toContain(
      `| ${borrowed[0]!.node} |`,
    );
  });

  it('E5: route -n on every node: a row for each pod, each block and each neighbour’s', () => {
    const cluster = fromYaml(pool('p', 'cidr: 10.0.0.0/16'), ...NODES, ...PODS);
    for (const { name } of cluster.plan.inventory!.nodes) {
      const rows = said(cluster, name, 'route -n').split('\n');
      expect(rows[0]).toBe('Kernel IP routing table');
      expect(
        rows.filter((row) => /^10\.0\.\S+ +0\.0\.0\.0 +255\.255\.255\.255 UH .* cali/.test(row)),
      ).toHaveLength(1);
      expect(
        rows.filter((row) => /^10\.0\.\S+ +0\.0\.0\.0 +255\.255\.255\.192 U .* \*$/.test(row)),
      ).toHaveLength(1);
      expect(
        rows.filter((row) => /^10\.0\.\S+ +\S+ +255\.255\.255\.192 UG .* eth0$/.test(row)),
      ).toHaveLength(2);
    }
  });

  it('E7: the pool of the document goes in; CrossSubnet comes out', () => {
    const cluster = fromYaml(yaml(), ...NODES, ...PODS);
    const [written] = parseYaml(yaml(), 'document');
    const { spec } = JSON.parse(JSON.stringify(written!.root)) as { spec: object };
    const [printed] = parseYaml(
      said(cluster, 'ip-174-161.kryukov.local', 'calicoctl get ippool default-ipv4-ippool -o yaml'),
      'printed',
    );
    expect(JSON.parse(JSON.stringify(printed!.root))).toMatchObject({ spec });
    const routes = said(cluster, 'ip-174-161.kryukov.local', 'ip route');
    expect(
      grep(routes, /^10\.233\.\S+ via /)
        .match(/dev \S+/g)!
        .sort(),
    ).toEqual(['dev eth0', 'dev vxlan.calico']);
  });

  it('E8: to ipipMode Always and vxlanMode Never: every remote block moves to tunl0', () => {
    const files = [{ text: [yaml(), ...NODES, ...PODS].join('\n---\n'), source: 'lab' }];
    const edits = [
      'ippool/default-ipv4-ippool.vxlanMode=Never',
      'ippool/default-ipv4-ippool.ipipMode=Always',
    ];
    const diff = diffPlans(planCluster(files), planCluster(editManifests(files, edits)));
    const { changed, added, removed } = diff.namespaces.find(({ name }) =>
      name.startsWith('ip-174-161'),
    )!.routes;
    expect([added, removed]).toEqual([[], []]);
    const remote = changed.filter(({ from }) => from.includes(' via '));
    expect(remote.map(({ from }) => /dev (\S+)/.exec(from)![1]).sort()).toEqual([
      'eth0',
      'vxlan.calico',
    ]);
    for (const { to } of remote) expect(to).toMatch(/ dev tunl0 proto bird onlink$/);
  });

  it('E9: calicoctl get nodes, and node status', () => {
    const cluster = fromYaml(pool('p', 'cidr: 10.0.0.0/16'), ...NODES);
    expect(text).toContain('calicoctl get nodes');
    expect(said(cluster, 'ip-174-161.kryukov.local', 'calicoctl get nodes')).toBe(
      'NAME\nip-174-161.kryukov.local\nip-174-162.kryukov.local\nip-174-163.kryukov.local\n\n',
    );
    const status = said(cluster, 'ip-174-163.kryukov.local', 'calicoctl node status');
    expect(status.match(/\| 192\.168\.174\.16[12] \| node-to-node mesh/g)).toHaveLength(2);
  });
});
