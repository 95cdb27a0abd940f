/** iptables-save and ipset save read: by the words of iptables-extensions(8), recorded dumps, and damage. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import type { NetfilterPlan, NetfilterRule } from '../../src/plan/netfilter.ts';
import { hasRules, parseNetfilter } from '../../src/text/iptables-save.ts';
import { parseIp4, parsePrefix } from '../../src/wire/address.ts';
import { shared } from './namespace.ts';

const HEAD = '*filter\n:FORWARD ACCEPT [0:0]\n:cali-a - [0:0]\n:DOCKER - [0:0]\n';
const rule = (words: string): NetfilterRule =>
  parseNetfilter(`${HEAD}-A FORWARD ${words}\nCOMMIT\n`).chains[0]!.rules[0]!;
const matches = (words: string): object => rule(`${words} -j ACCEPT`).matches;
const target = (words: string): object => rule(words).target;

/** The message of the refusal, which must name line 5. */
function refusal(words: string): string {
  try {
    rule(words);
  } catch (error) {
    expect(error).toBeInstanceOf(PodwireError);
    expect((error as PodwireError).code).toBe('ERR_CONFIG_VALUE');
    expect((error as PodwireError).line).toBe(5);
    return (error as PodwireError).message;
  }
  throw new Error(`expected a refusal of ${words}`);
}

describe('matches', () => {
  const ten = parsePrefix('10.0.0.0/8');
  it.each<[string, object]>([
    ['-s 10.0.0.0/8', { source: { prefix: ten, not: false } }],
    ['! -s 10.0.0.0/8', { source: { prefix: ten, not: true } }],
    ['! -d 10.0.0.0/8', { destination: { prefix: ten, not: true } }],
    ['-p tcp', { protocol: { from: 6, to: 6, not: false } }],
    ['-p 89', { protocol: { from: 89, to: 89, not: false } }],
    ['-p ipencap', { protocol: { from: 4, to: 4, not: false } }],
    ['-p all', {}],
    ['-i cali+', { inDevice: { name: 'cali+', not: false } }],
    ['! -o tunl0', { outDevice: { name: 'tunl0', not: true } }],
    [
      '-p udp -m udp --sport 1024:65535 ! --dport 4789',
      {
        protocol: { from: 17, to: 17, not: false },
        sourcePort: { from: 1024, to: 65535, not: false },
        destinationPort: { from: 4789, to: 4789, not: true },
      },
    ],
    [
      '-m multiport --dports 80',
      { ports: [{ side: 'dst', ranges: [{ from: 80, to: 80 }], not: false }] },
    ],
    [
      '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN',
      {
        protocol: { from: 6, to: 6, not: false },
        tcpFlags: { mask: 0x17, set: 0x02, not: false },
      },
    ],
    ['-m mark --mark 0x80000000', { mark: { value: 0x80000000 | 0, mask: -1, not: false } }],
    ['-m mark ! --mark 0x4000/0x4000', { mark: { value: 0x4000, mask: 0x4000, not: true } }],
    [
      '-m conntrack --ctstate RELATED,ESTABLISHED',
      { states: { any: ['RELATED', 'ESTABLISHED'], not: false } },
    ],
    ['-m state ! --state INVALID', { states: { any: ['INVALID'], not: true } }],
    [
      '-m set --match-set a src -m set ! --match-set b dst,dst',
      {
        sets: [
          { set: 'a', directions: ['src'], not: false },
          { set: 'b', directions: ['dst', 'dst'], not: true },
        ],
      },
    ],
    [
      '-m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --dst-type LOCAL',
      {
        addressTypes: [
          { side: 'src', not: true, limit: 'out' },
          { side: 'dst', not: false },
        ],
      },
    ],
    [
      '-m statistic --mode nth --every 3 --packet 2',
      { statistic: { mode: 'nth', every: 3, packet: 2 } },
    ],
    [
      '-m statistic --mode random --probability 0.33333333349',
      { statistic: { mode: 'random', probability: 0.33333333349 } },
    ],
    ['-m rpfilter', { rpfilter: { invert: false, loose: false } }],
    ['-m rpfilter --loose --validmark --invert', { rpfilter: { invert: true, loose: true } }],
    ['-m comment --comment "says \\"-j DROP\\" and ! more"', {}],
  ])('%s', (words, expected) => {
    expect(matches(words)).toEqual(expected);
  });
});

describe('targets', () => {
  it.each<[string, object]>([
    ['', { kind: 'none' }],
    ['-j ACCEPT', { kind: 'accept' }],
    ['-j DROP', { kind: 'drop' }],
    ['-j RETURN', { kind: 'return' }],
    ['-j CT --notrack', { kind: 'notrack' }],
    ['-j CT --zone 5', { kind: 'zone', zone: 5 }],
    ['-j NOTRACK', { kind: 'notrack' }],
    ['-j cali-a', { kind: 'jump', chain: 'cali-a' }],
    ['-g cali-a', { kind: 'goto', chain: 'cali-a' }],
    ['-j DOCKER', { kind: 'jump', chain: 'DOCKER' }],
    ['-j MARK --set-xmark 0x10000/0xffff0000', { kind: 'mark', value: 0x10000, mask: -65536 }],
    ['-j MASQUERADE', { kind: 'masquerade', randomFully: false }],
    [
      '-j MASQUERADE --to-ports 1024-2047 --random-fully',
      { kind: 'masquerade', randomFully: true, ports: { from: 1024, to: 2047 } },
    ],
    [
      '-j SNAT --to-source 10.0.0.1:5000-5010',
      {
        kind: 'snat',
        randomFully: false,
        address: parseIp4('10.0.0.1'),
        ports: { from: 5000, to: 5010 },
      },
    ],
    [
      '-j DNAT --to-destination 10.0.0.9:8080',
      {
        kind: 'dnat',
        randomFully: false,
        address: parseIp4('10.0.0.9'),
        ports: { from: 8080, to: 8080 },
      },
    ],
    [
      '-j DNAT --to-destination :8080',
      { kind: 'dnat', randomFully: false, ports: { from: 8080, to: 8080 } },
    ],
  ])('%s', (words, expected) => {
    expect(target(words)).toEqual(expected);
  });
});

describe('what is not modelled is refused with its line and its word', () => {
  it.each([
    ['-m physdev --physdev-is-bridged -j ACCEPT', 'physdev', '--physdev-is-bridged'],
    ['-m limit --limit 5/min -j ACCEPT', 'limit', '--limit'],
    ['-p icmp -m ttl --ttl-eq 8 -j ACCEPT', 'ttl', '--ttl-eq'],
    ['-f -j ACCEPT', 'ip', '-f'],
    ['-j LOG --log-prefix "x"', 'target', 'LOG'],
    ['-j cali-gone', 'a chain declared before', 'cali-gone'],
    ['-j CT --zone-orig 5', '--notrack or --zone', '--zone-orig'],
    ['-j CT --zone 65536', 'a zone', '65536'],
    ['-j MARK --set-mark 1', '--set-xmark', '--set-mark'],
    ['-j SNAT --to-source 10.0.0.1-10.0.0.9', 'an address', '10.0.0.1-10.0.0.9'],
    ['-j MASQUERADE --random', 'option of the target', '--random'],
    ['-s 10.0.0.0/255.0.255.0 -j ACCEPT', 'a prefix', '10.0.0.0/255.0.255.0'],
    ['-p constructor -j ACCEPT', 'a protocol', 'constructor'],
    ['-p 256 -j ACCEPT', 'a protocol', '256'],
    ['-p tcp --dport 80,443 -j ACCEPT', 'a port or range', '80,443'],
    ['-p tcp --dport 70000 -j ACCEPT', 'a port or range', '70000'],
    ['-p tcp --dport 90:80 -j ACCEPT', 'a port or range', '90:80'],
    ['--tcp-flags SYN toString -j ACCEPT', 'FIN', 'toString'],
    ['-m mark --mark red -j ACCEPT', 'a mark', 'red'],
    ['--ctstate NOWHERE -j ACCEPT', 'ESTABLISHED', 'NOWHERE'],
    ['--match-set a up -j ACCEPT', 'src or dst', 'up'],
    ['--src-type BROADCAST -j ACCEPT', 'LOCAL', 'BROADCAST'],
    ['--limit-iface-in -j ACCEPT', '--src-type before', '--limit-iface-in'],
    ['--mode often -j ACCEPT', 'nth or random', 'often'],
    ['--mode nth --every 0 -j ACCEPT', 'from 1', '0'],
    ['--mode nth --every 2 --packet 2 -j ACCEPT', 'below 2', '2'],
    ['--mode random --probability 1.5 -j ACCEPT', '0 to 1', '1.5'],
    ['-j ACCEPT -s 10.0.0.0/8', 'the end of the rule', '-s'],
    ['-j', 'a target', 'nothing'],
    ['-m', 'a match', 'nothing'],
  ])('%s', (words, expected, found) => {
    const message = refusal(words);
    expect(message).toMatch(/^iptables-save:5: expected /);
    expect(message).toContain(expected);
    expect(message).toContain(found);
  });

  it('left out and told, where the reader asks for that; the others stay', () => {
    const told: string[] = [];
    const text = `${HEAD}-A FORWARD -j LOG\n[7:420] -A FORWARD -s 10.0.0.0/8 -j DROP\n-A gone -j DROP\n*security\n:INPUT ACCEPT\n-A INPUT -j SECMARK\n`;
    const plan = parseNetfilter(text, 'node1.txt', {
      firstLine: 11,
      leaveOut: ({ message }) => told.push(message),
    });
    expect(plan.chains[0]!.rules.map(({ text: line }) => line)).toEqual([
      '-A FORWARD -s 10.0.0.0/8 -j DROP',
    ]);
    expect(told.map((message) => message.split(':')[1])).toEqual(['15', '17', '18']);
    expect(told[0]).toContain('LOG');
  });

  it('a rule before any table', () => {
    expect(() => parseNetfilter('-A FORWARD -j DROP\n')).toThrow(
      /^iptables-save:1: expected a table/,
    );
  });
});

describe('sets', () => {
  const text =
    'create a hash:net family inet hashsize 1024\nadd a 10.0.0.0/8\nadd a 192.168.1.7 timeout 5\n' +
    'create b hash:ip,port family inet\nadd b 10.0.0.1,tcp:80\n' +
    'create c hash:net family inet6\nadd c fd00::/8\n';

  it('prefixes of IPv4; other kinds are there and empty', () => {
    expect(parseNetfilter(text).sets).toEqual([
      { name: 'a', prefixes: [parsePrefix('10.0.0.0/8'), parsePrefix('192.168.1.7/32')] },
      { name: 'b', prefixes: [] },
    ]);
    const told: string[] = [];
    parseNetfilter(text, 'x', { leaveOut: ({ message }) => told.push(message) });
    expect(told).toEqual(['x:4: expected a set of kind hash:ip or hash:net, found "hash:ip,port"']);
  });

  it('an exception from a set is refused, not turned into a member', () => {
    const line = 'create a hash:net\nadd a 10.1.0.0/16 nomatch\n';
    expect(() => parseNetfilter(line)).toThrow(/^iptables-save:2: .*nomatch/);
  });
});

it('chains alone decide nothing, a policy or a rule does', () => {
  const of = (text: string): boolean => hasRules(parseNetfilter(text));
  expect(of('*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n')).toBe(false);
  expect(of('*filter\n:FORWARD DROP [0:0]\nCOMMIT\n')).toBe(true);
  expect(of(`${HEAD}-A FORWARD -j ACCEPT\n`)).toBe(true);
});

describe('hostile text', () => {
  const read = (text: string): NetfilterPlan | undefined => {
    try {
      return parseNetfilter(text);
    } catch (error) {
      expect(error).toBeInstanceOf(PodwireError);
      return undefined;
    }
  };

  it('a megabyte of one kind', () => {
    const mega = 2 ** 20;
    for (const piece of ['-A ', '"', '! ', '*filter\n', ':a - [0:0]\n', '[0:0] ', '\\', ' ', '1']) {
      read(`${HEAD}-A FORWARD ${piece.repeat(mega / piece.length)}`);
      read(piece.repeat(mega / piece.length));
    }
    const long = read(`${HEAD}-A FORWARD -m comment --comment "${'x'.repeat(mega)}" -j DROP\n`);
    expect(long?.chains[0]?.rules[0]?.target).toEqual({ kind: 'drop' });
  });

  it('ten thousand chains, each jumping to the next', () => {
    const names = Array.from({ length: 10_000 }, (_, i) => `c${i}`);
    const text = `*filter\n${names.map((n) => `:${n} - [0:0]\n`).join('')}${names
      .slice(1)
      .map((n, i) => `-A c${i} -j ${n}\n`)
      .join('')}`;
    expect(read(text)?.chains.length).toBe(10_000);
  });

  it('words in any order: a plan or a PodwireError', () => {
    const words = fc.constantFrom(
      ...'-A FORWARD cali-a -s -d -p -i -o -m -j -g ! tcp 10.0.0.0/8 --dport 80 --sports --tcp-flags SYN --mark 0x1/0x1 --ctstate NEW --match-set src --src-type LOCAL --limit-iface-in --mode nth --every --packet --probability 0.5 --invert --comment " ACCEPT MASQUERADE DNAT --to-destination 1.2.3.4:5 --to-ports MARK --set-xmark CT --notrack __proto__ constructor create hash:net add *nat :x'.split(
        ' ',
      ),
    );
    let plans = 0;
    fc.assert(
      fc.property(
        fc.array(fc.oneof(words, words, words, fc.string()), { maxLength: 12 }),
        (line) => {
          if (read(`${HEAD}-A FORWARD ${line.join(' ')}\n`) !== undefined) plans++;
          read(line.join('\n'));
        },
      ),
      { numRuns: 2000 },
    );
    expect(plans).toBeGreaterThan(0);
  });
});

describe('recorded dumps', () => {
  const out = join(shared, 'oracle', 'out');
  if (!existsSync(out)) {
    console.warn('SKIPPED: no recorded labs here');
    it.skip('are not here', () => {});
    return;
  }

  it('of all labs parse, with as many rules as lines of rules', () => {
    const labs = readdirSync(out).filter((name) =>
      existsSync(join(out, name, 'tables.before.txt')),
    );
    let total = 0;
    for (const lab of labs) {
      for (const when of ['before', 'after']) {
        const path = join(out, lab, `tables.${when}.txt`);
        if (!existsSync(path)) continue;
        for (const part of readFileSync(path, 'utf8').split(/^##### namespace /m)) {
          const at = part.indexOf('# iptables-legacy-save');
          if (at < 0) continue;
          const text = part.slice(at);
          const rules = parseNetfilter(text, lab).chains.flatMap((chain) => chain.rules);
          const lines = text.split('\n').filter((line) => / -A /.test(line));
          expect(rules.map((r) => r.text)).toEqual(lines.map((line) => line.replace(/^\S+ /, '')));
          total += rules.length;
        }
      }
    }
    expect(labs.length).toBeGreaterThanOrEqual(39);
    expect(total).toBeGreaterThan(100);
  });
});

/** Without root a namespace of users comes with it. */
const NEW_NETWORK = process.getuid?.() === 0 ? '-n' : '-rn';

describe('iptables-save of this machine', () => {
  const found = spawnSync(
    'unshare',
    [NEW_NETWORK, 'sh', '-c', 'command -v iptables && command -v iptables-save'],
    {
      encoding: 'utf8',
    },
  );
  if (found.status !== 0 || found.stdout.trim().split('\n').length < 2) {
    console.warn('SKIPPED: no iptables, or no network namespace for it, on this machine');
    it.skip('is not installed', () => {});
    return;
  }

  it('prints what was asked for, and that is what is read', () => {
    const script = [
      'set -e',
      'iptables -N cali-a',
      'iptables -A FORWARD -i cali+ -m comment --comment "a \\"b\\"" -j cali-a',
      'iptables -A cali-a -p tcp --syn -m conntrack --ctstate NEW -j MARK --set-mark 0x10/0x30',
      'iptables -A cali-a -m mark --mark 0x10/0x10 -j RETURN',
      'iptables -t nat -A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE --random-fully',
      'iptables-save -c',
    ].join('\n');
    const run = spawnSync('unshare', [NEW_NETWORK, 'sh', '-c', script], { encoding: 'utf8' });
    expect(run.status, run.stderr).toBe(0);
    const rules = parseNetfilter(run.stdout).chains.flatMap((chain) => chain.rules);
    expect(rules.length).toBe(4);
    const kinds = rules.map((r) => r.target.kind);
    for (const kind of ['jump', 'mark', 'return', 'masquerade']) expect(kinds).toContain(kind);
  });
});
