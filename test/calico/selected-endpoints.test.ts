import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { PodwireError } from '../../src/errors.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';

const GROUND = [
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPPool',
    metadata: { name: 'p' },
    spec: { cidr: '10.244.0.0/16' },
  },
  ...[1, 2].map((i) => ({
    apiVersion: 'projectcalico.org/v3',
    kind: 'Node',
    metadata: { name: `n${i}`, labels: { 'topology.kubernetes.io/zone': `z${i}` } },
    spec: { bgp: { ipv4Address: `192.168.0.1${i}/24` } },
  })),
];

interface PodFacts {
  readonly name: string;
  readonly labels: { readonly app?: string; readonly tier?: string };
  readonly on: number;
  readonly ip: string;
  readonly ready?: boolean | undefined;
  readonly web?: number | undefined;
  readonly ends?: boolean;
}

const podOf = ({ name, labels, on, ip, ready, web, ends }: PodFacts): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'x',
    labels,
    ...(ends && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
  },
  spec: {
    nodeName: `n${on}`,
    containers: [
      { name: 'c', ports: web === undefined ? [] : [{ name: 'web', containerPort: web }] },
    ],
  },
  status: {
    podIP: ip,
    conditions:
      ready === undefined
        ? []
        : [
            { type: 'Initialized', status: 'True' },
            { type: 'Ready', status: ready ? 'True' : 'False' },
          ],
  },
});

const serviceOf = (spec: object, name = 's'): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'x' },
  spec: { clusterIP: '10.96.0.9', ...spec },
});

const plan = (...items: object[]): ClusterPlan =>
  planCluster([
    {
      text: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...GROUND, ...items] }),
      source: 'x',
    },
  ]);

/** kube-proxy's part of a node's rules. */
const kubeRules = (made: ClusterPlan, node = 'n1'): string[] =>
  Cluster.fromPlan(made)
    .exec(node, ['iptables-save'])
    .split('\n')
    .filter((line) => line.includes('KUBE-'));

const lists = (made: ClusterPlan): string =>
  made.assumptions.filter((text) => /selects|writes nothing/.test(text)).join('\n');

describe('endpoints that nobody lists', () => {
  it('are the ready pods that the service selects, as a slice of them would say', () => {
    const label = fc.constantFrom('a', 'b');
    const pods = fc.array(
      fc.record({
        app: label,
        tier: label,
        on: fc.integer({ min: 1, max: 2 }),
        ready: fc.option(fc.boolean(), { nil: undefined }),
        web: fc.option(fc.constantFrom(8080, 8081), { nil: undefined }),
        ends: fc.boolean(),
      }),
      { maxLength: 6 },
    );
    const target = fc.constantFrom<unknown>(undefined, 0, 81, 'web');
    fc.assert(
      fc.property(
        pods,
        label,
        fc.option(label),
        target,
        fc.boolean(),
        (list, app, tier, targetPort, all) => {
          const facts = list.map(
            ({ app: own, tier: other, ...rest }, i): PodFacts => ({
              ...rest,
              name: `p${i}`,
              labels: { app: own, tier: other },
              ip: `10.244.${rest.on}.${10 + i}`,
            }),
          );
          const spec = {
            selector: { app, ...(tier !== null && { tier }) },
            publishNotReadyAddresses: all,
            ports: [{ name: 'h', port: 80, ...(targetPort !== undefined && { targetPort }) }],
          };
          const found = plan(...facts.map(podOf), serviceOf(spec));
          // The twin: one slice for each port, written by hand.
          const mine = facts.filter(
            ({ labels }) => labels.app === app && [null, labels.tier].includes(tier),
          );
          const slices = mine
            .filter((pod) => all || (pod.ready !== false && !pod.ends))
            .flatMap((pod, i) => {
              const port = targetPort === 'web' ? pod.web : targetPort === 81 ? 81 : 80;
              const made = {
                apiVersion: 'discovery.k8s.io/v1',
                kind: 'EndpointSlice',
                metadata: {
                  name: `s-${i}`,
                  namespace: 'x',
                  labels: { 'kubernetes.io/service-name': 's' },
                },
                ports: [{ name: 'h', port }],
                endpoints: [{ addresses: [pod.ip], nodeName: `n${pod.on}` }],
              };
              return port === undefined ? [] : [made];
            });
          const none = {
            apiVersion: 'discovery.k8s.io/v1',
            kind: 'EndpointSlice',
            metadata: {
              name: 'none',
              namespace: 'x',
              labels: { 'kubernetes.io/service-name': 's' },
            },
          };
          const stated = plan(
            ...facts.map(podOf),
            serviceOf(spec),
            ...slices,
            ...(mine.length > 0 ? [none] : []),
          );
          expect(kubeRules(found)).toEqual(kubeRules(stated));
          expect(lists(found)).toContain(
            mine.length > 0 ? 'each has the pods that it selects: x/s' : 'writes nothing',
          );
        },
      ),
      { numRuns: 80 },
    );
  });

  it('are reached by the name of the service, at addresses that IPAM chose', () => {
    const items = [
      ...GROUND,
      ...[1, 2].map((on) => ({
        ...podOf({ name: `p${on}`, labels: { app: 'a' }, on, ip: '', web: 8080 }),
        status: {},
      })),
      serviceOf({ selector: { app: 'a' }, ports: [{ port: 80, targetPort: 'web' }] }),
    ];
    const cluster = Cluster.fromYaml(items.map((item) => JSON.stringify(item)).join('\n---\n'));
    const trace = cluster.send({ from: 'p1', to: 's.x', protocol: 'tcp', destinationPort: 80 });
    expect([trace.outcome, ['x/p1', 'x/p2'].includes(trace.at)]).toEqual(['delivered', true]);
  });

  it('count for traffic policies and BGP: a local service goes out from the nodes of its ready pods', () => {
    const bgp = {
      apiVersion: 'projectcalico.org/v3',
      kind: 'BGPConfiguration',
      metadata: { name: 'default' },
      spec: { serviceExternalIPs: [{ cidr: '203.0.113.0/24' }] },
    };
    const underlay = {
      apiVersion: 'podwire/v1',
      kind: 'Underlay',
      metadata: { name: 'u' },
      spec: {
        segments: [
          {
            name: 'a',
            members: [
              { name: 'n1', address: '192.168.0.11/24' },
              { name: 'n2', address: '192.168.0.12/24' },
              { name: 'gw', address: '192.168.0.1/24' },
            ],
          },
        ],
        routers: [{ name: 'gw', bgp: { asNumber: 64512 } }],
      },
    };
    const peer = {
      apiVersion: 'projectcalico.org/v3',
      kind: 'BGPPeer',
      metadata: { name: 'gw' },
      spec: { peerIP: '192.168.0.1', asNumber: 64512 },
    };
    const made = plan(
      bgp,
      underlay,
      peer,
      podOf({ name: 'a', labels: { app: 'a' }, on: 2, ip: '10.244.2.2' }),
      podOf({ name: 'b', labels: { app: 'a' }, on: 1, ip: '10.244.1.2', ready: false }),
      serviceOf({
        selector: { app: 'a' },
        externalIPs: ['203.0.113.7'],
        externalTrafficPolicy: 'Local',
        ports: [{ port: 80 }],
      }),
    );
    const routes = Cluster.fromPlan(made).exec('gw', ['ip', 'route']);
    expect(routes).toMatch(/^203\.0\.113\.7 via 192\.168\.0\.12 /m);
  });

  it('are not made up for a service that selects nothing, has no selector, or is only a name', () => {
    const pod = podOf({ name: 'a', labels: { app: 'a' }, on: 1, ip: '10.244.1.2' });
    for (const spec of [
      { selector: { app: 'b' }, ports: [{ port: 80 }] },
      { ports: [{ port: 80 }] },
    ]) {
      const made = plan(pod, serviceOf(spec));
      expect(kubeRules(made)).toEqual([]);
      expect(lists(made)).toContain('kube-proxy writes nothing');
    }
    expect(() => plan(serviceOf({ ports: [{ port: 80, targetPort: 65536 }] }))).toThrow(
      PodwireError,
    );
    expect(() => plan(serviceOf({ ports: [{ port: 80, targetPort: {} }] }))).toThrow(PodwireError);
  });
});

describe('Endpoints and slices of one service', () => {
  const pods = [1, 2].map((on) => podOf({ name: `p${on}`, labels: {}, on, ip: `10.244.${on}.2` }));
  const service = serviceOf({ ports: [{ port: 80 }] });
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 's-1', namespace: 'x', labels: { 'kubernetes.io/service-name': 's' } },
    ports: [{ port: 80 }],
    endpoints: [1, 2].map((i) => ({
      addresses: [`10.244.${i}.2`],
      nodeName: `n${i}`,
      hints: { forZones: [{ name: `z${i}` }] },
    })),
  };
  const endpoints = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 's', namespace: 'x' },
    subsets: [
      {
        addresses: [{ ip: '10.244.1.2', nodeName: 'n1' }],
        notReadyAddresses: [{ ip: '10.244.2.2', nodeName: 'n2' }],
        ports: [{ port: 80 }],
      },
    ],
  };

  it('pasted together mean the slices: their hints hold', () => {
    const alone = kubeRules(plan(...pods, service, slice));
    expect(alone.join('\n')).not.toContain('10.244.2.2');
    expect(kubeRules(plan(...pods, service, slice, endpoints))).toEqual(alone);
    expect(kubeRules(plan(...pods, endpoints, service, slice))).toEqual(alone);
  });

  it('Endpoints alone mean the ready ones, and are a list to policies', () => {
    const rules = kubeRules(plan(...pods, service, endpoints)).join('\n');
    expect(rules).toContain('10.244.1.2:80');
    expect(rules).not.toContain('10.244.2.2');
    const only = {
      apiVersion: 'projectcalico.org/v3',
      kind: 'NetworkPolicy',
      metadata: { name: 'out', namespace: 'x' },
      spec: {
        selector: 'all()',
        types: ['Egress'],
        egress: [{ action: 'Allow', destination: { services: { name: 's' } } }],
      },
    };
    const cluster = Cluster.fromPlan(plan(...pods, service, endpoints, only));
    const send = (port: number) =>
      cluster.send({ from: 'p1', to: 'p2', protocol: 'tcp', destinationPort: port }).outcome;
    expect([send(80), send(81)]).toEqual(['delivered', 'dropped']);
  });
});
