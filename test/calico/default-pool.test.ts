import { describe, expect, it } from 'vitest';
import { formatPrefix } from '../../src/wire/address.ts';
import { failure, node, plan, pool } from './manifests.ts';
import { calicoLines } from './route-line.ts';

const daemonSet = (env: Record<string, string>): string =>
  [
    'apiVersion: apps/v1',
    'kind: DaemonSet',
    'metadata: {name: calico-node, namespace: kube-system}',
    'spec:',
    '  template:',
    '    spec:',
    '      containers:',
    '      - name: calico-node',
    '        env:',
    ...Object.entries(env).map(([name, value]) => `        - {name: ${name}, value: "${value}"}`),
  ].join('\n');
const two = [node('n1', '10.9.0.1/24'), node('n2', '10.9.0.2/24')];

describe('the pool of calico.yaml', () => {
  it('E3, E4: follows from the environment of calico-node', () => {
    const made = plan(
      daemonSet({
        CALICO_IPV4POOL_CIDR: '192.168.180.0/24',
        CALICO_IPV4POOL_IPIP: 'Never',
        CALICO_IPV4POOL_BLOCK_SIZE: '25',
      }),
      ...two,
    );
    expect(made.inventory!.pools).toHaveLength(1);
    expect(made.inventory!.pools[0]).toMatchObject({
      name: 'default-ipv4-ippool',
      blockSize: 25,
      ipipMode: 'Never',
      vxlanMode: 'Never',
      natOutgoing: true,
      nodeSelector: 'all()',
    });
    expect(formatPrefix(made.inventory!.pools[0]!.cidr)).toBe('192.168.180.0/24');
    expect(made.inventory!.blocks.map(({ cidr }) => cidr.length)).toEqual([25, 25]);
  });

  it('A18: three settings make VXLAN without BGP', () => {
    const made = plan(
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: calico-config}\ndata: {calico_backend: vxlan}',
      daemonSet({ CALICO_IPV4POOL_IPIP: 'Never', CALICO_IPV4POOL_VXLAN: 'Always' }),
      ...two,
    );
    expect(made.inventory!.pools[0]!.vxlanMode).toBe('Always');
    expect(made.inventory!.sessions).toEqual([]);
    const lines = calicoLines(made, 'n1');
    expect(lines).toHaveLength(2);
    expect(lines.join('\n')).toMatch(/dev vxlan\.calico onlink\nblackhole \S+ proto 80$/);
  });

  it('is not made where there are pools', () => {
    const made = plan(daemonSet({}), pool({ name: 'given' }), ...two);
    expect(made.inventory!.pools.map(({ name }) => name)).toEqual(['given']);
  });

  it('is held to the rules of pools', () => {
    const error = failure(daemonSet({ CALICO_IPV4POOL_CIDR: '192.168.0.1/16' }), ...two);
    expect(error.message).toMatch(
      /^cluster\.yaml:1 \(calico-node\):1: IPPool\/default-ipv4-ippool spec\.cidr: expected 192\.168\.0\.0\/16/,
    );
    const size = failure(daemonSet({ CALICO_IPV4POOL_BLOCK_SIZE: 'big' }), ...two);
    expect(size.message).toContain('expected a block size from 20 to 32, found "big"');
    expect(size.message).toMatch(/^cluster\.yaml:10: DaemonSet\/kube-system\/calico-node /);
  });
});
