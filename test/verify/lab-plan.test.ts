/** Names and listings of a recorded network are untrusted text. */
import { expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { namespaceTables, planNamespace } from '../../src/verify/lab-plan.ts';
import { formatIp4, parseIp4 } from '../../src/wire/address.ts';

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

const MTU_OF_TOPOLOGY = 1500;

it('what ip addr and ip link -d printed counts more than the topology', () => {
  const { devices } = planOf(
    'eth0',
    [
      '# ip -4 addr',
      '1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000',
      '    inet 127.0.0.1/8 scope host lo',
      '    inet 203.0.113.9/32 scope global lo',
      '2: eth0@if5: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc noqueue state UP group default qlen 1000 link-netns lan',
      '    inet 192.168.7.5/24 brd 192.168.7.255 scope global eth0',
      '    inet 172.20.0.1/16 brd 172.20.255.255 scope global eth0',
      '    inet 192.168.7.6/24 scope global secondary eth0',
      '4: kube-ipvs0: <BROADCAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc noqueue state UNKNOWN group default',
      '    inet 10.96.0.1/32 scope global kube-ipvs0',
      '',
      '# ip -d link',
      '2: eth0@if5: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc noqueue state UP mode DEFAULT group default qlen 1000',
      '    link/ether 02:00:00:00:00:07 brd ff:ff:ff:ff:ff:ff link-netns lan    minmtu 68 maxmtu 65535',
      '    veth',
      '3: tunl0@NONE: <NOARP> mtu 1480 qdisc noop state DOWN mode DEFAULT group default qlen 1000',
      '    link/ipip 0.0.0.0 brd 0.0.0.0',
      '    ipip any remote any local any ttl inherit nopmtudisc',
      '',
    ].join('\n'),
  );
  expect(
    devices.map(({ name, mtu, addresses }) => [
      name,
      mtu,
      addresses.map(({ address, length }) => `${formatIp4(address)}/${length}`),
    ]),
  ).toEqual([
    ['lo', 65536, ['127.0.0.1/8', '203.0.113.9/32']],
    ['eth0', 1400, ['192.168.7.5/24', '172.20.0.1/16', '192.168.7.6/24']],
    ['kube-ipvs0', 1500, ['10.96.0.1/32']],
  ]);
  expect(planOf('eth0', '').devices[1]).toMatchObject({ mtu: MTU_OF_TOPOLOGY, up: true });
});

it('the settings of a VXLAN device are those that ip -d link printed', () => {
  const vxlan = { name: 'vxlan.calico', mtu: 1450, vni: 4096, port: 4789, kind: 'vxlan' };
  const nodeIp = parseIp4('192.168.7.5');
  const listing = [
    '##### namespace n1',
    '# ip -d link',
    '3: vxlan.calico: <BROADCAST,MULTICAST> mtu 1430 qdisc noqueue state DOWN mode DEFAULT group default qlen 1000',
    '    link/ether 66:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff    minmtu 68 maxmtu 65535',
    '    vxlan id 7 local 192.168.7.6 dev eth0 srcport 0 0 dstport 8472 nolearning ttl 9 ageing 300 noudpcsum',
    '',
  ].join('\n');
  const { devices } = planNamespace(
    'n1',
    { role: 'node', offload: false, nodeIp, interfaces: [vxlan] },
    namespaceTables(listing),
    'tables.before.txt',
  );
  expect(devices[1]).toMatchObject({
    mtu: 1430,
    up: false,
    vxlan: {
      vni: 7,
      port: 8472,
      parent: 'eth0',
      local: parseIp4('192.168.7.6'),
      ttl: 9,
      udpChecksum: false,
    },
  });
});

it('a broken listing of devices is refused with its line', () => {
  const listing =
    '# ip -4 addr\n2: eth0: <UP> mtu 1500\n    inet 10.0.0.300/24 scope global eth0\n';
  expect(() => planOf('eth0', listing)).toThrow('tables.before.txt, n1, ip -4 addr:2');
});
