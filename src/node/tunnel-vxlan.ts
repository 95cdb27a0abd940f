/**
 * VXLAN devices, both directions: vxlan_xmit_one and vxlan_rcv. The inner frame's
 * destination MAC names the remote VTEP in the FDB. On vxlan.calico the outer TTL is 64,
 * DF never set, and of the inner TOS only the ECN bits go outside; `ip link` may say else.
 *
 *   before:                         | Ethernet | IPv4 | ...
 *   after:   | IPv4 | UDP | VXLAN   | Ethernet | IPv4 | ...
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import * as ethernet from '../wire/ethernet.ts';
import { outerTos } from '../wire/ipip.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import { isValidSource } from './bridge.ts';
import { tellTooBig } from './bridge-too-big.ts';
import { type Device, INHERIT } from './device.ts';
import { dropped } from './drop-packet.ts';
import { hasPorts } from './flow-hash.ts';
import { leaveOuterChecksum } from './l4-checksum.ts';
import { enterTunnel, leaveTunnel, MAX_WRAPS } from './nesting.ts';
import type { Node } from './node.ts';
import { learnPathMtu, pathMtu, tunnelsMayFragment } from './path-mtu.ts';
import { End, type Next, Room } from './room.ts';
import { segmentLength } from './segment.ts';
import { acceptEcn } from './tunnel-ipip.ts';

const OUTER_LEN = ipv4.HEADER_LEN + udp.HEADER_LEN + vxlan.HEADER_LEN;
/** net.ipv4.ip_default_ttl */
const TTL = 64;
/** sizeof(struct ipv6hdr) */
const IPV6_HEADER_LEN = 40;
const LEARNED = 'what VXLAN learned';

/** Notes: A the FDB entry, B the outer source port, C how many remotes get it. */
export function vxlanOut(node: Node, p: Packet): Next {
  const device = node.devices[p.output]!;
  const high = ethernet.destinationHigh(bytes, p.data);
  const low = ethernet.destinationLow(bytes, p.data);
  const entry = entryFor(node, device, high, low);
  p.noteA = entry;
  if (entry < 0) return dropped(p, Drop.FdbMissing);
  if (p.wraps >= MAX_WRAPS || p.headroom < OUTER_LEN + ethernet.HEADER_LEN) {
    return dropped(p, Drop.TunnelLoop);
  }
  const remotes = node.fdb.count(entry);
  p.noteC = remotes;
  const isIp = ethernet.type(bytes, p.data) === ethernet.TYPE_IPV4;
  // The first remote's is the frame itself, and goes last.
  for (let place = 1; place < remotes; place++) copyTo(node, p, device, entry, place, isIp);
  if (!encapsulate(node, p, device, node.fdb.destination(entry), isIp)) return End.Consumed;
  if (remotes === 1) return Room.Route;
  node.world.enqueue(node, p, Room.Route);
  return End.Parked;
}

/** vxlan_find_mac; what has no entry goes where the entry for all zeros says. */
function entryFor(node: Node, device: Device, high: number, low: number): number {
  const { fdb } = node;
  const id = fdb.find(device.position, high, low);
  if (device.learning) node.world.audit?.shared(node, LEARNED);
  const isAlive = !device.learning || fdb.isAlive(id, node.world.milliseconds(), device.ageing);
  return id >= 0 && isAlive ? id : fdb.find(device.position, 0, 0);
}

function copyTo(
  node: Node,
  p: Packet,
  device: Device,
  entry: number,
  place: number,
  isIp: boolean,
): void {
  const twin = node.world.copy(node, p);
  if (twin === null) return;
  twin.l3 = p.l3 < 0 ? -1 : twin.data + p.l3 - p.data;
  twin.input = p.input;
  twin.output = p.output;
  twin.wraps = p.wraps;
  const goes = encapsulate(node, twin, device, node.fdb.destination(entry, place), isIp);
  if (goes) node.world.enqueue(node, twin, Room.Route);
  else node.world.absorb(twin);
}

/** Wraps the frame for a remote; false where it became an answer to its sender instead. */
function encapsulate(
  node: Node,
  p: Packet,
  device: Device,
  remote: number,
  isIp: boolean,
): boolean {
  const inner = p.data + ethernet.HEADER_LEN;
  const tos = wrapTos(device, isIp ? ipv4.tos(bytes, inner) : 0);
  const port = isIp ? sourcePort(node, inner) : node.sourcePorts.port(0, 0, 0, 0, 0);
  p.noteB = port;
  if (isIp && narrow(node, p, device, remote, tos)) return false;
  p.l3 = wrap(node, p, device, remote, tos, port);
  enterTunnel(p, p.output);
  return true;
}

/** The outer TOS over an inner one. */
const wrapTos = (device: Device, inner: number): number =>
  ((device.tos === INHERIT ? inner : device.tos) & ~ipv4.ECN_MASK) | outerTos(inner);

/** Writes the outer headers in front of the frame; where the IPv4 header stands. */
function wrap(
  node: Node,
  p: Packet,
  device: Device,
  remote: number,
  tos: number,
  port: number,
): number {
  const length = p.length + OUTER_LEN;
  const ttl = wrapTtl(device, p.data);
  const df = dontFragment(device, p.data) && !tunnelsMayFragment(node, remote);
  const at = p.push(OUTER_LEN);
  const udpAt = at + ipv4.HEADER_LEN;
  const id = node.identify(device.local, remote, ipv4.PROTO_UDP);
  ipv4.emit(
    bytes,
    at,
    tos,
    length,
    id,
    df ? ipv4.FLAG_DF : 0,
    ttl,
    ipv4.PROTO_UDP,
    device.local,
    remote,
  );
  udp.emit(bytes, udpAt, port, device.port, length - ipv4.HEADER_LEN);
  vxlan.emit(bytes, udpAt + udp.HEADER_LEN, device.vni);
  if (device.udpChecksum) leaveOuterChecksum(p, at, udpAt);
  return at;
}

/** What is no IP has no TTL to inherit. */
function wrapTtl({ ttl }: Device, frame: number): number {
  if (ttl !== INHERIT) return ttl === 0 ? TTL : ttl;
  const isIp = ethernet.type(bytes, frame) === ethernet.TYPE_IPV4;
  return (isIp && ipv4.ttl(bytes, frame + ethernet.HEADER_LEN)) || TTL;
}

function dontFragment({ df }: Device, frame: number): boolean {
  if (df !== 'inherit') return df === 'set';
  const isIp = ethernet.type(bytes, frame) === ethernet.TYPE_IPV4;
  return isIp && ipv4.dontFragment(bytes, frame + ethernet.HEADER_LEN);
}

/**
 * What the underlay does not carry whole is noted for who sends by this device, and told
 * to who sends through a bridge: skb_tunnel_check_pmtu. Whether it was told.
 */
function narrow(node: Node, p: Packet, device: Device, remote: number, tos: number): boolean {
  const way = node.lookup(remote, 0, 0, -1, tos);
  if (way < 0) return false;
  const inner = p.data + ethernet.HEADER_LEN;
  const room = pathMtu(node, way, remote, false) - OUTER_LEN - ethernet.HEADER_LEN;
  const longest = p.segment > 0 ? segmentLength(p, inner) : p.tail - inner;
  if (longest <= room) return false;
  learnPathMtu(node, p.route, ipv4.destination(bytes, inner), room);
  return device.master >= 0 && p.input >= 0 && tellTooBig(node, p, device, room);
}

function sourcePort(node: Node, l3: number): number {
  const protocol = ipv4.protocol(bytes, l3);
  const from = ipv4.source(bytes, l3);
  const to = ipv4.destination(bytes, l3);
  if (!hasPorts(protocol) || ipv4.isFragment(bytes, l3)) {
    return node.sourcePorts.port(from, to, protocol, 0, 0);
  }
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  // TCP's ports stand where UDP's do.
  return node.sourcePorts.port(
    from,
    to,
    protocol,
    udp.sourcePort(bytes, l4),
    udp.destinationPort(bytes, l4),
  );
}

/** Notes: A the VNI, B the outer source. */
export function vxlanIn(node: Node, p: Packet): Next {
  const outer = p.l3;
  const udpAt = outer + ipv4.headerLength(bytes, outer);
  p.noteB = ipv4.source(bytes, outer);
  p.noteA = -1;
  if (!p.partial && !udp.checksumOk(bytes, udpAt, outer + ipv4.field.source)) {
    return dropped(p, Drop.UdpChecksum);
  }
  const end = udpAt + udp.length(bytes, udpAt);
  const header = udpAt + udp.HEADER_LEN;
  const wrong = vxlan.check(bytes, header, end);
  if (wrong !== Drop.None) return dropped(p, wrong);
  p.noteA = vxlan.vni(bytes, header);
  const device = node.vxlanOf(udp.destinationPort(bytes, udpAt), p.noteA);
  if (device === null) return dropped(p, Drop.VxlanVni);

  const frame = header + vxlan.HEADER_LEN;
  const short = ethernet.check(bytes, frame, end);
  if (short !== Drop.None) return dropped(p, short);
  if (
    ethernet.sourceLow(bytes, frame) === device.macLow &&
    ethernet.sourceHigh(bytes, frame) === device.macHigh
  ) {
    return dropped(p, Drop.VxlanLoop);
  }
  const known = learn(node, device, frame, p.noteB);
  if (known !== Drop.None) return dropped(p, known);
  p.data = frame;
  p.tail = end;
  const inner = frame + ethernet.HEADER_LEN;
  const type = ethernet.type(bytes, frame);
  // pskb_inet_may_pull, since 6.1.79: a cut inner header never shows on the device.
  if (type === ethernet.TYPE_IPV6 && end - inner < IPV6_HEADER_LEN) {
    return dropped(p, Drop.EthernetType);
  }
  if (type === ethernet.TYPE_IPV4) {
    if (end - inner < ipv4.HEADER_LEN) return dropped(p, Drop.Ipv4Short);
    if (!acceptEcn(outer, inner)) return dropped(p, Drop.EcnCorrupt);
  }
  p.input = device.position;
  if (p.partialAt === outer) p.partial = false;
  leaveTunnel(p);
  return device.receiveOffload ? Room.Gather : Room.Ingress;
}

/** vxlan_snoop, on a device that learns. */
function learn(node: Node, device: Device, frame: number, remote: number): Drop {
  if (!device.learning) return Drop.None;
  node.world.audit?.shared(node, LEARNED);
  const high = ethernet.sourceHigh(bytes, frame);
  const low = ethernet.sourceLow(bytes, frame);
  if (!isValidSource(high, low)) return Drop.MacSource;
  const now = node.world.milliseconds();
  const fits = node.fdb.learn(device.position, high, low, remote, now, device.ageing);
  return fits ? Drop.None : Drop.VxlanEntryExists;
}
