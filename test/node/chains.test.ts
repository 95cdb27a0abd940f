/** Rule sets made to keep a processor busy: each ends by name, and soon. */
import { describe, expect, it } from 'vitest';
import type { Layer } from '../../src/frame/layer.ts';
import { workTime } from '../work-time.ts';
import { IN, OUT, SmallNetwork } from './small-network.ts';

const udp: Layer[] = [
  { layer: 'ipv4', src: IN, dst: OUT },
  { layer: 'udp', srcPort: 40000, dstPort: 53 },
  { layer: 'payload', text: 'hello' },
];

/** Chains c0 … cN, each with these rules towards the next. */
const ladder = (table: string, hook: string, depth: number, rule: (next: string) => string) => {
  const names = Array.from({ length: depth }, (_, i) => `c${i}`);
  const rules = names.flatMap((name, i) =>
    i + 1 < depth
      ? rule(`c${i + 1}`)
          .split('\n')
          .map((text) => `-A ${name} ${text}`)
      : [],
  );
  const heads = names.map((name) => `:${name} -`).join('\n');
  return `*${table}\n:${hook} ACCEPT\n${heads}\n-A ${hook} -j c0\n${rules.join('\n')}\nCOMMIT\n`;
};

describe('rule sets without end', () => {
  it.each([
    ['raw', 'PREROUTING'],
    ['mangle', 'FORWARD'],
    ['filter', 'FORWARD'],
    ['nat', 'PREROUTING'],
    ['nat', 'POSTROUTING'],
  ])('jumps that double at every depth, %s %s', (table, hook) => {
    const rules = ladder(table, hook, 30, (next) => `-j ${next}\n-j ${next}`);
    const net = new SmallNetwork({ rules });
    const spent = workTime(() => {
      expect(net.arrives('in', 'out', udp)).toBeUndefined();
    });
    // 2^30 rules would take a minute.
    expect(spent).toBeLessThan(2000);
    expect(net.drops).toEqual({ 'rule-budget': 1 });
  });

  it('chains that jump in a circle, which the kernel refuses to load', () => {
    for (const jump of ['-j', '-g']) {
      const rules = `*filter\n:FORWARD ACCEPT\n:a -\n:b -\n-A FORWARD -j a\n-A a ${jump} b\n-A b ${jump} a\nCOMMIT\n`;
      const net = new SmallNetwork({ rules });
      expect(net.arrives('in', 'out', udp)).toBeUndefined();
      expect(net.drops).toEqual({ 'rule-budget': 1 });
    }
  });

  it('a long rule set that ends is walked to its end', () => {
    const many = Array.from(
      { length: 100_000 },
      (_, i) => `-A FORWARD -p tcp --dport ${i % 65536} -j ACCEPT`,
    );
    const rules = `*filter\n:FORWARD DROP\n${many.join('\n')}\n-A FORWARD -p udp -j ACCEPT\nCOMMIT\n`;
    expect(new SmallNetwork({ rules }).arrives('in', 'out', udp)).toBeDefined();
    const shallow = ladder('filter', 'FORWARD', 12, (next) => `-j ${next}\n-j ${next}`);
    expect(new SmallNetwork({ rules: shallow }).arrives('in', 'out', udp)).toBeDefined();
  });
});

describe('a match that asks for a header', () => {
  const cut = (protocol: number, length: number): Layer[] => [
    { layer: 'ipv4', src: IN, dst: OUT, protocol },
    { layer: 'payload', bytes: Buffer.alloc(length, 1) },
  ];
  const dropsFrom = (rule: string, layers: Layer[]): Record<string, number> => {
    const net = new SmallNetwork({
      rules: `*filter\n:FORWARD ACCEPT\n-A FORWARD ${rule}\nCOMMIT\n`,
    });
    // Its checksums are nobody's.
    net.cluster.observer = null;
    net.send('in', layers);
    expect(net.cluster.counts.delivered + net.cluster.counts.dropped).toBe(1);
    return net.drops;
  };

  it.each([
    ['-p udp -m udp --dport 4789 -j ACCEPT', 17, 8],
    ['-p tcp -m tcp --sport 1:2 -j ACCEPT', 6, 20],
    ['-p tcp -m tcp --tcp-flags SYN,RST SYN -j ACCEPT', 6, 20],
    ['-p icmp -m icmp --icmp-type 8 -j ACCEPT', 1, 8],
    ['-p udp -m multiport --dports 1,2 -j ACCEPT', 17, 4],
    ['-p tcp -m multiport --sports 1,2 -j ACCEPT', 6, 4],
  ])('%s drops what lacks some of it', (rule, protocol, needed) => {
    expect(dropsFrom(rule, cut(protocol, needed - 1))).toEqual({ filtered: 1 });
    expect(dropsFrom(rule, cut(protocol, needed))).toEqual({});
  });

  it('of its protocol alone, and where the addresses match', () => {
    expect(dropsFrom('-p udp -m udp --dport 9 -j ACCEPT', cut(6, 3))).toEqual({});
    expect(dropsFrom('-s 10.9.9.9 -p udp -m udp --dport 9 -j ACCEPT', cut(17, 3))).toEqual({});
    expect(dropsFrom('-p udp -j ACCEPT', cut(17, 3))).toEqual({});
  });
});
