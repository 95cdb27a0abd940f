import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { kubeChain } from '../../src/calico/kube-proxy-port.ts';
import { PodwireError } from '../../src/errors.ts';
import type { ChainPlan } from '../../src/plan/netfilter.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';

/** Names that real clusters print. */
const KNOWN: readonly [prefix: 'SVC' | 'SEP', of: string, name: string][] = [
  ['SVC', 'default/kubernetes:httpstcp', 'KUBE-SVC-NPX46M4PTMTKRN6Y'],
  ['SVC', 'kube-system/kube-dns:dnsudp', 'KUBE-SVC-TCOU7JCQXEZGVUNU'],
  ['SVC', 'kube-system/kube-dns:dns-tcptcp', 'KUBE-SVC-ERIFXISQEP7F7OF4'],
  ['SVC', 'kube-system/kube-dns:metricstcp', 'KUBE-SVC-JD5MR3NA4I4DYORP'],
  ['SVC', 'default/nginx-servicetcp', 'KUBE-SVC-V2OKYYMBY3REGZOG'],
  ['SVC', 'default/nginx-basic:httptcp', 'KUBE-SVC-WWRFY3PZ7W3FGMQW'],
  ['SEP', 'kube-system/kube-dns:dnsudp10.244.0.2:53', 'KUBE-SEP-YIL6JZP7A3QYXJU2'],
  ['SEP', 'kube-system/kube-dns:dnsudp10.244.0.4:53', 'KUBE-SEP-WXWGHGKZOCNYRYI7'],
  ['SEP', 'default/nginx-servicetcp10.42.0.8:80', 'KUBE-SEP-LNMZPQ2U2A5TEEGP'],
  ['SEP', 'default/nginx-basic:httptcp192.168.185.13:80', 'KUBE-SEP-C6OXGZ6X74U4SWF2'],
];

it.each(KNOWN)('KUBE-%s of %s is %s', (prefix, of, name) => {
  expect(kubeChain(prefix, of)).toBe(name);
});

const BASE = `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.244.0.0/16, natOutgoing: true, vxlanMode: Always}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node1}
spec: {bgp: {ipv4Address: 192.168.33.55/24}}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node2}
spec: {bgp: {ipv4Address: 192.168.33.57/24}}
`;

const service = (spec: string, name = 'kube-dns'): string =>
  `---\napiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: kube-system}\nspec: ${spec}\n`;

const DNS = service('{clusterIP: 10.96.0.10, ports: [{name: dns, protocol: UDP, port: 53}]}');

const slice = (endpoints: string, name = 'kube-dns'): string => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s1, namespace: kube-system, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{name: dns, protocol: UDP, port: 53}]
endpoints: ${endpoints}
`;

const plan = (...parts: string[]): ClusterPlan =>
  planCluster([{ text: BASE + parts.join(''), source: 'test' }]);

function chainOf(cluster: ClusterPlan, table: string, name: string): ChainPlan | undefined {
  const { netfilter } = cluster.namespaces.find((n) => n.name === 'node1')!;
  return netfilter!.chains.find((c) => c.table === table && c.name === name);
}

const rules = (cluster: ClusterPlan, name: string, table = 'nat'): string[] =>
  (chainOf(cluster, table, name)?.rules ?? []).map(({ text }) => text);

describe('kube-dns with two endpoints', () => {
  const cluster = plan(DNS, slice('[{addresses: [10.244.0.4]}, {addresses: [10.244.0.2]}]'));
  const about = '-m comment --comment "kube-system/kube-dns:dns';

  it('draws between them, in text order', () => {
    expect(rules(cluster, 'KUBE-SVC-TCOU7JCQXEZGVUNU')).toEqual([
      `-A KUBE-SVC-TCOU7JCQXEZGVUNU ! -s 10.244.0.0/16 -d 10.96.0.10/32 -p udp ${about} cluster IP" -m udp --dport 53 -j KUBE-MARK-MASQ`,
      `-A KUBE-SVC-TCOU7JCQXEZGVUNU ${about} -> 10.244.0.2:53" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-YIL6JZP7A3QYXJU2`,
      `-A KUBE-SVC-TCOU7JCQXEZGVUNU ${about} -> 10.244.0.4:53" -j KUBE-SEP-WXWGHGKZOCNYRYI7`,
    ]);
  });

  it('an endpoint marks itself, then translates', () => {
    expect(rules(cluster, 'KUBE-SEP-YIL6JZP7A3QYXJU2')).toEqual([
      `-A KUBE-SEP-YIL6JZP7A3QYXJU2 -s 10.244.0.2/32 ${about}" -j KUBE-MARK-MASQ`,
      `-A KUBE-SEP-YIL6JZP7A3QYXJU2 -p udp ${about}" -m udp -j DNAT --to-destination 10.244.0.2:53`,
    ]);
  });

  it('Felix’s jumps come first where both have one', () => {
    const jumps = (table: string, name: string): (string | undefined)[] =>
      rules(cluster, name, table).map((text) => text.split(' -j ')[1]);
    expect(jumps('nat', 'POSTROUTING')).toEqual(['cali-POSTROUTING', 'KUBE-POSTROUTING']);
    expect(jumps('nat', 'PREROUTING')).toEqual(['KUBE-SERVICES']);
    expect(jumps('filter', 'FORWARD').slice(0, 3)).toEqual([
      'cali-FORWARD',
      'KUBE-PROXY-FIREWALL',
      'KUBE-FORWARD',
    ]);
  });

  it('says which clusterCIDR it took', () => {
    expect(cluster.assumptions.filter((line) => line.includes('kube-proxy'))).toEqual([
      'kube-proxy runs in iptables mode, with clusterCIDR 10.244.0.0/16, the IPPool that holds all others',
    ]);
  });

  it('nodes share one object, but for the set of whose VXLAN packets they take', () => {
    const [a, b] = cluster.namespaces.filter(({ role }) => role === 'node');
    expect(a!.netfilter!.chains).toBe(b!.netfilter!.chains);
  });
});

it('probabilities are those that iptables-save prints', () => {
  const five = [1, 2, 3, 4, 5].map((i) => `{addresses: [10.244.0.${i}]}`).join(', ');
  const draws = rules(plan(DNS, slice(`[${five}]`)), 'KUBE-SVC-TCOU7JCQXEZGVUNU');
  // As printed on a cluster with five endpoints.
  const expected = ['0.20000000019', '0.25000000000', '0.33333333349', '0.50000000000'];
  expect(draws.flatMap((text) => /probability (\S+)/.exec(text)?.[1] ?? [])).toEqual(expected);
});

describe('which endpoints count', () => {
  const endpoints = (...parts: string[]): string[] =>
    rules(plan(DNS, ...parts), 'KUBE-SVC-TCOU7JCQXEZGVUNU').flatMap(
      (text) => /-> ([^"]+)/.exec(text)?.[1] ?? [],
    );
  const draining = 'conditions: {ready: false, serving: true, terminating: true}';

  it.each([
    [
      'ready ones, and those nobody asked',
      slice('[{addresses: [10.244.0.2]}, {addresses: [10.244.0.3], conditions: {ready: false}}]'),
      ['10.244.0.2:53'],
    ],
    [
      'not terminating ones beside ready ones',
      slice(`[{addresses: [10.244.0.2]}, {addresses: [10.244.0.3], ${draining}}]`),
      ['10.244.0.2:53'],
    ],
    [
      'terminating ones alone',
      slice(`[{addresses: [10.244.0.3], ${draining}}]`),
      ['10.244.0.3:53'],
    ],
    [
      'each once, also where Endpoints repeat the slice',
      `${slice('[{addresses: [10.244.0.2]}]')}---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: kube-dns, namespace: kube-system}\nsubsets: [{addresses: [{ip: 10.244.0.2}, {ip: 10.244.0.9}], ports: [{name: dns, protocol: UDP, port: 53}]}]\n`,
      ['10.244.0.2:53', '10.244.0.9:53'],
    ],
  ])('%s', (_, part, expected) => {
    expect(endpoints(part)).toEqual(expected);
  });
});

describe('services without endpoints', () => {
  it('are rejected in filter', () => {
    const cluster = plan(DNS, slice('[]'));
    expect(rules(cluster, 'KUBE-SERVICES', 'filter')).toEqual([
      '-A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m comment --comment "kube-system/kube-dns:dns has no endpoints" -m udp --dport 53 -j REJECT --reject-with icmp-port-unreachable',
    ]);
    expect(rules(cluster, 'FORWARD', 'filter').join('\n')).toContain('-j KUBE-SERVICES');
  });

  it('whose endpoints nobody pasted are left alone, and named', () => {
    const cluster = plan(DNS);
    expect(chainOf(cluster, 'nat', 'KUBE-SERVICES')).toBeUndefined();
    expect(cluster.assumptions.join('\n')).toContain(
      'without EndpointSlice or Endpoints in the input: kube-system/kube-dns',
    );
  });

  it('headless and external names get no rules', () => {
    const cluster = plan(
      service('{clusterIP: None, ports: [{name: dns, protocol: UDP, port: 53}]}'),
      service('{type: ExternalName, externalName: example.com}', 'other'),
      slice('[{addresses: [10.244.0.2]}]'),
    );
    expect(chainOf(cluster, 'nat', 'KUBE-SERVICES')).toBeUndefined();
    expect(cluster.services).toEqual([]);
    expect(cluster.assumptions.join('\n')).toMatch(
      /headless.*: kube-system\/kube-dns\nan ExternalName.*: kube-system\/other/,
    );
  });
});

describe('from outside', () => {
  const spec = (policy: string): string =>
    service(
      `{clusterIP: 10.96.0.10, type: NodePort, externalIPs: [203.0.113.7], externalTrafficPolicy: ${policy}, sessionAffinity: ClientIP, ports: [{name: dns, protocol: UDP, port: 53, nodePort: 30053}]}`,
    );
  const one = slice('[{addresses: [10.244.0.2]}]');

  it('node port and external address share a chain that masquerades', () => {
    const cluster = plan(spec('Cluster'), one);
    const chain = kubeChain('EXT', 'kube-system/kube-dns:dnsudp');
    expect(rules(cluster, 'KUBE-NODEPORTS')[0]).toMatch(new RegExp(`--dport 30053 -j ${chain}$`));
    expect(rules(cluster, 'KUBE-SERVICES')[1]).toMatch(
      new RegExp(`-d 203\\.0\\.113\\.7/32 .* -j ${chain}$`),
    );
    expect(rules(cluster, chain).map((text) => text.split(' -j ')[1])).toEqual([
      'KUBE-MARK-MASQ',
      'KUBE-SVC-TCOU7JCQXEZGVUNU',
    ]);
  });

  it('under Local a chain of its own, past which pods and the node go', () => {
    const cluster = plan(spec('Local'), slice('[{addresses: [10.244.0.2], nodeName: node1}]'));
    const name = 'kube-system/kube-dns:dns';
    const [ext, svl] = [kubeChain('EXT', `${name}udp`), kubeChain('SVL', `${name}udp`)];
    // As printed on a cluster, with other names.
    expect(rules(cluster, ext)).toEqual([
      `-A ${ext} -s 10.244.0.0/16 -m comment --comment "pod traffic for ${name} external destinations" -j KUBE-SVC-TCOU7JCQXEZGVUNU`,
      `-A ${ext} -m comment --comment "masquerade LOCAL traffic for ${name} external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ`,
      `-A ${ext} -m comment --comment "route LOCAL traffic for ${name} external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-TCOU7JCQXEZGVUNU`,
      `-A ${ext} -j ${svl}`,
    ]);
    expect(rules(cluster, svl).map((text) => text.split(' -j ')[1])).toEqual([
      'KUBE-SEP-YIL6JZP7A3QYXJU2',
      'KUBE-SEP-YIL6JZP7A3QYXJU2',
    ]);
    // Three hours, where nothing else is said.
    expect(rules(cluster, svl)[0]).toContain(
      '-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-YIL6JZP7A3QYXJU2 --mask 255.255.255.255 --rsource',
    );
    const [a, b] = cluster.namespaces.filter(({ role }) => role === 'node');
    expect(a!.netfilter).not.toBe(b!.netfilter);
  });
});

describe('bad input is refused where it stands', () => {
  it.each([
    ['a port of 0', service('{clusterIP: 10.96.0.10, ports: [{port: 0}]}')],
    ['an unknown protocol', service('{clusterIP: 10.96.0.10, ports: [{port: 1, protocol: GRE}]}')],
    ['ports that are no list', service('{clusterIP: 10.96.0.10, ports: 80}')],
    [
      'a port name with a quote',
      service("{clusterIP: 10.96.0.10, ports: [{name: 'x\" -j ACCEPT', port: 1}]}"),
    ],
    ['an endpoint that is text', slice('[nobody]')],
  ])('%s', (_, part) => {
    expect(() => plan(part)).toThrow(PodwireError);
    expect(() => plan(part)).toThrow(/test:\d+/);
  });
});
