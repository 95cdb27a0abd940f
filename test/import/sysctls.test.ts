/** What `sysctl -a` says of a namespace. */
import { describe, expect, it } from 'vitest';
import { Sysctls } from '../../src/import/sysctls.ts';

const of = (text: string) => new Sysctls([{ text, listing: { whole: false } }]);

describe('connection tracking', () => {
  it('is as listed; what is not, is the kernel’s default', () => {
    expect(of('net.ipv4.ip_forward = 1').conntrack()).toEqual({});
    expect(
      of(
        [
          'net.netfilter.nf_conntrack_max = 131072',
          'net.netfilter.nf_conntrack_tcp_timeout_established = 86400',
          'net.netfilter.nf_conntrack_tcp_timeout_max_retrans = 200',
          'net.netfilter.nf_conntrack_udp_timeout = 30',
          'net.netfilter.nf_conntrack_udp_timeout_stream = 180',
          'net.netfilter.nf_conntrack_icmp_timeout = x',
        ].join('\n'),
      ).conntrack(),
    ).toEqual({
      conntrack: {
        max: 131072,
        timeouts: { established: 86400, max_retrans: 200, udp: 30, udp_stream: 180 },
      },
    });
    expect(of('net.nf_conntrack_max = 0').conntrack()).toEqual({
      conntrack: { max: 0, timeouts: {} },
    });
  });
});

describe('redirects of a device', () => {
  const redirects = (forward: 0 | 1, ...values: string[]): unknown =>
    new Sysctls([
      {
        text: [`net.ipv4.ip_forward = ${forward}`, ...values]
          .map((line) => line.replace(/^(all|eth0)\./, 'net.ipv4.conf.$1.'))
          .join('\n'),
        listing: { whole: false },
      },
    ]).settings('eth0').redirects;

  it('are accepted where all and the device say so on a router, one of them elsewhere', () => {
    for (const [all, own] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ]) {
      const told = [`all.accept_redirects = ${all}`, `eth0.accept_redirects = ${own}`];
      expect(redirects(1, ...told)).toEqual({ accept: all === 1 && own === 1 });
      expect(redirects(0, ...told)).toEqual({ accept: all === 1 || own === 1 });
    }
  });

  it('follow from nothing that is not listed', () => {
    expect(redirects(0)).toBeUndefined();
    expect(redirects(0, 'all.shared_media = 0', 'eth0.secure_redirects = 1')).toEqual({
      sharedMedia: false,
      secure: true,
    });
  });
});
