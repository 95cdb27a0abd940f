/**
 * The rules derived from a Service and its EndpointSlice, in place of the recorded
 * ones: the frames must still be the kernel's.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import type { Matches, NetfilterPlan, NetfilterRule, Target } from '../../src/plan/netfilter.ts';
import { openLab } from '../../src/verify/open-lab.ts';
import { verifyLab } from '../../src/verify/verify.ts';
import { readScenario, scenarioYaml } from '../calico/oracle-cluster.ts';

const FOLDER = join('..', 'shared', 'oracle', 'out', '14-service');
const there = existsSync(FOLDER);
if (!there) console.warn('SKIPPED: no recording of 14-service here');

const slice = (addresses: string[]): unknown => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 'web-1',
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': 'web' },
  },
  addressType: 'IPv4',
  ports: ['TCP', 'UDP'].map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 8080 })),
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
});

const SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    clusterIP: '10.96.0.10',
    ports: ['TCP', 'UDP'].map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 80 })),
  },
};

/** Node by node, from the scenario's facts only. */
function derived(): Map<string, NetfilterPlan> {
  const scenario = readScenario('14-service');
  const backends = [scenario.pods['a1']!.ip, scenario.pods['b1']!.ip];
  const yaml = [scenarioYaml(scenario), ...[SERVICE, slice(backends)].map((r) => JSON.stringify(r))]
    .join('\n---\n')
    .replace('"ipipMode"', '"natOutgoing":true,"ipipMode"');
  const { namespaces } = planCluster([{ text: yaml, source: 'lab' }]);
  return new Map(
    Object.entries(scenario.nodes).map(([name, { hostname }]) => [
      name,
      namespaces.find((n) => n.name === hostname)!.netfilter!,
    ]),
  );
}

/** The lab takes turns, from a1 on, and keeps ports; a cluster draws both, and sorts by text. */
function likeTheLab(plan: NetfilterPlan): NetfilterPlan {
  const matches = (m: Matches): Matches =>
    m.statistic?.mode === 'random'
      ? {
          ...m,
          statistic: { mode: 'nth', every: Math.round(1 / m.statistic.probability), packet: 0 },
        }
      : m;
  const target = (t: Target): Target =>
    t.kind === 'masquerade' ? { ...t, randomFully: false } : t;
  const rule = (r: NetfilterRule): NetfilterRule => ({
    ...r,
    matches: matches(r.matches),
    target: target(r.target),
  });
  const turned = (rules: readonly NetfilterRule[]): NetfilterRule[] => {
    const draws = rules.filter(
      (r) => 'chain' in r.target && r.target.chain.startsWith('KUBE-SEP-'),
    );
    return rules.map((r) => {
      const at = draws.indexOf(r);
      return at < 0 ? r : { ...r, target: draws.at(-1 - at)!.target };
    });
  };
  return {
    ...plan,
    chains: plan.chains.map((c) => ({ ...c, rules: turned(c.rules).map(rule) })),
  };
}

/** A chain with every jump spelled out, so that names do not matter. */
function spelled(plan: NetfilterPlan, name: string): unknown[] {
  const chain = plan.chains.find((c) => c.table === 'nat' && c.name === name);
  return (chain?.rules ?? []).map(({ matches, target }) => ({
    matches,
    target: 'chain' in target ? spelled(plan, target.chain) : target,
  }));
}

/** `[jump to the empty KUBE-NODEPORTS]` is kube-proxy's and not in the lab. */
const withoutNodePorts = (rules: unknown[]): unknown[] =>
  rules.filter((rule) => !JSON.stringify(rule).includes('"target":[]'));

describe.skipIf(!there)('14-service with derived rules', () => {
  it.each(['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ'])('%s says the same', (name) => {
    const lab = openLab(FOLDER);
    for (const [node, plan] of derived()) {
      const recorded = lab.plan.namespaces.find((n) => n.name === node)!.netfilter!;
      const expected = spelled(recorded, name);
      expect(expected.length).toBeGreaterThan(0);
      expect(withoutNodePorts(spelled(likeTheLab(plan), name))).toEqual(expected);
    }
  });

  it('the nat hooks jump in the same order', () => {
    const lab = openLab(FOLDER);
    const jumps = (plan: NetfilterPlan): unknown[] =>
      plan.chains
        .filter(({ table, policy }) => table === 'nat' && policy !== undefined)
        .map(({ name, rules }) => [
          name,
          rules.map(({ target }) => 'chain' in target && target.chain),
        ]);
    for (const [node, plan] of derived()) {
      const recorded = lab.plan.namespaces.find((n) => n.name === node)!.netfilter!;
      expect(jumps(plan)).toEqual(jumps(recorded));
    }
  });

  it('every frame on every interface is the kernel’s', () => {
    const lab = openLab(FOLDER);
    const rules = derived();
    const namespaces = lab.plan.namespaces.map((namespace) => {
      const plan = rules.get(namespace.name);
      return plan === undefined ? namespace : { ...namespace, netfilter: likeTheLab(plan) };
    });
    const compared = verifyLab({ ...lab, plan: { ...lab.plan, namespaces } });
    expect(compared.reduce((sum, c) => sum + c.frames, 0)).toBeGreaterThan(50);
    for (const {
      namespace,
      interface: device,
      missing,
      different,
      equal,
      equalOutsideFree,
      frames,
    } of compared) {
      const at = `${namespace}:${device}`;
      expect({ missing, different }, at).toEqual({ missing: 0, different: 0 });
      expect(equal + equalOutsideFree, at).toBe(frames);
    }
  });
});
