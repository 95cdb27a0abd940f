/** What a Linux stack with an open port answers to the packets that `send` makes. */
import { buildFrame } from '../frame/build.ts';
import type { Layer } from '../frame/layer.ts';
import type { TcpOption } from '../frame/tcp-options.ts';
import { formatIp4, type Ip4 } from '../wire/address.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';

const SYN_ACK_OPTIONS: readonly TcpOption[] = [
  { option: 'mss', value: 1460 },
  { option: 'sackPermitted' },
  { option: 'timestamps', value: 1, echo: 1 },
  { option: 'nop' },
  { option: 'windowScale', shift: 7 },
];

/**
 * The answer to a sound IPv4 packet as it was delivered: an echo reply, a SYN's
 * SYN ACK, a datagram of the same bytes. `undefined` for anything else, an ICMP error
 * for instance.
 */
export function answerTo(packet: Buffer): Buffer | undefined {
  const l4 = ipv4.headerLength(packet, 0);
  const ip: Layer = {
    layer: 'ipv4',
    src: formatIp4(ipv4.destination(packet, 0) as Ip4),
    dst: formatIp4(ipv4.source(packet, 0) as Ip4),
    id: 1,
  };
  const rest = (header: number): Layer => ({
    layer: 'payload',
    bytes: packet.subarray(l4 + header, ipv4.totalLength(packet, 0)),
  });
  switch (ipv4.protocol(packet, 0)) {
    case ipv4.PROTO_ICMP: {
      if (icmp.type(packet, l4) !== icmp.ECHO_REQUEST) return undefined;
      const [id, seq] = [icmp.identifier(packet, l4), icmp.sequence(packet, l4)];
      return buildFrame([
        ip,
        { layer: 'icmp', type: 'echo-reply', id, seq },
        rest(icmp.HEADER_LEN),
      ]);
    }
    case ipv4.PROTO_UDP: {
      const ports = {
        srcPort: udp.destinationPort(packet, l4),
        dstPort: udp.sourcePort(packet, l4),
      };
      return buildFrame([ip, { layer: 'udp', ...ports }, rest(udp.HEADER_LEN)]);
    }
    case ipv4.PROTO_TCP:
      if ((tcp.flags(packet, l4) & (tcp.SYN | tcp.ACK)) !== tcp.SYN) return undefined;
      return buildFrame([
        { ...ip, df: true },
        {
          layer: 'tcp',
          srcPort: tcp.destinationPort(packet, l4),
          dstPort: tcp.sourcePort(packet, l4),
          seq: 1,
          ack: (tcp.sequence(packet, l4) + 1) >>> 0,
          flags: 'S.',
          window: 65160,
          // Options are answered, not offered.
          options: tcp.headerLength(packet, l4) > tcp.HEADER_LEN ? SYN_ACK_OPTIONS : [],
        },
      ]);
    default:
      return undefined;
  }
}
