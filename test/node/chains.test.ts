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
