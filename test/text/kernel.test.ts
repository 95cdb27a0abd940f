/**
 * Plans put into a real kernel with the words podwire prints, and read back with
 * the real commands: what they print must be what podwire prints for the plan.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NamespacePlan, NeighbourState, RoutePlan } from '../../src/plan/plan.ts';
import { routeEntry } from '../../src/text/ip-route.ts';
import { type Ip4, networkOf, parseIp4 } from '../../src/wire/address.ts';
import { base, batch, ours, prepare, real, removeNamespaces } from './kernel-namespace.ts';
import { fdb, neighbour, route } from './namespace.ts';

const sorted = (text: string): string[] => text.split('\n').sort();

/** The objects of a JSON list in an order of their own: the kernel's is a hash's. */
const objects = (text: string): string[] =>
  (JSON.parse(text) as unknown[]).map((one) => JSON.stringify(one)).sort();

const ready = prepare();

afterAll(removeNamespaces);

const via = (text: string): { via: Ip4 } => ({ via: parseIp4(text) });

/** Destinations that share addresses, so that lengths and metrics decide the order. */
const destination = fc
  .tuple(
    fc.constantFrom('10.2.36.64', '10.2.36.71', '10.2.169.128', '10.3.0.0', '203.0.113.0'),
    fc.integer({ min: 5, max: 32 }),
  )
  .map(([text, length]) => networkOf({ address: parseIp4(text), length }));

const nextHop = fc.constantFrom<Partial<RoutePlan>>(
  { ...via('192.168.33.57'), device: 'enp1s0' },
  { ...via('192.168.33.1'), device: 'enp1s0', source: parseIp4('192.168.33.56') },
  { ...via('10.2.169.137'), device: 'vxlan.calico', onlink: true },
  { ...via('10.2.169.137'), device: 'vxlan.calico', onlink: true, mtu: 1450 },
  { device: 'cali1', scope: 'link' },
  { device: 'vxlan.calico', scope: 'link', source: parseIp4('10.2.36.72') },
  { device: 'enp1s0', scope: 'host' },
  {
    nextHops: [
      { ...via('192.168.33.57'), device: 'enp1s0', weight: 2, onlink: false },
      { device: 'cali1', weight: 1, onlink: false },
      { ...via('10.9.9.9'), device: 'vxlan.calico', weight: 256, onlink: true },
    ],
  },
  { type: 'blackhole' },
  { type: 'unreachable' },
  { type: 'prohibit' },
  { type: 'throw' },
);

const anyRoute = fc
  .record({
    destination,
    hop: nextHop,
    table: fc.constantFrom<RoutePlan['table']>('main', 'main', 'main', 253, 100, 356),
    metric: fc.constantFrom(0, 10, 1024),
    protocol: fc.constantFrom('boot', 'bird', 'static', '80', 'dhcp'),
  })
  .map(({ hop, destination: to, ...rest }) => ({
    ...route('default'),
    ...rest,
    ...hop,
    destination: to,
  }));

const anyRoutes = fc.uniqueArray(anyRoute, {
  maxLength: 24,
  selector: ({ destination: d, table, metric }) => `${d.address}/${d.length} ${table} ${metric}`,
});

describe.skipIf(!ready)('a real kernel', () => {
  beforeAll(() => {
    // Duplicate address detection hides nothing but adds a word for a second.
    for (let tries = 0; tries < 40 && /tentative/.test(real('ip addr')); tries++) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  });

  it('any routes: ip route in every table, route -n and ip route get', () => {
    fc.assert(
      fc.property(anyRoutes, fc.array(destination, { maxLength: 4 }), (routes, targets) => {
        batch(routes.map((r) => `route add ${routeEntry(r).replace(/(?<=proto )\w+/, numbered)}`));
        const ns = { ...base, routes: [...base.routes, ...routes] };
        const targetsOf = [...routes.map((r) => r.destination), ...targets];
        try {
          for (const command of [
            'ip -4 route show table all',
            'ip -d -4 route show table all',
            'ip route',
            'ip -d route',
            'ip route show dev enp1s0',
            'ip route show proto bird',
            'ip route show scope link',
            'ip route show type blackhole',
            'ip route show via 192.168.33.57',
            'ip route show src 10.2.36.72',
            'ip route show metric 10',
            'ip route show root 10.2.0.0/16',
            'ip route show match 10.2.36.71',
            'ip -o route',
            'ip -j route',
            'ip -p -j route',
            'ip -j -d route',
            'ip -j -4 route show table all',
            'ip -j route show dev enp1s0 proto bird',
            'ip -4 route show table local',
            'ip route show table 100',
            'ip route show 10.2.36.64/26',
            'route -n',
          ]) {
            expect(ours(ns, command), command).toBe(readable(real(command)));
          }
          for (const { address: target } of targetsOf) expectGet(ns, target);
        } finally {
          for (const table of ['main', '253', '100', '356']) flush(table);
        }
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  /** Tables that no route was ever put into do not exist, which the real command remarks. */
  const readable = (text: string): string =>
    text.replace(/^Error: ipv4: FIB table does not exist\.\nDump terminated\n/m, '');

  /** In a batch, iproute2 takes a name it looked up before for the number that came between. */
  const numbered = (name: string): string =>
    ({ bird: '12', static: '4', dhcp: '16' })[name] ?? name;

  function flush(table: string): void {
    real(`ip -4 route flush table ${table} proto boot`);
    for (const protocol of ['bird', 'static', '80', 'dhcp']) {
      real(`ip -4 route flush table ${table} proto ${protocol}`);
    }
  }

  function expectGet(ns: NamespacePlan, target: number): void {
    const command = `ip route get ${(target >>> 24) & 255}.${(target >>> 16) & 255}.${(target >>> 8) & 255}.${target & 255}`;
    let answer: string;
    try {
      answer = ours(ns, command);
    } catch (error) {
      // The hash of a multipath route is the kernel's secret.
      expect((error as Error).message).toContain('multipath');
      return;
    }
    expect(answer, command).toBe(real(command));
  }

  it('ip route get of addresses with a meaning', () => {
    for (const target of [
      '192.168.33.55',
      '192.168.33.56',
      '192.168.33.57',
      '192.168.33.255',
      '127.0.0.1',
      '127.1.2.3',
      '127.255.255.255',
      '10.2.36.72',
      '10.99.0.1',
      '10.99.0.2',
      '172.16.0.0',
      '8.8.8.8',
    ]) {
      expect(ours(base, `ip route get ${target}`), target).toBe(real(`ip route get ${target}`));
    }
  });

  it('ip addr and ip link', () => {
    for (const command of ['ip addr', 'ip -4 addr', 'ip addr show dev enp1s0', 'ip link show up']) {
      expect(ours(base, command), command).toBe(real(command));
    }
    const newer = (text: string): string =>
      text
        .replace(/ {2}allmulti 0 /g, ' ')
        .replace(/numtxqueues \d+ numrxqueues \d+/g, '')
        .replace(/ tso_max_size .*?(?= $)/gm, '');
    expect(newer(ours(base, 'ip -d link'))).toBe(newer(real('ip -d link')));
    expect(newer(ours(base, 'ip -d addr'))).toBe(newer(real('ip -d addr')));
    expect(newer(ours(base, 'ip -4 -d addr'))).toBe(newer(real('ip -4 -d addr')));
    expect(ours(base, 'ip rule')).toBe(real('ip rule'));
  });

  it('ip -j, -p, -o and -br of addr and link', () => {
    for (const command of [
      'ip -j addr',
      'ip -j -4 addr',
      'ip -j -p addr',
      'ip -j link',
      'ip -j link show up',
      'ip -j addr show up',
      'ip -j addr show dev idle',
      'ip -j link show type vxlan',
      'ip -o addr',
      'ip -o -4 addr show dev enp1s0',
      'ip -o link',
      'ip -br addr',
      'ip -br -4 addr',
      'ip -br link',
      'ip addr show type veth',
    ]) {
      expect(ours(base, command), command).toBe(real(command));
    }
    const newer = (text: string): string =>
      text
        .replace(/"num_tx_queues":\d+,"num_rx_queues":\d+/g, '')
        .replace(/,"gso_max_size".*?"gro_max_size":\d+/g, '');
    for (const command of ['ip -j -d link', 'ip -j -d addr', 'ip -j -d -4 addr']) {
      expect(newer(ours(base, command)), command).toBe(newer(real(command)));
    }
  });

  it('ip rule and lookups with the rule of WireGuard', () => {
    const routes = [
      route('10.2.36.64/26', { type: 'throw', table: 1 }),
      route('10.2.169.128/26', { device: 'vxlan.calico', scope: 'link', table: 1 }),
    ];
    batch(['rule add not from all fwmark 0x100000/0x100000 priority 99 lookup 1']);
    try {
      batch(routes.map((r) => `route add ${routeEntry(r)}`));
      const ns: NamespacePlan = {
        ...base,
        routes: [...base.routes, ...routes],
        rules: [
          { priority: 0, not: false, table: 'local' },
          { priority: 99, not: true, fwmark: { value: 0x100000, mask: 0x100000 }, table: 1 },
          { priority: 32766, not: false, table: 'main' },
          { priority: 32767, not: false, table: 'default' },
        ],
      };
      for (const command of [
        'ip rule',
        'ip -j rule',
        'ip -j -p rule',
        'ip route get 10.2.169.136',
        'ip route get 10.2.169.136 mark 0x100000',
        'ip route get 10.2.36.71',
        'ip route get 192.168.33.55',
        'ip route get 192.168.33.255',
        'ip -j route get 10.2.169.136',
        'ip -j route get 192.168.33.255',
        'ip -j route get 192.168.33.55',
      ]) {
        expect(ours(ns, command), command).toBe(real(command));
      }
    } finally {
      batch(['rule del priority 99']);
      flush('1');
      real('ip route flush table 1');
    }
  });

  it('ip neigh, arp -an and arp -n', () => {
    const states: readonly [string, NeighbourState][] = [
      ['10.2.169.137', 'PERMANENT'],
      ['10.2.169.138', 'REACHABLE'],
      ['10.2.169.139', 'STALE'],
      ['10.2.169.140', 'NOARP'],
      ['10.2.169.141', 'FAILED'],
    ];
    const neighbours = states.flatMap(([ip, state], n) =>
      ['vxlan.calico', 'cali1'].map((dev) =>
        neighbour(dev, ip, state === 'FAILED' ? undefined : `66:90:43:3d:b3:0${n}`, state),
      ),
    );
    batch(
      neighbours.map((n, index) => {
        const [ip] = states[index >> 1] as readonly [string, NeighbourState];
        const lladdr = n.mac === undefined ? '' : ` lladdr 66:90:43:3d:b3:0${index >> 1}`;
        return `neigh replace ${ip} dev ${n.device}${lladdr} nud ${n.state.toLowerCase()}`;
      }),
    );
    const ns = { ...base, neighbours };
    for (const command of [
      'ip -4 neigh',
      'ip -4 neigh show dev cali1',
      'ip -4 neigh show nud permanent',
      'ip -4 neigh show nud noarp',
      'ip -4 neigh show 10.2.169.138',
      'ip -4 neigh show to 10.2.169.136/30',
      'arp -an',
      'arp -n',
      'arp -n -i cali1',
    ]) {
      expect(sorted(ours(ns, command)), command).toEqual(sorted(real(command)));
    }
    for (const command of ['ip -4 -j neigh', 'ip -4 -j neigh show dev cali1']) {
      expect(objects(ours(ns, command)), command).toEqual(objects(real(command)));
    }
    expect(ours(ns, 'ip neigh').split('\n')).toHaveLength(9);
  });

  it('bridge fdb show', () => {
    const entries = [
      fdb('vxlan.calico', '66:90:43:3d:b3:e7', '192.168.33.57'),
      fdb('vxlan.calico', '66:90:43:3d:b3:e8', '192.168.33.58', 'static'),
      fdb('vxlan.calico', '66:90:43:3d:b3:e9', '192.168.33.59', 'reachable'),
    ];
    const words = { permanent: 'permanent', static: 'static', reachable: 'dynamic' };
    for (const [n, { state }] of entries.entries()) {
      const mac = `66:90:43:3d:b3:e${n + 7}`;
      real(`bridge fdb append ${mac} dev vxlan.calico dst 192.168.33.5${n + 7} ${words[state]}`);
    }
    const ns = { ...base, fdb: entries };
    expect(sorted(ours(ns, 'bridge fdb show'))).toEqual(sorted(real('bridge fdb show')));
    expect(sorted(ours(ns, 'bridge fdb show dev vxlan.calico'))).toEqual(
      sorted(real('bridge fdb show dev vxlan.calico')),
    );
    for (const command of ['bridge -j fdb', 'bridge -j fdb show dev vxlan.calico']) {
      expect(objects(ours(ns, command)), command).toEqual(objects(real(command)));
    }
    expect(ours(ns, 'bridge -j -p fdb show dev enp1s0')).toBe(
      real('bridge -j -p fdb show dev enp1s0'),
    );
    // Multicast addresses come in the order they are joined.
    expect(ours(ns, 'bridge fdb show dev enp1s0')).toBe(real('bridge fdb show dev enp1s0'));
  });
});
