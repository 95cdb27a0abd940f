/**
 * Arbitrary messages as layers. What dissection cannot give back is not drawn:
 * empty payloads, and ports at which another protocol is expected.
 */
import fc from 'fast-check';
import type { ArpLayer, IcmpLayer, Ipv4Layer, Layer, TcpLayer, UdpLayer } from '../frame/layer.ts';
import type { TcpOption } from '../frame/tcp-options.ts';
import * as vxlan from '../wire/vxlan.ts';
import * as wireguard from '../wire/wireguard.ts';
import { address, mac } from './addresses.ts';

const byte = (): fc.Arbitrary<number> => fc.nat(255);
const word = (): fc.Arbitrary<number> => fc.nat(0xffff);
const long = (): fc.Arbitrary<number> => fc.nat(0xffffffff);
const hex = (maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString('hex'));

/** A layer and its data, which may be none; at most 64 bytes. */
const withPayload = <L extends Layer>(layer: fc.Arbitrary<L>): fc.Arbitrary<Layer[]> =>
  fc
    .tuple(layer, hex(64))
    .map(([header, data]) => (data === '' ? [header] : [header, { layer: 'payload', hex: data }]));

/** None, NOPs, router alert (RFC 2113), an empty record route with room for one address. */
const ipOptions = ['', '01010101', '94040000', '0707040000000000'];

/** A header of an unfragmented packet; lengths, protocol and checksum are left to `buildFrame`. */
export const ipv4Header = (): fc.Arbitrary<Ipv4Layer> =>
  fc.record(
    {
      layer: fc.constant('ipv4' as const),
      src: address(),
      dst: address(),
      ttl: byte(),
      id: word(),
      tos: byte(),
      df: fc.boolean(),
      options: fc.constantFrom(...ipOptions),
    },
    { noNullPrototype: true, requiredKeys: ['layer', 'src', 'dst'] },
  );

/** A datagram that is neither VXLAN nor WireGuard. */
export const udpDatagram = (): fc.Arbitrary<Layer[]> =>
  withPayload<UdpLayer>(
    fc.record(
      {
        layer: fc.constant('udp' as const),
        srcPort: word(),
        dstPort: word().filter((port) => port !== vxlan.PORT && port !== wireguard.PORT),
      },
      { noNullPrototype: true },
    ),
  );

const tcpOption = (): fc.Arbitrary<TcpOption> =>
  fc.oneof(
    fc.constant<TcpOption>({ option: 'nop' }),
    word().map((value): TcpOption => ({ option: 'mss', value })),
    fc.constant<TcpOption>({ option: 'sackPermitted' }),
    byte().map((shift): TcpOption => ({ option: 'windowScale', shift })),
    fc.record(
      { option: fc.constant('timestamps' as const), value: long(), echo: long() },
      { noNullPrototype: true },
    ),
    fc
      .array(fc.record({ left: long(), right: long() }, { noNullPrototype: true }), {
        maxLength: 3,
      })
      .map((blocks): TcpOption => ({ option: 'sack', blocks })),
    fc.record(
      {
        option: fc.constant('unknown' as const),
        kind: fc.integer({ min: 9, max: 255 }),
        hex: hex(6),
      },
      { noNullPrototype: true },
    ),
  );

/** Bytes of an option on the wire. */
function optionLength(option: TcpOption): number {
  switch (option.option) {
    case 'mss':
      return 4;
    case 'windowScale':
      return 3;
    case 'timestamps':
      return 10;
    case 'sackPermitted':
      return 2;
    case 'sack':
      return 2 + 8 * option.blocks.length;
    case 'unknown':
      return 2 + option.hex.length / 2;
    default:
      return 1;
  }
}

/** As many of the options as 40 bytes hold. */
const fitting = (options: readonly TcpOption[]): TcpOption[] => {
  let room = 40;
  return options.filter((option) => {
    const length = optionLength(option);
    if (length > room) return false;
    room -= length;
    return true;
  });
};

/** A segment with any flags and any well-formed options. */
export const tcpSegment = (): fc.Arbitrary<Layer[]> =>
  withPayload<TcpLayer>(
    fc.record(
      {
        layer: fc.constant('tcp' as const),
        srcPort: word(),
        dstPort: word(),
        seq: long(),
        ack: long(),
        flags: fc.subarray([...'FSRP.UEW']).map((letters) => letters.join('') || 'none'),
        window: word(),
        urgent: word(),
        options: fc.array(tcpOption(), { maxLength: 6 }).map(fitting),
      },
      { noNullPrototype: true },
    ),
  );

/** An echo request or reply. */
export const icmpEcho = (): fc.Arbitrary<Layer[]> =>
  withPayload<IcmpLayer>(
    fc.record(
      {
        layer: fc.constant('icmp' as const),
        type: fc.constantFrom('echo-request' as const, 'echo-reply' as const),
        id: word(),
        seq: word(),
      },
      { noNullPrototype: true },
    ),
  );

/** A request or a reply, of any addresses. */
export const arpMessage = (): fc.Arbitrary<ArpLayer> =>
  fc.record(
    {
      layer: fc.constant('arp' as const),
      op: fc.constantFrom('request' as const, 'reply' as const),
      senderMac: mac(),
      senderIp: address(),
      targetMac: mac(),
      targetIp: address(),
    },
    { noNullPrototype: true },
  );
