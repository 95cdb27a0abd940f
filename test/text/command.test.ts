import { describe, expect, it } from 'vitest';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { runCommand } from '../../src/text/command.ts';
import { peersOf } from '../../src/text/link-peer.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';
import { address, device, fdb, lo, namespace, neighbour, route } from './namespace.ts';

const via = parseIp4('192.168.33.1');
const node = namespace({
  devices: [
    lo,
    device({
      name: 'enp1s0',
      index: 2,
      kind: 'nic',
      mac: parseMac('52:54:00:85:ff:19'),
      queueLength: 1000,
      qdisc: 'fq_codel',
      addresses: [address('192.168.33.55/24', '192.168.33.255')],
    }),
    device({
      name: 'tunl0',
      index: 3,
      kind: 'ipip',
      mtu: 1480,
      queueLength: 1000,
      addresses: [address('10.2.36.64/32')],
    }),
    device({
      name: 'cali1',
      index: 7,
      mac: parseMac('ee:ee:ee:ee:ee:ee'),
      peer: { namespace: 'default/a', device: 'eth0' },
    }),
    device({
      name: 'cali2',
      index: 9,
      mtu: 1270,
      mac: parseMac('ee:ee:ee:ee:ee:ee'),
      peer: { namespace: 'default/b', device: 'eth0' },
    }),
  ],
  routes: [
    route('default', { via, device: 'enp1s0', protocol: 'dhcp', metric: 100 }),
    route('10.2.36.71/32', { device: 'cali1', scope: 'link' }),
    route('10.7.0.0/16', { via, device: 'enp1s0', table: 100 }),
    route('10.8.0.0/16', {
      nextHops: [{ via, device: 'enp1s0', weight: 1, onlink: false }],
    }),
  ],
  neighbours: [
    neighbour('enp1s0', '192.168.33.1', '52:54:00:00:33:01', 'REACHABLE'),
    neighbour('cali1', '10.2.36.71', undefined, 'FAILED'),
    neighbour('cali1', '10.2.36.72', '02:00:00:00:00:01', 'NOARP'),
  ],
  fdb: [fdb('enp1s0', '02:00:00:00:00:09', '192.168.33.9', 'reachable')],
});
const run = (command: string): string => runCommand(node, command.split(' '));

describe('abbreviations', () => {
  it.each([
    ['ip r', 'ip route show table main'],
    ['ip ro l', 'ip -4 route list'],
    ['ip -c=never r s', 'ip route'],
    ['ip a', 'ip address show'],
    ['ip a s enp1s0', 'ip addr show dev enp1s0'],
    ['ip l', 'ip link list'],
    ['ip --det l sh', 'ip -d link'],
    ['ip n', 'ip neighbour show'],
    ['ip neigh sh', 'ip neighbor'],
    ['ip ru', 'ip rule list'],
    ['bridge f', 'bridge fdb show'],
    ['arp -an', 'arp -a -n'],
    ['arp -na', 'arp -n -a'],
  ])('%s is %s', (short, long) => {
    expect(run(short)).toBe(run(long));
    expect(run(short)).toMatch(/\n$/);
  });
});

describe('filters leave their words out', () => {
  it.each([
    ['ip route show dev cali1', '10.2.36.71 scope link \n'],
    ['ip route show proto dhcp', 'default via 192.168.33.1 dev enp1s0 metric 100 \n'],
    ['ip route show 10.2.36.71', '10.2.36.71 dev cali1 scope link \n'],
    ['ip route show table 100', '10.7.0.0/16 via 192.168.33.1 dev enp1s0 \n'],
    ['ip route show table 5', ''],
    ['ip neigh show dev enp1s0', '192.168.33.1 lladdr 52:54:00:00:33:01 REACHABLE \n'],
    ['ip neigh show dev cali1', '10.2.36.71 FAILED \n'],
    ['arp -an -i cali1', '? (10.2.36.71) at <incomplete> on cali1\n'],
    [
      'bridge fdb show dev enp1s0',
      '33:33:00:00:00:01 self permanent\n01:00:5e:00:00:01 self permanent\n' +
        '33:33:ff:85:ff:19 self permanent\n02:00:00:00:00:09 dst 192.168.33.9 self \n',
    ],
  ])('%s', (command, text) => expect(run(command)).toBe(text));
});

describe('links', () => {
  it('counts the namespaces of peers, and finds their indices in the cluster', () => {
    const pod = (name: string, index: number) =>
      namespace({ name, role: 'pod', devices: [lo, device({ name: 'eth0', index })] });
    const namespaces = [node, pod('default/a', 3), pod('default/b', 5)];
    const peers = peersOf({ namespaces } as unknown as ClusterPlan);
    const text = runCommand(node, ['ip', 'link'], { peers });
    expect(text).toContain('\n7: cali1@if3: <');
    expect(text).toContain('brd ff:ff:ff:ff:ff:ff link-netnsid 0\n9: cali2@if5: <');
    expect(text).toMatch(/link-netnsid 1\n$/);
    expect(run('ip link')).toContain('\n7: cali1@if?: <');
  });

  it('tunl0 and a link below 1280 bytes have no IPv6 address', () => {
    expect(run('ip -d link show tunl0')).toBe(
      '3: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\n' +
        '    link/ipip 0.0.0.0 brd 0.0.0.0 promiscuity 0 minmtu 0 maxmtu 0 \n' +
        '    ipip any remote any local any ttl inherit nopmtudisc addrgenmode eui64 numtxqueues 1 numrxqueues 1 gso_max_size 65536 gso_max_segs 65535 \n',
    );
    expect(run('ip a show tunl0')).not.toContain('inet6');
    expect(run('ip a show cali2')).not.toContain('inet6');
    expect(run('ip a show cali1')).toContain('inet6 fe80::ecee:eeff:feee:eeee/64 scope link \n');
    expect(run('bridge fdb show dev cali2')).toBe('01:00:5e:00:00:01 self permanent\n');
  });
});

describe('refusals say what would do', () => {
  it.each([
    ['ifconfig', 'command: expected ip '],
    ['ip', 'ip: expected route, addr'],
    ['ip -s route', 'ip: expected the options -4, -d, -j, -p, -o, -br or -c, found "-s"'],
    ['ip -6 route', '"-6"'],
    ['ip tunnel', '"tunnel"'],
    ['ip addrl', '"addrl"'],
    ['ip route add 10.0.0.0/8 dev lo', 'ip route: expected show, found "add"'],
    ['ip l s', 'ip link: expected show, found "s"'],
    ['ip route show tos loud', '"loud"'],
    ['ip route get 10.0.0.1 tos', 'a TOS'],
    ['ip route show via nowhere', 'expected an IPv4 address, found "nowhere"'],
    ['ip route show table', 'found nothing'],
    ['ip route show table nowhere', '"nowhere"'],
    ['ip route get', 'expected an IPv4 address'],
    ['ip route get 10.0.0.1 from 10.0.0.2', 'only an address'],
    ['ip route get 10.8.0.1', 'multipath'],
    ['ip neigh show nud sleepy', '"sleepy"'],
    ['ip link show type tun', '"tun"'],
    ['ip rule show 5', '"5"'],
    ['bridge vlan', 'expected fdb'],
    ['bridge fdb show br br0', '"br"'],
    ['arp', 'expected -n'],
    ['arp -s', '"-s"'],
    ['route', 'expected route -n'],
    ['route -n -e', 'expected route -n'],
  ])('%s', (command, message) => {
    expect(() => run(command)).toThrow(
      expect.objectContaining({ code: 'ERR_USAGE', message: expect.stringContaining(message) }),
    );
  });

  it('a device that is not there', () => {
    expect(() => run('ip addr show dev eth9')).toThrow(
      expect.objectContaining({
        code: 'ERR_NAME',
        message: 'node1: expected a device (lo, enp1s0, tunl0, cali1, cali2), found "eth9"',
      }),
    );
  });
});
