/** A network namespace of the real kernel, and the plan that describes it. */
import { execFileSync, spawnSync } from 'node:child_process';
import type { NamespacePlan } from '../../src/plan/plan.ts';
import { runCommand } from '../../src/text/command.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';
import { address, device, lo, namespace, route } from './namespace.ts';

const here = `podwire-a-${process.pid}`;
const there = `podwire-b-${process.pid}`;

/** Standard output and errors of a command in the namespace under test. */
export function real(command: string, input = ''): string {
  const [name = '', ...words] = command.split(' ');
  const options = { input, encoding: 'utf8' } as const;
  const run = spawnSync('ip', ['netns', 'exec', here, name, ...words], options);
  return run.stdout + run.stderr;
}

/** Runs `ip` commands as one batch; the first that fails stops it. */
export function batch(lines: readonly string[], netns = here): void {
  const input = `${lines.join('\n')}\n`;
  execFileSync('ip', ['-n', netns, '-batch', '-'], { input, stdio: 'pipe' });
}

const macs = { enp1s0: '52:54:00:85:ff:19', cali: 'ee:ee:ee:ee:ee:ee', vxlan: '66:8c:73:5a:90:99' };

export function prepare(): boolean {
  try {
    execFileSync('ip', ['netns', 'add', here], { stdio: 'pipe' });
    execFileSync('ip', ['netns', 'add', there], { stdio: 'pipe' });
    batch([
      'link set lo up',
      `link add enp1s0 address ${macs.enp1s0} type veth peer name eth1 netns ${there}`,
      `link add cali1 address ${macs.cali} mtu 1450 type veth peer name eth0 netns ${there}`,
      `link add idle index 9 address 02:00:00:00:00:0c type veth peer name eth2 netns ${there}`,
      'link set enp1s0 up',
      'link set cali1 up',
      'addr add 192.168.33.55/24 brd + dev enp1s0',
      'addr add 192.168.33.56/24 dev enp1s0',
      'addr add 172.16.0.1/31 dev enp1s0',
      'addr add 192.168.33.99/32 brd 192.168.33.99 dev enp1s0',
      'addr add 10.99.0.1/24 brd + dev idle',
      `link add vxlan.calico address ${macs.vxlan} mtu 1450 type vxlan id 4096 local 192.168.33.55 dev enp1s0 dstport 4789 nolearning`,
      'link set vxlan.calico up',
      'addr add 10.2.36.72/32 dev vxlan.calico',
      'route add blackhole 198.51.100.0/24 table 100 proto 99',
      'route add blackhole 198.51.100.0/24 table 356 proto 99',
    ]);
    batch(['link set lo up', 'link set eth1 up', 'link set eth0 up'], there);
    return true;
  } catch (error) {
    removeNamespaces();
    console.warn(`SKIPPED: no network namespace to compare with (${(error as Error).message})`);
    return false;
  }
}

const peer = (index: number) => ({ namespace: there, device: `if${index}` });
const common = { queueLength: 1000 };
export const base: NamespacePlan = namespace({
  devices: [
    lo,
    device({
      ...common,
      name: 'enp1s0',
      index: 2,
      mac: parseMac(macs.enp1s0),
      peer: peer(2),
      addresses: [
        address('192.168.33.55/24', '192.168.33.255'),
        address('192.168.33.56/24'),
        address('172.16.0.1/31'),
        address('192.168.33.99/32', '192.168.33.99'),
      ],
    }),
    device({
      ...common,
      name: 'cali1',
      index: 3,
      mtu: 1450,
      mac: parseMac(macs.cali),
      peer: peer(3),
    }),
    device({
      ...common,
      name: 'idle',
      index: 9,
      up: false,
      qdisc: 'noop',
      mac: parseMac('02:00:00:00:00:0c'),
      peer: peer(4),
      addresses: [address('10.99.0.1/24', '10.99.0.255')],
    }),
    device({
      ...common,
      name: 'vxlan.calico',
      index: 4,
      kind: 'vxlan',
      mtu: 1450,
      mac: parseMac(macs.vxlan),
      addresses: [address('10.2.36.72/32')],
      vxlan: { vni: 4096, port: 4789, local: parseIp4('192.168.33.55'), parent: 'enp1s0' },
    }),
  ],
  routes: [
    route('192.168.33.0/24', {
      device: 'enp1s0',
      protocol: 'kernel',
      scope: 'link',
      source: parseIp4('192.168.33.55'),
    }),
    route('172.16.0.0/31', {
      device: 'enp1s0',
      protocol: 'kernel',
      scope: 'link',
      source: parseIp4('172.16.0.1'),
    }),
    // A table stays once it is made: these two share a bucket, the newer comes first.
    route('198.51.100.0/24', { type: 'blackhole', table: 100, protocol: 'openr' }),
    route('198.51.100.0/24', { type: 'blackhole', table: 356, protocol: 'openr' }),
  ],
});

const peers = ({ device: of }: { device: string }) => ({
  index: Number(of.slice(2)),
  netns: there,
});
export const ours = (ns: NamespacePlan, command: string): string =>
  runCommand(ns, command.split(' '), { peers });

export function removeNamespaces(): void {
  for (const netns of [here, there]) spawnSync('ip', ['netns', 'del', netns]);
}
