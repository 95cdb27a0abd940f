/** Arbitrary whole frames, as layers from Ethernet inwards. */
import fc from 'fast-check';
import type { EthernetLayer, Layer } from '../frame/layer.ts';
import * as vxlan from '../wire/vxlan.ts';
import { address, mac } from './addresses.ts';
import { arpMessage, icmpEcho, ipv4Header, tcpSegment, udpDatagram } from './messages.ts';

const ethernet = (): fc.Arbitrary<EthernetLayer> =>
  fc.record(
    { layer: fc.constant('ethernet' as const), src: mac(), dst: mac() },
    { noNullPrototype: true },
  );

const packet = (): fc.Arbitrary<Layer[]> =>
  fc
    .tuple(ipv4Header(), fc.oneof(icmpEcho(), udpDatagram(), tcpSegment()))
    .map(([header, message]) => [header, ...message]);

const vlan = (): fc.Arbitrary<Layer[]> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<Layer[]>([]) },
    fc
      .record(
        { id: fc.nat(4095), priority: fc.nat(7), dropEligible: fc.boolean() },
        { noNullPrototype: true },
      )
      .map((tag): Layer[] => [{ layer: 'vlan', ...tag }]),
  );

/** ARP, or ICMP, UDP or TCP over IPv4; sometimes with an 802.1Q tag. */
export const frame = (): fc.Arbitrary<Layer[]> =>
  fc
    .tuple(
      ethernet(),
      vlan(),
      fc.oneof(
        arpMessage().map((message) => [message]),
        packet(),
      ),
    )
    .map(([outer, tag, inner]) => [outer, ...tag, ...inner]);

/** What one tunnel puts before a packet: VXLAN ends with an inner Ethernet header. */
const tunnel = (): fc.Arbitrary<Layer[]> =>
  fc.oneof(
    ipv4Header().map((header) => [header]),
    fc
      .record(
        {
          src: address(),
          dst: address(),
          srcPort: fc.integer({ min: 32768, max: 60999 }),
          vni: fc.nat(0xffffff),
          inner: ethernet(),
        },
        { noNullPrototype: true },
      )
      .map(({ src, dst, srcPort, vni, inner }): Layer[] => [
        { layer: 'ipv4', src, dst },
        { layer: 'udp', srcPort, dstPort: vxlan.PORT },
        { layer: 'vxlan', vni },
        inner,
      ]),
  );

/** A packet in one to three tunnels, VXLAN and IPIP in any order. */
export const nestedFrame = (): fc.Arbitrary<Layer[]> =>
  fc
    .tuple(ethernet(), fc.array(tunnel(), { minLength: 1, maxLength: 3 }), packet())
    .map(([outer, tunnels, inner]) => [outer, ...tunnels.flat(), ...inner]);
