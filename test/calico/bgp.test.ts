import { describe, expect, it } from 'vitest';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { formatIp4, formatPrefix } from '../../src/wire/address.ts';
import { outage, resource, sessionLines } from './bgp-cluster.ts';
import { block, failure, node, plan, pod, pool, underlay } from './manifests.ts';
import { calicoLines, namespaceOf, routeLines } from './route-line.ts';

/** Nodes n1 … nN in one subnet with a block each, and labels. */
const nodes = (count: number, more: Record<string, string> = {}): string[] =>
  Array.from({ length: count }, (_, i) => {
    const text = node(`n${i + 1}`, `192.168.0.${i + 11}/24`);
    const labelled = text.replace('name: n', `labels: {${more[`n${i + 1}`] ?? ''}}\n  name: n`);
    return [labelled, block(`10.2.0.${i * 32}/27`, `n${i + 1}`)];
  }).flat();

const segment = (count: number, ...more: string[]): string[] => [
  'segments:',
  '- name: A',
  '  members:',
  ...Array.from({ length: count }, (_, i) => `  - {name: n${i + 1}}`),
  ...more,
];

const direct = pool();
const withHost = (count: number, bgp = '') =>
  underlay(
    ...segment(count, '  - {name: host1, address: 192.168.0.254/24}'),
    'hosts:',
    `- {name: host1${bgp}}`,
  );
const peerHost = resource('BGPPeer', 'host', 'peerIP: 192.168.0.254, asNumber: 64512');
const noMesh = resource('BGPConfiguration', 'default', 'nodeToNodeMeshEnabled: false');

const bird = (made: ClusterPlan, name: string) =>
  routeLines(made, name).filter((line) => line.endsWith('proto bird'));

describe('the mesh', () => {
  it('has a session between every two nodes, listed in name order', () => {
    const made = plan(direct, ...nodes(3));
    expect(sessionLines(made, 'n2')).toEqual([
      '192.168.0.11 | node-to-node mesh | up | Established',
      '192.168.0.13 | node-to-node mesh | up | Established',
    ]);
    expect(made.inventory!.sessions).toHaveLength(6);
  });

  it('A3: a session taken down withdraws the block routes of that peer and nothing else', () => {
    const before = plan(direct, ...nodes(4));
    const after = plan(direct, ...nodes(4), outage('n1', 'n3'));
    for (const [name, peer, gone] of [
      ['n1', 'n3', '10.2.0.64/27'],
      ['n3', 'n1', '10.2.0.0/27'],
    ] as const) {
      const lost = routeLines(before, name).filter((l) => !routeLines(after, name).includes(l));
      expect([peer, lost.map((line) => line.split(' ')[0])]).toEqual([peer, [gone]]);
      expect(routeLines(after, name)).toHaveLength(routeLines(before, name).length - 1);
    }
    for (const name of ['n2', 'n4']) {
      expect(routeLines(after, name)).toEqual(routeLines(before, name));
    }
    // The greater address, as text, calls; the other end waits for it.
    expect(sessionLines(after, 'n1')[1]).toBe('192.168.0.13 | node-to-node mesh | start | Passive');
    expect(sessionLines(after, 'n3')[0]).toBe('192.168.0.11 | node-to-node mesh | start | Connect');
  });

  it('does not matter to VXLAN, whose routes come from the datastore', () => {
    const vxlan = pool({ more: ['vxlanMode: Always'] });
    const whole = plan(vxlan, ...nodes(3));
    for (const made of [
      plan(vxlan, ...nodes(3), outage('n1', 'n3')),
      plan(vxlan, ...nodes(3), noMesh),
      plan(
        vxlan,
        ...nodes(3),
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: calico-config, namespace: kube-system}\ndata: {calico_backend: vxlan}',
      ),
    ]) {
      for (const name of ['n1', 'n2', 'n3']) {
        expect(calicoLines(made, name)).toEqual(calicoLines(whole, name));
      }
    }
  });

  it('without BIRD there are no sessions and no routes by it', () => {
    const made = plan(
      pool({ more: ['ipipMode: Always'] }),
      ...nodes(2),
      'apiVersion: operator.tigera.io/v1\nkind: Installation\nmetadata: {name: default}\nspec: {calicoNetwork: {bgp: Disabled}}',
    );
    expect(made.inventory!.sessions).toEqual([]);
    expect(calicoLines(made, 'n1')).toEqual([]);
  });

  it('switched off, nobody learns anything', () => {
    const made = plan(direct, ...nodes(3), noMesh);
    expect(calicoLines(made, 'n1')).toEqual(['blackhole 10.2.0.0/27 proto bird']);
    expect(made.inventory!.sessions).toEqual([]);
  });

  it('keeps pools with disableBGPExport to themselves', () => {
    const made = plan(pool({ more: ['disableBGPExport: true'] }), ...nodes(3));
    expect(calicoLines(made, 'n1')).toEqual(['blackhole 10.2.0.0/27 proto bird']);
    expect(sessionLines(made, 'n1')).toHaveLength(2);
  });

  it('B31: local delivery does not need it', () => {
    const made = plan(direct, ...nodes(2), pod('a', 'n1', '10.2.0.3'), outage('n1', 'n2'));
    expect(calicoLines(made, 'n1').some((l) => /^10\.2\.0\.3 dev cali/.test(l))).toBe(true);
    expect(
      namespaceOf(made, 'n1').routes.find(({ device }) => device?.startsWith('cali')),
    ).toMatchObject({ origin: 'cni', protocol: 'boot', scope: 'link' });
  });
});

describe('a host outside', () => {
  it('learns nothing before it is a peer, and every block once it is', () => {
    const before = plan(direct, ...nodes(3), withHost(3));
    expect(bird(before, 'host1')).toEqual([]);
    const after = plan(direct, ...nodes(3), withHost(3), peerHost);
    expect(bird(after, 'host1')).toEqual([
      '10.2.0.0/27 via 192.168.0.11 dev eth0 proto bird',
      '10.2.0.32/27 via 192.168.0.12 dev eth0 proto bird',
      '10.2.0.64/27 via 192.168.0.13 dev eth0 proto bird',
    ]);
    for (const name of ['n1', 'n2', 'n3']) {
      expect(routeLines(after, name)).toEqual(routeLines(before, name));
      expect(sessionLines(after, name).at(-1)).toBe('192.168.0.254 | global | up | Established');
      expect(sessionLines(after, name)).toHaveLength(3);
    }
    expect(after.assumptions.join('\n')).toContain('host1');
  });

  it('B28: of two pools it may take one', () => {
    const external = pool({ name: 'external', cidr: '198.19.24.0/21', more: ['blockSize: 29'] });
    const made = plan(
      pool({ more: ['ipipMode: Always'] }),
      external,
      ...nodes(2),
      block('198.19.28.208/29', 'n1'),
      pod('nginx', 'n1', '198.19.28.208'),
      withHost(2, ', bgp: {asNumber: 64512, accept: [198.19.24.0/21]}'),
      peerHost,
    );
    expect(bird(made, 'host1')).toEqual(['198.19.28.208/29 via 192.168.0.11 dev eth0 proto bird']);
  });

  it('that expects another AS stays idle', () => {
    const made = plan(direct, ...nodes(2), withHost(2, ', bgp: {asNumber: 65001}'), peerHost);
    expect(bird(made, 'host1')).toEqual([]);
    expect(sessionLines(made, 'n1').at(-1)).toBe(
      '192.168.0.254 | global | start | Idle BGP Error: Bad peer AS',
    );
  });

  it('at an address that nobody has is never reached', () => {
    const made = plan(
      direct,
      ...nodes(1),
      resource('BGPPeer', 'ghost', 'peerIP: 192.168.0.77, asNumber: 64512, node: n1'),
    );
    expect(sessionLines(made, 'n1')).toEqual(['192.168.0.77 | node specific | start | Connect']);
  });

  it('tells its own prefixes to the peers it has, and to no node beyond', () => {
    const made = plan(
      direct,
      ...nodes(2),
      withHost(2, ', bgp: {asNumber: 65001, advertise: [172.31.0.0/16]}'),
      resource('BGPPeer', 'tor', 'node: n1, peerIP: 192.168.0.254, asNumber: 65001'),
    );
    expect(routeLines(made, 'n1')).toContain('172.31.0.0/16 via 192.168.0.254 dev eth0 proto bird');
    // Calico's export filter lets out nothing that lies in no pool.
    expect(routeLines(made, 'n2').filter((l) => l.startsWith('172.31'))).toEqual([]);
  });

  it('by eBGP hears of every block from every node: equal paths are merged', () => {
    const made = plan(
      direct,
      ...nodes(3),
      withHost(3, ', bgp: {asNumber: 65001}'),
      resource('BGPPeer', 'tor', 'peerIP: 192.168.0.254, asNumber: 65001'),
    );
    const route = namespaceOf(made, 'host1').routes.find(
      ({ destination }) => formatPrefix(destination) === '10.2.0.32/27',
    )!;
    expect(route.via).toBeUndefined();
    expect(route.nextHops!.map(({ via, weight }) => `${formatIp4(via!)} ${weight}`)).toEqual([
      '192.168.0.11 1',
      '192.168.0.12 1',
      '192.168.0.13 1',
    ]);
    // Without multipath one is enough; with the next hops kept there is only one.
    const one = plan(
      direct,
      ...nodes(3),
      withHost(3, ', bgp: {asNumber: 65001, multipath: false}'),
      resource('BGPPeer', 'tor', 'peerIP: 192.168.0.254, asNumber: 65001'),
    );
    expect(bird(one, 'host1')).toContain('10.2.0.32/27 via 192.168.0.11 dev eth0 proto bird');
    const kept = plan(
      direct,
      ...nodes(3),
      withHost(3, ', bgp: {asNumber: 65001}'),
      resource(
        'BGPPeer',
        'tor',
        'peerIP: 192.168.0.254, asNumber: 65001, keepOriginalNextHop: true',
      ),
    );
    expect(bird(kept, 'host1')).toContain('10.2.0.32/27 via 192.168.0.12 dev eth0 proto bird');
  });

  it('hears of VXLAN blocks too: by iBGP from their owner, by eBGP from everybody', () => {
    const vxlan = pool({ more: ['vxlanMode: Always'] });
    const inside = plan(vxlan, ...nodes(2), withHost(2), peerHost, noMesh);
    expect(bird(inside, 'host1')).toEqual([
      '10.2.0.0/27 via 192.168.0.11 dev eth0 proto bird',
      '10.2.0.32/27 via 192.168.0.12 dev eth0 proto bird',
    ]);
    const outside = plan(
      vxlan,
      ...nodes(2),
      withHost(2, ', bgp: {asNumber: 65001}'),
      resource('BGPPeer', 'tor', 'peerIP: 192.168.0.254, asNumber: 65001'),
      noMesh,
    );
    for (const { destination, nextHops } of namespaceOf(outside, 'host1').routes) {
      if (formatPrefix(destination).startsWith('10.2.')) expect(nextHops).toHaveLength(2);
    }
    expect(namespaceOf(outside, 'host1').routes.some(({ nextHops }) => nextHops)).toBe(true);
  });

  it('with BGPFilters takes what they let through', () => {
    const made = plan(
      direct,
      ...nodes(3),
      withHost(3),
      resource(
        'BGPFilter',
        'some',
        'exportV4: [{action: Accept, matchOperator: Equal, cidr: 10.2.0.32/27}, {action: Reject, matchOperator: In, cidr: 10.2.0.0/26}]',
      ),
      resource('BGPPeer', 'host', 'peerIP: 192.168.0.254, asNumber: 64512, filters: [some]'),
    );
    expect(bird(made, 'host1').map((l) => l.split(' ')[0])).toEqual([
      '10.2.0.32/27',
      '10.2.0.64/27',
    ]);
    expect(calicoLines(made, 'n1')).toHaveLength(3);
  });
});

describe('borrowed addresses', () => {
  it('are advertised as single ones, and not by the node whose block holds them', () => {
    const made = plan(
      direct,
      ...nodes(3),
      pod('guest', 'n2', '10.2.0.7'),
      withHost(3, ', bgp: {asNumber: 65001}'),
      resource('BGPPeer', 'tor', 'peerIP: 192.168.0.254, asNumber: 65001'),
    );
    expect(calicoLines(made, 'n3')).toContain('10.2.0.7 via 192.168.0.12 dev eth0 proto bird');
    const route = namespaceOf(made, 'host1').routes.find(
      ({ destination }) => formatPrefix(destination) === '10.2.0.7/32',
    )!;
    expect(route.nextHops!.map(({ via }) => formatIp4(via!))).toEqual([
      '192.168.0.12',
      '192.168.0.13',
    ]);
  });
});

describe('route reflectors', () => {
  const reflector = (text: string, id: string) =>
    text.replace('ipv4Address:', `routeReflectorClusterID: ${id}\n    ipv4Address:`);
  const clients = resource('BGPPeer', 'rr', 'nodeSelector: "!has(rr)", peerSelector: has(rr)');

  const reflected = (ids: readonly (string | undefined)[], ...more: string[]) => {
    const labels = Object.fromEntries(
      ids.flatMap((id, i) => (id ? [[`n${i + 1}`, 'rr: "true"']] : [])),
    );
    const texts = nodes(ids.length, labels as Record<string, string>);
    ids.forEach((id, i) => {
      if (id !== undefined) texts[i * 2] = reflector(texts[i * 2]!, id);
    });
    return plan(direct, ...texts, clients, ...more);
  };

  it('stand outside the mesh and leave next hops as they are', () => {
    const made = reflected(['244.0.0.1', undefined, undefined], noMesh);
    expect(sessionLines(made, 'n2')).toEqual(['192.168.0.11 | node specific | up | Established']);
    expect(sessionLines(made, 'n1')).toEqual([
      '192.168.0.12 | node specific | up | Established',
      '192.168.0.13 | node specific | up | Established',
    ]);
    const full = plan(direct, ...nodes(3));
    for (const name of ['n1', 'n2', 'n3']) {
      expect(calicoLines(made, name)).toEqual(calicoLines(full, name));
    }
  });

  it('with the mesh left on, the others keep it and the reflector has its own sessions', () => {
    const made = reflected(['244.0.0.1', undefined, undefined]);
    expect(sessionLines(made, 'n2')).toEqual([
      '192.168.0.13 | node-to-node mesh | up | Established',
      '192.168.0.11 | node specific | up | Established',
    ]);
  });

  it('a client cut off from its only reflector learns nothing and tells nothing', () => {
    const made = reflected(['244.0.0.1', undefined, undefined], noMesh, outage('n1', 'n3'));
    expect(calicoLines(made, 'n3')).toEqual(['blackhole 10.2.0.64/27 proto bird']);
    expect(calicoLines(made, 'n2')).toEqual([
      '10.2.0.0/27 via 192.168.0.11 dev eth0 proto bird',
      'blackhole 10.2.0.32/27 proto bird',
    ]);
  });

  it('with two of one cluster, one may fail', () => {
    const made = reflected(
      ['244.0.0.1', '244.0.0.1', undefined, undefined],
      noMesh,
      resource('BGPPeer', 'rrs', 'nodeSelector: has(rr), peerSelector: has(rr)'),
      outage('n1', 'n3'),
    );
    expect(calicoLines(made, 'n3')).toEqual([
      // From n2, which is no client of n1 and has its own block from it all the same.
      '10.2.0.0/27 via 192.168.0.11 dev eth0 proto bird',
      '10.2.0.32/27 via 192.168.0.12 dev eth0 proto bird',
      '10.2.0.96/27 via 192.168.0.14 dev eth0 proto bird',
      'blackhole 10.2.0.64/27 proto bird',
    ]);
  });

  it('of one cluster do not take each other’s reflected routes, of two clusters they do', () => {
    const made = (second: string) =>
      reflected(
        ['244.0.0.1', second, undefined, undefined],
        noMesh,
        resource('BGPPeer', 'rrs', 'nodeSelector: has(rr), peerSelector: has(rr)'),
        outage('n1', 'n3'),
        `apiVersion: podwire/v1\nkind: Outage\nmetadata: {name: p}\nspec: {bgpSessions: [{a: n2, b: n4}]}`,
      );
    const from4 = '10.2.0.96/27 via 192.168.0.14 dev eth0 proto bird';
    // n4 is only at n1, n3 only at n2: the route has to pass from n1 to n2.
    expect(calicoLines(made('244.0.0.1'), 'n3')).not.toContain(from4);
    expect(calicoLines(made('244.0.0.2'), 'n3')).toContain(from4);
  });

  it('outside the cluster reflect as well', () => {
    const made = plan(
      direct,
      ...nodes(2),
      noMesh,
      withHost(2, ', bgp: {asNumber: 64512, reflector: true}'),
      peerHost,
    );
    expect(calicoLines(made, 'n1')).toContain('10.2.0.32/27 via 192.168.0.12 dev eth0 proto bird');
    const plain = plan(direct, ...nodes(2), noMesh, withHost(2), peerHost);
    expect(calicoLines(plain, 'n1')).toEqual(['blackhole 10.2.0.0/27 proto bird']);
  });
});

describe('routers between racks', () => {
  /** Two racks, each with its own AS and router; nodes peer with their router only. */
  const racks = (allowed: string) =>
    plan(
      direct,
      noMesh,
      ...['10.9.1.11/24', '10.9.2.11/24'].flatMap((address, i) => [
        node(`n${i + 1}`, address),
        block(`10.2.0.${i * 32}/27`, `n${i + 1}`),
        resource(
          'BGPPeer',
          `tor${i + 1}`,
          `node: n${i + 1}, peerIP: 10.9.${i + 1}.1, asNumber: 6500${i + 1}${allowed}`,
        ),
      ]),
      underlay(
        'segments:',
        '- {name: A, members: [{name: n1}, {name: tor1, address: 10.9.1.1/24}]}',
        '- {name: B, members: [{name: n2}, {name: tor2, address: 10.9.2.1/24}]}',
        '- {name: C, members: [{name: tor1, address: 10.9.0.1/30}, {name: tor2, address: 10.9.0.2/30}]}',
        'routers:',
        '- {name: tor1, routes: [10.9.2.0/24 via 10.9.0.2], bgp: {asNumber: 65001, peers: [10.9.1.11, 10.9.0.2]}}',
        '- {name: tor2, routes: [10.9.1.0/24 via 10.9.0.1], bgp: {asNumber: 65002, peers: [10.9.2.11, 10.9.0.1]}}',
        'defaultGateway: {A: 10.9.1.1, B: 10.9.2.1}',
      ),
    );

  it('carry blocks from rack to rack, each with itself as next hop', () => {
    const made = racks(', numAllowedLocalASNumbers: 1');
    expect(bird(made, 'tor1')).toEqual([
      '10.2.0.0/27 via 10.9.1.11 dev eth0 proto bird',
      '10.2.0.32/27 via 10.9.0.2 dev eth1 proto bird',
    ]);
    expect(calicoLines(made, 'n1')).toContain('10.2.0.32/27 via 10.9.1.1 dev eth0 proto bird');
    expect(calicoLines(made, 'n2')).toContain('10.2.0.0/27 via 10.9.2.1 dev eth0 proto bird');
  });

  it('bring back a path with the node’s own AS, which it refuses unless told otherwise', () => {
    const made = racks('');
    expect(bird(made, 'tor2')).toHaveLength(2);
    expect(calicoLines(made, 'n1')).toEqual(['blackhole 10.2.0.0/27 proto bird']);
  });
});

describe('services', () => {
  const ranges = resource(
    'BGPConfiguration',
    'default',
    'serviceClusterIPs: [{cidr: 10.96.0.0/16}], serviceExternalIPs: [{cidr: 203.0.113.0/24}]',
  );
  const service = (policy: string) =>
    `apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.96.0.9, externalIPs: [203.0.113.7], externalTrafficPolicy: ${policy}}`;
  const slice =
    'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-x, labels: {kubernetes.io/service-name: web}}\n' +
    'endpoints: [{nodeName: n2, conditions: {ready: true}}, {nodeName: n1, conditions: {ready: false}}, {nodeName: n3}]';
  const hopsTo = (made: ClusterPlan, prefix: string) => {
    const route = namespaceOf(made, 'host1').routes.find(
      ({ destination }) => formatPrefix(destination) === prefix,
    );
    return (route?.nextHops?.map(({ via }) => via) ?? [route?.via]).map(
      (via) => via && formatIp4(via),
    );
  };

  it('go out as ranges from every node, and never into a node’s kernel', () => {
    const made = plan(
      direct,
      ranges,
      ...nodes(3),
      withHost(3),
      peerHost,
      service('Cluster'),
      slice,
    );
    const all = ['192.168.0.11', '192.168.0.12', '192.168.0.13'];
    expect(hopsTo(made, '10.96.0.0/16')).toEqual(all);
    expect(hopsTo(made, '203.0.113.0/24')).toEqual(all);
    expect(bird(made, 'host1').filter((l) => l.startsWith('203.0.113.7'))).toEqual([]);
    for (const name of ['n1', 'n2', 'n3']) {
      expect(routeLines(made, name).filter((l) => /10\.96|203\.0/.test(l))).toEqual([]);
    }
  });

  it('with local traffic go out one by one from nodes with a ready endpoint', () => {
    const made = plan(direct, ranges, ...nodes(3), withHost(3), peerHost, service('Local'), slice);
    expect(hopsTo(made, '203.0.113.7/32')).toEqual(['192.168.0.12', '192.168.0.13']);
    expect(hopsTo(made, '10.96.0.9/32')).toEqual(['192.168.0.12', '192.168.0.13']);
  });

  // confd's routes.go: isSingleExternalIP, hasAnySingleLoadBalancerIP, ShouldAggregateLoadBalancerServices.
  it('of one address go out with their service, from all nodes or those with an endpoint', () => {
    const one = resource(
      'BGPConfiguration',
      'default',
      'serviceExternalIPs: [{cidr: 203.0.113.7/32}, {cidr: 203.0.113.8/32}]',
    );
    const through = (policy: string) =>
      plan(direct, one, ...nodes(3), withHost(3), peerHost, service(policy), slice);
    const all = ['192.168.0.11', '192.168.0.12', '192.168.0.13'];
    expect(hopsTo(through('Cluster'), '203.0.113.7/32')).toEqual(all);
    expect(hopsTo(through('Local'), '203.0.113.7/32')).toEqual(all.slice(1));
    // Nobody has this one.
    expect(hopsTo(through('Local'), '203.0.113.8/32')).toEqual([undefined]);
  });

  it('of load balancers go out one by one where nobody aggregates them', () => {
    const lb = (more: string) =>
      resource(
        'BGPConfiguration',
        'default',
        `serviceLoadBalancerIPs: [{cidr: 198.51.0.0/24}]${more}`,
      );
    const balanced =
      'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: LoadBalancer, clusterIP: 10.96.0.9}\nstatus: {loadBalancer: {ingress: [{ip: 198.51.0.4}, {ip: 198.52.0.4}]}}';
    const told = (more: string, ...rest: string[]) =>
      bird(plan(direct, lb(more), ...nodes(3), withHost(3), peerHost, balanced, ...rest), 'host1')
        .filter((line) => line.startsWith('198.'))
        .map((line) => line.split(' ')[0]);
    expect(told('', slice)).toEqual(['198.51.0.0/24']);
    expect(told(', serviceLoadBalancerAggregation: Enabled', slice)).toEqual(['198.51.0.0/24']);
    expect(told(', serviceLoadBalancerAggregation: Disabled', slice)).toEqual(['198.51.0.4']);
    expect(told(', serviceLoadBalancerAggregation: Disabled')).toEqual([]);
  });

  it('leave out nodes that load balancers leave out', () => {
    const excluded = { n1: 'node.kubernetes.io/exclude-from-external-load-balancers: "true"' };
    const made = plan(direct, ranges, ...nodes(2, excluded), withHost(2), peerHost);
    expect(hopsTo(made, '10.96.0.0/16')).toEqual(['192.168.0.12']);
  });
});

describe('a mesh of several AS numbers', () => {
  // RFC 4271: n1 and n2 are of 64512, n3 and n4 of one each.
  const mixed = [
    ...nodes(2),
    resource('Node', 'n3', 'bgp: {ipv4Address: 192.168.0.13/24, asNumber: 65003}'),
    resource('Node', 'n4', 'bgp: {ipv4Address: 192.168.0.14/24, asNumber: 65004}'),
    block('10.2.0.96/27', 'n4'),
  ];
  const [first, fourth] = ['10.2.0.0/27', '10.2.0.96/27'];
  const to = (made: ClusterPlan, name: string, prefix: string) =>
    routeLines(made, name).find((line) => line.startsWith(`${prefix} `));

  it('hears of a node by all of its AS, as each tells other ASes what it heard', () => {
    const made = plan(direct, ...mixed);
    expect(to(made, 'n2', first)).toBe(`${first} via 192.168.0.11 dev eth0 proto bird`);
    const both = namespaceOf(made, 'n3').routes.find((r) => formatPrefix(r.destination) === first);
    expect(both!.nextHops!.map(({ via }) => via && formatIp4(via))).toEqual([
      '192.168.0.11',
      '192.168.0.12',
    ]);
    // What came by eBGP is no better by iBGP or by one AS more.
    for (const node of ['n1', 'n2', 'n3']) {
      expect(to(made, node, fourth)).toBe(`${fourth} via 192.168.0.14 dev eth0 proto bird`);
    }
  });

  it('with a filter for what remote peers said keeps that in, and what is its own goes out', () => {
    const filter = resource(
      'BGPFilter',
      'own',
      'exportV4: [{action: Reject, source: RemotePeers}]',
    );
    const peering = 'peerSelector: all(), filters: [own]';
    const made = plan(direct, noMesh, filter, resource('BGPPeer', 'all', peering), ...mixed);
    const via = namespaceOf(made, 'n3').routes.find((r) => formatPrefix(r.destination) === first);
    // Without n2's telling of it there is one way only.
    expect(via!.via && formatIp4(via!.via)).toBe('192.168.0.11');
    expect(via!.nextHops).toBeUndefined();
    expect(made.assumptions.join('\n')).not.toContain('not modelled');
  });

  it('goes round a session that is down by way of another AS', () => {
    const made = plan(direct, ...mixed, outage('n1', 'n4'), outage('n2', 'n4'));
    expect(to(made, 'n4', first)).toBe(`${first} via 192.168.0.13 dev eth0 proto bird`);
    expect(to(made, 'n1', fourth)).toBe(`${fourth} via 192.168.0.13 dev eth0 proto bird`);
    expect(sessionLines(made, 'n4')).toHaveLength(3);
  });
});

describe('what is wrong is refused with its place', () => {
  it.each([
    [resource('BGPPeer', 'p', 'peerIP: 10.0.0.1'), 'spec.asNumber: expected an AS number beside'],
    [resource('BGPPeer', 'p', 'node: n1'), 'expected either peerIP or peerSelector, found neither'],
    [
      resource('BGPPeer', 'p', 'peerIP: 10.0.0.1:99999, asNumber: 1'),
      'spec.peerIP: expected an IPv4 ADDRESS or ADDRESS:PORT, found "10.0.0.1:99999"',
    ],
    [
      resource('BGPPeer', 'p', 'peerIP: 10.0.0.1, asNumber: 70000.1'),
      'spec.asNumber: expected an integer from 0 to 4294967295',
    ],
    [
      resource('BGPPeer', 'p', 'peerIP: 10.0.0.1, asNumber: "70000.1"'),
      'spec.asNumber: expected an AS number, found "70000.1"',
    ],
    [
      resource('BGPPeer', 'p', 'peerIP: 10.0.0.1, asNumber: 1, node: n9'),
      'spec.node: expected the name of a Node among the resources, found "n9"',
    ],
    [
      resource('BGPPeer', 'p', 'peerIP: 10.0.0.1, asNumber: 1, filters: [no]'),
      'spec.filters[0]: expected the name of a BGPFilter among the resources, found "no"',
    ],
    [
      resource('BGPFilter', 'f', 'exportV4: [{action: Accept, cidr: 10.0.0.0/8}]'),
      'spec.exportV4[0].matchOperator: expected Equal, NotEqual, In or NotIn, found nothing',
    ],
    [
      outage('n1', 'n9'),
      'spec.bgpSessions[0].b: expected the name of a speaker of BGP, found "n9"',
    ],
    [
      resource('BGPConfiguration', 'default', 'serviceClusterIPs: [{cidr: 10.96.0.1/16}]'),
      'expected 10.96.0.0/16 (no bits beyond the length)',
    ],
  ])('%s', (text, message) => {
    const error = failure(direct, ...nodes(1), text);
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^cluster\.yaml:\d+: /);
  });

  it('and what is not modelled is noted', () => {
    const made = plan(
      direct,
      ...nodes(1),
      resource('BGPFilter', 'f', 'importV4: [{action: Accept, interface: "*.calico"}]'),
      resource('BGPPeer', 'p', 'peerIP: 10.0.0.1, asNumber: 1, ttlSecurity: 1'),
      resource('BGPPeer', 'six', 'peerIP: "fd00::1", asNumber: 1'),
    );
    expect(made.assumptions).toContain('BGPPeer/p: set and not modelled: ttlSecurity');
    expect(made.assumptions).toContain('BGPFilter/f: set and not modelled: importV4.interface');
    expect(made.ignored).toContain('BGPPeer (IPv6) x1');
  });
});
