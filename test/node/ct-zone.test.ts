/** `CT --zone`, as a kernel treated the same packets and rules (Linux 6.18, iptables 1.8.9). */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import type { Layer } from '../../src/frame/layer.ts';
import { IN, IN2, LAN, OUT, SmallNetwork } from './small-network.ts';

const ZONE_IN = '-A PREROUTING -i eth0 -j CT --zone 5';

const network = (raw: readonly string[], filter: readonly string[]): SmallNetwork =>
  new SmallNetwork({
    rules: [
      ...['*raw', ':PREROUTING ACCEPT', ':OUTPUT ACCEPT', ...raw, 'COMMIT'],
      ...['*filter', ':INPUT ACCEPT', ':FORWARD ACCEPT', ':OUTPUT ACCEPT', ...filter, 'COMMIT', ''],
    ].join('\n'),
  });

const echo = (dst: string): Layer[] => [
  { layer: 'ipv4', src: IN, dst },
  { layer: 'icmp', type: 'echo-request', id: 7, seq: 1 },
];
const datagram = (src: string, dst: string, srcPort: number, dstPort: number): Layer[] => [
  { layer: 'ipv4', src, dst },
  { layer: 'udp', srcPort, dstPort },
];

describe('a zone of connection tracking', () => {
  const answered = (...raw: string[]): boolean => {
    const net = network(raw, ['-A OUTPUT -m conntrack --ctstate INVALID -j DROP']);
    return net.send('in', echo(LAN)).some(({ packet }) => packet[20] === 0);
  };

  it('knows nothing of the connections of another: an answer must be given it, too', () => {
    expect(answered()).toBe(true);
    expect(answered(ZONE_IN)).toBe(false);
    expect(answered(ZONE_IN, '-A OUTPUT -j CT --zone 6')).toBe(false);
    expect(answered(ZONE_IN, '-A OUTPUT -j CT --zone 5')).toBe(true);
  });

  it('is what the first rule says, which may also be that nothing is tracked', () => {
    const again = ZONE_IN.replace('5', '6');
    expect(answered(ZONE_IN, again, '-A OUTPUT -j CT --zone 5')).toBe(true);
    expect(answered(again, ZONE_IN, '-A OUTPUT -j CT --zone 5')).toBe(false);
    const passes = (state: string, ...raw: string[]): boolean => {
      const net = network(raw, [`-A FORWARD -m conntrack ! --ctstate ${state} -j DROP`]);
      return net.arrives('in', 'out', datagram(IN, OUT, 5555, 7)) !== undefined;
    };
    const notrack = '-A PREROUTING -i eth0 -j CT --notrack';
    expect(passes('NEW', ZONE_IN, notrack)).toBe(true);
    expect(passes('UNTRACKED', ZONE_IN, notrack)).toBe(false);
    expect(passes('UNTRACKED', notrack, ZONE_IN)).toBe(true);
    expect(passes('NEW', notrack, ZONE_IN)).toBe(false);
  });

  it('of one sender leaves alone what others send', () => {
    const net = network(
      ['-A PREROUTING -s 10.1.0.3/32 -j CT --zone 9'],
      ['-A FORWARD -i eth1 -m conntrack ! --ctstate ESTABLISHED -j DROP'],
    );
    expect(net.arrives('in2', 'out', datagram(IN2, OUT, 5555, 7))).toBeDefined();
    // Its answer comes in without a zone: nothing is known of it there.
    expect(net.arrives('out', 'in2', datagram(OUT, IN2, 7, 5555))).toBeUndefined();
    expect(net.arrives('in', 'out', datagram(IN, OUT, 5555, 7))).toBeDefined();
    expect(net.arrives('out', 'in', datagram(OUT, IN, 7, 5555))).toBeDefined();
  });

  it('is no reason to take an error about a connection for related to it', () => {
    const refused = (...raw: string[]): boolean => {
      const net = network(raw, ['-A OUTPUT -m conntrack --ctstate INVALID -j DROP']);
      const [ip, udp] = datagram(IN, OUT, 5555, 7);
      const seen = net.send('in', [{ ...ip, ttl: 1 } as Layer, udp!]);
      return seen.some(({ packet }) => packet[20] === 11);
    };
    expect(refused()).toBe(true);
    expect(refused(ZONE_IN)).toBe(false);
    expect(refused(ZONE_IN, '-A OUTPUT -j CT --zone 5')).toBe(true);
  });
});
