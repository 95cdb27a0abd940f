import '../accounts.ts';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { readManifests } from '../../src/cluster/load.ts';
import type { ClusterPlan, DevicePlan } from '../../src/plan/plan.ts';
import { lintPlan } from '../../src/report/lint.ts';
import { node, pod, pool } from '../documents/document.ts';

const fixture = (name: string): ClusterPlan => planCluster(readManifests(join('fixtures', name)));

const withDevices = (plan: ClusterPlan, change: (d: DevicePlan) => DevicePlan): ClusterPlan => ({
  ...plan,
  namespaces: plan.namespaces.map((ns) => ({ ...ns, devices: ns.devices.map(change) })),
});

const subnets = (modes: string, underlay = ''): ClusterPlan =>
  planCluster([
    {
      text: [
        pool('p', `cidr: 10.2.0.0/16${modes}`),
        node('a', '10.30.0.1/24'),
        node('b', '10.30.1.1/24'),
        pod('x', 'a'),
        pod('y', 'b'),
        underlay,
      ].join('\n---\n'),
      source: 'subnets.yaml',
    },
  ]);

describe('lint', () => {
  it.each(['calico-ipip', 'calico-bgp'])('finds nothing in %s', (name) => {
    expect(lintPlan(fixture(name))).toEqual([]);
  });

  it('pods of MTU 1480 over a vxlan.calico of 1450, as in a recorded capture', () => {
    const plan = withDevices(fixture('calico-vxlan'), (d) =>
      d.kind === 'veth' ? { ...d, mtu: 1480 } : d,
    );
    const findings = lintPlan(plan);
    expect(findings.map(({ node: on, rule }) => [on, rule])).toEqual([
      ['k8s-node1', 'pod-mtu'],
      ['k8s-node2', 'pod-mtu'],
    ]);
    expect(findings[0]!.message).toBe(
      'pods have an MTU of 1480, vxlan.calico one of 1450: packets of 1451 to 1480 bytes do not fit it',
    );
    // The words are true of packets.
    const pair = { from: 'kubia-d278t', to: 'client', dontFragment: true } as const;
    expect(Cluster.fromPlan(plan).send({ ...pair, size: 1450 }).outcome).toBe('delivered');
    expect(Cluster.fromPlan(plan).send({ ...pair, size: 1451 }).outcome).toBe('dropped');
  });

  it('pods of MTU 1410 over a wireguard.cali of 1400', () => {
    const felix =
      'apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {wireguardEnabled: true, wireguardMTU: 1400}';
    const plan = withDevices(subnets('', felix), (d) =>
      d.kind === 'veth' ? { ...d, mtu: 1410 } : d,
    );
    expect(lintPlan(plan).map(({ message }) => message)).toContain(
      'pods have an MTU of 1410, wireguard.cali one of 1400: packets of 1401 to 1410 bytes do not fit it',
    );
  });

  it('a tunnel that does not fit its NIC', () => {
    const plan = withDevices(fixture('calico-vxlan'), (d) =>
      d.kind === 'vxlan' || d.kind === 'veth' ? { ...d, mtu: 1480 } : d,
    );
    expect(lintPlan(plan).map(({ rule }) => rule)).toEqual(Array(3).fill('tunnel-mtu'));
    expect(lintPlan(plan)[0]!.message).toBe(
      'vxlan.calico has an MTU of 1480, and with its 50 bytes of headers 1530 on enp1s0, which carries 1500',
    );
  });

  it('direct mode across subnets by a router that knows no pods; an overlay cures it', () => {
    const plan = subnets('');
    const findings = lintPlan(plan);
    expect(findings.map(({ node: on, rule }) => [on, rule])).toEqual([
      ['a', 'router-lacks-route'],
      ['b', 'router-lacks-route'],
    ]);
    expect(Cluster.fromPlan(plan).send({ from: 'x', to: 'y' }).outcome).toBe('dropped');
    for (const cure of [', ipipMode: CrossSubnet', ', vxlanMode: CrossSubnet']) {
      const cured = subnets(cure);
      expect(lintPlan(cured)).toEqual([]);
      expect(Cluster.fromPlan(cured).send({ from: 'x', to: 'y' }).outcome).toBe('delivered');
    }
  });

  it('an address of two pods: only one is reached, and the other sends in vain', () => {
    const plan = planCluster([
      {
        text: [
          pool('p', 'cidr: 10.2.0.0/16'),
          node('a', '10.30.0.1/24'),
          ...['x', 'y'].map((name) => pod(name, 'a', '10.2.0.9')),
          pod('z', 'a'),
        ].join('\n---\n'),
        source: 'twins.yaml',
      },
    ]);
    const cluster = Cluster.fromPlan(plan);
    const { device } = cluster.tables('y').devices.find(({ peer }) => peer)!.peer!;
    expect(lintPlan(plan)).toEqual([
      {
        rule: 'shared-address',
        node: 'a',
        message:
          '10.2.0.9 is the address of default/x and of default/y: ' +
          `only ${device}, of the higher interface index, has a route; what default/x sends is dropped as forged`,
      },
    ]);
    expect(cluster.send({ from: 'z', to: '10.2.0.9' }).at).toBe('default/y');
    expect(cluster.send({ from: 'y', to: 'z' }).outcome).toBe('delivered');
    expect(cluster.send({ from: 'x', to: 'z' })).toMatchObject({ at: 'a', reason: 'filtered' });
  });

  it('a fabric that checks source and destination, with pods in the open', () => {
    const plan = fixture('calico-bgp');
    const segments = plan.segments.map((segment) => ({ ...segment, srcDstCheck: true }));
    const findings = lintPlan({ ...plan, segments });
    expect(findings.map(({ rule }) => rule)).toEqual(Array(3).fill('source-check'));
    expect(lintPlan({ ...fixture('calico-ipip'), segments })).toEqual([]);
  });
});
