import '../accounts.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { ground, kubernetesPolicy, podResource, resource } from './policy-cases.ts';
import {
  selectorText,
  type Tree,
  type TwinEnd,
  type TwinPacket,
  type TwinPod,
  type TwinPolicy,
  type TwinRule,
  type TwinTier,
  twinAllows,
} from './policy-twin.ts';

const KEYS = ['app', 'tier', 'team'];
const VALUES = ['x', 'y', 'z'];
const tags = fc.dictionary(fc.constantFrom(...KEYS), fc.constantFrom(...VALUES), {
  maxKeys: 2,
  noNullPrototype: true,
});
const key = fc.constantFrom(...KEYS);
const value = fc.constantFrom(...VALUES);

const { tree } = fc.letrec<{ tree: Tree; leaf: Tree }>((tie) => ({
  leaf: fc.oneof(
    fc.constant({ is: 'all' } as const),
    fc.record({ is: fc.constant('has' as const), key }),
    fc.record({ is: fc.constantFrom('equal' as const, 'differ' as const), key, value }),
    fc.record({
      is: fc.constantFrom('in' as const, 'out' as const),
      key,
      values: fc.uniqueArray(value, { maxLength: 2 }),
    }),
  ),
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.record({ is: fc.constant('not' as const), inner: tie('tree') }),
    fc.record({
      is: fc.constantFrom('and' as const, 'or' as const),
      left: tie('tree'),
      right: tie('tree'),
    }),
  ),
}));

const net = fc.constantFrom('10.2.0.1', '10.2.0.0/26', '10.2.0.64/31', '10.2.0.66/32', '0.0.0.0/0');
const port = fc.constantFrom(
  [80, 80],
  [53, 90],
  [443, 443],
  [1, 65535],
  [39999, 40001],
) as fc.Arbitrary<readonly [number, number]>;
const some = <T>(of: fc.Arbitrary<T>) => fc.array(of, { minLength: 1, maxLength: 3 });
/** A key that is there one time in four: more at once and nothing matches. */
const maybe = <T>(of: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: of });

const end = fc
  .record({
    nets: maybe(some(net)),
    notNets: maybe(some(net)),
    selector: maybe(tree),
    namespaceSelector: maybe(tree),
    notSelector: maybe(tree),
    ports: maybe(some(port)),
    notPorts: maybe(some(port)),
  })
  .map((given): TwinEnd => JSON.parse(JSON.stringify(given)));

const rule = fc
  .record({
    action: fc.constantFrom('Allow', 'Allow', 'Deny', 'Log', 'Pass'),
    protocol: fc.constantFrom(undefined, 'TCP', 'UDP', 'ICMP'),
    notProtocol: fc.constantFrom(undefined, undefined, 'TCP', 'ICMP'),
    icmp: fc.constantFrom(undefined, 8, 13),
    source: end,
    destination: end,
  })
  .map(({ protocol, icmp, source, destination, ...rest }): TwinRule => {
    const ported = protocol === 'TCP' || protocol === 'UDP';
    const plain = ({ ports: _ports, notPorts: _notPorts, ...others }: TwinEnd) => others;
    return JSON.parse(
      JSON.stringify({
        ...rest,
        protocol,
        icmp: protocol === 'ICMP' ? icmp : undefined,
        source: ported ? source : plain(source),
        destination: ported ? destination : plain(destination),
      }),
    );
  });

const tierNames = ['default', 'default', 'default', 'early', 'late'];
const policy = fc
  .record({
    namespace: fc.constantFrom(undefined, 'default', 'lab'),
    tier: fc.constantFrom(...tierNames),
    order: fc.constantFrom(undefined, undefined, 1, 1, 2.5),
    selector: tree,
    types: fc.constantFrom(undefined, ['Ingress'], ['Egress'], ['Ingress', 'Egress']),
    ingress: fc.array(rule, { maxLength: 3 }),
    egress: fc.array(rule, { maxLength: 3 }),
  })
  .map((given) => JSON.parse(JSON.stringify(given)) as Omit<TwinPolicy, 'name'>);

const places = [
  { name: 'a', namespace: 'default', on: 'n1', address: '10.2.0.1' },
  { name: 'b', namespace: 'lab', on: 'n1', address: '10.2.0.2' },
  { name: 'c', namespace: 'default', on: 'n2', address: '10.2.0.65' },
  { name: 'd', namespace: 'lab', on: 'n2', address: '10.2.0.66' },
] as const;

const world = fc.record({
  podTags: fc.tuple(tags, tags, tags, tags),
  spaces: fc.tuple(tags, tags),
  policies: fc.array(policy, { maxLength: 6 }),
  early: fc.record({ order: fc.constantFrom(10, 2_000_000), pass: fc.boolean() }),
  late: fc.boolean(),
});

const ports = (list: TwinEnd['ports']) =>
  list?.map(([from, to]) => (from === to ? from : `${from}:${to}`));
const text = (one: Tree | undefined) => (one === undefined ? undefined : selectorText(one));
const endOf = (one: TwinEnd) => ({
  ...one,
  selector: text(one.selector),
  notSelector: text(one.notSelector),
  namespaceSelector: text(one.namespaceSelector),
  ports: ports(one.ports),
  notPorts: ports(one.notPorts),
});
const ruleOf = (one: TwinRule) => ({
  ...one,
  icmp: one.icmp === undefined ? undefined : { type: one.icmp },
  source: endOf(one.source),
  destination: endOf(one.destination),
});
const policyOf = ({ name, namespace, ingress, egress, selector, ...rest }: TwinPolicy) =>
  resource(
    namespace === undefined ? 'GlobalNetworkPolicy' : 'NetworkPolicy',
    rest.tier === 'default' ? name : `${rest.tier}.${name}`,
    {
      ...rest,
      selector: selectorText(selector),
      ingress: ingress.map(ruleOf),
      egress: egress.map(ruleOf),
    },
    namespace === undefined ? {} : { namespace },
  );

const space = (name: string, labels: Readonly<Record<string, string>>) =>
  JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });

const QUESTIONS = [
  ['tcp', 80],
  ['tcp', 443],
  ['udp', 53],
  ['icmp', 0],
] as const;

/**
 * Every pod asks every other in every way; what the chains and the twin say. Each way in
 * a cluster of its own, so that no question is taken for the answer to an earlier one.
 */
function compare(
  clusters: readonly [Cluster, Cluster],
  pods: readonly TwinPod[],
  tiers: TwinTier[],
  policies: TwinPolicy[],
) {
  const tally = { allowed: 0, denied: 0 };
  for (const from of pods) {
    for (const to of pods) {
      if (from === to) continue;
      for (const [protocol, destinationPort] of QUESTIONS) {
        const trace = clusters[from.name < to.name ? 0 : 1].send({
          from: `${from.namespace}/${from.name}`,
          to: to.address,
          protocol,
          destinationPort,
        });
        const packet: TwinPacket = {
          from,
          to,
          protocol: protocol.toUpperCase() as TwinPacket['protocol'],
          sourcePort: 40000,
          destinationPort,
        };
        const wanted = twinAllows(packet, tiers, policies);
        const what = `${from.name} > ${to.name} ${protocol} ${destinationPort}: ${trace.steps.at(-1)?.note}`;
        expect(trace.reason === 'filtered', what).toBe(!wanted);
        tally[wanted ? 'allowed' : 'denied']++;
      }
    }
  }
  return tally;
}

const podsOf = (
  podTags: readonly TwinPod['tags'][],
  spaces: readonly TwinPod['tags'][],
): TwinPod[] =>
  places.map(({ name, namespace, address }, i) => ({
    name,
    namespace,
    address,
    tags: podTags[i]!,
    namespaceTags: spaces[namespace === 'default' ? 0 : 1]!,
  }));

it('decides as the slow twin for policies of Calico in random clusters', () => {
  const sum = { allowed: 0, denied: 0 };
  fc.assert(
    fc.property(world, ({ podTags, spaces, policies: given, early, late }) => {
      const pods = podsOf(podTags, spaces);
      const policies = given.map(
        (one, i): TwinPolicy => ({ ...one, name: `p${(i * 7) % 5}-${i}` }),
      );
      const tiers: TwinTier[] = [
        { name: 'default', order: 1_000_000, pass: false },
        { name: 'early', ...early },
        { name: 'late', pass: late },
      ];
      const { plan: planned } = Cluster.fromYaml(
        [
          ...ground,
          space('default', spaces[0]),
          space('lab', spaces[1]),
          ...places.map((place, i) => podResource({ ...place, labels: podTags[i]! })),
          resource('Tier', 'early', {
            order: early.order,
            defaultAction: early.pass ? 'Pass' : 'Deny',
          }),
          resource('Tier', 'late', { defaultAction: late ? 'Pass' : 'Deny' }),
          ...policies.map(policyOf),
        ].join('\n---\n'),
      );
      const clusters = [Cluster.fromPlan(planned), Cluster.fromPlan(planned)] as const;
      const { allowed, denied } = compare(clusters, pods, tiers, policies);
      sum.allowed += allowed;
      sum.denied += denied;
    }),
    { numRuns: 120 },
  );
  // Neither answer is a rarity, so that agreement says something.
  expect(Math.min(sum.allowed, sum.denied)).toBeGreaterThan(500);
});

const labelMap = fc.dictionary(key, value, { maxKeys: 1, noNullPrototype: true });
const peer = fc.oneof(
  fc.record({ pods: maybe(labelMap), spaces: labelMap }),
  fc.record({ pods: labelMap }),
  fc.record({
    cidr: net.filter((one) => one.includes('/')),
    except: fc.array(net, { maxLength: 1 }),
  }),
);
type Peer = typeof peer extends fc.Arbitrary<infer T> ? T : never;
const kubernetesRule = fc.record({
  peers: fc.array(peer, { maxLength: 2 }),
  ports: fc.array(
    fc.record({
      protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
      port: fc.constantFrom(undefined, 53, 80),
      more: fc.constantFrom(0, 400),
    }),
    { maxLength: 2 },
  ),
});
type KubernetesRule = typeof kubernetesRule extends fc.Arbitrary<infer T> ? T : never;

const conjunction = (labels: Readonly<Record<string, string>>): Tree =>
  Object.entries(labels).reduce<Tree>(
    (left, [k, v]) => ({ is: 'and', left, right: { is: 'equal', key: k, value: v } }),
    { is: 'all' },
  );

const peerText = (one: Peer): object => {
  if ('cidr' in one) {
    const except = one.except.map((part) => (part.includes('/') ? part : `${part}/32`));
    return { ipBlock: { cidr: one.cidr, except } };
  }
  return {
    podSelector: one.pods === undefined ? undefined : { matchLabels: one.pods },
    namespaceSelector: 'spaces' in one ? { matchLabels: one.spaces } : undefined,
  };
};

const peerEnd = (one: Peer): TwinEnd => {
  if ('cidr' in one) return { nets: [one.cidr], notNets: one.except };
  const selector = conjunction(one.pods ?? {});
  return 'spaces' in one ? { selector, namespaceSelector: conjunction(one.spaces) } : { selector };
};

/** The rule as rules of the twin: one for each peer and port. */
const twinRules = ({ peers, ports: list }: KubernetesRule, side: 'from' | 'to'): TwinRule[] =>
  (peers.length === 0 ? [{}] : peers.map(peerEnd)).flatMap((far) =>
    (list.length === 0 ? [undefined] : list).map((one): TwinRule => {
      const near: TwinEnd =
        one?.port === undefined ? {} : { ports: [[one.port, one.port + one.more]] };
      return {
        action: 'Allow',
        ...(one === undefined ? {} : { protocol: one.protocol }),
        source: side === 'from' ? far : {},
        destination: side === 'from' ? near : { ...far, ...near },
      };
    }),
  );

const ruleText = ({ peers, ports: list }: KubernetesRule, side: 'from' | 'to') => ({
  [side]: peers.map(peerText),
  ports: list.map(({ protocol, port: from, more }) => ({
    protocol,
    port: from,
    endPort: from === undefined || more === 0 ? undefined : from + more,
  })),
});

it('decides as the slow twin for policies of Kubernetes in random clusters', () => {
  const sum = { allowed: 0, denied: 0 };
  const one = fc.record({
    namespace: fc.constantFrom('default', 'lab'),
    pods: labelMap,
    ingress: fc.array(kubernetesRule, { maxLength: 2 }),
    egress: fc.array(kubernetesRule, { maxLength: 2 }),
    types: fc.constantFrom(undefined, ['Ingress' as const], ['Egress' as const]),
  });
  fc.assert(
    fc.property(
      fc.tuple(tags, tags, tags, tags),
      fc.tuple(tags, tags),
      fc.array(one, { minLength: 1, maxLength: 3 }),
      (podTags, spaces, given) => {
        const pods = podsOf(podTags, spaces);
        const policies = given.map(
          ({ namespace, pods: chosen, ingress, egress, types }, i): TwinPolicy => ({
            name: `k${i}`,
            namespace,
            tier: 'default',
            order: 1000,
            selector: conjunction(chosen),
            types: types ?? (egress.length > 0 ? ['Ingress', 'Egress'] : ['Ingress']),
            ingress: ingress.flatMap((rules) => twinRules(rules, 'from')),
            egress: egress.flatMap((rules) => twinRules(rules, 'to')),
          }),
        );
        const { plan: planned } = Cluster.fromYaml(
          [
            ...ground,
            space('default', spaces[0]),
            space('lab', spaces[1]),
            ...places.map((place, i) => podResource({ ...place, labels: podTags[i]! })),
            ...given.map(({ namespace, pods: chosen, ingress, egress, types }, i) =>
              kubernetesPolicy(
                `k${i}`,
                {
                  podSelector: { matchLabels: chosen },
                  policyTypes: types,
                  ingress: ingress.map((rules) => ruleText(rules, 'from')),
                  egress: egress.map((rules) => ruleText(rules, 'to')),
                },
                namespace,
              ),
            ),
          ].join('\n---\n'),
        );
        const tiers: TwinTier[] = [{ name: 'default', order: 1_000_000, pass: false }];
        const clusters = [Cluster.fromPlan(planned), Cluster.fromPlan(planned)] as const;
        const { allowed, denied } = compare(clusters, pods, tiers, policies);
        sum.allowed += allowed;
        sum.denied += denied;
      },
    ),
    { numRuns: 80 },
  );
  expect(Math.min(sum.allowed, sum.denied)).toBeGreaterThan(300);
});
