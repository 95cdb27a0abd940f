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
