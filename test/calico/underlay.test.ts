import { describe, expect, it } from 'vitest';
import { formatIp4, formatMac, formatPrefix } from '../../src/wire/address.ts';
import { failure, node, plan, pool, underlay } from './manifests.ts';
import { calicoLines, namespaceOf, routeLines } from './route-line.ts';

const n1 = node('n1', '192.168.33.55/24');

describe('underlay', () => {
  it('plugs members into segments, with routers and hosts', () => {
    const made = plan(
      pool(),
      n1,
      node('n2', '192.168.34.57/24'),
      underlay(
        'segments:',
        '- name: A',
        '  mtu: 9000',
        '  members:',
        '  - {name: n1, interface: enp1s0, mac: "52:54:00:85:ff:19", address: 192.168.33.55/24}',
        '  - {name: gw, interface: etha, mac: "52:54:00:00:33:01", address: 192.168.33.1/24}',
        '- name: B',
        '  members:',
        '  - {name: n2}',
        '  - {name: gw, interface: ethb, address: 192.168.34.1/24}',
        '  - {name: host1, address: 192.168.34.9/24}',
        'routers: [{name: gw, routes: ["10.9.0.0/16 via 192.168.33.57", "default via 192.168.34.254"]}]',
        'hosts: [{name: host1, gateway: 192.168.34.1}]',
        'defaultGateway: {A: 192.168.33.1}',
        'srcDstCheck: true',
      ),
    );
    expect(made.segments).toEqual([
      {
        name: 'A',
        mtu: 9000,
        srcDstCheck: true,
        members: [
          { namespace: 'n1', device: 'enp1s0' },
          { namespace: 'gw', device: 'etha' },
        ],
      },
      {
        name: 'B',
        mtu: 1500,
        srcDstCheck: true,
        members: [
          { namespace: 'n2', device: 'eth0' },
          { namespace: 'gw', device: 'ethb' },
          { namespace: 'host1', device: 'eth0' },
        ],
      },
    ]);
    expect(routeLines(made, 'gw')).toEqual(
      [
        '192.168.33.0/24 dev etha proto kernel scope link src 192.168.33.1',
        '192.168.34.0/24 dev ethb proto kernel scope link src 192.168.34.1',
        '10.9.0.0/16 via 192.168.33.57 dev etha',
        'default via 192.168.34.254 dev ethb',
      ].sort(),
    );
    expect(routeLines(made, 'host1')).toContain('default via 192.168.34.1 dev eth0');
    expect(routeLines(made, 'n1')).toContain('default via 192.168.33.1 dev enp1s0');
    expect(routeLines(made, 'n2').join()).not.toContain('default');
    expect(['n1', 'gw', 'host1'].map((name) => namespaceOf(made, name).forwarding)).toEqual([
      true,
      true,
      false,
    ]);
    const nic = namespaceOf(made, 'n1').devices[1]!;
    expect([formatMac(nic.mac!), nic.mtu, nic.qdisc, nic.queueLength]).toEqual([
      '52:54:00:85:ff:19',
      9000,
      'fq_codel',
      1000,
    ]);
    expect(formatIp4(nic.addresses[0]!.broadcast!)).toBe('192.168.33.255');
    expect(made.assumptions.join()).not.toContain('Underlay');
  });

  it('takes the node address from the member where Calico names none, and several NICs', () => {
    const made = plan(
      pool({ more: ['vxlanMode: CrossSubnet'] }),
      'apiVersion: v1\nkind: Node\nmetadata: {name: bare}',
      n1,
      underlay(
        'segments:',
        '- {name: A, members: [{name: bare, address: 10.1.0.5/24}, {name: n1, address: 10.1.0.6/24}]}',
        '- {name: B, members: [{name: n1, address: 192.168.33.55/24}]}',
        'defaultGateway: {A: 10.1.0.1, B: 192.168.33.1}',
      ),
    );
    expect(namespaceOf(made, 'n1').devices.map(({ index, name }) => `${index} ${name}`)).toEqual([
      '1 lo',
      '2 eth0',
      '3 eth1',
      '4 vxlan.calico',
    ]);
    // The NIC with the node address carries the tunnel and the default route.
    expect(namespaceOf(made, 'n1').devices[3]!.vxlan).toMatchObject({
      parent: 'eth1',
      vni: 4096,
      port: 4789,
    });
    expect(routeLines(made, 'n1')).toContain('default via 192.168.33.1 dev eth1');
    const fdb = namespaceOf(made, 'n1').fdb.map(({ destination }) => formatIp4(destination!));
    expect(fdb).toEqual(['10.1.0.5']);
    // Same subnet is asked of the node address alone, not of every NIC.
    expect(calicoLines(made, 'n1').some((line) => line.includes('dev vxlan.calico onlink'))).toBe(
      true,
    );
  });

  it('without an Underlay gives the router the first free host address', () => {
    const made = plan(
      node('n1', '10.0.0.1/29'),
      node('n2', '10.0.0.2/29'),
      node('router', '10.0.0.3/29'),
    );
    const router = namespaceOf(made, 'router-2');
    expect(router.role).toBe('router');
    expect(router.devices.slice(1).map(({ addresses }) => formatPrefix(addresses[0]!))).toEqual([
      '10.0.0.4/29',
    ]);
    expect(routeLines(made, 'n1')).toContain('default via 10.0.0.4 dev eth0');
    expect(made.assumptions.join('\n')).toContain('one router named router-2');
    expect(
      new Set(made.namespaces.flatMap((n) => n.devices.flatMap((d) => d.mac ?? []))).size,
    ).toBe(4);
  });

  const member = (text: string) => ['segments:', '- name: A', '  members:', `  - ${text}`];
  const own = '{name: n1, address: 192.168.33.55/24, mac: "02:00:00:00:00:01"}';
  it.each<[name: string, spec: string[], code: string, line: number, words: string]>([
    [
      'an unknown member',
      member('{name: n9, address: 10.0.0.1/24}'),
      'VALUE',
      16,
      'Underlay spec.segments[0].members[0].name: expected the name of a Node, router or host, found "n9"',
    ],
    [
      'a node on no segment',
      ['segments: []'],
      'CONFLICT',
      9,
      'Underlay: expected Node/n1 among the members, found no such one',
    ],
    [
      'a node address on no NIC',
      member('{name: n1, address: 10.0.0.1/24}'),
      'CONFLICT',
      7,
      "Node/n1 spec.bgp.ipv4Address: expected an address of one of the node's NICs in the Underlay, found 192.168.33.55/24 beside 10.0.0.1/24",
    ],
    [
      'a duplicate address',
      [...member(own), '  - {name: h, address: 192.168.33.55/24}', 'hosts: [{name: h}]'],
      'CONFLICT',
      17,
      'members[1].address: expected a value of its own on segment A, since n1 has this one, found 192.168.33.55',
    ],
    [
      'a duplicate MAC',
      [
        ...member(own),
        '  - {name: h, address: 192.168.33.56/24, mac: "02:00:00:00:00:01"}',
        'hosts: [{name: h}]',
      ],
      'CONFLICT',
      17,
      'members[1].mac: expected a value of its own on segment A, since n1 has this one, found 02:00:00:00:00:01',
    ],
    [
      'a host without address',
      [...member(own), '  - {name: h}', 'hosts: [{name: h}]'],
      'VALUE',
      17,
      'members[1].address: expected an IPv4 ADDRESS/LENGTH, found nothing',
    ],
    [
      'one interface twice',
      [...member(own), '- {name: B, members: [{name: n1, interface: eth0, address: 10.0.0.1/24}]}'],
      'CONFLICT',
      17,
      'expected a NIC of its own on each segment, found eth0',
    ],
    [
      'a NIC named like a tunnel',
      member('{name: n1, interface: tunl0}'),
      'CONFLICT',
      16,
      'members[0].interface: expected a NIC of its own',
    ],
    [
      'a long interface name',
      member('{name: n1, interface: enp1s0f0np0v12345}'),
      'VALUE',
      16,
      'expected an interface name of at most 15 characters',
    ],
    [
      'an unplugged router',
      [...member(own), 'routers: [{name: gw}]'],
      'CONFLICT',
      17,
      'spec.routers[0]: expected gw among the members, found no such one',
    ],
    [
      'a router named like a node',
      [...member(own), 'routers: [{name: n1}]'],
      'CONFLICT',
      17,
      'spec.routers[0].name: expected a name no Node has, found n1',
    ],
    [
      'a host named like a router',
      [...member(own), 'routers: [{name: x}]', 'hosts: [{name: x}]'],
      'CONFLICT',
      18,
      'spec.hosts[0].name: expected a name of its own, found x',
    ],
    [
      'a segment twice',
      [...member(own), '- {name: A}'],
      'CONFLICT',
      17,
      'spec.segments[1].name: expected each segment once, found A',
    ],
    [
      'a gateway for no segment',
      [...member(own), 'defaultGateway: {B: 192.168.33.1}'],
      'CONFLICT',
      17,
      'spec.defaultGateway.B: expected the name of a segment as key, found "B"',
    ],
    [
      'a gateway off the wire',
      [...member(own), 'defaultGateway: {A: 192.168.34.1}'],
      'CONFLICT',
      17,
      'spec.defaultGateway.A: expected an address in 192.168.33.0/24, the network of n1, found 192.168.34.1',
    ],
    [
      'a next hop off the wire',
      [
        ...member(own),
        '  - {name: gw, address: 192.168.33.1/24}',
        'routers: [{name: gw, routes: ["10.0.0.0/8 via 10.9.9.9"]}]',
      ],
      'CONFLICT',
      18,
      'routes[0]: expected a next hop on a connected network, found 10.9.9.9',
    ],
    [
      'two routes to one prefix',
      [
        ...member(own),
        '  - {name: gw, address: 192.168.33.1/24}',
        'routers: [{name: gw, routes: ["192.168.33.0/24 via 192.168.33.9"]}]',
      ],
      'CONFLICT',
      18,
      'routes[0]: expected one route for each prefix, found another for 192.168.33.0/24',
    ],
    [
      'a route without via',
      [...member(own), 'routers: [{name: gw, routes: ["10.0.0.0/8"]}]'],
      'VALUE',
      17,
      'routes[0]: expected PREFIX via ADDRESS, found "10.0.0.0/8"',
    ],
    [
      'a tiny MTU',
      ['segments: [{name: A, mtu: 100}]'],
      'VALUE',
      13,
      'spec.segments[0].mtu: expected an integer from 118 to 65535, found 100',
    ],
  ])('refuses %s', (_name, spec, code, line, words) => {
    const error = failure(n1, underlay(...spec));
    expect(error.message).toContain(words);
    expect([error.code, error.line]).toEqual([`ERR_CONFIG_${code}`, line]);
  });
});
