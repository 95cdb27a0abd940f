import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import type { Release } from '../../src/calico/release.ts';
import { Cluster } from '../../src/cluster/cluster.ts';

const CLUSTER = `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.2.0.0/16, vxlanMode: Always}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: kind-worker-1, labels: {zone: a}}
spec: {bgp: {ipv4Address: 192.168.33.55/24}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: x}}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {nodeName: kind-worker-1, serviceAccountName: seller}
status: {podIP: 10.2.36.71}
---
apiVersion: crd.projectcalico.org/v1
kind: NetworkPolicy
metadata: {name: default.allow-web, namespace: shop}
spec: {order: 12.5, selector: "app == 'web'", ingress: [{action: Allow}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: here}
spec: {types: [Ingress]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: security.deny}
spec: {tier: security, order: 2000000, selector: all(), types: [Egress]}
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 400}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: few, labels: {a: b}}
spec: {nets: [198.51.100.0/24, 203.0.113.7/32]}
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {name: many, namespace: shop}
spec:
  nets: [10.100.0.0/24, 10.100.1.0/24, 10.100.2.0/24, 10.100.3.0/24, 10.100.4.0/24, 10.100.5.0/24]
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: uplink}
spec: {node: kind-worker-1, interfaceName: eth0, expectedIPs: [192.168.33.55], profiles: [p, q]}
`;

const run = (command: string, release: Release = 'v3.28'): string =>
  Cluster.fromYaml(CLUSTER, 'cluster', { release }).exec('kind-worker-1', [
    'calicoctl',
    ...command.split(' '),
  ]);

/** Without the blanks that pad the last column. */
const lines = (text: string): string[] => text.split('\n').map((line) => line.trimEnd());

describe('calicoctl get of policy', () => {
  it('lists the default namespace, one, or all with their names', () => {
    expect(run('get networkpolicy')).toBe('NAME   \nhere   \n\n');
    expect(run('get np -n shop')).toBe('NAMESPACE   NAME        \nshop        allow-web   \n\n');
    expect(lines(run('get policies -A -o wide'))).toEqual([
      'NAMESPACE   NAME        ORDER   SELECTOR',
      'default     here        <nil>',
      "shop        allow-web   12.5    app == 'web'",
      '',
      '',
    ]);
  });

  it('names tiers from v3.29 on', () => {
    expect(lines(run('get gnp -o wide'))[1]).toBe('security.deny   2e+06   all()');
    expect(lines(run('get gnp -o wide', 'v3.29')).slice(0, 2)).toEqual([
      'NAME            TIER       ORDER   SELECTOR',
      'security.deny   security   2e+06   all()',
    ]);
    expect(lines(run('get np', 'v3.30'))[1]).toBe('here   default');
  });

  it.each<[Release, string[]]>([
    ['v3.28', ['security   400', 'default    1e+06']],
    [
      'v3.29',
      ['security             400', 'adminnetworkpolicy   1000', 'default              1e+06'],
    ],
    [
      'v3.31',
      [
        'security                     400',
        'adminnetworkpolicy           1000',
        'default                      1e+06',
        'baselineadminnetworkpolicy   1e+07',
      ],
    ],
    [
      'v3.32',
      [
        'security        400',
        'kube-admin      1000',
        'default         1e+06',
        'kube-baseline   1e+07',
      ],
    ],
  ])('tiers of %s, as they are asked', (release, rows) => {
    expect(lines(run('get tiers', release)).slice(1, -2)).toEqual(rows);
  });

  it('profiles: what Calico makes of namespaces and service accounts', () => {
    expect(lines(run('get profile -o wide')).slice(0, -2)).toEqual([
      'NAME                          LABELS',
      'projectcalico-default-allow',
      'kns.default                   pcns.kubernetes.io/metadata.name=default,pcns.projectcalico.org/name=default',
      'kns.shop                      pcns.kubernetes.io/metadata.name=shop,pcns.projectcalico.org/name=shop,pcns.team=x',
      'ksa.default.default           pcsa.projectcalico.org/name=default',
      'ksa.shop.default              pcsa.projectcalico.org/name=default',
      'ksa.shop.seller               pcsa.projectcalico.org/name=seller',
    ]);
    expect(run('get profile kns.shop -o yaml')).toBe(`apiVersion: projectcalico.org/v3
kind: Profile
metadata:
  name: kns.shop
spec:
  egress:
  - action: Allow
    destination: {}
    source: {}
  ingress:
  - action: Allow
    destination: {}
    source: {}
  labelsToApply:
    pcns.kubernetes.io/metadata.name: shop
    pcns.projectcalico.org/name: shop
    pcns.team: x
`);
  });

  it('sets end after 80 characters, host endpoints list theirs', () => {
    expect(lines(run('get gnetsets -o wide'))[1]).toBe('few    198.51.100.0/24,203.0.113.7/32');
    const [, row = ''] = lines(run('get networkset -n shop -o wide'));
    const nets = row.slice('shop        many   '.length);
    expect(nets).toHaveLength(80);
    expect(nets).toMatch(/^10\.100\.0\.0\/24,.*,10\.100\.\.\.\.$/);
    expect(lines(run('get hep -o wide')).slice(0, 2)).toEqual([
      'NAME     NODE            INTERFACE   IPS             PROFILES',
      'uplink   kind-worker-1   eth0        192.168.33.55   p,q',
    ]);
  });

  it('-o yaml is calicoctl’s form, also of what the cluster’s own group said', () => {
    expect(run('get np allow-web -n shop -o yaml')).toBe(`apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata:
  name: allow-web
  namespace: shop
spec:
  ingress:
  - action: Allow
  order: 12.5
  selector: app == 'web'
`);
    expect(JSON.parse(run('get gnp -o json'))).toMatchObject({
      kind: 'GlobalNetworkPolicyList',
      items: [{ spec: { tier: 'security' } }],
    });
  });

  it('a name of another namespace is not found', () => {
    expect(() => run('get np allow-web')).toThrow('expected a name of NetworkPolicy (here)');
  });
});

describe('calicoctl get workloadendpoint', () => {
  it('-o wide adds name, profiles and NATs', () => {
    const [titles = '', row = ''] = lines(run('get wep -A -o wide'));
    expect(titles.split(/ +/)).toEqual([
      'NAMESPACE',
      'NAME',
      'WORKLOAD',
      'NODE',
      'NETWORKS',
      'INTERFACE',
      'PROFILES',
      'NATS',
    ]);
    const [place, name, pod, node, networks, device, profiles] = row.split(/ +/);
    expect([place, pod, node]).toEqual(['shop', 'web-1', 'kind-worker-1']);
    expect(name).toBe('kind--worker--1-k8s-web--1-eth0');
    expect(networks).toBe('10.2.36.71/32');
    expect(device).toMatch(/^cali[0-9a-f]{11}$/);
    expect(profiles).toBe('kns.shop,ksa.shop.seller');
  });

  it('-o yaml says what the pod’s resource says', () => {
    const text = run('get wep web-1 -n shop -o yaml');
    expect(text).toMatch(/^ {2}interfaceName: cali[0-9a-f]{11}$/m);
    expect(
      text.replace(/^ {2}(interfaceName|mac): .*\n/gm, ''),
    ).toBe(`apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata:
  labels:
    app: web
    projectcalico.org/namespace: shop
    projectcalico.org/orchestrator: k8s
    projectcalico.org/serviceaccount: seller
  name: kind--worker--1-k8s-web--1-eth0
  namespace: shop
spec:
  endpoint: eth0
  ipNetworks:
  - 10.2.36.71/32
  node: kind-worker-1
  orchestrator: k8s
  pod: web-1
  profiles:
  - kns.shop
  - ksa.shop.seller
  serviceAccountName: seller
`);
  });
});

describe('calicoctl ipam check', () => {
  it('agrees with a cluster whose blocks were derived', () => {
    const text = run('ipam check');
    expect(text).toContain(
      'Found 1 IPAM blocks.\n IPAM block 10.2.36.64/26 affinity=host:kind-worker-1:\n',
    );
    expect(text).toContain('IPAM blocks record 2 allocations.\n');
    expect(text).toContain('Loading all IPAM pools...\n  10.2.0.0/16\nFound 1 active IP pools.\n');
    expect(text).toContain('Found 1 node tunnel IPs.\n');
    expect(text).toContain('Found 1 workload IPs.\nWorkloads and nodes are using 2 IPs.\n');
    expect(text).toContain(
      '  kind-worker-1 has 2 allocations\nNode with most allocations has 2; median is 2\n',
    );
    expect(text).not.toContain('load balancer');
    expect(text.endsWith('Check complete; found 0 problems.\n')).toBe(true);
    expect(run('ipam check', 'v3.30')).toContain('Found 0 service load balancer.\n');
  });
});

describe('SINCE of node status', () => {
  it('is what the caller says, midnight where nobody does', () => {
    const cluster = Cluster.fromYaml(
      `${CLUSTER}---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: other}
spec: {bgp: {ipv4Address: 192.168.33.57/24}}
`.replace('vxlanMode: Always', 'ipipMode: Always'),
    );
    const words = ['calicoctl', 'node', 'status'];
    const since = (): string => '2026-11-20';
    expect(cluster.exec('other', words)).toContain('| up    | 00:00:00 | Established |');
    expect(cluster.exec('other', words, since)).toContain('| up    | 2026-11-20 | Established |');
  });
});
