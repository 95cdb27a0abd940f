/**
 * One layer into its header. Fields left out follow from the next layer (types
 * and protocols) and from where the content ends (lengths).
 */
import { macHigh, macLow } from '../wire/address.ts';
import * as arp from '../wire/arp.ts';
import { putU16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import { integer, ip4, mac, type Spot, wrong } from './field-value.ts';
import { icmpRest, icmpTypeNumber } from './icmp-message.ts';
import type { ArpLayer, Ipv4Layer, Layer, TcpLayer, VlanLayer, VxlanLayer } from './layer.ts';
import { tcpFlagBits } from './tcp-flags.ts';
import { putWireguard } from './wireguard-message.ts';

const DEFAULT_TTL = 64;
const VXLAN_FLAG_VNI = 0x08;

/** A layer with its place in the frame. */
export interface Part {
  readonly layer: Layer;
  readonly spot: Spot;
  readonly at: number;
  readonly size: number;
  /** Bytes that came with the layer: payload, trailer, or padded options. */
  readonly carried: Buffer;
}

/** Writes a layer but for its checksum; `end` is where the lengths left out of it end. */
export function putLayer(
  b: Buffer,
  { layer, spot, at, carried }: Part,
  next: Layer | undefined,
  end: number,
): void {
  switch (layer.layer) {
    case 'ethernet': {
      const to = mac(spot, 'dst', layer.dst);
      const from = mac(spot, 'src', layer.src);
      const type = integer(spot, 'type', layer.type, 0xffff, etherType(next));
      ethernet.emit(b, at, macHigh(to), macLow(to), macHigh(from), macLow(from), type);
      return;
    }
    case 'vlan':
      putVlan(b, at, layer, spot, next);
      return;
    case 'arp':
      putArp(b, at, layer, spot);
      return;
    case 'ipv4':
      putIpv4(b, at, layer, spot, next, carried, end);
      return;
    case 'udp': {
      const from = integer(spot, 'srcPort', layer.srcPort, 0xffff);
      const to = integer(spot, 'dstPort', layer.dstPort, 0xffff);
      udp.emit(b, at, from, to, integer(spot, 'udpLength', layer.udpLength, 0xffff, end - at));
      return;
    }
    case 'tcp':
      putTcp(b, at, layer, spot, carried);
      return;
    case 'tcp-start':
      putU16(b, at, integer(spot, 'srcPort', layer.srcPort, 0xffff));
      putU16(b, at + 2, integer(spot, 'dstPort', layer.dstPort, 0xffff));
      b.writeUInt32BE(integer(spot, 'seq', layer.seq, 0xffffffff), at + 4);
      return;
    case 'icmp':
      // Its checksum comes with the second pass.
      b[at] = icmpTypeNumber(layer, spot);
      b[at + icmp.field.code] = integer(spot, 'code', layer.code, 255, 0);
      b.writeUInt32BE(icmpRest(layer, spot), at + icmp.field.rest);
      return;
    case 'vxlan':
      putVxlan(b, at, layer, spot);
      return;
    case 'wireguard':
      putWireguard(b, at, layer, spot);
      return;
    case 'payload':
    case 'trailer':
      b.set(carried, at);
  }
}

function etherType(next: Layer | undefined): number | undefined {
  if (next?.layer === 'ipv4') return ethernet.TYPE_IPV4;
  if (next?.layer === 'arp') return ethernet.TYPE_ARP;
  return next?.layer === 'vlan' ? ethernet.TYPE_VLAN : undefined;
}

function putVlan(b: Buffer, at: number, layer: VlanLayer, spot: Spot, next: Layer | undefined) {
  const priority = integer(spot, 'priority', layer.priority, 7, 0);
  const id = integer(spot, 'id', layer.id, 0xfff);
  putU16(b, at, (priority << 13) | (layer.dropEligible === true ? 0x1000 : 0) | id);
  putU16(b, at + 2, integer(spot, 'type', layer.type, 0xffff, etherType(next)));
}

function putArp(b: Buffer, at: number, layer: ArpLayer, spot: Spot): void {
  const names = { request: arp.REQUEST, reply: arp.REPLY };
  const op = layer.op === 'request' || layer.op === 'reply' ? names[layer.op] : layer.op;
  const from = mac(spot, 'senderMac', layer.senderMac);
  const to = mac(spot, 'targetMac', layer.targetMac);
  arp.emit(
    b,
    at,
    integer(spot, 'op', op, 0xffff),
    macHigh(from),
    macLow(from),
    ip4(spot, 'senderIp', layer.senderIp),
    macHigh(to),
    macLow(to),
    ip4(spot, 'targetIp', layer.targetIp),
  );
}

function protocolOf(next: Layer | undefined): number | undefined {
  if (next?.layer === 'udp') return ipv4.PROTO_UDP;
  if (next?.layer === 'tcp' || next?.layer === 'tcp-start') return ipv4.PROTO_TCP;
  if (next?.layer === 'icmp') return ipv4.PROTO_ICMP;
  return next?.layer === 'ipv4' ? ipv4.PROTO_IPIP : undefined;
}

function putIpv4(
  b: Buffer,
  at: number,
  layer: Ipv4Layer,
  spot: Spot,
  next: Layer | undefined,
  options: Buffer,
  end: number,
): void {
  const fragment = integer(spot, 'fragmentOffset', layer.fragmentOffset, 0x1fff, 0);
  const flags =
    (layer.reserved === true ? 0x8000 : 0) |
    (layer.df === true ? ipv4.FLAG_DF : 0) |
    (layer.mf === true ? ipv4.FLAG_MF : 0);
  b.set(options, at + ipv4.HEADER_LEN);
  ipv4.emit(
    b,
    at,
    integer(spot, 'tos', layer.tos, 255, 0),
    integer(spot, 'totalLength', layer.totalLength, 0xffff, end - at),
    integer(spot, 'id', layer.id, 0xffff, 0),
    flags | fragment,
    integer(spot, 'ttl', layer.ttl, 255, DEFAULT_TTL),
    integer(spot, 'protocol', layer.protocol, 255, protocolOf(next)),
    ip4(spot, 'src', layer.src),
    ip4(spot, 'dst', layer.dst),
  );
  const real = ipv4.HEADER_LEN + options.length;
  const words = headerWords(layer.headerLength ?? real, spot);
  b[at] = (integer(spot, 'version', layer.version, 15, 4) << 4) | words;
}

function putTcp(b: Buffer, at: number, layer: TcpLayer, spot: Spot, options: Buffer): void {
  tcp.emit(
    b,
    at,
    integer(spot, 'srcPort', layer.srcPort, 0xffff),
    integer(spot, 'dstPort', layer.dstPort, 0xffff),
    integer(spot, 'seq', layer.seq, 0xffffffff, 0),
    integer(spot, 'ack', layer.ack, 0xffffffff, 0),
    options.length,
    tcpFlagBits(layer.flags, spot),
    integer(spot, 'window', layer.window, 0xffff, 0xffff),
  );
  const real = tcp.HEADER_LEN + options.length;
  const words = headerWords(layer.headerLength ?? real, spot);
  b[at + tcp.field.offset] = (words << 4) | integer(spot, 'reserved', layer.reserved, 15, 0);
  putU16(b, at + tcp.field.urgent, integer(spot, 'urgent', layer.urgent, 0xffff, 0));
  b.set(options, at + tcp.HEADER_LEN);
}

function headerWords(bytes: number, spot: Spot): number {
  if (integer(spot, 'headerLength', bytes, 60) % 4 !== 0) {
    throw wrong(spot, 'headerLength', 'a multiple of 4', bytes);
  }
  return bytes >>> 2;
}

function putVxlan(b: Buffer, at: number, layer: VxlanLayer, spot: Spot): void {
  vxlan.emit(b, at, integer(spot, 'vni', layer.vni, 0xffffff));
  b[at] = integer(spot, 'flags', layer.flags, 255, VXLAN_FLAG_VNI);
  const reserved = integer(spot, 'reserved', layer.reserved, 0xffffff, 0);
  b.writeUIntBE(reserved, at + vxlan.field.reserved, 3);
  b[at + vxlan.field.reserved2] = integer(spot, 'reserved2', layer.reserved2, 255, 0);
}
