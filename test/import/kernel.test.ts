/** A namespace of this machine's kernel, read from what its own commands print, and printed again. */
import { afterAll, describe, expect, it } from 'vitest';
import { importDumps } from '../../src/import/import-dumps.ts';
import { runCommand } from '../../src/text/command.ts';
import { batch, prepare, real, removeNamespaces } from '../text/kernel-namespace.ts';
import { file } from './dumps.ts';

const ready = prepare();
afterAll(removeNamespaces);

const COMMANDS = [
  'ip -d link',
  'ip addr',
  'ip route show table all',
  'ip neigh',
  'ip rule',
  'bridge fdb show',
  'arp -an',
  'route -n',
];

/** Far ends of veths are in no dump, so what prints of them is left out of both. */
const lines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) =>
      line
        .replace(/@if\d+:/, ':')
        .replace(/ link-netns(id)? \S+/, '')
        .trimEnd(),
    )
    .filter(
      (line) =>
        line !== '' &&
        !/\binet6?\b.*::|[0-9a-f]{4}::|^(local|anycast|multicast) [0-9a-f:]+ |valid_lft/.test(line),
    )
    .sort();

describe.skipIf(!ready)('a namespace of this machine', () => {
  if (!ready) return;
  batch([
    'route add 10.2.36.71 dev cali1 scope link',
    'route add 10.2.169.128/26 via 10.2.169.137 dev vxlan.calico onlink',
    'route add 10.2.235.192/26 via 192.168.33.53 dev enp1s0 proto bird metric 7 mtu 1400',
    'route add 10.7.0.0/16 nexthop via 192.168.33.57 dev enp1s0 weight 2 nexthop via 192.168.33.58 dev enp1s0',
    'route add default via 192.168.33.1 dev enp1s0 src 192.168.33.56',
    'route add throw 10.2.36.64/26 table 1',
    'route add prohibit 203.0.113.0/24',
    'route add blackhole 10.2.36.64/26 proto 80',
    'neigh add 10.2.169.137 dev vxlan.calico lladdr 66:90:43:3d:b3:e7',
    'neigh add 10.2.36.71 dev cali1 lladdr 02:00:0a:02:24:47 nud stale',
    'neigh add 192.168.33.200 dev enp1s0 nud failed',
    'rule add priority 99 not fwmark 0x100000/0x100000 lookup 1',
  ]);
  real('bridge fdb append 66:90:43:3d:b3:e7 dev vxlan.calico dst 192.168.33.57 self permanent');
  const dumps = COMMANDS.map((command) => [command, real(command)] as const);
  const text = dumps.map(([command, printed]) => `root@node1:~# ${command}\n${printed}`).join('');
  const { plan, assumed } = importDumps([file(text)]);
  const node = plan.namespaces.find(({ name }) => name === 'node1');

  it.each(COMMANDS.filter((command) => command !== 'ip -d link'))(
    '%s prints again the same',
    (command) => {
      const printed = dumps.find(([name]) => name === command)?.[1] ?? '';
      expect(lines(printed).length).toBeGreaterThan(2);
      const plain =
        command === 'ip addr' ? node!.devices.map(({ peer: _, ...d }) => d) : node!.devices;
      expect(lines(runCommand({ ...node!, devices: plain }, command.split(' ')))).toEqual(
        lines(printed),
      );
    },
  );

  it('knows the tunnel, and assumes only what no command tells', () => {
    expect(node?.role).toBe('node');
    expect(node?.devices.find(({ name }) => name === 'vxlan.calico')?.vxlan).toMatchObject({
      vni: 4096,
      port: 4789,
      parent: 'enp1s0',
    });
    expect(node?.rules).toHaveLength(4);
    expect(assumed.map((line) => line.replace(/:.*/, '')).sort()).toEqual(
      ['node1', 'node1', 'unknown/10.2.36.71', '192.168.33.0/24 is one L2 segment of node1'].sort(),
    );
  });

  it('has the same neighbours by `ip -br neigh`, whose lines name no states', () => {
    const others = dumps.filter(([command]) => !/neigh|arp/.test(command));
    const brief = ['ip -br neigh', 'ip -br neigh show dev cali1'].map((c) => [c, real(c)] as const);
    const read = [...others, ...brief].map(([c, printed]) => `root@node1:~# ${c}\n${printed}`);
    const { namespaces } = importDumps([file(read.join(''))]).plan;
    const told = namespaces.find(({ name }) => name === 'node1')?.neighbours ?? [];
    const wanted = (node?.neighbours ?? []).filter(({ mac }) => mac !== undefined);
    expect(wanted.length).toBeGreaterThan(1);
    const key = ({ device, address, mac }: (typeof told)[number]) => `${device} ${address} ${mac}`;
    expect(told.map(key).sort()).toEqual(wanted.map(key).sort());
    expect(told.every(({ state }) => state === 'REACHABLE')).toBe(true);
  });
});
