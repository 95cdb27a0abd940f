/** A host with a bridge, pasted: `ip -d link` and `bridge fdb` of Linux 6.18, and what comes out again. */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { dropsOf } from '../behaviour/lab.ts';
import { file } from './dumps.ts';

const TAIL = 'mode DEFAULT group default qlen 1000';
const HOST = `root@n1:~# ip -d link
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN ${TAIL}
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master br0 state UP ${TAIL}
    link/ether 46:88:cb:0d:a8:c5 brd ff:ff:ff:ff:ff:ff promiscuity 1
    bridge_slave state forwarding priority 32 cost 2
7: br0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP ${TAIL}
    link/ether 46:88:cb:0d:a8:c5 brd ff:ff:ff:ff:ff:ff promiscuity 0
    bridge forward_delay 1500 hello_time 200 max_age 2000 ageing_time 6000 stp_state 0
9: p0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master br0 state UP ${TAIL}
    link/ether ae:a2:65:03:ca:28 brd ff:ff:ff:ff:ff:ff link-netns c1 promiscuity 1
    veth
    bridge_slave state forwarding priority 32 cost 2
root@n1:~# ip addr show br0
7: br0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 46:88:cb:0d:a8:c5 brd ff:ff:ff:ff:ff:ff
    inet 10.5.0.1/24 brd 10.5.0.255 scope global br0
root@n1:~# ip route
10.5.0.0/24 dev br0 proto kernel scope link src 10.5.0.1
root@n1:~# bridge fdb show
01:00:5e:00:00:01 dev eth0 self permanent
46:88:cb:0d:a8:c5 dev eth0 master br0 permanent
8e:39:4d:81:c6:89 dev p0 master br0
02:00:00:00:00:55 dev p0 master br0 static
ae:a2:65:03:ca:28 dev p0 master br0 permanent
`;
const other = (name: string, index: number, mac: string, address: string, at: string): string =>
  `root@${name}:~# ip addr
${index}: eth0${at}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether ${mac} brd ff:ff:ff:ff:ff:ff
    inet ${address}/24 brd 10.5.0.255 scope global eth0
root@${name}:~# ip route
10.5.0.0/24 dev eth0 proto kernel scope link src ${address}
`;

describe('a bridge in pasted text', () => {
  const text = [
    HOST,
    other('c1', 2, '8e:39:4d:81:c6:89', '10.5.0.2', '@if9'),
    other('n2', 2, '02:00:00:00:00:22', '10.5.0.3', ''),
  ].join('');
  const cluster = Cluster.fromPlan(importDumps([file(text)]).plan, { neighbours: 'cold' });
  const lines = (...argv: string[]) =>
    cluster
      .exec('n1', argv)
      .split('\n')
      .filter((line) => line !== '');

  it('has its ports, the container behind one and the wire behind the other', () => {
    const { devices } = cluster.names.find('n1').plan;
    expect(devices.map(({ name, kind, master }) => [name, kind, master])).toEqual([
      ['lo', 'loopback', undefined],
      ['eth0', 'nic', 'br0'],
      ['br0', 'bridge', undefined],
      ['p0', 'veth', 'br0'],
    ]);
    expect(devices[2]!.bridge).toEqual({ ageing: 60 });
    expect(devices[3]!.peer).toEqual({ namespace: 'c1', device: 'eth0' });
  });

  it('is printed as it was read', () => {
    expect(lines('bridge', 'link').map((line) => line.replace(/ <.*> /, ' '))).toEqual([
      '2: eth0: mtu 1500 master br0 state forwarding priority 32 cost 2 ',
      '9: p0@if2: mtu 1500 master br0 state forwarding priority 32 cost 2 ',
    ]);
    const fdb = lines('bridge', 'fdb', 'show').filter((line) => line.includes('master'));
    expect(fdb.sort()).toEqual(
      HOST.split('\n')
        .filter((line) => line.includes(' dev ') && line.includes('master br0'))
        .filter((line) => /^[0-9a-f]{2}:/.test(line))
        .map((line) => (line.endsWith('br0') ? `${line} ` : line))
        .sort(),
    );
  });

  it('carries packets between the container, the host and the wire', () => {
    for (const [from, to] of [
      ['c1', '10.5.0.3'],
      ['n2', '10.5.0.2'],
      ['c1', '10.5.0.1'],
      ['n1', '10.5.0.3'],
    ] as const) {
      expect([from, to, cluster.send({ from, to }).outcome]).toEqual([from, to, 'delivered']);
    }
    expect(Object.keys(dropsOf(cluster)).filter((name) => name !== 'other-host')).toEqual([]);
  });
});
