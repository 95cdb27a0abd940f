import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { editManifests } from '../../src/calico/edit.ts';
import { readManifests } from '../../src/cluster/load.ts';
import type { ClusterPlan, NamespacePlan } from '../../src/plan/plan.ts';
import { diffPlans, type PlanDiff, type TableDiff } from '../../src/report/diff.ts';
import { formatDiff } from '../../src/report/diff-text.ts';
import { cluster } from '../../src/testing/index.ts';
import { runCommand } from '../../src/text/command.ts';
import { compileProgram } from '../cli/program.ts';

const fixture = (name: string): ClusterPlan => planCluster(readManifests(join('fixtures', name)));
const NEVER = 'ippool/default-ipv4-ippool.ipipMode=Never';

const of = (diff: PlanDiff, name: string) => diff.namespaces.find((ns) => ns.name === name)!;

/** What `ip route` of the first plan becomes by the difference, as a multiset. */
function applied(lines: readonly string[], { removed, added, changed }: TableDiff): string[] {
  const rest = [...lines];
  for (const text of [...removed, ...changed.map(({ from }) => from)]) {
    const at = rest.indexOf(text);
    expect(at).toBeGreaterThanOrEqual(0);
    rest.splice(at, 1);
  }
  return [...rest, ...added, ...changed.map(({ to }) => to)].sort();
}

const printed = (ns: NamespacePlan, command: string): string[] =>
  runCommand(ns, command.split(' '))
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .sort();

describe('a difference of plans', () => {
  it('IPIP switched off: the routes of remote blocks, and nothing else of them', () => {
    const files = readManifests(join('fixtures', 'calico-ipip'));
    const diff = diffPlans(planCluster(files), planCluster(editManifests(files, [NEVER])));
    const { routes, neighbours, fdb, rules, presence } = of(diff, 'k8s-node1');
    expect(presence).toBe('both');
    expect(routes).toEqual({
      removed: [],
      added: [],
      changed: [
        {
          from: '10.2.169.128/26 via 192.168.33.57 dev tunl0 proto bird onlink',
          to: '10.2.169.128/26 via 192.168.33.57 dev enp1s0 proto bird',
        },
        {
          from: '10.2.235.192/26 via 192.168.33.53 dev tunl0 proto bird onlink',
          to: '10.2.235.192/26 via 192.168.33.53 dev enp1s0 proto bird',
        },
      ],
    });
    const nothing = { removed: [], added: [], changed: [] };
    expect([neighbours, fdb, rules]).toEqual([nothing, nothing, nothing]);
  });

  it('IPIP to VXLAN: devices, neighbours and FDB entries come', () => {
    const diff = diffPlans(fixture('calico-ipip'), fixture('calico-vxlan'));
    const text = formatDiff(diff);
    const block = text.slice(text.indexOf('k8s-node1\n'), text.indexOf('\n\nk8s-node2'));
    for (const line of [
      '  bridge fdb\n  + ',
      '  + 66:90:43:3d:b3:e7 dev vxlan.calico dst 192.168.33.57 self permanent',
      '  + 10.2.169.137 dev vxlan.calico lladdr 66:90:43:3d:b3:e7 PERMANENT',
      '  - blackhole 10.2.36.64/26 proto bird\n  + blackhole 10.2.36.64/26 proto 80',
      '  + vxlan.calico: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 ',
    ]) {
      expect(block).toContain(line);
    }
  });

  it('a changed device shows the lines that differ below its name', () => {
    const before = fixture('calico-ipip');
    const after = {
      ...before,
      namespaces: before.namespaces.map((ns) => ({
        ...ns,
        devices: ns.devices.map((d) =>
          ns.name === 'k8s-node1' && d.name === 'enp1s0' ? { ...d, addresses: [] } : d,
        ),
      })),
    };
    expect(formatDiff(diffPlans(before, after))).toBe(
      'k8s-node1\n  ip addr\n' +
        '    enp1s0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000\n' +
        '  -     inet 192.168.33.55/24 brd 192.168.33.255 scope global enp1s0',
    );
  });

  it('a namespace that is only in one plan', () => {
    const plan = fixture('calico-ipip');
    const without = {
      ...plan,
      namespaces: plan.namespaces.filter(({ name }) => name !== 'default/client'),
    };
    const gone = diffPlans(plan, without);
    expect(gone.namespaces.map(({ name, presence }) => [name, presence])).toEqual([
      ['default/client', 'removed'],
    ]);
    expect(formatDiff(gone)).toMatch(/^default\/client \(gone\)\n {2}ip addr\n {2}- lo: </);
    expect(formatDiff(diffPlans(without, plan))).toMatch(/^default\/client \(new\)/);
  });

  it('ifindexes are not compared', () => {
    const plan = fixture('calico-vxlan');
    const shifted = {
      ...plan,
      namespaces: plan.namespaces.map((ns) => ({
        ...ns,
        devices: ns.devices.map((d) => ({ ...d, index: d.index + 7 })),
      })),
    };
    expect(diffPlans(plan, shifted)).toEqual({ namespaces: [] });
    expect(formatDiff({ namespaces: [] })).toBe('');
  });

  it('turns the tables of the one into those of the other, for any two clusters', () => {
    fc.assert(
      fc.property(cluster(), cluster(), (left, right) => {
        const [a, b] = [left, right].map(({ yaml }) =>
          planCluster([{ text: yaml, source: 'arbitrary' }]),
        ) as [ClusterPlan, ClusterPlan];
        expect(diffPlans(a, a).namespaces).toEqual([]);
        const diff = diffPlans(a, b);
        for (const ns of b.namespaces) {
          const old = a.namespaces.find(({ name }) => name === ns.name);
          const change = of(diff, ns.name);
          if (old === undefined || change === undefined) continue;
          const routes = applied(printed(old, 'ip route'), change.routes);
          expect(routes).toEqual(printed(ns, 'ip route'));
          const entries = applied(printed(old, 'ip neigh'), change.neighbours);
          expect(entries).toEqual(printed(ns, 'ip neigh'));
        }
      }),
      { numRuns: 20 },
    );
  });
});

describe('the command', () => {
  const { podwire } = compileProgram();

  it('diff: 1 and the lines, or 0 and nothing; --json; standard input is read once', () => {
    const same = podwire(['diff', 'fixtures/calico-ipip', 'fixtures/calico-ipip']);
    expect(same).toMatchObject({ status: 0, stdout: '' });
    const some = podwire(['diff', 'fixtures/calico-ipip', '--set', NEVER]);
    expect(some.status).toBe(1);
    expect(some.stdout).toContain(
      '\n  - 10.2.169.128/26 via 192.168.33.57 dev tunl0 proto bird onlink\n  + 10.2.169.128/26 via 192.168.33.57 dev enp1s0 proto bird\n',
    );
    const input = readManifests('fixtures/calico-ipip/cluster.yaml')[0]!.text;
    const json = podwire(['diff', '-', '--set', NEVER, '--json'], input);
    expect(json.status).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      namespaces: [{ name: 'k8s-master' }, {}, {}, {}, {}, {}, {}, {}],
    });
    const lone = podwire(['diff', 'fixtures/calico-ipip']);
    expect(lone).toMatchObject({ status: 2, stdout: '' });
    expect(lone.stderr).toContain('expected a second cluster or --set, found neither');
  });

  it('--set with exec, show and trace; what is not there is named', () => {
    const node = ['fixtures/calico-ipip', 'k8s-node1'];
    expect(podwire(['exec', ...node, '--set', NEVER, '--', 'ip', 'route']).stdout).toContain(
      '10.2.169.128/26 via 192.168.33.57 dev enp1s0 proto bird \n',
    );
    expect(podwire(['show', ...node, '--set', NEVER]).stdout).not.toContain('tunl0');
    const pair = ['--from', 'kubia-d278t', '--to', 'client', '--set', NEVER];
    const trace = podwire(['trace', 'fixtures/calico-ipip', ...pair]);
    expect(trace.status).toBe(0);
    expect(trace.stdout).not.toContain('tunl0');
    const wrong = podwire(['show', ...node, '--set', 'ippool/nope.ipipMode=Never']);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain('expected a name of IPPool (default-ipv4-ippool)');
    const both = podwire(['show', ...node, '--set', 'ippool/default-ipv4-ippool.vxlanMode=Always']);
    expect(both.status).toBe(2);
    expect(both.stderr).toMatch(/cluster\.yaml:\d+: IPPool\/default-ipv4-ippool spec\.vxlanMode: /);
  });

  it('show lists the table of WireGuard too; lint ends in 1 where it finds something', () => {
    const wireguard = ['--set', 'felixconfiguration/default.wireguardEnabled=true'];
    const { stdout } = podwire(['show', 'fixtures/calico-ipip', 'k8s-node1', ...wireguard]);
    expect(stdout).toContain('\n# ip route show table 1\nthrow 10.2.36.64/26 \n');
    expect(stdout).toContain('\n# wg show\ninterface: wireguard.cali\n');
    expect(podwire(['lint', 'fixtures/calico-ipip'])).toMatchObject({ status: 0, stdout: '' });
    const input = `apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: p}
spec: {cidr: 10.2.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: a}
spec: {bgp: {ipv4Address: 10.30.0.1/24}}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: b}
spec: {bgp: {ipv4Address: 10.30.1.1/24}}
---
apiVersion: v1
kind: Pod
metadata: {name: x}
spec: {nodeName: a}
`;
    const found = podwire(['lint', '-'], input);
    expect(found.status).toBe(1);
    expect(found.stdout).toMatch(
      /^b: router-lacks-route: 10\.2\.\S+ via 10\.30\.1\.\d+ dev eth0 proto bird: the router router has no route to /m,
    );
    const json = podwire(['lint', '-', '--json'], input);
    expect(JSON.parse(json.stdout)).toContainEqual(
      expect.objectContaining({ node: 'b', rule: 'router-lacks-route' }),
    );
  });
});
