import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { parseNetfilter } from '../../src/text/iptables-save.ts';

const matchesOf = (rule: string) =>
  parseNetfilter(`*filter\n:c - [0:0]\n-A c ${rule} -j DROP\nCOMMIT\n`).chains[0]!.rules[0]!
    .matches;

describe('iptables-save', () => {
  it('reads multiport, its ranges and its negation', () => {
    // As iptables-save prints `--dports`, and as Felix writes it.
    for (const word of ['--dports', '--destination-ports']) {
      expect(matchesOf(`-p tcp -m multiport ${word} 80,443:445`)).toEqual({
        protocol: { from: 6, to: 6, not: false },
        ports: [
          {
            side: 'dst',
            not: false,
            ranges: [
              { from: 80, to: 80 },
              { from: 443, to: 445 },
            ],
          },
        ],
      });
    }
    expect(matchesOf('-p udp -m multiport ! --sports 53').ports).toEqual([
      { side: 'src', not: true, ranges: [{ from: 53, to: 53 }] },
    ]);
  });

  it('reads the type and code of ICMP', () => {
    expect(matchesOf('-p icmp -m icmp --icmp-type 3/1 -m icmp ! --icmp-type 8').icmp).toEqual([
      { type: 3, code: 1, not: false },
      { type: 8, not: true },
    ]);
  });

  it('refuses what is neither, with the line', () => {
    for (const rule of [
      '-m multiport --dports 80,x',
      '-m icmp --icmp-type ping',
      '-m multiport --ports 1',
    ]) {
      expect(() => matchesOf(rule)).toThrow(PodwireError);
      expect(() => matchesOf(rule)).toThrow(/iptables-save:3/);
    }
  });
});
