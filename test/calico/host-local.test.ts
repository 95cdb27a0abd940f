import { describe, expect, it } from 'vitest';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { formatIp4 } from '../../src/wire/address.ts';
import { failure, plan, pod, pool } from './manifests.ts';
import { namespaceOf, routeLines } from './route-line.ts';

const node = (n: number, cidr: string, more = ''): string =>
  `apiVersion: v1\nkind: Node\nmetadata: {name: n${n}, annotations: {projectcalico.org/IPv4Address: 192.168.0.${n}/24}}\nspec: {${cidr}}${more}`;
const cniConfig = (type: string): string =>
  [
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: calico-config, namespace: kube-system}',
    'data:',
    '  cni_network_config: |-',
    `    {"plugins": [{"type": "calico", "ipam": {"type": "${type}", "subnet": "usePodCidr"}}]}`,
  ].join('\n');
const installation =
  'apiVersion: operator.tigera.io/v1\nkind: Installation\nmetadata: {name: default}\nspec: {cni: {type: Calico, ipam: {type: HostLocal}}}';
const nodes = [node(1, 'podCIDR: 10.2.1.0/24'), node(2, 'podCIDRs: ["fd00::/64", 10.2.2.0/24]')];
const pods = [pod('a', 'n1'), pod('b', 'n1'), pod('c', 'n2')];
const ipip = pool({ more: ['ipipMode: Always'] });

const addressOf = (made: ClusterPlan, name: string, device: string): string =>
  namespaceOf(made, name)
    .devices.find((d) => d.name === device)!
    .addresses.map(({ address }) => formatIp4(address))
    .join();

describe('host-local IPAM', () => {
  it.each([
    ['the CNI configuration', cniConfig('host-local')],
    ['the operator', installation],
  ])(
    'of %s gives a node its pod CIDR, the tunnel the first and pods the next addresses',
    (_, setup) => {
      const made = plan(ipip, setup, ...nodes, ...pods);
      expect(addressOf(made, 'n1', 'tunl0')).toBe('10.2.1.1');
      expect(['a', 'b', 'c'].map((name) => addressOf(made, `default/${name}`, 'eth0'))).toEqual([
        '10.2.1.2',
        '10.2.1.3',
        '10.2.2.2',
      ]);
      expect(routeLines(made, 'n1')).toContain('blackhole 10.2.1.0/24 proto bird');
      expect(routeLines(made, 'n1')).toContain(
        '10.2.2.0/24 via 192.168.0.2 dev tunl0 proto bird onlink',
      );
    },
  );

  it('leaves pod CIDRs alone where Calico’s own IPAM runs', () => {
    const made = plan(ipip, cniConfig('calico-ipam'), ...nodes, ...pods);
    expect(routeLines(made, 'n1').join('\n')).not.toContain('10.2.1.0/24');
  });

  it('ends with its range: the first and the last two addresses are no pod’s', () => {
    const small = node(1, 'podCIDR: 10.2.1.0/28');
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => pod(`p${String(i).padStart(2, '0')}`, 'n1'));
    const made = plan(ipip, cniConfig('host-local'), small, ...many(13));
    expect(addressOf(made, 'default/p12', 'eth0')).toBe('10.2.1.14');
    const error = failure(ipip, cniConfig('host-local'), small, ...many(14));
    expect(error.code).toBe('ERR_CONFIG_CONFLICT');
  });

  it('takes ranges of two nodes that overlap for a mistake', () => {
    const twice = [node(1, 'podCIDR: 10.2.1.0/24'), node(2, 'podCIDR: 10.2.1.0/25')];
    expect(failure(ipip, cniConfig('host-local'), ...twice).message).toMatch(
      /^cluster\.yaml:\d+: /,
    );
  });
});
