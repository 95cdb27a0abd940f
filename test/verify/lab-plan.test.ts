/** Names and listings of a recorded network are untrusted text. */
import { expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { namespaceTables, planNamespace } from '../../src/verify/lab-plan.ts';

const planOf = (device: string, listings: string) =>
  planNamespace(
    'n1',
    { role: 'node', offload: false, interfaces: [{ name: device, mtu: 1500, vni: 0, port: 0 }] },
    namespaceTables(`##### namespace n1\n${listings}`),
    'tables.before.txt',
  );

it('a device name is no pattern, and sysctls are read word by word', () => {
  for (const device of ['eth0(', 'a+b', '[', 'x.*']) {
    const sysctl = `net.ipv4.conf.${device}.rp_filter = 2\nnet.ipv4.conf.${device}.proxy_arp = 10`;
    const { devices } = planOf(device, `# sysctl (0 where not listed)\n${sysctl}\n`);
    expect(devices[1]).toMatchObject({ rpFilter: 2, proxyArp: false, routeLocalnet: false });
  }
});

it('a vlan-like name finds its values under a slash too', () => {
  const { devices } = planOf(
    'eth0.7',
    '# sysctl (0 where not listed)\nnet.ipv4.conf.eth0/7.rp_filter = 1\n',
  );
  expect(devices[1]).toMatchObject({ rpFilter: 1 });
});

it.each([
  ['# ip neigh\n10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01 WISHFUL\n', 'ip neigh'],
  ['# ip neigh\n10.0.0.300 dev eth0 FAILED\n', 'ip neigh'],
  ['# bridge fdb show\n66:90:43 dev vxlan.calico dst 10.0.0.1 self permanent\n', 'bridge fdb show'],
])('%j is refused with its listing and line', (listing, command) => {
  expect(() => planOf('eth0', listing)).toThrow(PodwireError);
  expect(() => planOf('eth0', listing)).toThrow(`tables.before.txt, n1, ${command}:1`);
});

it('numbered tables, throw routes and rules are read; the local table follows from the addresses', () => {
  const { rules, routes } = planOf(
    'eth0',
    [
      '# ip rule',
      '0:\tfrom all lookup local',
      '99:\tnot from all fwmark 0x200000/0x200000 lookup 7',
      '32766:\tfrom all lookup main',
      '32767:\tfrom all lookup default',
      '',
      '# ip route show table all',
      'throw 10.7.0.64/26 table 7',
      '10.7.0.128/26 dev eth0 table 7 scope link',
      'default via 192.168.7.1 dev eth0',
      'local 10.7.0.1 dev eth0 table local proto kernel scope host src 10.7.0.1',
      '',
    ].join('\n'),
  );
  expect(rules?.[1]).toEqual({
    priority: 99,
    not: true,
    fwmark: { value: 0x200000, mask: 0x200000 },
    table: 7,
  });
  expect(routes.map(({ type, table }) => [type, table])).toEqual([
    ['throw', 7],
    ['unicast', 7],
    ['unicast', 'main'],
  ]);
});

it.each([
  '',
  '0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n',
])('the kernel’s own rules, listed or not, are nobody’s (%j)', (text) => {
  expect(planOf('eth0', `# ip rule\n${text}`).rules).toBeUndefined();
});
