import { expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { parseNetfilter } from '../../src/text/iptables-save.ts';

const parse = (target: string) =>
  parseNetfilter(`*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD ${target}\nCOMMIT\n`, 'rules');

it.each(['-j REJECT', '-j REJECT --reject-with icmp-port-unreachable'])('%s', (target) => {
  expect(parse(target).chains[0]?.rules[0]?.target).toEqual({ kind: 'reject' });
});

it.each(['-j REJECT --reject-with tcp-reset', '-j REJECT --reject-with', '-j LOG'])(
  '%s is refused with its line',
  (target) => {
    expect(() => parse(target)).toThrow(PodwireError);
    expect(() => parse(target)).toThrow(/rules:3/);
  },
);
