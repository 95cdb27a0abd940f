/** How FelixConfiguration makes Felix write its rules, and what that does to packets. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { NetfilterRule } from '../../src/plan/netfilter.ts';
import {
  API,
  arrivals,
  chainPolicy,
  clusterOf,
  connects,
  dropsOf,
  edited,
  expectAccounted,
  felix,
  hostEndpoint,
  hostPolicy,
  lab,
  layer,
  lines,
  originate,
  pool,
  release,
  ruled,
} from '../behaviour/lab.ts';

const DIRECT = pool('ipipMode: Never, vxlanMode: Never');
/** Of all pods. */
const podPolicy = (spec: string): string =>
  `${API}\nkind: GlobalNetworkPolicy\nmetadata: {name: pods}\nspec: {selector: "projectcalico.org/namespace == 'x'", ${spec}}`;
const ALLOW = podPolicy('ingress: [{action: Allow}]');
const DENY = podPolicy('ingress: [{action: Deny}]');

const rulesOf = (cluster: Cluster, where: string, chain: string): readonly NetfilterRule[] =>
  cluster.plan.namespaces
    .find(({ name }) => name === where)!
    .netfilter!.chains.find(({ name, table }) => name === chain && table === 'filter')!.rules;

describe('allowed packets', () => {
  it.each([
    ['Accept', 'DROP', true],
    ['return', 'DROP', false],
    ['Return', 'ACCEPT', true],
  ] as const)('%s, FORWARD %s: policies let pods talk: %s', (action, policy, passes) => {
    const base = clusterOf(lab(DIRECT, ALLOW, felix(`iptablesFilterAllowAction: ${action}`))).plan;
    const plan =
      policy === 'DROP' ? edited(base, 'n1', (ns) => chainPolicy(ns, 'FORWARD', policy)) : base;
    const cluster = Cluster.fromPlan(plan);
    expect(connects(cluster, 'w0', 'w1')).toBe(passes);
    expect(dropsOf(cluster)).toEqual(passes ? {} : { filtered: 1 });
    expectAccounted(cluster);
  });

  it('Return in mangle leaves later rules of that table their say', () => {
    const lastWord = (action: string): Cluster =>
      Cluster.fromPlan(
        edited(
          clusterOf(
            lab(
              DIRECT,
              hostEndpoint('eth0', 1),
              hostPolicy('p', 'preDNAT: true, applyOnForward: true, ingress: [{action: Allow}]'),
              felix(`iptablesMangleAllowAction: ${action}`),
            ),
          ).plan,
          'n1',
          ({ netfilter }) => ({
            netfilter: {
              sets: netfilter!.sets,
              chains: netfilter!.chains.map((chain) =>
                chain.table === 'mangle' && chain.name === 'PREROUTING'
                  ? { ...chain, policy: 'DROP' }
                  : chain,
              ),
            },
          }),
        ),
      );
    expect(connects(lastWord('Accept'), 'w0', 'w1')).toBe(true);
    expect(connects(lastWord('Return'), 'w0', 'w1')).toBe(false);
  });
});

describe('denied packets', () => {
  it('are rejected: who sent them is told', () => {
    for (const [action, told] of [
      ['Drop', []],
      ['Reject', [['x/w0', 'unreachable', 3]]],
    ] as const) {
      const cluster = clusterOf(lab(DIRECT, DENY, felix(`iptablesFilterDenyAction: ${action}`)));
      const errors = arrivals(cluster, () =>
        originate(cluster, 'w0', [
          { layer: 'ipv4', src: '10.65.0.2', dst: '10.65.1.2' },
          { layer: 'udp', srcPort: 40000, dstPort: 8055 },
        ]),
      );
      expect(
        errors.map(({ at, layers }) => [
          at,
          layer(layers, 'icmp').type,
          layer(layers, 'icmp').code,
        ]),
      ).toEqual(told);
      expect(dropsOf(cluster)).toEqual({ filtered: 1 });
      expectAccounted(cluster);
    }
  });

  it('are dropped all the same where iptables cannot reject', () => {
    const cluster = clusterOf(
      lab(
        DIRECT,
        hostEndpoint('eth0'),
        hostPolicy('raw', 'doNotTrack: true, applyOnForward: true, ingress: [{action: Deny}]'),
        hostPolicy('pre', 'preDNAT: true, applyOnForward: true, ingress: [{action: Deny}]'),
        hostPolicy('own', 'ingress: [{action: Deny}]'),
        felix('iptablesFilterDenyAction: Reject'),
      ),
    );
    const rejecting = (table: string): number =>
      lines(cluster, 'n0', `iptables-save -t ${table}`).filter((line) => line.includes('-j REJECT'))
        .length;
    expect(rejecting('raw') + rejecting('mangle')).toBe(0);
    expect(rejecting('filter')).toBeGreaterThan(0);
    expect(lines(cluster, 'n0', 'iptables-save -t raw').join()).toContain('denied by');
  });
});

describe('bits of the mark', () => {
  it.each([
    ['v3.28.0', '0xffff0000', ['0x10000', '0x20000', '0x40000', '0x100000']],
    ['v3.30.0', '0xffff0000', ['0x10000', '0x20000', '0x80000', '0x200000']],
    ['v3.28.0', '0xff0', ['0x10', '0x20', '0x40', '0x100']],
    ['v3.30.0', '0xf000f000', ['0x1000', '0x2000', '0x8000', '0x20000000']],
  ] as const)('%s takes them from %s, the lowest first', (version, mask, bits) => {
    const cluster = clusterOf(
      lab(
        DIRECT,
        ALLOW,
        release(version),
        felix(`iptablesMarkMask: ${mask}, wireguardEnabled: true`),
      ),
    );
    const rules = lines(cluster, 'n0', 'iptables-save');
    const [accept, pass, workload, wireguard] = bits;
    expect(rules).toContain(`-A FORWARD -m mark --mark ${accept}/${accept} -j ACCEPT`);
    expect(rules.join()).toContain(`--set-xmark 0x0/${pass}`);
    expect(rules).toContain(
      `-A cali-PREROUTING -i cali+ -j MARK --set-xmark ${workload}/${workload}`,
    );
    expect(lines(cluster, 'n0', 'ip rule').join()).toContain(
      `not from all fwmark ${wireguard}/${wireguard} lookup 1`,
    );
    expect(connects(cluster, 'w0', 'w1')).toBe(true);
    expectAccounted(cluster);
  });
});

describe('connections that conntrack has not seen begin', () => {
  it('are denied, unless that check is off', () => {
    for (const off of [false, true]) {
      const cluster = clusterOf(lab(DIRECT, ALLOW, felix(`disableConntrackInvalidCheck: ${off}`)));
      const arrived = arrivals(cluster, () =>
        originate(cluster, 'w0', [
          { layer: 'ipv4', src: '10.65.0.2', dst: '10.65.1.2' },
          { layer: 'tcp', srcPort: 40000, dstPort: 80, seq: 1, ack: 1, flags: 'S.' },
        ]),
      );
      expect(arrived.some(({ at }) => at === 'x/w1')).toBe(off);
    }
  });
});

describe('beside the rules of others', () => {
  const service = [
    'apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: x}\n' +
      'spec: {clusterIP: 10.96.0.10, ports: [{port: 80, targetPort: 8055}]}',
    'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n' +
      'metadata: {name: web-1, namespace: x, labels: {kubernetes.io/service-name: web}}\n' +
      'addressType: IPv4\nports: [{port: 8055}]\nendpoints: [{addresses: [10.65.1.2]}]',
  ];
  const jumps = (cluster: Cluster): readonly (string | undefined)[] =>
    rulesOf(cluster, 'n0', 'FORWARD').map(({ target }) =>
      'chain' in target ? target.chain : undefined,
    );

  it('Felix’s jumps come first, or last', () => {
    const inserted = jumps(clusterOf(lab(DIRECT, ALLOW, ...service)));
    expect([inserted[0], inserted[1]?.startsWith('KUBE-')]).toEqual(['cali-FORWARD', true]);
    const appended = jumps(
      clusterOf(lab(DIRECT, ALLOW, ...service, felix('chainInsertMode: append'))),
    );
    expect(appended[0]?.startsWith('KUBE-')).toBe(true);
    expect(appended.at(-2)).toBe('cali-FORWARD');
  });

  it('a rule before Felix’s decides without them', () => {
    const cluster = Cluster.fromPlan(
      edited(clusterOf(lab(DIRECT, DENY)).plan, 'n1', (ns) =>
        ruled(ns, '*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp -j ACCEPT\nCOMMIT\n'),
      ),
    );
    expect(connects(cluster, 'w0', 'w1')).toBe(true);
  });
});
