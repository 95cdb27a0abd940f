/** Every reader, held against what real commands printed: what is read prints again the same. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import type { DevicePlan } from '../../src/plan/plan.ts';
import { printArp } from '../../src/text/arp.ts';
import { printBridgeFdb } from '../../src/text/bridge-fdb.ts';
import { parseCalicoctl, parseNodeStatus } from '../../src/text/calicoctl-reader.ts';
import { printNodeStatus } from '../../src/text/calicoctl-status.ts';
import { parseBridgeFdb } from '../../src/text/fdb-reader.ts';
import { printIpAddr } from '../../src/text/ip-addr.ts';
import { printIpLink } from '../../src/text/ip-link.ts';
import { printIpNeigh } from '../../src/text/ip-neigh.ts';
import { printIpRule } from '../../src/text/ip-rule.ts';
import { linkDevice, parseIpLink } from '../../src/text/link-reader.ts';
import { parseArp, parseIpNeigh } from '../../src/text/neighbour-reader.ts';
import { printRouteN } from '../../src/text/route-n.ts';
import { parseRouteN } from '../../src/text/route-n-reader.ts';
import { parseIpRule } from '../../src/text/rule-reader.ts';
import { runWg } from '../../src/text/wg.ts';
import { parseWgShow } from '../../src/text/wg-reader.ts';
import { formatIp4, formatMac, formatPrefix } from '../../src/wire/address.ts';
import { device, documentText, namespace, shared, trimLines } from './namespace.ts';
import { peers, splitTables, type Tables } from './oracle-tables.ts';

const folder = join(shared, 'oracle', 'out');
const scenarios = existsSync(folder) ? readdirSync(folder) : [];
if (scenarios.length === 0) console.warn(`SKIPPED: no oracle tables in ${folder}`);

/** Devices with the other ends that the text itself names. */
const devicesOf = (text: string): DevicePlan[] =>
  parseIpLink(text).map((listed) => {
    const { peer, netns } = listed;
    const far = peer !== undefined && netns !== undefined;
    return { ...linkDevice(listed), ...(far ? { peer: { namespace: netns, device: peer } } : {}) };
  });

/** What iproute2 6.1 words otherwise than 5.10, and what the oracle took out. */
const linkFacts = (text: string): string =>
  trimLines(
    text
      .replace(/ promiscuity 0 /g, ' ')
      .replace(/( numtxqueues| tso_max_size| addrgenmode).*/g, '')
      .replace(/ +(?=minmtu)/g, ' '),
  );

describe.skipIf(scenarios.length === 0)('the oracle’s tables', () => {
  it.each(scenarios)('%s', (scenario) => {
    let tables = 0;
    for (const file of ['tables.before.txt', 'tables.after.txt']) {
      for (const set of splitTables(readFileSync(join(folder, scenario, file), 'utf8'))) {
        tables += expectSame(set);
      }
    }
    expect(tables).toBeGreaterThan(10);
  });

  function expectSame({ name, texts }: Tables): number {
    const text = (command: string): string => texts.get(command) ?? '';
    const of = (parts: Parameters<typeof namespace>[0]) => namespace({ name, ...parts });
    expect(trimLines(printIpNeigh(of({ neighbours: parseIpNeigh(text('ip neigh')) })))).toBe(
      text('ip neigh').replace(/.* proxy\n/g, ''),
    );
    const arp = of({ neighbours: parseArp(text('arp -an')) });
    expect(printArp(arp, { numeric: true, all: true })).toBe(text('arp -an'));
    const columns = printArp(arp, { numeric: true });
    expect(parseArp(columns)).toEqual(arp.neighbours);
    if (!texts.has('ip -d link')) return 3;

    expect(printIpRule({ rules: parseIpRule(text('ip rule')) })).toBe(text('ip rule'));
    expect(printRouteN(of({ routes: parseRouteN(text('route -n')) }))).toBe(text('route -n'));
    const addressed = of({ devices: devicesOf(text('ip -4 addr')) });
    expect(trimLines(printIpAddr(addressed, { family4: true, peers }))).toBe(text('ip -4 addr'));
    const linked = of({ devices: devicesOf(text('ip -d link')) });
    expect(linkFacts(printIpLink(linked, { details: true, peers }))).toBe(
      linkFacts(text('ip -d link')),
    );
    const entries = parseBridgeFdb(text('bridge fdb show'));
    const sent = entries.filter(({ destination }) => destination !== undefined);
    // The groups that devices have joined follow from the devices.
    const groups = text('bridge fdb show').replace(/^33:33:00:00:00:01 .*\n/gm, '');
    expect(
      trimLines(printBridgeFdb(of({ devices: linked.devices, fdb: sent }), { ipv6: false })),
    ).toBe(groups);
    return 9;
  }
});

const one = documentText('001');
const two = documentText('002');
const three = documentText('003');

describe.skipIf(three === undefined)('document 003', () => {
  const lines = (three ?? '').split('\n');
  const between = (from: string, to: string): string => {
    const start = lines.findIndex((line) => line.startsWith(from));
    return lines
      .slice(
        start + 1,
        lines.findIndex((line, i) => i > start && line.startsWith(to)),
      )
      .join('\n');
  };

  it('ip -d link: every setting that the frames hang on', () => {
    const [link] = parseIpLink(between('# ip -d link', '# bridge'));
    expect(link && linkDevice(link)).toMatchObject({
      name: 'vxlan.calico',
      index: 28,
      kind: 'vxlan',
      mtu: 1450,
    });
    const { vni, port, local, parent } = linkDevice(link!).vxlan!;
    expect([vni, port, formatIp4(local), parent]).toEqual([4096, 4789, '192.168.33.55', 'enp1s0']);
  });

  it('ip a, bridge fdb show and arp -a -n print again the same', () => {
    const a = `${between('# ip a', '# ip -d link')}\n`;
    expect(printIpAddr(namespace({ devices: devicesOf(a) }))).toBe(a);
    const fdb = `${between('# bridge fdb', '# arp')}\n`;
    const devices = devicesOf(a);
    expect(printBridgeFdb(namespace({ devices, fdb: parseBridgeFdb(fdb) }))).toBe(fdb);
    const arp = `${between('# arp -a -n', '```')}\n`;
    const neighbours = parseArp(arp);
    expect(neighbours.map(({ state }) => state)).toEqual(['PERMANENT', 'PERMANENT']);
    expect(printArp(namespace({ neighbours }), { all: true })).toBe(arp);
  });
});

describe.skipIf(one === undefined)('document 001', () => {
  const text = one ?? '';

  it('the pod’s addresses and links print again the same', () => {
    const listed = /# ip addr\n((?:\d+: .*\n(?: {4}.*\n)+)+)/.exec(text)?.[1] ?? '';
    const devices = devicesOf(listed).map((d) =>
      d.name === 'eth0' ? { ...d, peer: { namespace: 'node1', device: 'if6' } } : d,
    );
    const peers = () => ({ index: 6 });
    expect(devices).toHaveLength(2);
    expect(printIpAddr(namespace({ name: 'pod', devices }), { peers })).toBe(listed);
  });

  it('calicoctl get ippools, before and after', () => {
    const [before = '', after = ''] = [...text.matchAll(/calicoctl get ippools\n((?:.+\n)+)/g)].map(
      (m) => m[1],
    );
    const names = (table: string) =>
      parseCalicoctl(table).pools.map(({ name, cidr, selector }) => [
        name,
        formatPrefix(cidr),
        selector,
      ]);
    expect(names(before)).toEqual([['default-ipv4-ippool', '198.19.16.0/21', 'all()']]);
    expect(names(after)).toEqual([
      ['default-ipv4-ippool', '198.19.16.0/21', 'all()'],
      ['external-pool', '198.19.24.0/21', '!all()'],
    ]);
  });

  it('calicoctl node status, before and after, prints again the same', () => {
    const texts = [
      ...text.matchAll(/calicoctl node status\n((?:.*\n)*?No IPv6 peers found\.\n)/g),
    ].map((m) => m[1] ?? '');
    expect(texts).toHaveLength(2);
    for (const status of texts) {
      const { sessions, running } = parseNodeStatus(status);
      expect(running).toBe(true);
      const inventory = {
        release: 'v3.28',
        pools: [],
        nodes: [{ name: 'node1' }],
        blocks: [],
        sessions: sessions.map((session) => ({ node: 'node1', ...session })),
      };
      const since = (session: object) => (session as { since: string }).since;
      expect(printNodeStatus(namespace({ name: 'node1' }), inventory, since).trimEnd()).toBe(
        status.trimEnd(),
      );
    }
    expect(parseNodeStatus(texts[1] ?? '').sessions.at(-1)?.kind).toBe('global');
  });
});

describe.skipIf(two === undefined)('document 002', () => {
  const text = two ?? '';

  it('calicoctl get ippool -o wide, in both modes', () => {
    const tables = [...text.matchAll(/^NAME +CIDR .*\n.*\n/gm)].map(
      ([table]) => parseCalicoctl(table).pools[0],
    );
    expect(
      tables.map((pool) => [
        pool?.name,
        pool?.ipipMode,
        pool?.vxlanMode,
        pool?.natOutgoing,
        pool?.selector,
      ]),
    ).toEqual([
      ['default-pool', 'Never', 'Always', true, 'all()'],
      ['default-ipv4-ippool', 'Never', 'Never', true, 'all()'],
    ]);
  });

  it('route -n, filtered by egrep, in three modes', () => {
    const tables = [...text.matchAll(/^Destination +Gateway.*\n(?:\d.*\n)+/gm)].map(
      ([table]) => table,
    );
    expect(tables).toHaveLength(3);
    for (const table of tables) {
      const routes = parseRouteN(table);
      expect(routes).toHaveLength(5);
      expect(printRouteN(namespace({ routes })).split('\n').slice(1).join('\n')).toBe(table);
    }
  });

  it('ip -c addr: a device that is down, and one that is none of Calico’s', () => {
    const listed = /# result ?\n(3: eth1.*\n(?:(?:\d+:| ).*\n)+)/.exec(text)?.[1] ?? '';
    const devices = parseIpLink(listed).map(linkDevice);
    expect(devices.map(({ name, kind, up }) => [name, kind, up])).toEqual([
      ['eth1', 'nic', true],
      ['vxlan.calico', 'vxlan', true],
      ['cali3c73a6b29ba', 'veth', true],
      ['nodelocaldns', 'nic', false],
    ]);
    expect(devices.map(({ mac }) => formatMac(mac ?? 0))[1]).toBe('66:31:3a:fa:51:89');
  });
});

describe('wg show', () => {
  const key = (c: string): string => `${c.repeat(43)}=`;
  const text = `interface: wireguard.cali
  public key: ${key('A')}
  private key: (hidden)
  listening port: 51820
  fwmark: 0x100000

peer: ${key('B')}
  endpoint: 192.168.33.57:51820
  allowed ips: 10.2.169.128/26, 10.2.169.137/32
`;

  it('prints again the same, and passes over counters', () => {
    const [listing] = parseWgShow(
      `${text}  latest handshake: 5 seconds ago\n  transfer: 1 KiB received\n`,
    );
    const devices = [
      device({ name: 'wireguard.cali', index: 4, kind: 'wireguard', wireguard: listing!.settings }),
    ];
    expect(runWg(namespace({ devices }), [])).toBe(text);
  });
});

describe('what is damaged is refused with its line', () => {
  it.each<[string, (text: string) => unknown, string]>([
    ['ip neigh', parseIpNeigh, '10.0.0.1 dev eth0 lladdr 0g:00:00:00:00:01 STALE'],
    ['ip neigh', parseIpNeigh, '10.0.0.1 02:00:00:00:00:01'],
    ['ip neigh', parseIpNeigh, '10.0.0.1 dev'],
    ['ip neigh', parseIpNeigh, '10.0.0.1 dev eth0 lladdr'],
    ['ip neigh', parseIpNeigh, '10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01'],
    ['ip neigh', parseIpNeigh, '10.0.0.1 lladdr 02:00:00:00:00:01 STALE'],
    ['arp', parseArp, '? (10.0.0.1) at 02:00:00:00:00 [ether] on eth0'],
    ['arp', parseArp, '? (10.0.0.1) at 02:00:00:00:00:01 [ether]'],
    ['bridge fdb', parseBridgeFdb, '02:00:00:00:00:01 dev eth0 dst 10.0.0.256 self'],
    ['bridge fdb', parseBridgeFdb, '02:00:00:00:00:01 dst 10.0.0.1 self permanent'],
    ['ip rule', parseIpRule, '99:\tfrom 10.0.0.0/8 blackhole'],
    ['ip rule', parseIpRule, '99999999999:\tfrom all lookup main'],
    ['ip link', parseIpLink, '    link/ether 02:00:00:00:00:01'],
    ['ip link', parseIpLink, '0: eth0: <UP> mtu 1500'],
    ['ip link', parseIpLink, '2: eth0: <UP> mtu -5'],
    ['route -n', parseRouteN, '10.0.0.1 0.0.0.0 255.0.255.0 U 0 0 0 eth0'],
    ['route -n', parseRouteN, '10.0.0.1 0.0.0.0 255.0.0.0 U 0 0 0 eth0'],
    ['wg show', parseWgShow, 'peer: x'],
    ['calicoctl node status', parseNodeStatus, '| 10.0.0.1 | friend | up | 1 | Established |'],
    ['calicoctl', parseCalicoctl, 'default   10.0.0.0/8'],
  ])('%s: %#', (source, parse, line) => {
    let error: unknown;
    try {
      parse(`\n${line}\n`);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(PodwireError);
    expect((error as PodwireError).message).toMatch(
      new RegExp(`^${source}:2: expected .*, found `),
    );
  });
});
