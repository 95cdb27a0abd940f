/**
 * The founding claim: facts and tables in, the real captures out. The digests in
 * the fixtures are those of captures taken on a real cluster by others.
 */
import '../accounts.ts';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { readManifests } from '../../src/cluster/load.ts';
import { inUse } from '../../src/packet/slab.ts';
import type { ClusterPlan, NamespacePlan } from '../../src/plan/plan.ts';
import { readScenarios, runScenario, type ScenarioResult } from '../../src/replay/scenario.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';

const MODES = ['ipip', 'bgp', 'vxlan'] as const;
const DIGESTS = {
  ipip: '22e85c8d35d337a6d07f40178cbeab7cf9c8598b0dba510f091e172b1b758009',
  bgp: '620df7a98baea8fafda610a72f21ec785c34efca2b3cb1095b344f0be41d0428',
  vxlan: '795fb301f9e7d4fc157d77e3f23a514ce93636a956f13d167fa88ef1b94423ea',
} as const;

const folder = (mode: string): string => join('fixtures', `calico-${mode}`);
const real = (mode: string): string => join('..', 'shared', 'captures', `calico-${mode}.pcap`);
const planOf = (mode: string): ClusterPlan => planCluster(readManifests(folder(mode)));

function run(mode: string, plan: ClusterPlan): ScenarioResult & { file: Buffer; cluster: Cluster } {
  const [scenario] = readScenarios(readManifests(folder(mode)));
  const chunks: Buffer[] = [];
  const cluster = Cluster.fromPlan(plan);
  const result = runScenario(cluster, scenario!, (chunk) => chunks.push(Buffer.from(chunk)));
  return { ...result, file: Buffer.concat(chunks), cluster };
}

const editing = (
  plan: ClusterPlan,
  name: string,
  edit: (ns: NamespacePlan) => NamespacePlan,
): ClusterPlan => ({
  ...plan,
  namespaces: plan.namespaces.map((ns) => (ns.name === name ? edit(ns) : ns)),
});

describe.each(MODES)('the %s capture', (mode) => {
  it('is regenerated with the digest of the real one', () => {
    const { sha256, equal, frames } = run(mode, planOf(mode));
    expect(sha256).toBe(DIGESTS[mode]);
    expect(equal).toBe(true);
    expect(frames).toBe(10);
  });

  it.skipIf(!existsSync(real(mode)))('is the same file as the real one', () => {
    expect(run(mode, planOf(mode)).file.equals(readFileSync(real(mode)))).toBe(true);
  });
  if (!existsSync(real(mode))) console.warn(`SKIPPED: ${real(mode)} is not here to compare with`);

  it('loses no packet and holds no slot afterwards', () => {
    const before = inUse();
    const { cluster } = run(mode, planOf(mode));
    expect(cluster.counts).toEqual({
      entered: 10,
      born: 0,
      delivered: 10,
      dropped: 0,
      consumed: 0,
    });
    expect(cluster.waiting()).toBe(0);
    expect(inUse()).toBe(before);
  });

  it('the same, again and again', () => {
    const digests = Array.from({ length: 20 }, () => run(mode, planOf(mode)).sha256);
    expect(new Set(digests)).toEqual(new Set([DIGESTS[mode]]));
  });
});

/** Every table entry on the path, in both nodes; each change must show in the capture or stop it. */
describe.each(MODES)('no table entry of the %s path is decoration', (mode) => {
  const plan = planOf(mode);
  const elsewhere = parseIp4('192.168.33.99');
  const changed = (edited: ClusterPlan): boolean => {
    const { sha256, frames } = run(mode, edited);
    return sha256 !== DIGESTS[mode] || frames !== 10;
  };
  const onPath = plan.namespaces
    .filter((ns) =>
      ['k8s-node1', 'k8s-node2', 'default/client', 'default/kubia-d278t'].includes(ns.name),
    )
    .flatMap((ns) => ns.routes.map((route) => ({ ns: ns.name, route })))
    .filter(({ ns, route }) => {
      const last = route.destination.address;
      const prefixes =
        ns === 'k8s-node1'
          ? ['10.2.169.128', '10.2.36.71', '192.168.33.0']
          : ['10.2.36.64', '10.2.169.136', '192.168.33.0'];
      if (ns.startsWith('default/')) return true;
      // In direct mode the gateway of a remote block needs no route of its own.
      const wanted = mode === 'bgp' ? prefixes.slice(0, 2) : prefixes;
      return route.type === 'unicast' && wanted.some((p) => parseIp4(p) === last);
    });

  it('has routes on the path', () => expect(onPath.length).toBeGreaterThanOrEqual(6));

  it.each(onPath)('route of $ns: $route.destination', ({ ns, route }) => {
    const without = editing(plan, ns, (n) => ({
      ...n,
      routes: n.routes.filter((r) => r !== route),
    }));
    const pods = ['10.2.36.71', '10.2.169.136', '169.254.1.1'].map(parseIp4);
    const delivers = route.destination.length === 32 && pods.includes(route.destination.address);
    if (!delivers) expect(changed(without)).toBe(true);
    else {
      // The last hop lies behind the capture point (or is the scope of the pod's gateway).
      const { cluster } = run(mode, without);
      if (ns.startsWith('k8s')) expect(cluster.counts.dropped).toBeGreaterThan(0);
    }
    if (route.via === undefined || ns.startsWith('default/')) return;
    const elsewhereRoute = { ...route, via: elsewhere };
    const moved = editing(plan, ns, (n) => ({
      ...n,
      routes: n.routes.map((r) => (r === route ? elsewhereRoute : r)),
    }));
    expect(changed(moved)).toBe(true);
  });

  it('underlay neighbours', () => {
    for (const [node, peer] of [
      ['k8s-node1', '192.168.33.57'],
      ['k8s-node2', '192.168.33.55'],
    ] as const) {
      const wrong = {
        device: 'enp1s0',
        address: parseIp4(peer),
        mac: parseMac('02:00:00:00:00:99'),
        state: 'REACHABLE' as const,
      };
      expect(
        changed(editing(plan, node, (n) => ({ ...n, neighbours: [...n.neighbours, wrong] }))),
      ).toBe(true);
      const unknown = { device: 'enp1s0', address: parseIp4(peer), state: 'FAILED' as const };
      const asked = editing(plan, node, (n) => ({ ...n, neighbours: [...n.neighbours, unknown] }));
      // ARP asks and learns; the capture shows it.
      expect(run(mode, asked).frames).toBe(12);
    }
  });

  if (mode === 'vxlan') {
    it('VTEP neighbours and FDB entries', () => {
      for (const node of ['k8s-node1', 'k8s-node2']) {
        const peer = parseIp4(node === 'k8s-node1' ? '192.168.33.57' : '192.168.33.55');
        const ns = plan.namespaces.find((n) => n.name === node)!;
        const entry = ns.fdb.find((f) => f.destination === peer)!;
        const edits: ((n: NamespacePlan) => NamespacePlan)[] = [
          (n) => ({ ...n, fdb: n.fdb.filter((f) => f !== entry) }),
          (n) => ({
            ...n,
            fdb: n.fdb.map((f) => (f === entry ? { ...f, destination: elsewhere } : f)),
          }),
          (n) => ({
            ...n,
            fdb: n.fdb.map((f) => (f === entry ? { ...f, mac: parseMac('66:00:00:00:00:01') } : f)),
          }),
          (n) => ({ ...n, neighbours: n.neighbours.filter((e) => e.mac !== entry.mac) }),
          (n) => ({
            ...n,
            neighbours: n.neighbours.map((e) =>
              e.mac === entry.mac ? { ...e, mac: parseMac('66:00:00:00:00:01') } : e,
            ),
          }),
        ];
        for (const edit of edits) expect(changed(editing(plan, node, edit))).toBe(true);
      }
    });
  }
});

describe('scenario files', () => {
  const text = readFileSync(join(folder('ipip'), 'scenario.yaml'), 'utf8');
  const reading = (from: string, to: string) => () =>
    readScenarios([{ text: text.replace(from, to), source: 's.yaml' }]);

  it.each([
    [
      '"1660580989.048035"',
      '1660580989.048035',
      /s\.yaml:\d+: Scenario\/calico-ipip .*time: expected a quoted time/,
    ],
    ['from: client', 'from: nobody', /expected client or server, found "nobody"/],
    ['window: 65535', 'window: 65536', /expected an integer from 0 to 65535, found 65536/],
    ['file: calico-ipip.pcap', 'file: ../x.pcap', /expected a file name without folders/],
    ['sha256: 22e8', 'sha256: 22e', /expected 64 hexadecimal digits/],
  ])('%s as %s is refused with the place', (from, to, message) => {
    expect(reading(from, to)).toThrow(message);
  });
});
