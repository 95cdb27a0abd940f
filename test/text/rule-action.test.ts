/** Rules that lead on, pass by or suppress short answers, beside a real kernel. */
import '../accounts.ts';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { parseIpRule } from '../../src/text/rule-reader.ts';
import { parseIp4 } from '../../src/wire/address.ts';
import { file } from '../import/dumps.ts';
import { batch, ours, prepare, real, removeNamespaces } from './kernel-namespace.ts';
import { namespace } from './namespace.ts';

const ready = prepare();
afterAll(removeNamespaces);

const action = fc.oneof(
  fc.constantFrom(11, 12, 13, 'main').map((table) => `lookup ${table}`),
  fc
    .tuple(fc.constantFrom(11, 12, 13, 'main'), fc.constantFrom(0, 8, 15, 16, 24, 32))
    .map(([table, length]) => `lookup ${table} suppress_prefixlength ${length}`),
  fc.constantFrom('nop', 'goto 25', 'goto 40', 'goto 55', 'goto 32766', 'goto 32767'),
);
const rule = fc.record({
  priority: fc.integer({ min: 20, max: 60 }),
  match: fc.constantFrom('', 'not ', 'to 10.7.0.0/16 ', 'not to 10.7.0.0/16 ', 'to 10.8.1.0/24 '),
  action,
});
/** A rule leads forward only, or the kernel refuses it. */
const isSound = ({ priority, action: words }: { priority: number; action: string }): boolean =>
  !words.startsWith('goto') || Number(words.slice('goto '.length)) > priority;

describe.skipIf(!ready)('rules with other actions', () => {
  if (ready) {
    real('sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0');
    batch([
      'route add default via 192.168.33.1 dev enp1s0',
      'route add 10.7.0.0/16 via 192.168.33.2',
      ...[11, 12, 13].flatMap((table) => [
        `route add default via 192.168.33.${table} dev enp1s0 table ${table}`,
        `route add 10.7.0.0/${table + 5} via 192.168.33.${table + 10} dev enp1s0 table ${table}`,
      ]),
      'route add 10.8.0.0/16 via 192.168.33.31 dev enp1s0 table 11',
      'route add throw 10.8.1.0/24 table 12',
      'route add prohibit 10.8.0.0/15 table 13',
    ]);
  }
  const words = ['ip -d link', 'ip addr', 'ip route show table all'];
  const tables = ready ? words.map((command) => `root@n1:~# ${command}\n${real(command)}`) : [];
  const sets = fc.sample(fc.array(rule, { minLength: 2, maxLength: 9 }), { seed: 4, numRuns: 30 });

  it('are printed as the kernel prints them, and lead where it goes', () => {
    const seen = new Set<string>();
    for (const drawn of sets) {
      const rules = drawn.filter(isSound);
      const lines = rules.map(
        ({ priority, match, action: what }) => `pref ${priority} ${match}${what}`,
      );
      // The kernel takes no rule twice.
      const added = [...new Set(lines)];
      batch(added.map((line) => `rule add ${line}`));
      const shown = real('ip rule');
      const ns = namespace({ rules: parseIpRule(shown) });
      expect(ours(ns, 'ip rule')).toBe(shown);
      const json = real('ip -j rule');
      expect(JSON.parse(ours(ns, 'ip -j rule'))).toEqual(JSON.parse(json));
      const asWords = `root@n1:~# ip rule\n${shown}`;
      const asJson = `root@n1:~# ip -j rule\n${json}`;
      const [told, toldInJson] = [asWords, asJson].map(
        (text) => importDumps([file([...tables, text].join('\n'))]).plan,
      );
      expect(toldInJson?.namespaces[0]?.rules).toEqual(told?.namespaces[0]?.rules);
      const node = Cluster.fromPlan(told!).nodes.find(({ name }) => name === 'n1')!;
      for (const to of ['10.7.0.1', '10.7.200.1', '10.8.1.1', '10.8.2.1', '8.8.8.8']) {
        const said = real(`ip route get ${to}`);
        const via = /via (\S+)/.exec(said)?.[1];
        const id = node.lookup(parseIp4(to));
        const gateway = id < 0 ? 0 : node.routes.gateway(id);
        expect([added, to, gateway]).toEqual([added, to, via === undefined ? 0 : parseIp4(via)]);
        expect(ours(node.plan, `ip route get ${to}`)).toBe(said);
        seen.add(via ?? said);
      }
      batch(added.map((line) => `rule del ${line}`));
    }
    expect(seen.size).toBeGreaterThan(7);
  });
});
