/** Text that means harm: long lines, odd names, numbers out of range. A typed error in time, or nothing. */
import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { PodwireError } from '../../src/errors.ts';
import { importDumps } from '../../src/import/import-dumps.ts';
import { planFiles } from '../../src/import/plan-files.ts';
import { formatImport } from '../../src/import/tables-resource.ts';
import { parseCalicoctl, parseNodeStatus } from '../../src/text/calicoctl-reader.ts';
import { parseBridgeFdb } from '../../src/text/fdb-reader.ts';
import { parseIpRoute } from '../../src/text/ip-route.ts';
import { parseIpLink } from '../../src/text/link-reader.ts';
import { parseArp, parseIpNeigh } from '../../src/text/neighbour-reader.ts';
import { parseRouteN } from '../../src/text/route-n-reader.ts';
import { parseIpRule } from '../../src/text/rule-reader.ts';
import { parseWgShow } from '../../src/text/wg-reader.ts';
import { file, labTables } from './dumps.ts';

const LIMIT_MS = 50;

/** Milliseconds, the best of three runs unless one is fast enough; whatever is thrown must be ours. */
function timed(action: () => unknown, enough = 0): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3 && best > enough; i++) {
    const start = process.hrtime.bigint();
    try {
      action();
    } catch (error) {
      expect(error).toBeInstanceOf(PodwireError);
    }
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e6);
  }
  return best;
}

/** Each makes a text of about that many characters. */
const LINES: readonly [string, (length: number) => string][] = [
  ['blanks', (n) => ' '.repeat(n)],
  ['tabs', (n) => '\t'.repeat(n)],
  ['blanks and a word', (n) => `default via ${' '.repeat(n)}x`],
  ['a long word', (n) => 'a'.repeat(n)],
  ['digits', (n) => '1'.repeat(n)],
  ['dots', (n) => `10${'.'.repeat(n)}`],
  ['colons', (n) => ':'.repeat(n)],
  ['words', (n) => 'dev '.repeat(n / 4)],
  ['nexthops', (n) => `default ${'nexthop dev a '.repeat(n / 14)}`],
  ['half a MAC', (n) => '66:90:'.repeat(n / 6)],
  ['brackets', (n) => `? (${'('.repeat(n)}`],
  ['at signs', (n) => 'a@'.repeat(n / 2)],
  ['a prompt without an end', (n) => `root@node1:${'x '.repeat(n / 2)}`],
  ['signs of prompts', (n) => `root@node1:${'#'.repeat(n)}`],
  ['colours', (n) => '\u001b[31m'.repeat(n / 5)],
  ['half a colour', (n) => `\u001b[${'1;'.repeat(n / 2)}`],
  ['half a title', (n) => '\u001b]0;'.repeat(n / 4)],
  ['flags', (n) => `2: eth0: <${'UP,'.repeat(n / 3)}> mtu 1500`],
  ['pipes', (n) => '| '.repeat(n / 2)],
  ['allowed ips', (n) => `  allowed ips: ${'10.0.0.0/8,'.repeat(n / 11)}`],
  ['digits and colons', (n) => '1: '.repeat(n / 3)],
  ['cells', (n) => `NAME CIDR\n${'x  '.repeat(n / 3)}`],
  ['many short lines', (n) => '10.0.0.0/8 dev a\n'.repeat(n / 17)],
  ['many broken lines', (n) => '10.0.0.0/8 dev\n'.repeat(n / 15)],
  ['carriage returns', (n) => '\r'.repeat(n)],
];

const READERS: readonly [string, (text: string) => unknown][] = [
  ['ip route', parseIpRoute],
  ['ip link', parseIpLink],
  ['ip neigh', parseIpNeigh],
  ['arp', parseArp],
  ['ip rule', parseIpRule],
  ['bridge fdb', parseBridgeFdb],
  ['route -n', parseRouteN],
  ['wg show', parseWgShow],
  ['calicoctl', parseCalicoctl],
  ['node status', parseNodeStatus],
];

const MB = 2 ** 20;

describe('a megabyte of each is read or refused in time', () => {
  it.each(LINES)('%s', (_name, make) => {
    const bare = make(MB);
    // Sixty thousand sound lines take longer than one that is refused.
    const limit = bare.includes('\n10') ? 20 * LIMIT_MS : LIMIT_MS;
    for (const [reader, parse] of READERS) {
      expect(
        timed(() => parse(bare), limit / 2),
        reader,
      ).toBeLessThan(limit);
    }
  });

  it.each(LINES)('import: %s, in lines of 60,000 characters', (_name, make) => {
    const text = (size: number): string => {
      const line = make(60_000);
      return `root@node1:~# ip route\n${`${line}\n`.repeat(size / 60_000)}`;
    };
    const once = timed(() => importDumps([file(text(MB / 4))]), 10);
    const fourfold = timed(() => importDumps([file(text(MB))]), 80);
    // Twice what is linear, as the machine has others to serve; a square would be four times.
    expect(fourfold).toBeLessThan(Math.max(8 * once, once + 100));
  });

  it('a line over 64 KiB is refused with its place', () => {
    const text = `root@node1:~# ip route\ndefault dev eth0\n${'x'.repeat(65_537)}\n`;
    expect(() => importDumps([file(text)])).toThrow(
      /^dump\.txt:3: expected lines of at most 65536 characters, found 65537$/,
    );
  });
});

describe('names', () => {
  const NAMES = [
    '__proto__',
    '..',
    '../../etc',
    'a/b/c',
    'a b',
    '',
    '-x',
    'x'.repeat(254),
    'ä',
    'a/../b',
  ];
  it.each(NAMES)('%j is no namespace', (name) => {
    const text = `##### namespace ${name}\n# ip route\ndefault via 10.0.0.1 dev eth0\n`;
    expect(() => importDumps([file(text, '')])).toThrow(PodwireError);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it.each(['constructor', 'toString', 'hasOwnProperty'])('%s is a name like any other', (name) => {
    const text = `##### namespace ${name}\n# ip route\ndefault via 10.0.0.1 dev ${name}\n10.0.0.0/24 dev ${name} proto kernel scope link src 10.0.0.2\n`;
    const result = importDumps([file(text)]);
    expect(result.plan.namespaces.map((n) => n.name)).toEqual([name]);
    const again = planFiles([{ text: formatImport(result), source: 'c.yaml' }]);
    expect(again.namespaces).toEqual(result.plan.namespaces);
  });

  it.each(['../x', 'a/b', 'x'.repeat(16), '..', 'eth0:1'])('%j is no device', (device) => {
    const text = `##### namespace node1\n# ip neigh\n10.0.0.1 dev ${device} lladdr 02:00:00:00:00:01 STALE\n`;
    expect(() => importDumps([file(text)])).toThrow(/^dump\.txt:3: expected a device name/);
  });

  it('escape codes do not reach a message', () => {
    const text = `##### namespace node1\n# ip route\n10.0.0.0/8 dev eth0 \u001b]0;evil\u0007bad\u009bword\n`;
    let message = '';
    try {
      importDumps([file(text)]);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/^dump\.txt:3: expected via, dev/);
    expect(message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });
});

describe('YAML of an import that somebody has changed', () => {
  const yaml = (spec: string): string =>
    `apiVersion: podwire/v1\nkind: Tables\nmetadata: {name: node1}\nspec:\n${spec}`;
  it.each([
    [
      '  dumps:\n  - {command: rm -rf x, text: ""}\n',
      /^c\.yaml:6: Tables spec\.dumps\[0\]\.command: expected a command such as ip route/,
    ],
    [
      '  dumps:\n  - command: ip route\n    text: |\n      default via 10.0.0.1 dev eth0\n      10.0.0.0/33 dev eth0\n',
      /^c\.yaml:9: expected a route type/,
    ],
    ['  dumps: 5\n', /^c\.yaml:5: Tables spec\.dumps: expected a list/],
    ['  dumps: []\n', /expected the output of commands/],
  ])('%j', (spec, message) => {
    expect(() => planFiles([{ text: yaml(spec), source: 'c.yaml' }])).toThrow(message);
  });

  it('cables to nowhere are refused, cables that are there are taken', () => {
    const dumps =
      '  dumps:\n  - command: ip route\n    text: |\n      10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1\n';
    const links = (member: string) =>
      `---\napiVersion: podwire/v1\nkind: Links\nmetadata: {name: x}\nspec:\n  segments:\n  - {name: A, mtu: 1500, members: ["${member}"]}\n`;
    const load = (member: string) =>
      planFiles([{ text: yaml(dumps) + links(member), source: 'c.yaml' }]);
    expect(() => load('node1:eth9')).toThrow(
      /^c\.yaml:15: Links spec\.segments\[0\]\.members\[0\]: expected NODE:DEVICE of this cluster, found "node1:eth9"$/,
    );
    expect(load('node1:eth0').segments).toEqual([
      {
        name: 'A',
        mtu: 1500,
        members: [{ namespace: 'node1', device: 'eth0' }],
        srcDstCheck: false,
      },
    ]);
  });
});

const lab = labTables('06-vxlan-cross');

describe.skipIf(lab === undefined)('damaged dumps', () => {
  const lines = (lab ?? '').split('\n');
  const at = fc.nat({ max: lines.length - 1 });
  const odd = fc.constantFrom(
    '',
    '-1',
    '99999999999',
    '0.0.0.0',
    '255.255.255.255/0',
    'dev',
    'eth9',
    '@',
    '<',
    '\u0000',
    '66:00',
    'lo',
    '::1',
  );
  /** One change to a line: a word replaced, cut or doubled, or the line put elsewhere. */
  const change = fc.record({
    at,
    to: at,
    word: fc.nat(12),
    odd,
    kind: fc.constantFrom('word', 'cut', 'double', 'move'),
  });

  it('give a cluster or a typed error, whatever the damage', () => {
    let made = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const damaged = [...lines];
        for (const { at: i, to, word, odd: other, kind } of changes) {
          const line = damaged[i] ?? '';
          const words = line.split(' ');
          words[word % words.length] = other;
          if (kind === 'word') damaged[i] = words.join(' ');
          else if (kind === 'cut') damaged[i] = line.slice(0, word * 4);
          else damaged.splice(to, 0, kind === 'move' ? (damaged.splice(i, 1)[0] ?? '') : line);
        }
        try {
          const result = importDumps([file(damaged.join('\n'))]);
          const plan = planFiles([{ text: formatImport(result), source: 'cluster.yaml' }]);
          expect(plan.namespaces).toEqual(result.plan.namespaces);
          Cluster.fromPlan(plan).send({ from: 'a1', to: '10.2.169.136' });
          made++;
        } catch (error) {
          if (!(error instanceof PodwireError)) throw error;
        }
      }),
      { numRuns: 150 },
    );
    expect(made).toBeGreaterThan(20);
  });
});
