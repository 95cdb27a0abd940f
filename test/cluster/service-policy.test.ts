/** Traffic policies, affinity, sources and hints of services, as traffic meets them. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { bytes } from '../../src/packet/arena.ts';
import { formatIp4 } from '../../src/wire/address.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as udp from '../../src/wire/udp.ts';

const VIP = '10.96.0.10';
const NODE_PORT = 30053;
const EXTERNAL = '203.0.113.7';
const BALANCER = '198.51.100.9';

const json = (...parts: readonly object[]): string =>
  parts.map((part) => JSON.stringify(part)).join('\n---\n');

const calico = (kind: string, name: string, spec: object, labels = {}): object => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata: { name, labels },
  spec,
});

const address = (i: number): string => `192.168.33.${50 + i}`;
const pod = (name: string, i: number, last: number): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'x' },
  spec: { nodeName: `n${i}` },
  status: { podIP: `10.244.${i}.${last}` },
});

/** A host `ext` beside three nodes, each in a zone of its own; a client on n1 and n3. */
const GROUND = json(
  calico('IPPool', 'pods', { cidr: '10.244.0.0/16', blockSize: 24, ipipMode: 'Never' }),
  ...[1, 2, 3].map((i) =>
    calico(
      'Node',
      `n${i}`,
      { bgp: { ipv4Address: `${address(i)}/24` } },
      { 'topology.kubernetes.io/zone': `z${i}` },
    ),
  ),
  {
    apiVersion: 'podwire/v1',
    kind: 'Underlay',
    metadata: { name: 'lab' },
    spec: {
      segments: [
        {
          name: 'A',
          members: [
            ...[1, 2, 3].map((i) => ({
              name: `n${i}`,
              interface: 'eth0',
              address: `${address(i)}/24`,
            })),
            { name: 'ext', interface: 'eth0', address: '192.168.33.9/24' },
            { name: 'gw', interface: 'eth0', address: '192.168.33.1/24' },
          ],
        },
      ],
      routers: [{ name: 'gw' }],
      hosts: [{ name: 'ext', gateway: address(1) }],
      defaultGateway: { A: '192.168.33.1' },
    },
  },
  pod('c1', 1, 9),
  pod('c3', 3, 9),
  pod('e1', 1, 10),
  pod('e2', 2, 10),
  pod('e2b', 2, 11),
);

interface Endpoint {
  readonly address: string;
  readonly node: string;
  readonly more?: object;
}

const AT_1: Endpoint = { address: '10.244.1.10', node: 'n1' };
const AT_2: Endpoint = { address: '10.244.2.10', node: 'n2' };
const AT_2B: Endpoint = { address: '10.244.2.11', node: 'n2' };

function living(
  spec: object,
  endpoints: readonly Endpoint[],
  more: readonly object[] = [],
  status: object = {},
): Cluster {
  const text = json(
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'dns', namespace: 'x' },
      spec: {
        clusterIP: VIP,
        ports: [{ protocol: 'UDP', port: 53, nodePort: NODE_PORT }],
        ...spec,
      },
      status,
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'dns-1', namespace: 'x', labels: { 'kubernetes.io/service-name': 'dns' } },
      addressType: 'IPv4',
      ports: [{ protocol: 'UDP', port: 5353 }],
      endpoints: endpoints.map(({ address: ip, node, more: facts }) => ({
        addresses: [ip],
        nodeName: node,
        ...facts,
      })),
    },
    ...more,
  );
  return Cluster.fromYaml(`${GROUND}\n---\n${text}`, 'test', { seed: 5 });
}

interface Ask {
  readonly to?: string;
  readonly port?: number;
  readonly sourcePort?: number;
}

/** Who got the question, and from whom he thinks it is; or why nobody did. */
function ask(
  cluster: Cluster,
  from: string,
  { to = VIP, port = 53, sourcePort = 40000 }: Ask = {},
): string {
  const seen: string[] = [];
  cluster.witness = {
    delivered: ({ name }, { l3 }) => {
      if (ipv4.protocol(bytes, l3) !== ipv4.PROTO_UDP) return;
      expect(udp.destinationPort(bytes, l3 + ipv4.headerLength(bytes, l3))).toBe(5353);
      seen.push(`${name} from ${formatIp4(ipv4.source(bytes, l3))}`);
    },
    dropped: () => {},
  };
  const trace = cluster.send({ from, to, protocol: 'udp', destinationPort: port, sourcePort });
  cluster.witness = null;
  if (seen.length > 0) return seen.join();
  return `${trace.at} ${trace.reason}: ${/--comment "([^"]*)"/.exec(trace.steps.at(-1)?.entry ?? '')?.[1]}`;
}

/** Everybody who answers many questions. */
const answerers = (cluster: Cluster, from: string, options: Ask = {}): string[] =>
  [
    ...new Set(
      Array.from({ length: 24 }, (_, i) =>
        ask(cluster, from, { ...options, sourcePort: 41000 + i }),
      ),
    ),
  ].sort();

describe('internalTrafficPolicy Local', () => {
  const cluster = living({ internalTrafficPolicy: 'Local' }, [AT_1, AT_2]);

  it('keeps a question on its node', () => {
    expect(answerers(cluster, 'c1')).toEqual(['x/e1 from 10.244.1.9']);
  });

  it('and where no endpoint is, drops it in silence', () => {
    expect(ask(cluster, 'c3')).toBe('n3 filtered: x/dns has no local endpoints');
    expect(cluster.drops().reduce((sum, n) => sum + n, 0)).toBe(1);
  });

  it('but a node port still has all of them', () => {
    const seen = answerers(cluster, 'ext', { to: address(3), port: NODE_PORT });
    expect(seen).toEqual([`x/e1 from ${address(3)}`, `x/e2 from ${address(3)}`]);
  });
});

describe('externalTrafficPolicy Local', () => {
  const outside = { externalTrafficPolicy: 'Local', type: 'NodePort', externalIPs: [EXTERNAL] };
  const cluster = living(outside, [AT_1, AT_2]);
  const port = { port: NODE_PORT };

  it('shows an endpoint who asked, and asks only those of the node', () => {
    expect(answerers(cluster, 'ext', { to: address(1), ...port })).toEqual([
      'x/e1 from 192.168.33.9',
    ]);
    expect(answerers(cluster, 'ext', { to: address(2), ...port })).toEqual([
      'x/e2 from 192.168.33.9',
    ]);
    // By way of n1, the gateway.
    expect(ask(cluster, 'ext', { to: EXTERNAL })).toBe('x/e1 from 192.168.33.9');
  });

  it('drops where the node has none', () => {
    expect(ask(cluster, 'ext', { to: address(3), ...port })).toBe(
      'n3 filtered: x/dns has no local endpoints',
    );
  });

  it('leaves pods and the node itself all endpoints', () => {
    expect(answerers(cluster, 'c3', { to: address(3), ...port })).toEqual([
      'x/e1 from 10.244.3.9',
      'x/e2 from 10.244.3.9',
    ]);
    expect(answerers(cluster, 'n3', { to: EXTERNAL })).toHaveLength(2);
    expect(answerers(cluster, 'c1')).toHaveLength(2);
  });

  it('refuses where no node has one', () => {
    const none = living(outside, []);
    expect(ask(none, 'ext', { to: address(3), ...port })).toBe(
      'n3 filtered: x/dns has no endpoints',
    );
  });
});

describe('loadBalancerSourceRanges', () => {
  const spec = (ranges: string[]) => ({
    type: 'LoadBalancer',
    loadBalancerSourceRanges: ranges,
    healthCheckNodePort: 31000,
  });
  const status = { loadBalancer: { ingress: [{ ip: BALANCER }] } };
  const of = (...ranges: string[]) => living(spec(ranges), [AT_1], [], status);
  const to = BALANCER;

  it('lets in whom they name', () => {
    expect(ask(of('192.168.33.9/32'), 'ext', { to })).toBe(`x/e1 from ${address(1)}`);
    expect(ask(of(), 'ext', { to })).toBe(`x/e1 from ${address(1)}`);
  });

  it('and drops all others, by the address of the balancer alone', () => {
    const cluster = of('10.9.0.0/16');
    expect(ask(cluster, 'ext', { to })).toMatch(
      /^n1 filtered: x\/dns traffic not accepted by KUBE-FW-[A-Z2-7]{16}$/,
    );
    expect(ask(cluster, 'ext', { to: address(2), port: NODE_PORT })).toBe(
      `x/e1 from ${address(2)}`,
    );
    expect(ask(cluster, 'c3')).toBe('x/e1 from 10.244.3.9');
  });
});

describe('sessionAffinity ClientIP', () => {
  const three = [AT_1, AT_2, AT_2B];
  const sticky = (seconds: number) => ({
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: seconds } },
  });

  it('sends a client where it was before, and others elsewhere', () => {
    expect(answerers(living({}, three), 'c1')).toHaveLength(3);
    const cluster = living({ sessionAffinity: 'ClientIP' }, three);
    for (const from of ['c1', 'c3', 'e1']) expect(answerers(cluster, from)).toHaveLength(1);
  });

  it('forgets after the time that is given, counted from its last connection', () => {
    const cluster = living(sticky(60), three);
    const seen = new Set<string>();
    let at = 0;
    const later = (seconds: number) => {
      at += seconds;
      cluster.advance({ seconds: at, nanoseconds: 0 });
    };
    for (let i = 0; i < 24; i++, later(59)) seen.add(ask(cluster, 'c1', { sourcePort: 1024 + i }));
    expect(seen.size).toBe(1);
    for (let i = 0; i < 24; i++, later(61)) seen.add(ask(cluster, 'c1', { sourcePort: 2048 + i }));
    expect(seen.size).toBe(3);
  });
});

describe('which endpoints are used', () => {
  const hint = (zone: string) => ({ hints: { forZones: [{ name: zone }] } });

  it('those of the zone, where every endpoint has a hint and the zone has one', () => {
    const cluster = living({}, [
      { ...AT_1, more: hint('z1') },
      { ...AT_2, more: hint('z2') },
      { ...AT_2B, more: hint('z2') },
    ]);
    expect(answerers(cluster, 'c1')).toEqual(['x/e1 from 10.244.1.9']);
    expect(answerers(cluster, 'c3')).toHaveLength(3);
    const one = living({}, [{ ...AT_1, more: hint('z1') }, AT_2]);
    expect(answerers(one, 'c1')).toHaveLength(2);
  });

  it('those of the node, where hints name nodes', () => {
    const nodeHint = (node: string) => ({ hints: { forNodes: [{ name: node }] } });
    const cluster = living({}, [
      { ...AT_1, more: nodeHint('n3') },
      { ...AT_2, more: nodeHint('n2') },
    ]);
    expect(answerers(cluster, 'c3')).toEqual(['x/e1 from 10.244.3.9']);
  });

  it('terminating ones of the node before ready ones of others', () => {
    const draining = { conditions: { ready: false, serving: true, terminating: true } };
    const cluster = living({ externalTrafficPolicy: 'Local', type: 'NodePort' }, [
      { ...AT_1, more: draining },
      AT_2,
    ]);
    expect(ask(cluster, 'ext', { to: address(1), port: NODE_PORT })).toBe('x/e1 from 192.168.33.9');
    expect(answerers(cluster, 'c1')).toEqual(['x/e2 from 10.244.1.9']);
  });
});

describe('KubeProxyConfiguration', () => {
  const configuration = (spec: object) => ({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    ...spec,
  });

  it('masqueradeAll hides who asked', () => {
    const cluster = living({}, [AT_1], [configuration({ iptables: { masqueradeAll: true } })]);
    expect(ask(cluster, 'c3')).toBe(`x/e1 from ${address(3)}`);
  });

  it('marks with the bit that is given', () => {
    const cluster = living({}, [AT_1], [configuration({ iptables: { masqueradeBit: 10 } })]);
    expect(ask(cluster, 'n3')).toBe(`x/e1 from ${address(3)}`);
    const { netfilter } = cluster.plan.namespaces.find(({ name }) => name === 'n3')!;
    const rules = netfilter!.chains.flatMap((chain) => chain.rules.map(({ text }) => text));
    expect(rules).toContain('-A KUBE-MARK-MASQ -j MARK --set-xmark 0x400/0x400');
  });

  it.each(['ipvs', 'nftables'])('says that the mode %s is not modelled', (mode) => {
    const cluster = living({}, [AT_1], [configuration({ mode })]);
    expect(cluster.plan.assumptions.join('\n')).toContain(
      `KubeProxyConfiguration: set and not modelled: mode ${mode}; services are as the iptables mode`,
    );
  });
});
