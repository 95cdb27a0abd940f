import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  type Host,
  type HostPolicy,
  type HostRule,
  hostAllows,
  type Question,
} from './host-endpoint-twin.ts';
import { clusterOf, resource } from './policy-cases.ts';

const ADDRESSES = {
  n1: '192.168.0.11',
  n2: '192.168.0.12',
  web: '10.2.0.1',
  db: '10.2.0.2',
  client: '10.2.0.65',
} as const;
type Party = keyof typeof ADDRESSES;

/** As n1 sees them. */
const SIDES: Readonly<Record<Party, Question['from']>> = {
  n1: 'self',
  n2: 'nic',
  web: 'pod',
  db: 'pod',
  client: 'nic',
};

const PAIRS: readonly (readonly [Party, Party])[] = [
  ['n2', 'n1'],
  ['n1', 'n2'],
  ['client', 'n1'],
  ['client', 'web'],
  ['web', 'client'],
  ['web', 'db'],
  ['web', 'n1'],
  ['n1', 'web'],
];
const PORTS = [22, 53, 80, 4000] as const;

const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined, freq: 2 });
const rule: fc.Arbitrary<HostRule> = fc
  .record({
    action: fc.constantFrom('Allow' as const, 'Allow' as const, 'Deny' as const, 'Pass' as const),
    protocol: fc.constantFrom(undefined, 'TCP' as const, 'UDP' as const),
    net: maybe(fc.constantFrom('10.2.0.0/26', '192.168.0.12/32', '10.2.0.65/32', '0.0.0.0/0')),
    ports: maybe(fc.uniqueArray(fc.constantFrom(...PORTS), { minLength: 1, maxLength: 3 })),
  })
  .map((given) => {
    const plain: HostRule = JSON.parse(JSON.stringify(given));
    if (plain.protocol !== undefined) return plain;
    const { ports: _ports, ...rest } = plain;
    return rest;
  });
const rules = maybe(fc.array(rule, { maxLength: 3 }));

const policy = fc
  .record({
    order: fc.constantFrom(1, 1, 2),
    stage: fc.constantFrom(
      'normal' as const,
      'forward' as const,
      'preDNAT' as const,
      'doNotTrack' as const,
    ),
    ingress: rules,
    egress: rules,
  })
  .filter(
    ({ stage, ingress, egress }) =>
      (stage === 'preDNAT' ? ingress : (ingress ?? egress)) !== undefined,
  );

const entity = (net: string | undefined, ports?: readonly number[]) => ({
  nets: net === undefined ? undefined : [net],
  ports,
});

const resourceOf = ({ name, order, stage, ingress, egress }: HostPolicy): string => {
  const onWay = (direction: 'ingress' | 'egress', list: readonly HostRule[] | undefined) =>
    list?.map(({ action, protocol, net, ports }) =>
      direction === 'ingress'
        ? { action, protocol, source: entity(net), destination: entity(undefined, ports) }
        : { action, protocol, destination: entity(net, ports) },
    );
  return resource('GlobalNetworkPolicy', name, {
    selector: "is == 'host'",
    order,
    applyOnForward: stage !== 'normal',
    preDNAT: stage === 'preDNAT',
    doNotTrack: stage === 'doNotTrack',
    types: [
      ...(ingress === undefined ? [] : ['Ingress']),
      ...(egress === undefined ? [] : ['Egress']),
    ],
    ingress: onWay('ingress', ingress),
    egress: onWay('egress', egress),
  });
};

it('decides as the slow twin about packets to, from and through a host', () => {
  const sum = { allowed: 0, denied: 0 };
  fc.assert(
    fc.property(
      fc.record({ whole: fc.boolean(), open: fc.boolean() }),
      fc.array(policy, { maxLength: 5 }),
      (host: Host, given) => {
        const policies = given.map(
          ({ stage, egress, ...rest }, i): HostPolicy =>
            JSON.parse(
              JSON.stringify({
                ...rest,
                stage,
                egress: stage === 'preDNAT' ? undefined : egress,
                name: `p${(i * 7) % 5}`,
              }),
            ),
        );
        const cluster = clusterOf(
          resource(
            'HostEndpoint',
            'host',
            {
              node: 'n1',
              interfaceName: host.whole ? '*' : 'eth0',
              profiles: host.open ? ['projectcalico-default-allow'] : [],
            },
            { labels: { is: 'host' } },
          ),
          ...policies.map(resourceOf),
        );
        for (const [from, to] of PAIRS) {
          for (const [protocol, port] of [
            ['TCP', 22],
            ['TCP', 80],
            ['UDP', 53],
            ['UDP', 4000],
          ] as const) {
            // The port of the sender is always 40000, so none is an answer to an earlier one.
            const trace = cluster.send({
              from,
              to: ADDRESSES[to],
              protocol: protocol === 'TCP' ? 'tcp' : 'udp',
              destinationPort: port,
            });
            const question: Question = {
              from: SIDES[from],
              to: SIDES[to],
              source: ADDRESSES[from],
              destination: ADDRESSES[to],
              protocol,
              port,
            };
            const wanted = hostAllows(host, policies, question);
            const what = `${from} > ${to} ${protocol} ${port}: ${trace.steps.at(-1)?.note}`;
            expect(trace.reason === 'filtered', what).toBe(!wanted);
            sum[wanted ? 'allowed' : 'denied']++;
          }
        }
      },
    ),
    { numRuns: 60 },
  );
  expect(Math.min(sum.allowed, sum.denied)).toBeGreaterThan(300);
}, 60_000);
