/** `ip rule` with all its conditions, and the routes that follow, beside a real kernel. */
import '../accounts.ts';
import { afterAll, describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { PodwireError } from '../../src/errors.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { parseIpRule } from '../../src/text/rule-reader.ts';
import { parseIp4 } from '../../src/wire/address.ts';
import { file } from '../import/dumps.ts';
import { batch, ours, prepare, real, removeNamespaces } from './kernel-namespace.ts';
import { namespace } from './namespace.ts';

const ready = prepare();
afterAll(removeNamespaces);

describe.skipIf(!ready)('rules with conditions', () => {
  if (ready) {
    real('sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0');
    for (const name of ['enp1s0', 'cali1']) real(`sysctl -qw net.ipv4.conf.${name}.rp_filter=0`);
    batch([
      'route add default via 192.168.33.1 dev enp1s0',
      'route add 10.2.36.0/24 dev cali1 scope link',
      ...[11, 12, 13, 14].map(
        (table) => `route add default via 192.168.33.${table} dev enp1s0 table ${table}`,
      ),
      'route add 10.2.36.0/24 tos 0x10 via 192.168.33.20',
      'route add 10.2.36.0/24 tos 0x08 metric 7 via 192.168.33.21',
      'route add 10.2.36.128/25 tos 0x08 via 192.168.33.22',
      'route add 10.2.36.128/25 tos AF21 via 192.168.33.23',
      'rule add pref 100 from 10.2.36.71 to 10.7.0.0/16 lookup 11',
      'rule add pref 101 not from 10.2.36.0/24 iif cali1 lookup 12',
      'rule add pref 102 from 10.2.36.64/26 lookup 13',
      'rule add pref 103 to 10.9.0.0/16 iif lo lookup 14',
      'rule add pref 200 from 10.0.0.0/8 fwmark 0x1/0xff oif enp1s0 uidrange 0-100 ipproto tcp sport 80 dport 100-200 lookup 11',
      'rule add pref 201 iif gone lookup 11',
      'rule add pref 202 to 8.8.0.0/16 tos 0x10 lookup 11',
      'rule add pref 203 to 8.9.0.0/16 tos 0x04 lookup 12',
    ]);
  }
  const shown = ready ? real('ip rule') : '';
  const plain = (text: string): string => text.replace(/ \[detached\]| *$/gm, '');

  it('read and printed again are the same, in words and in JSON', () => {
    const ns = namespace({ rules: parseIpRule(shown) });
    expect(shown.split('\n')).toHaveLength(12);
    expect(plain(ours(ns, 'ip rule'))).toBe(plain(shown));
    const json = real('ip -j rule').replace(',"iif_detached":null', '');
    expect(JSON.parse(ours(ns, 'ip -j rule'))).toEqual(JSON.parse(json));
    expect(parseIpRule(ours(ns, 'ip rule'))).toEqual(ns.rules);
  });

  /** The namespace as its own listings tell it. */
  const imported = () => {
    const dump = ['ip -d link', 'ip addr', 'ip route show table all', 'ip rule']
      .map((command) => `root@n1:~# ${command}\n${real(command)}`)
      .join('\n');
    const { plan, assumed } = importDumps([file(dump)]);
    expect(assumed.filter((text) => text.includes('packets pass by the rule'))).toHaveLength(1);
    return Cluster.fromPlan(plan).nodes.find(({ name }) => name === 'n1')!;
  };

  it('list routes with a TOS as the kernel does', () => {
    const ns = imported().plan;
    expect(ours(ns, 'ip route')).toBe(real('ip route'));
    expect(ours(ns, 'ip route show tos 0x08')).toBe(real('ip route show tos 0x08'));
    expect(JSON.parse(ours(ns, 'ip -j route'))).toEqual(JSON.parse(real('ip -j route')));
    expect(real('ip route')).toContain('10.2.36.128/25 tos AF21 via 192.168.33.23');
  });

  it('choose by TOS what the kernel chooses', () => {
    const node = imported();
    const seen = new Set<string>();
    for (const to of ['10.2.36.9', '10.2.36.200', '8.8.8.8', '8.9.8.8']) {
      for (const tos of [0, 0x04, 0x08, 0x10, 0x11, 0x18, 0x48, 0x50, 0xf0]) {
        // From the one side that the rules above leave to the main table.
        const words = `from 10.2.36.9 iif cali1 tos 0x${tos.toString(16)}`;
        const told = real(`ip route get ${to} ${words}`);
        const via = /via (\S+)/.exec(told)?.[1] ?? '';
        const position = node.devices.find(({ name }) => name === 'cali1')!.position;
        const id = node.lookup(parseIp4(to), 0, parseIp4('10.2.36.9'), position, tos);
        expect([told, node.routes.gateway(id)]).toEqual([told, via === '' ? 0 : parseIp4(via)]);
        seen.add(via);
      }
    }
    expect([...seen].map((via) => via.split('.')[3] ?? '').sort()).toEqual([
      '',
      '1',
      '11',
      '12',
      '20',
      '21',
      '22',
    ]);
    const { rules: _, ...unruled } = node.plan;
    expect(ours(unruled, 'ip route get 10.2.36.200 tos 0x0a')).toBe(
      '10.2.36.200 tos 0x08 via 192.168.33.22 dev enp1s0 src 192.168.33.55 uid 0 \n    cache \n',
    );
  });

  it('choose the route that the kernel chooses', () => {
    const node = imported();
    const seen = new Set<string>();
    for (const to of ['10.7.1.1', '10.9.1.1', '8.8.8.8', '10.2.36.9']) {
      const own = /via (\S+)/.exec(real(`ip route get ${to}`))?.[1] ?? '';
      const born = node.lookup(parseIp4(to));
      expect([to, node.routes.gateway(born)]).toEqual([to, own === '' ? 0 : parseIp4(own)]);
      expect(ours(node.plan, `ip route get ${to}`)).toContain(own);
      for (const from of ['10.2.36.71', '10.2.36.65', '10.2.36.130', '172.20.0.9']) {
        for (const device of ['cali1', 'enp1s0']) {
          const said = real(`ip route get ${to} from ${from} iif ${device}`);
          const via = /via (\S+)/.exec(said)?.[1] ?? '';
          const position = node.devices.find(({ name }) => name === device)!.position;
          const id = node.lookup(parseIp4(to), 0, parseIp4(from), position);
          expect([said, node.routes.gateway(id)]).toEqual([said, via === '' ? 0 : parseIp4(via)]);
          seen.add(via);
        }
      }
    }
    expect(seen.size).toBeGreaterThan(3);
  });
});

describe('rules that are not modelled', () => {
  it('are refused with their line where leaving them out would change the way', () => {
    for (const text of [
      '100:\tfrom all blackhole',
      '100:\tfrom all goto 100',
      '100:\tfrom all goto none',
      '100:\tfrom all lookup main suppress_prefixlength',
      '100:\tfrom all lookup main suppress_ifgroup 2',
      '100:\tfrom 10.0.0.0/40 lookup main',
      '100:\tfrom all oif',
    ]) {
      expect(() => parseIpRule(text), text).toThrow(PodwireError);
    }
  });
});
