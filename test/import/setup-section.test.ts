import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { formatImport, importTables } from '../../src/import/tables-resource.ts';
import { formatPrefix } from '../../src/wire/address.ts';
import { file } from './dumps.ts';

const ROUTES = 'root@n1:~# ip route\ndefault via 10.9.0.254 dev eth0\n';

const DESCRIBE = `root@n1:~# kubectl describe ds calico-node -n kube-system
Name:           calico-node
Selector:       k8s-app=calico-node
  Containers:
   calico-node:
    Image:      docker.io/calico/node:v3.28.1
    Liveness:   exec [/bin/calico-node -felix-live -bird-live] delay=10s
    Environment:
      DATASTORE_TYPE:                     kubernetes
      CALICO_NETWORKING_BACKEND:          <set to the key 'calico_backend' of config map 'calico-config'>  Optional: false
      CLUSTER_TYPE:                       k8s,bgp
      IP:                                 autodetect
      CALICO_IPV4POOL_CIDR:               10.77.0.0/16
      CALICO_IPV4POOL_IPIP:               Never
      CALICO_IPV4POOL_VXLAN:              CrossSubnet
      CALICO_IPV4POOL_BLOCK_SIZE:         24
      NODENAME:                            (v1:spec.nodeName)
    Mounts:
      /etc/cni/net.d from cni-net-dir (rw)
Events:  <none>

`;

const poolOf = (text: string) => {
  const { plan } = importDumps([file(text)]);
  return plan.inventory!.pools.map((p) => [
    formatPrefix(p.cidr),
    p.ipipMode,
    p.vxlanMode,
    p.blockSize,
  ]);
};

describe('how a cluster was set up, from text', () => {
  it('the environment that describe lists', () => {
    expect(poolOf(DESCRIBE + ROUTES)).toEqual([['10.77.0.0/16', 'Never', 'CrossSubnet', 24]]);
  });

  it('the environment that set env lists, and the one in a dump as JSON', () => {
    const list = `root@n1:~# kubectl set env ds/calico-node -n kube-system --list
# daemonsets/calico-node, container calico-node
CLUSTER_TYPE=k8s,bgp
CALICO_IPV4POOL_IPIP=CrossSubnet
CALICO_IPV4POOL_CIDR=10.78.0.0/16
`;
    expect(poolOf(list + ROUTES)).toEqual([['10.78.0.0/16', 'CrossSubnet', 'Never', 26]]);
    const dump = `root@n1:~# kubectl cluster-info dump
{
    "kind": "DaemonSetList",
                            "env": [
                                {
                                    "name": "CALICO_IPV4POOL_CIDR",
                                    "value": "10.79.0.0/16"
                                },
                                {
                                    "name": "CALICO_IPV4POOL_VXLAN",
                                    "value": "Always"
                                },
==== START logs for container etcd of pod kube-system/etcd-n1 ====
10.0.0.0/8 via 10.9.0.9 dev eth0
default via nothing
`;
    expect(poolOf(dump + ROUTES)).toEqual([['10.79.0.0/16', 'Never', 'Always', 26]]);
    const { plan } = importDumps([file(dump + ROUTES)]);
    expect(plan.namespaces[0]!.routes).toHaveLength(1);
  });

  it('is written down and read back', () => {
    const version =
      'root@n1:~# calicoctl version\nClient Version:    v3.27.0\nGit commit:        abc123\nCluster Version:   v3.27.0\nCluster Type:      k8s,bgp,kdd\n\n';
    const first = importDumps([file(DESCRIBE + version + ROUTES)]);
    const again = importTables([{ text: formatImport(first), source: 'cluster.yaml' }]);
    expect(again.plan.inventory).toEqual(first.plan.inventory);
    expect(first.plan.inventory).toMatchObject({
      release: 'v3.27',
      version: 'v3.27.0',
      gitCommit: 'abc123',
      clusterType: 'k8s,bgp,kdd',
    });
  });

  it('the description of a pod makes no pool', () => {
    const pod = `root@n1:~# kubectl describe pod web
Name:         web
IP:           10.2.36.71
    Environment:
      CLUSTER_NAME:  prod
      CALICO_THING:  x
`;
    const { plan, assumed } = importDumps([file(pod + ROUTES)]);
    expect([plan.pools, plan.inventory!.pools]).toEqual([[], []]);
    expect(assumed.join('\n')).not.toMatch(/pool/);
    expect(importDumps([file(DESCRIBE + ROUTES)]).assumed.join('\n')).toMatch(
      /pool default-ipv4-ippool, 10\.77\.0\.0\/16, is the one that the installation makes/,
    );
  });

  it('a value that cannot be is refused at its line', () => {
    const broken = DESCRIBE.replace('10.77.0.0/16', '10.77.0.1/16');
    const attempt = () => importDumps([file(broken + ROUTES)]);
    expect(attempt).toThrow(PodwireError);
    expect(attempt).toThrow(/expected 10\.77\.0\.0\/16/);
    const size = DESCRIBE.replace('BLOCK_SIZE:         24', 'BLOCK_SIZE:         44');
    expect(() => importDumps([file(size + ROUTES)])).toThrow(/dump\.txt:16.*20 to 32/);
  });
});
