/** One namespace of the real kernel, listed in every notation that iproute2 has: one cluster. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { formatImport, importTables } from '../../src/import/tables-resource.ts';
import type { NamespacePlan } from '../../src/plan/plan.ts';
import { batch, prepare, real, removeNamespaces } from '../text/kernel-namespace.ts';
import { workTime } from '../work-time.ts';
import { file } from './dumps.ts';

const ready = prepare();
afterAll(removeNamespaces);

const PLAIN = [
  'ip -d link',
  'ip addr',
  'ip route show table all',
  'ip neigh',
  'ip rule',
  'bridge fdb show',
];

const dump = (commands: readonly string[], prompt = true): string =>
  commands
    .map((command) => `${prompt ? `root@n1:~# ${command}\n` : ''}${real(command)}`)
    .join('\n');
const tables = (text: string): NamespacePlan =>
  importDumps([file(text, 'n1.txt')]).plan.namespaces.find(({ name }) => name === 'n1')!;
const flagged = (flag: string): string[] =>
  PLAIN.map((command) => command.replace(/^(ip|bridge)/, `$1 ${flag}`));

describe.skipIf(!ready)('notations of the same tables', () => {
  if (ready) {
    batch([
      'route add 10.2.169.128/26 via 10.2.169.137 dev vxlan.calico onlink proto 80',
      'route add blackhole 10.2.36.64/26 proto 80',
      'route add 10.5.0.0/16 metric 7 mtu 1400 nexthop via 192.168.33.57 dev enp1s0 weight 2 nexthop via 192.168.33.58 dev enp1s0 onlink',
      'route add 10.2.36.71 dev cali1 scope link src 192.168.33.55',
      'neigh add 10.2.169.137 lladdr 66:90:43:3d:b3:e7 dev vxlan.calico nud permanent',
      'neigh add 192.168.33.57 lladdr 52:54:00:b2:72:8d dev enp1s0 nud stale',
      'rule add not from all fwmark 0x100000/0x100000 table 1 pref 99',
    ]);
    real('bridge fdb add 66:90:43:3d:b3:e7 dev vxlan.calico dst 192.168.33.57 self permanent');
  }
  const plain = ready ? tables(dump(PLAIN)) : undefined;

  it('JSON, compact and laid out, with and without a prompt', () => {
    expect(plain!.devices.length).toBeGreaterThan(4);
    expect(plain!.routes.some(({ nextHops }) => nextHops?.length === 2)).toBe(true);
    expect([plain!.neighbours.length, plain!.rules!.length]).toEqual([2, 4]);
    expect(tables(dump(flagged('-j')))).toEqual(plain);
    expect(tables(dump(flagged('-j -p')))).toEqual(plain);
    expect(tables(dump(flagged('-j'), false))).toEqual(plain);
    const one = tables(dump(['ip -d -j addr', ...flagged('-j').slice(2)]));
    expect(one).toEqual(plain);
  });

  it('one entry a line', () => {
    expect(tables(dump(flagged('-o')))).toEqual(plain);
  });

  it('with counters', () => {
    expect(tables(dump(flagged('-s')))).toEqual(plain);
    expect(tables(dump(flagged('-s -s')))).toEqual(plain);
  });

  it('brief: addresses and states, and what it leaves out is said', () => {
    const commands = ['ip -br link', 'ip -br addr', ...PLAIN.slice(2)];
    const { plan, assumed } = importDumps([file(dump(commands), 'n1.txt')]);
    const look = ({ devices }: NamespacePlan) =>
      devices.map(({ name, up, mac, addresses }) => ({
        name,
        up,
        mac,
        addresses: addresses.map(({ address, length }) => [address, length]),
      }));
    expect(look(plan.namespaces[0]!)).toEqual(look(plain!));
    expect(assumed.join('\n')).toMatch(/indexes and MTUs, which `ip -br` leaves out: lo 65536/);
    // Beside a whole listing nothing is left to assume.
    const both = importDumps([file(dump([...PLAIN, 'ip -br addr']), 'n1.txt')]);
    expect(both.plan.namespaces[0]).toEqual(plain);
  });

  it('is written down and read back', () => {
    const first = importDumps([file(dump(flagged('-j')), 'n1.txt')]);
    const again = importTables([{ text: formatImport(first), source: 'cluster.yaml' }]);
    expect(again.plan.namespaces).toEqual(first.plan.namespaces);
  });
});

describe('JSON that is none', () => {
  it('is a typed error with its line, in no time', () => {
    for (const [text, message] of [
      ['[{"ifindex":1,', 'dump.txt:2: expected the end of the JSON'],
      ['[{"ifindex":1}]', 'dump.txt:2: expected a value for "ifname"'],
      ['[{"ifindex":"x","ifname":"a"}]', 'a number for "ifindex"'],
      ['[{"ifindex":1}, 2]', 'expected an object'],
    ] as const) {
      expect(() => importDumps([file(`root@n1:~# ip -j link\n${text}\n`)]), text).toThrow(message);
    }
    const deep = `root@n1:~# ip -j link\n${'['.repeat(60_000)}${']'.repeat(60_000)}\n`;
    const spent = workTime(() => {
      expect(() => importDumps([file(deep)])).toThrow(PodwireError);
    });
    expect(spent).toBeLessThan(200);
  });

  it('never throws anything else', () => {
    const key = fc.constantFrom(
      'ifindex',
      'ifname',
      'flags',
      'mtu',
      'dst',
      'dev',
      'mac',
      'priority',
      'src',
      'table',
      'state',
      'linkinfo',
      'addr_info',
      '__proto__',
    );
    const rows = fc.array(fc.dictionary(key, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 6 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(
        rows,
        fc.constantFrom('ip -j addr', 'ip -j route', 'ip -j neigh', 'ip -j rule', 'bridge -j fdb'),
        (value, command) => {
          try {
            importDumps([
              file(
                `root@n1:~# ${command}\n${JSON.stringify(value)}\nroot@n1:~# ip route\ndefault via 10.0.0.1 dev eth0\n`,
              ),
            ]);
          } catch (error) {
            if (!(error instanceof PodwireError)) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
