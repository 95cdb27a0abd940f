import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import type { NextHop, RoutePlan } from '../../src/plan/plan.ts';
import {
  formatRoute,
  localRoutes,
  parseIpRoute,
  printIpRoute,
  routeEntry,
} from '../../src/text/ip-route.ts';
import { type Ip4, networkOf, parseIp4 } from '../../src/wire/address.ts';
import { address, device, lo, namespace, route } from './namespace.ts';

const ip4 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) as fc.Arbitrary<Ip4>;
const prefix = fc
  .record({ address: ip4, length: fc.integer({ min: 0, max: 32 }) })
  .map((of) => networkOf(of));
const name = fc.stringMatching(/^[a-z][a-z0-9.@-]{0,14}$/);
const optional = <K extends string, T>(key: K, of: fc.Arbitrary<T>) =>
  fc.oneof(fc.constant({}), fc.record({ [key]: of } as Record<K, fc.Arbitrary<T>>));

const hop = fc
  .tuple(
    optional('via', ip4),
    fc.record({ device: name, weight: fc.integer({ min: 1, max: 256 }), onlink: fc.boolean() }),
  )
  .map(([via, rest]) => ({ ...via, ...rest }) as NextHop);

const table = fc.constantFrom<RoutePlan['table']>('main', 'local', 1, 80, 253, 4_294_967_295);
const attributes = fc
  .tuple(
    fc.record({
      destination: prefix,
      table,
      protocol: fc.constantFrom('boot', 'kernel', 'static', 'bird', 'dhcp', '80', '5', 'ra'),
      scope: fc.constantFrom<RoutePlan['scope']>('global', 'link', 'host'),
      metric: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 32 - 1 })),
    }),
    optional('source', ip4),
    optional('mtu', fc.integer({ min: 1, max: 65535 })),
  )
  .map(([all, source, mtu]) => ({ ...all, ...source, ...mtu }));

/** Any route that has a text, but for its origin, which the text does not tell. */
const anyRoute: fc.Arbitrary<RoutePlan> = fc
  .tuple(
    attributes,
    fc.oneof(
      fc
        .tuple(optional('via', ip4), name, fc.boolean())
        .map(([via, device, onlink]) => ({ type: 'unicast', ...via, device, onlink })),
      fc
        .array(hop, { minLength: 1, maxLength: 3 })
        .map((nextHops) => ({ type: 'unicast', nextHops, onlink: false })),
      fc
        .constantFrom('blackhole', 'unreachable', 'prohibit', 'throw')
        .map((type) => ({ type, onlink: false })),
      fc
        .tuple(fc.constantFrom('local', 'broadcast'), name)
        .map(([type, device]) => ({ type, device, onlink: false, table: 'local' })),
    ),
  )
  .map(([shared, own]) => ({ ...shared, ...own, origin: 'admin' }) as RoutePlan);

const withoutOrigin = (routes: readonly RoutePlan[]): RoutePlan[] =>
  routes.map((r) => ({ ...r, origin: 'admin' }));

describe('parse and print', () => {
  it('what is printed reads back, with and without -d, in any table', () => {
    fc.assert(
      fc.property(fc.array(anyRoute), fc.boolean(), (routes, details) => {
        const text = routes.map((r) => formatRoute(r, { showTable: true, details })).join('\n');
        expect(withoutOrigin(parseIpRoute(text))).toEqual(routes);
      }),
    );
  });

  it('a listing reads back to itself', () => {
    fc.assert(
      fc.property(fc.array(anyRoute), (routes) => {
        const listed = printIpRoute(namespace({ routes }), { table: 'all' });
        const again = namespace({ routes: parseIpRoute(listed) });
        expect(printIpRoute(again, { table: 'all' })).toBe(listed);
      }),
    );
  });

  it('an entry for messages is one line that reads back', () => {
    fc.assert(
      fc.property(anyRoute, (r) => {
        const entry = routeEntry(r);
        expect(entry).toMatch(/^\S.*\S$/);
        expect(withoutOrigin(parseIpRoute(entry))).toEqual([r]);
      }),
    );
  });

  it('no text crashes the reader', () => {
    const words = fc.constantFrom(
      'via',
      'dev',
      'nexthop',
      '10.0.0.0/8',
      'default',
      'mtu',
      '1',
      'x',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((w) => w.join(' ')),
        ),
        (text) => {
          try {
            for (const r of parseIpRoute(text)) expect(routeEntry(r)).not.toBe('');
          } catch (error) {
            expect(error).toBeInstanceOf(PodwireError);
          }
        },
      ),
    );
  });
});

describe('parseIpRoute', () => {
  it('takes a route without dev, colours, CRLF and blank lines', () => {
    const text = '\r\n\u001b[36m10.9.0.0/16\u001b[0m via 192.168.33.57 \r\n\n';
    const via = parseIp4('192.168.33.57');
    expect(parseIpRoute(text)).toEqual([route('10.9.0.0/16', { via })]);
  });

  it('tells who programs a route', () => {
    const origins = parseIpRoute(
      [
        '192.168.33.0/24 dev enp1s0 proto kernel scope link src 192.168.33.55',
        '10.2.36.71 dev calid2918f95dae scope link',
        'default via 169.254.1.1 dev eth0',
        '10.2.169.128/26 via 10.2.169.137 dev vxlan.calico onlink',
        'blackhole 10.2.36.64/26 proto 80',
        'blackhole 10.2.36.64/26 proto bird',
        'default via 192.168.33.1 dev enp1s0 proto dhcp metric 100',
      ].join('\n'),
    ).map(({ origin }) => origin);
    expect(origins).toEqual(['kernel', 'cni', 'cni', 'felix', 'felix', 'bird', 'admin']);
  });

  it.each([
    ['default via 10.0.0.1 dev eth0 linkdown', 1, '"linkdown"'],
    ['default dev eth0\n10.0.0.1/8 dev eth0', 2, '"10.0.0.1/8"'],
    ['10.0.0.0/8 via 10.0.0.256 dev eth0', 1, 'an IPv4 address after via, found "10.0.0.256"'],
    ['10.0.0.0/8 via 10.0.0.1 via 10.0.0.2', 1, 'via only once'],
    ['10.0.0.0/8 dev', 1, 'found nothing'],
    ['10.0.0.0/8 dev sixteen-letters1', 1, '15 characters'],
    ['10.0.0.0/8 proto nobody dev eth0', 1, 'known protocol'],
    ['10.0.0.0/8 dev eth0 scope site', 1, 'global, link or host'],
    ['10.0.0.0/8 dev eth0 mtu lock 1400', 1, '"lock"'],
    ['10.0.0.0/8 dev eth0 metric 4294967296', 1, 'number after metric'],
    ['10.0.0.0/8 dev eth0 table 0', 1, 'after table'],
    ['10.0.0.0/8', 1, 'via, dev or nexthop'],
    ['blackhole 10.0.0.0/8 dev lo', 1, 'no next hop'],
    ['10.0.0.0/8\n\tnexthop via 10.0.0.1 weight 1', 1, 'dev in every nexthop'],
    ['10.0.0.0/8\n\tnexthop dev eth0 mtu 5', 2, '"mtu"'],
    ['10.0.0.0/8 dev eth0\n\tnexthop dev eth0', 1, 'either'],
    ['\tnexthop dev eth0', 1, '"nexthop"'],
    ['fe80::/64 dev eth0 proto kernel', 1, '"fe80::/64"'],
  ])('refuses %j', (text, line, message) => {
    let error: unknown;
    try {
      parseIpRoute(text, 'router.yaml');
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code: 'ERR_CONFIG_VALUE', line });
    expect((error as Error).message).toContain(`router.yaml:${line}: expected `);
    expect((error as Error).message).toContain(message);
  });
});

describe('printIpRoute', () => {
  it('prints nothing for an empty table', () => {
    expect(printIpRoute(namespace({}))).toBe('');
    expect(printIpRoute(namespace({}), { table: 'all' })).toBe('');
  });

  it('a multipath route has a line for each hop', () => {
    const via = parseIp4('192.168.33.57');
    const nextHops = [
      { via, device: 'enp1s0', weight: 2, onlink: false },
      { device: 'cali1', weight: 1, onlink: true },
    ];
    const routes = [route('10.6.0.0/16', { nextHops, protocol: 'bird', metric: 7 })];
    expect(printIpRoute(namespace({ routes }))).toBe(
      '10.6.0.0/16 proto bird metric 7 \n' +
        '\tnexthop via 192.168.33.57 dev enp1s0 weight 2 \n' +
        '\tnexthop dev cali1 weight 1 onlink \n',
    );
    expect(routeEntry(routes[0] as RoutePlan)).toBe(
      '10.6.0.0/16 proto bird metric 7 nexthop via 192.168.33.57 dev enp1s0 weight 2 nexthop dev cali1 weight 1 onlink',
    );
  });
});

describe('localRoutes', () => {
  const entries = (...devices: Parameters<typeof device>[0][]) =>
    localRoutes(namespace({ devices: [lo, ...devices.map((d) => device(d))] }))
      .map(routeEntry)
      .slice(3);

  it('gives a bare lo 127.0.0.1/8', () => {
    const bare = localRoutes(namespace({ devices: [{ ...lo, addresses: [] }] }));
    expect(bare).toEqual(localRoutes(namespace({ devices: [lo] })));
    expect(bare).toHaveLength(3);
  });

  it('a device that is down has its address only', () => {
    const addresses = [address('10.0.0.1/24', '10.0.0.255')];
    expect(entries({ name: 'd', index: 2, up: false, addresses })).toEqual([
      'local 10.0.0.1 dev d table local proto kernel scope host src 10.0.0.1',
    ]);
  });
});
