import { describe, expect, it } from 'vitest';
import { rangesOfFlags } from '../../src/calico/cluster-ranges.ts';
import { formatPrefix } from '../../src/wire/address.ts';
import { failure, node, plan, pool } from './manifests.ts';

const two = [node('n1', '10.9.0.1/24'), node('n2', '10.9.0.2/24')];
const installation = (spec: string): string =>
  `apiVersion: operator.tigera.io/v1\nkind: Installation\nmetadata: {name: default}\nspec: ${spec}`;
const kubeadm = (pods: string, services = '10.96.0.0/12'): string => `apiVersion: v1
kind: ConfigMap
metadata: {name: kubeadm-config, namespace: kube-system}
data:
  ClusterConfiguration: |
    apiVersion: kubeadm.k8s.io/v1beta3
    kind: ClusterConfiguration
    networking:
      dnsDomain: cluster.local
      podSubnet: ${pods}
      serviceSubnet: ${services}
`;
const daemonSet = (env = '[]'): string => `apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node, namespace: kube-system}
spec: {template: {spec: {containers: [{name: calico-node, env: ${env}}]}}}`;

const pools = (...documents: string[]) =>
  plan(...documents, ...two).inventory!.pools.map((p) => [
    p.name,
    formatPrefix(p.cidr),
    p.ipipMode,
    p.vxlanMode,
    p.natOutgoing,
    p.blockSize,
  ]);

describe('the pools of an Installation', () => {
  it('are made with the operator’s words and defaults', () => {
    expect(
      pools(
        installation(
          '{calicoNetwork: {ipPools: [{cidr: 10.40.0.0/16, encapsulation: VXLANCrossSubnet, blockSize: 27, natOutgoing: Disabled}]}}',
        ),
      ),
    ).toEqual([['default-ipv4-ippool', '10.40.0.0/16', 'Never', 'CrossSubnet', false, 27]]);
    expect(pools(installation('{}'))).toEqual([
      ['default-ipv4-ippool', '192.168.0.0/16', 'Always', 'Never', true, 26],
    ]);
    expect(pools(installation('{}'), kubeadm('10.5.0.0/16,fd00::/64'))).toEqual([
      ['default-ipv4-ippool', '10.5.0.0/16', 'Always', 'Never', true, 26],
    ]);
  });

  it('are called by their range where there are several, and IPv6 is left out', () => {
    expect(
      pools(
        installation(
          '{calicoNetwork: {ipPools: [{cidr: 10.40.0.0/16, encapsulation: None}, {cidr: 10.41.0.0/16, name: second}, {cidr: "fd00::/64"}]}}',
        ),
      ).map(([name, , ipip]) => [name, ipip]),
    ).toEqual([
      ['10.40.0.0-16', 'Never'],
      ['second', 'Always'],
    ]);
  });

  it('are none where the list is empty, and where the cluster has pools', () => {
    expect(pools(installation('{calicoNetwork: {ipPools: []}}'))).toEqual([]);
    expect(pools(installation('{}'), pool({ name: 'own' })).map(([name]) => name)).toEqual(['own']);
  });

  it('refuses what the operator would', () => {
    const broken = installation(
      '{calicoNetwork: {ipPools: [{cidr: 10.0.0.0/8, encapsulation: GRE}]}}',
    );
    expect(failure(broken, ...two)).toMatchObject({
      code: 'ERR_CONFIG_VALUE',
      message: expect.stringContaining('IPIPCrossSubnet'),
    });
  });
});

describe('the ranges of a cluster', () => {
  it('kubeadm’s is the default pool’s unless a variable says another', () => {
    expect(pools(kubeadm('10.7.0.0/16'), daemonSet())[0]![1]).toBe('10.7.0.0/16');
    const env = '[{name: CALICO_IPV4POOL_CIDR, value: 10.8.0.0/16}]';
    const made = plan(kubeadm('10.7.0.0/16'), daemonSet(env), ...two);
    expect(formatPrefix(made.inventory!.pools[0]!.cidr)).toBe('10.8.0.0/16');
    expect(made.assumptions).toContain(
      "IPPool/default-ipv4-ippool: 10.8.0.0/16 is outside the cluster's range of pods, 10.7.0.0/16",
    );
  });

  it('an overlap with services is told', () => {
    const { assumptions } = plan(kubeadm('10.96.0.0/16', '10.96.0.0/12'), daemonSet(), ...two);
    expect(assumptions).toContain(
      'IPPool/default-ipv4-ippool: 10.96.0.0/16 overlaps the range of services, 10.96.0.0/12',
    );
  });

  it('come from annotations and flags too, which Calico does not look at', () => {
    const k3s =
      'apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  annotations:\n    k3s.io/node-args: \'["server","--cluster-cidr","10.20.0.0/16","--service-cidr","10.21.0.0/16"]\'';
    const made = plan(k3s, daemonSet(), ...two);
    const { ranges } = made.inventory!;
    expect([formatPrefix(ranges!.pods!), formatPrefix(ranges!.services!)]).toEqual([
      '10.20.0.0/16',
      '10.21.0.0/16',
    ]);
    expect(formatPrefix(made.inventory!.pools[0]!.cidr)).toBe('192.168.0.0/16');
    const apiserver =
      'apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver-n1, namespace: kube-system}\nspec: {hostNetwork: true, nodeName: n1, containers: [{name: a, command: [kube-apiserver, --service-cluster-ip-range=10.30.0.0/16]}]}';
    expect(plan(apiserver, ...two).inventory!.ranges).toEqual({
      services: { address: expect.any(Number), length: 16 },
    });
  });

  it('flags are read with blanks, equals signs, quotes and two families', () => {
    for (const text of [
      '--cluster-cidr=10.1.0.0/16 --service-cluster-ip-range=10.2.0.0/16',
      '"--cluster-cidr", "10.1.0.0/16", "--service-cidr", "10.2.0.0/16"',
      '[\\"--cluster-cidr\\",\\"10.1.0.0/16,fd00::/56\\",\\"--service-cidr\\",\\"fd01::/112,10.2.0.0/16\\"]',
    ]) {
      const { pods, services } = rangesOfFlags(text);
      expect([pods && formatPrefix(pods), services && formatPrefix(services)]).toEqual([
        '10.1.0.0/16',
        '10.2.0.0/16',
      ]);
    }
    expect(rangesOfFlags('--cluster-cidr=fd00::/56 --service-cidr=x')).toEqual({});
  });

  it('refuses a range that is none, at its line', () => {
    expect(failure(kubeadm('10.7.0.0'), ...two)).toMatchObject({ code: 'ERR_CONFIG_VALUE' });
  });
});

describe('the type of a cluster', () => {
  it('is ClusterInformation’s, else what calico-node would write', () => {
    const env = '[{name: CLUSTER_TYPE, value: "k8s,bgp"}]';
    expect(plan(daemonSet(env), kubeadm('10.0.0.0/16'), ...two).inventory!.clusterType).toBe(
      'k8s,bgp,kubeadm,kdd',
    );
    expect(plan(daemonSet(), ...two).inventory!.clusterType).toBe('kdd');
    expect(plan(...two).inventory!.clusterType).toBeUndefined();
  });
});
