/** Rows A1 to A23 of the inventory: routing modes, by hand on four nodes. */
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { editManifests } from '../../src/calico/edit.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { diffPlans } from '../../src/report/diff.ts';
import { runCommand } from '../../src/text/command.ts';
import { parseRouteN } from '../../src/text/route-n-reader.ts';
import { contains, parseIp4, parsePrefix } from '../../src/wire/address.ts';
import { node as facts, inventory, session } from '../text/inventory.ts';
import { namespace } from '../text/namespace.ts';
import { between, document, fromYaml, grep, node, pod, pool, said } from './document.ts';

const zero = document('000');

const WORKERS = [
  node('master', '10.30.0.136/24'),
  node('worker-1', '10.30.0.206/24'),
  node('worker-2', '10.30.0.56/24'),
  node('worker-3', '10.30.1.66/24'),
  pod('pod-1', 'worker-1', '192.168.226.69'),
  pod('pod-2', 'worker-2', '192.168.133.194'),
  pod('pod-3', 'worker-3', '192.168.97.193'),
];
const modeOf = (modes: string): string =>
  pool('default-ipv4-ippool', `cidr: 192.168.0.0/16, natOutgoing: true, ${modes}`);
const IPIP = modeOf('ipipMode: Always');
const cluster = (mode: string) => fromYaml(mode, ...WORKERS);

const planOf = (...edits: string[]): ClusterPlan =>
  planCluster(editManifests([{ text: [IPIP, ...WORKERS].join('\n---\n'), source: 'lab' }], edits));

const remote = (mode: string): string[] =>
  grep(said(cluster(mode), 'worker-1', 'ip route'), /^192\.168\.\S+ via /)
    .trimEnd()
    .split('\n');

describe('document 000', () => {
  it.skipIf(zero === undefined)('A1: four nodes, of which worker-3 alone is off the subnet', () => {
    const lab = cluster(IPIP);
    const nodes = lab.plan.inventory!.nodes;
    for (const { name, address } of nodes) {
      const [ip] = said(lab, name, 'ip -j -4 addr').match(/10\.30\.[\d.]+/)!;
      expect(zero).toMatch(new RegExp(`^${name}\\s+${ip.replaceAll('.', '\\.')}$`, 'm'));
      const near = contains(parsePrefix('10.30.0.0/24'), address!.address);
      expect([name, near]).toEqual([name, name !== 'worker-3']);
    }
    for (const from of nodes) {
      for (const to of nodes) {
        if (from === to) continue;
        expect(lab.send({ from: from.name, to: to.name }).outcome).toBe('delivered');
      }
    }
  });

  it.skipIf(zero === undefined)('A2: each pod lies in the block that follows from its node', () => {
    const blocks = new Map(planOf().inventory!.blocks.map((b) => [b.node, b.cidr]));
    for (const [name, on, ip, block] of [
      ['pod-1', 'worker-1', '192.168.226.69', '192.168.226.64/26'],
      ['pod-2', 'worker-2', '192.168.133.194', '192.168.133.192/26'],
      ['pod-3', 'worker-3', '192.168.97.193', '192.168.97.192/26'],
    ] as const) {
      expect(zero).toContain(`${name}\t\t${ip}`);
      expect(blocks.get(on)).toEqual(parsePrefix(block));
      expect(contains(parsePrefix(block), parseIp4(ip))).toBe(true);
    }
  });

  it('A3: a session taken down withdraws that peer’s blocks, and nothing else', () => {
    const outage =
      'apiVersion: podwire/v1\nkind: Outage\nmetadata: {name: o}\nspec: {bgpSessions: [{a: worker-1, b: worker-2}]}';
    const yaml = (more: string[]) => [
      { text: [IPIP, ...WORKERS, ...more].join('\n---\n'), source: 'lab' },
    ];
    const { namespaces } = diffPlans(planCluster(yaml([])), planCluster(yaml([outage])));
    const changed = namespaces.map((ns) => [ns.name, ns.routes.added, ns.routes.removed]);
    expect(changed).toEqual([
      ['worker-1', [], ['192.168.133.192/26 via 10.30.0.56 dev tunl0 proto bird onlink']],
      ['worker-2', [], ['192.168.226.64/26 via 10.30.0.206 dev tunl0 proto bird onlink']],
    ]);
  });

  it('A4: learnt routes are BIRD’s, those of local pods Felix’s and CNI’s', () => {
    const routes = planOf().namespaces.find(({ name }) => name === 'worker-1')!.routes;
    for (const route of routes) {
      if (route.protocol === 'bird') expect(route.origin).toBe('bird');
      if (route.device?.startsWith('cali')) {
        expect(['cni', 'felix']).toContain(route.origin);
        expect(route.scope).toBe('link');
      }
    }
    expect(routes.filter(({ origin }) => origin === 'bird').length).toBeGreaterThan(3);
  });

  const status = (name: string, times: readonly string[]): string => {
    const left = [...times];
    const lab = inventory({
      nodes: [facts('control'), facts('node1'), facts('node2')],
      sessions: [
        session('control', '198.19.0.2'),
        session('control', '198.19.0.3'),
        session('node1', '198.19.0.3'),
        session('node1', '198.19.0.1'),
        session('node2', '198.19.0.2'),
        session('node2', '198.19.0.1'),
      ],
    });
    return runCommand(namespace({ name, role: 'host' }), ['calicoctl', 'node', 'status'], {
      inventory: lab,
      since: () => left.shift()!,
    });
  };

  it.skipIf(zero === undefined)('A5: calicoctl node status says whom this node peers with', () => {
    const table = between(status('control', ['16:38:32', '16:38:33']), 'running.\n\n', '\n\nIPv6');
    expect(zero).toContain(`control\nsudo calicoctl node status\n${table}\n`);
  });

  it('A6: route -n on workers, read and printed again', () => {
    const text = cluster(IPIP).exec('worker-1', ['route', '-n']);
    expect(text.split('\n')[1]).toBe(
      'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface',
    );
    const ns = namespace({ routes: parseRouteN(text) });
    expect(runCommand(ns, ['route', '-n'])).toBe(text);
    expect(text.split('\n').length).toBeGreaterThan(8);
  });

  it('A9: IPIP: remote blocks go by tunl0 to the node', () => {
    expect(remote(IPIP)).toContain('192.168.133.192/26 via 10.30.0.56 dev tunl0 proto bird onlink');
    expect(remote(IPIP).every((line) => line.includes(' dev tunl0 '))).toBe(true);
  });

  it('A10: direct: the node itself is the gateway, or the router on the way to it', () => {
    const lines = remote(modeOf('ipipMode: Never'));
    expect(lines).toContain('192.168.133.192/26 via 10.30.0.56 dev eth0 proto bird');
    expect(lines.join('\n')).not.toContain('tunl0');
  });

  it('A11: VXLAN without BGP: no session, and the same routes from the datastore', () => {
    const backend =
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: calico-config, namespace: kube-system}\ndata: {calico_backend: vxlan}';
    const lab = fromYaml(modeOf('vxlanMode: Always'), backend, ...WORKERS);
    expect(lab.plan.inventory!.sessions).toEqual([]);
    const blocks = grep(said(lab, 'worker-1', 'ip route'), /dev vxlan\.calico/).match(/^\S+/gm);
    expect(blocks).toEqual(remote(IPIP).map((line) => line.split(' ')[0]));
    expect(said(lab, 'worker-1', 'ip route')).not.toContain('bird');
  });

  it('A14: ipipMode Never changes device and gateway of remote blocks, and nothing else', () => {
    const diff = diffPlans(planOf(), planOf('ippool/default-ipv4-ippool.ipipMode=Never'));
    for (const ns of diff.namespaces) {
      expect([ns.name, ns.routes.added, ns.routes.removed]).toEqual([ns.name, [], []]);
      for (const { from, to } of ns.routes.changed) {
        expect(from).toMatch(/ via \S+ dev tunl0 proto bird onlink$/);
        expect(to).toBe(
          from.replace(/ via \S+ dev tunl0 proto bird onlink$/, to.slice(to.indexOf(' via '))),
        );
        expect(to).toMatch(/ via \S+ dev eth0 proto bird$/);
      }
    }
    const node1 = diff.namespaces.find(({ name }) => name === 'worker-1')!;
    expect(node1.routes.changed).toHaveLength(3);
  });

  it('A15: route -n before and after differs in Gateway and Iface only', () => {
    const rows = (plan: ClusterPlan): string[][] => {
      const ns = plan.namespaces.find(({ name }) => name === 'worker-1')!;
      return runCommand(ns, ['route', '-n'])
        .split('\n')
        .map((line) => line.split(/ +/));
    };
    const [before, after] = [
      rows(planOf()),
      rows(planOf('pool/default-ipv4-ippool.ipipMode=Never')),
    ];
    expect(after).toHaveLength(before.length);
    const columns = before.flatMap((row, i) =>
      row.flatMap((cell, column) => (cell === after[i]![column] ? [] : [column])),
    );
    expect(new Set(columns)).toEqual(new Set([1, 7]));
  });

  it('A17: CrossSubnet: of three remote blocks only worker-3’s is encapsulated', () => {
    const lines = remote(modeOf('ipipMode: CrossSubnet'));
    const tunnelled = lines.filter((line) => line.includes('dev tunl0'));
    expect(tunnelled).toEqual(['192.168.97.192/26 via 10.30.1.66 dev tunl0 proto bird onlink']);
    expect(lines.length).toBeGreaterThanOrEqual(3);
  });

  it.skipIf(zero === undefined)('A18: three settings of calico.yaml switch to VXLAN', () => {
    const [, backend] = /calico_backend: "(\w+)"/.exec(zero!)!;
    const [, variable] = /^2\.\t(CALICO_IPV4POOL_\w+)$/m.exec(zero!)!;
    const yaml = (probe: string): string =>
      `apiVersion: v1
kind: ConfigMap
metadata: {name: calico-config, namespace: kube-system}
data: {calico_backend: "${backend}"}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node, namespace: kube-system}
spec:
  template:
    spec:
      containers:
      - name: calico-node
        env:
        - {name: CALICO_IPV4POOL_IPIP, value: "Never"}
        - {name: ${variable}, value: "Always"}
        readinessProbe:
          exec:
            command: [/bin/calico-node, -felix-ready${probe}]
`;
    const made = (probe: string) => fromYaml(yaml(probe), ...WORKERS);
    const { plan } = made('');
    expect(plan.inventory!.pools.map((p) => [p.vxlanMode, p.ipipMode])).toEqual([
      ['Always', 'Never'],
    ]);
    expect(plan.inventory!.sessions).toEqual([]);
    expect(grep(said(made(''), 'worker-1', 'ip route'), /^192\.168\.97/)).toMatch(
      /via 192\.168\.97\.\d+ dev vxlan\.calico onlink\n$/,
    );
    const probed = (cluster: { readonly plan: ClusterPlan }): string[] =>
      cluster.plan.assumptions.filter((text) => text.includes('-bird-ready'));
    // The document's third line is a comment sign before it.
    expect(zero).toMatch(/^3\.\t# {4}- -bird-ready$/m);
    expect([probed(made('')).length, probed(made(', -bird-ready')).length]).toEqual([0, 1]);
  });

  it.skipIf(zero === undefined)('A20: node status of four hosts, given the since-times', () => {
    for (const [name, times] of [
      ['control', ['16:38:32', '16:38:33']],
      ['node1', ['16:38:29', '16:38:32']],
      ['node2', ['16:38:30', '16:38:33']],
    ] as const) {
      const table = between(status(name, times), 'running.\n\n', '\n\nIPv6');
      expect(zero).toContain(`${name}\nsudo calicoctl node status\n${table}\n`);
    }
    // The document's calicoctl had no full stop yet.
    const host = status('host1', []).replace('.\n', '\n');
    expect(zero).toContain(`host1\nsudo calicoctl node status\n${host}`);
  });

  it.skipIf(zero === undefined)('A21: three nodes and a host in one /20', () => {
    const lab = fromYaml(
      pool('default-ipv4-ippool', 'cidr: 198.19.16.0/21'),
      node('control', '198.19.0.1/20'),
      node('node1', '198.19.0.2/20'),
      node('node2', '198.19.0.3/20'),
      'apiVersion: podwire/v1\nkind: Underlay\nmetadata: {name: lab}\nspec:\n  segments:\n  - name: lan\n    members:\n' +
        ['control: 198.19.0.1', 'node1: 198.19.0.2', 'node2: 198.19.0.3', 'host1: 198.19.15.254']
          .map((line) => line.split(': '))
          .map(([name, ip]) => `    - {name: ${name}, interface: ens4, address: ${ip}/20}`)
          .join('\n') +
        '\n  hosts: [{name: host1}]',
    );
    for (const [name, cidr] of [
      ['control', '198.19.0.1/20'],
      ['node1', '198.19.0.2/20'],
      ['host1', '198.19.15.254/20'],
    ] as const) {
      expect(zero).toMatch(new RegExp(`^${name}\\s+${cidr.replaceAll('.', '\\.')}`, 'm'));
      expect(said(lab, name, 'ip -br -4 addr show dev ens4')).toContain(cidr);
      expect(said(lab, name, 'ip route show 198.19.0.0/20')).toContain(
        'dev ens4 proto kernel scope link',
      );
    }
  });
});
