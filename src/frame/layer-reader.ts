/**
 * One header at the cursor, its layer, and what comes next. Each reader looks
 * at no byte before `check` of its header has passed it.
 */
import { Drop } from '../drop.ts';
import { formatIp4, formatMac, macAt } from '../wire/address.ts';
import * as arp from '../wire/arp.ts';
import { i32, u16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import * as wireguard from '../wire/wireguard.ts';
import { icmpState, ipv4State, tcpState, udpState } from './checksum-state.ts';
import { type Cursor, fits, kept, narrow, stop, take, whole } from './cursor.ts';
import { icmpRestFields, icmpTypeName, isIcmpError } from './icmp-message.ts';
import type { Dissected } from './layer.ts';
import { formatTcpFlags } from './tcp-flags.ts';
import { decodeTcpOptions } from './tcp-options.ts';
import { readWireguard } from './wireguard-message.ts';

const MAX_PACKET = 65535;
const TCP_START_LEN = 8;
const LOOSE_SOURCE_ROUTE = 131;
const STRICT_SOURCE_ROUTE = 137;

/** The headers that are known by their place. */
export type Kind =
  | 'ethernet'
  | 'vlan'
  | 'arp'
  | 'ipv4'
  | 'icmp'
  | 'udp'
  | 'tcp'
  | 'vxlan'
  | 'wireguard';
/** `undefined`: the rest, if any, is a payload. */
export type Next = Kind | undefined;

function byEtherType(c: Cursor, type: number): Next {
  if (type === ethernet.TYPE_IPV4) return 'ipv4';
  if (type === ethernet.TYPE_ARP) return 'arp';
  return ethernet.isTag(type) ? 'vlan' : stop(c, Drop.EthernetType);
}

export const readers: { readonly [K in Kind]: (c: Cursor) => Next } = {
  ethernet(c) {
    if (!fits(c, ethernet.HEADER_LEN, Drop.EthernetShort)) return undefined;
    const { b, at } = c;
    const dst = formatMac(macAt(b, at + ethernet.field.destination));
    const src = formatMac(macAt(b, at + ethernet.field.source));
    const type = ethernet.type(b, at);
    c.layers.push({ layer: 'ethernet', src, dst, type, ...take(c, ethernet.HEADER_LEN) });
    return byEtherType(c, type);
  },

  vlan(c) {
    if (!fits(c, ethernet.TAG_LEN, Drop.EthernetShort)) return undefined;
    const tag = u16(c.b, c.at);
    const type = u16(c.b, c.at + 2);
    c.layers.push({
      layer: 'vlan',
      id: tag & 0xfff,
      priority: tag >>> 13,
      dropEligible: (tag & 0x1000) !== 0,
      type,
      ...take(c, ethernet.TAG_LEN),
    });
    return byEtherType(c, type);
  },

  arp(c) {
    if (!fits(c, arp.LEN, Drop.ArpShort)) return undefined;
    const { b, at } = c;
    const drop = arp.check(b, at, c.limit);
    if (drop !== Drop.None) return stop(c, drop);
    // The layer has no word for other hardware.
    if (arp.hardwareType(b, at) !== arp.HARDWARE_ETHERNET) return stop(c, Drop.ArpFormat);
    const op = arp.operation(b, at);
    c.layers.push({
      layer: 'arp',
      op: op === arp.REQUEST ? 'request' : op === arp.REPLY ? 'reply' : op,
      senderMac: formatMac(macAt(b, at + arp.field.senderMac)),
      senderIp: formatIp4(arp.senderIp(b, at)),
      targetMac: formatMac(macAt(b, at + arp.field.targetMac)),
      targetIp: formatIp4(arp.targetIp(b, at)),
      ...take(c, arp.LEN),
    });
    narrow(c, c.at);
    return undefined;
  },

  ipv4(c) {
    if (!fits(c, ipv4.HEADER_LEN, Drop.Ipv4Short)) return undefined;
    const { b, at } = c;
    const drop = ipv4.check(b, at, c.limit);
    if (drop !== Drop.None && drop !== Drop.Ipv4TotalLength) return stop(c, drop);
    const header = ipv4.headerLength(b, at);
    if (!fits(c, header, Drop.Ipv4HeaderLength)) return undefined;
    const total = ipv4.totalLength(b, at);
    const layer: Dissected<'ipv4'> = {
      layer: 'ipv4',
      src: formatIp4(ipv4.source(b, at)),
      dst: formatIp4(ipv4.destination(b, at)),
      ttl: ipv4.ttl(b, at),
      id: ipv4.identification(b, at),
      tos: ipv4.tos(b, at),
      df: ipv4.dontFragment(b, at),
      mf: ipv4.moreFragments(b, at),
      reserved: (ipv4.flags(b, at) & 0x8000) !== 0,
      fragmentOffset: ipv4.fragmentOffset(b, at),
      protocol: ipv4.protocol(b, at),
      totalLength: total,
      checksum: ipv4.checksum(b, at),
      checksumState: ipv4State(b, at),
      options: b.toString('hex', at + ipv4.HEADER_LEN, at + header),
      version: ipv4.version(b, at),
      headerLength: header,
      ...take(c, header),
    };
    c.layers.push(layer);
    if (drop !== Drop.None) return stop(c, drop);
    c.ipAt = at;
    narrow(c, at + total);
    c.fragment = ipv4.isFragment(b, at);
    c.lenient ||= c.fragment;
    c.sourceRoute = hasSourceRoute(b, at + ipv4.HEADER_LEN, at + header);
    if (layer.fragmentOffset > 0) return undefined;
    if (layer.mf) c.limit = at + MAX_PACKET;
    return byProtocol(c, layer.protocol);
  },

  icmp(c) {
    if (!fits(c, icmp.HEADER_LEN, Drop.IcmpShort)) return undefined;
    const { b, at } = c;
    const type = icmp.type(b, at);
    const code = icmp.code(b, at);
    c.layers.push({
      layer: 'icmp',
      type: icmpTypeName(type),
      code,
      ...icmpRestFields(type, code, i32(b, at + icmp.field.rest)),
      checksum: icmp.checksum(b, at),
      checksumState: icmpState(b, at, c.limit - at, whole(c)),
      ...take(c, icmp.HEADER_LEN),
    });
    if (!isIcmpError(type) || c.at >= kept(c)) return undefined;
    c.quoted = true;
    c.lenient = true;
    c.limit = c.at + MAX_PACKET;
    return 'ipv4';
  },

  udp(c) {
    if (!fits(c, udp.HEADER_LEN, Drop.UdpShort)) return undefined;
    const { b, at } = c;
    const drop = udp.check(b, at, c.limit);
    if (drop === Drop.None) narrow(c, at + udp.length(b, at));
    const dstPort = udp.destinationPort(b, at);
    c.layers.push({
      layer: 'udp',
      srcPort: udp.sourcePort(b, at),
      dstPort,
      udpLength: udp.length(b, at),
      checksum: udp.checksum(b, at),
      checksumState: udpState(b, at, c.ipAt, drop === Drop.None && whole(c) && !c.sourceRoute),
      ...take(c, udp.HEADER_LEN),
    });
    if (drop !== Drop.None) return stop(c, drop);
    if (c.vxlanPorts.includes(dstPort)) return 'vxlan';
    return c.wireguardPorts.includes(dstPort) ? 'wireguard' : undefined;
  },

  tcp(c) {
    if (kept(c) - c.at < tcp.HEADER_LEN) return tcpStart(c);
    const { b, at } = c;
    const drop = tcp.check(b, at, c.limit);
    if (drop !== Drop.None) return stop(c, drop);
    const header = tcp.headerLength(b, at);
    if (kept(c) - at < header) return tcpStart(c);
    c.layers.push({
      layer: 'tcp',
      srcPort: tcp.sourcePort(b, at),
      dstPort: tcp.destinationPort(b, at),
      seq: tcp.sequence(b, at) >>> 0,
      ack: tcp.acknowledgement(b, at) >>> 0,
      flags: formatTcpFlags(tcp.flags(b, at)),
      window: tcp.window(b, at),
      checksum: tcp.checksum(b, at),
      checksumState: tcpState(b, at, c.limit - at, c.ipAt, whole(c) && !c.sourceRoute),
      urgent: tcp.urgent(b, at),
      options: decodeTcpOptions(b, at + tcp.HEADER_LEN, at + header),
      headerLength: header,
      reserved: b[at + tcp.field.offset]! & 15,
      ...take(c, header),
    });
    return undefined;
  },

  vxlan(c) {
    if (!fits(c, vxlan.HEADER_LEN, Drop.VxlanShort)) return undefined;
    const { b, at } = c;
    const drop = vxlan.check(b, at, c.limit);
    c.layers.push({
      layer: 'vxlan',
      vni: vxlan.vni(b, at),
      flags: vxlan.flags(b, at),
      reserved: i32(b, at) & 0xffffff,
      reserved2: b[at + vxlan.field.reserved2]!,
      ...take(c, vxlan.HEADER_LEN),
    });
    return drop === Drop.None ? 'ethernet' : stop(c, drop);
  },

  wireguard(c) {
    // Type and indices stand in the first 16 bytes of every message.
    if (!fits(c, wireguard.data.size, Drop.WireguardLength)) return undefined;
    const drop = wireguard.check(c.b, c.at, c.limit);
    if (drop !== Drop.None) return stop(c, drop);
    const { fields, size } = readWireguard(c.b, c.at);
    c.layers.push({ ...fields, ...take(c, size) });
    return undefined;
  },
};

function byProtocol(c: Cursor, protocol: number): Next {
  switch (protocol) {
    case ipv4.PROTO_ICMP:
      return 'icmp';
    case ipv4.PROTO_IPIP:
      return 'ipv4';
    case ipv4.PROTO_TCP:
      return 'tcp';
    case ipv4.PROTO_UDP:
      return 'udp';
    default:
      return stop(c, Drop.ProtocolUnknown);
  }
}

/** Loose or strict (RFC 791 section 3.1): the last hop stands in the option, not in the header. */
function hasSourceRoute(b: Buffer, from: number, end: number): boolean {
  let at = from;
  while (at < end) {
    const kind = b[at]!;
    if (kind === 0) return false;
    if (kind === LOOSE_SOURCE_ROUTE || kind === STRICT_SOURCE_ROUTE) return true;
    const length = kind === 1 ? 1 : at + 1 < end ? b[at + 1]! : 0;
    if (length < 1) return false;
    at += length;
  }
  return false;
}

/** A TCP header of which only a part is here, as in a short quote: the ports at least. */
function tcpStart(c: Cursor): undefined {
  fits(c, tcp.HEADER_LEN, Drop.TcpShort);
  if (c.stopped !== undefined || kept(c) - c.at < TCP_START_LEN) return;
  const { b, at } = c;
  c.layers.push({
    layer: 'tcp-start',
    srcPort: tcp.sourcePort(b, at),
    dstPort: tcp.destinationPort(b, at),
    seq: tcp.sequence(b, at) >>> 0,
    ...take(c, TCP_START_LEN),
  });
}
