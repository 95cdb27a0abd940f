import { expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { parseNetfilter } from '../../src/text/iptables-save.ts';

const parse = (target: string) =>
  parseNetfilter(`*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD ${target}\nCOMMIT\n`, 'rules');

// The codes of RFC 792 and RFC 1812 section 5.2.7.1, by the names of iptables-extensions(8).
it.each([
  ['-j REJECT', 3],
  ['-j REJECT --reject-with icmp-net-unreachable', 0],
  ['-j REJECT --reject-with icmp-host-unreachable', 1],
  ['-j REJECT --reject-with icmp-proto-unreachable', 2],
  ['-j REJECT --reject-with icmp-port-unreachable', 3],
  ['-j REJECT --reject-with icmp-net-prohibited', 9],
  ['-j REJECT --reject-with icmp-host-prohibited', 10],
  ['-j REJECT --reject-with icmp-admin-prohibited', 13],
  ['-p tcp -j REJECT --reject-with tcp-reset', 'tcp-reset'],
] as const)('%s', (target, code) => {
  expect(parse(target).chains[0]?.rules[0]?.target).toEqual({ kind: 'reject', code });
});

it.each([
  '-j REJECT --reject-with icmp6-port-unreachable',
  '-j REJECT --reject-with',
  '-j REJECT --with icmp-port-unreachable',
  '-j LOG',
])('%s is refused with its line', (target) => {
  expect(() => parse(target)).toThrow(PodwireError);
  expect(() => parse(target)).toThrow(/rules:3/);
});
