/**
 * What was sent in a recorded network, found in its captures: every frame that
 * left a pod or host, every frame put on a wire by hand, and the transport packets
 * and pings of the nodes themselves. Everything else in a recording (forwarding,
 * tunnels, ARP, ICMP errors, echo replies of nodes) is for the emulation to make.
 */
import type { Cluster } from '../cluster/cluster.ts';
import type { Port } from '../cluster/names.ts';
import { buildFrame } from '../frame/build.ts';
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import type { Moment } from '../packet/moment.ts';
import { innermost } from '../replay/sent-again.ts';
import { formatIp4 } from '../wire/address.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import { AnnouncedMss } from './announced-mss.ts';
import { AwaitedAnswers } from './awaited-answers.ts';
import { cableRecording } from './cable-recording.ts';
import { Dialled } from './dialled.ts';
import { type Lab, vxlanPorts, wireguardPorts } from './lab.ts';
import { fingerprint, PodPackets } from './pod-packets.ts';
import { byTime } from './recording.ts';
import { segmentCounts } from './segment-counts.ts';
import { SentElsewhere } from './sent-elsewhere.ts';
import { deviceTo, surroundingInputs } from './surroundings.ts';
import { ToldMtus } from './told-mtu.ts';
import { joinTrains, type Sent, type Train } from './trains.ts';

export interface Input extends Moment {
  /** `NAMESPACE:DEVICE` that recorded it, where it is put in as it was: nothing is compared there. */
  readonly given?: string;
  enter(): void;
}

/** All inputs in the order of their times. */
export function labInputs(lab: Lab, cluster: Cluster): Input[] {
  const mss = new AnnouncedMss(lab);
  const inputs = [
    ...handMade(lab, cluster),
    ...sent(lab, cluster, mss),
    ...nodeBorn(lab, cluster, mss),
    ...unseen(lab, cluster),
    ...surroundingInputs(lab, cluster, mss),
  ];
  return inputs.sort(byTime);
}

/** When an event happened. */
export function eventTime(lab: Lab, at: number): Moment {
  const time = lab.started + at;
  return { seconds: Math.floor(time), nanoseconds: Math.floor((time % 1) * 1e9) };
}

const macText = (device: Device): string => (device.plan.mac ?? 0).toString(16).padStart(12, '0');

/** Frames that left a pod or a host, as its own interfaces recorded them. */
function sent(lab: Lab, cluster: Cluster, mss: AnnouncedMss): Input[] {
  let elsewhere: SentElsewhere | undefined;
  return cluster.nodes
    .filter((node) => node.silent)
    .flatMap((node) => node.devices.map((device) => ({ node, device })))
    .flatMap((port) => {
      const { node, device } = port;
      const recording = cableRecording(lab, node.name, device.name);
      if (recording === undefined || device.link < 0) return [];
      const mac = macText(device);
      const byHand = injected(lab, node.name);
      const { mtu, ethernet: framed } = device;
      const told = new ToldMtus(recording, framed);
      const given = recordedAt(lab, cluster, port);
      const at = framed ? ethernet.HEADER_LEN : 0;
      const frames = recording.filter(
        ({ bytes }) => isFrom(bytes, mac) || byHand.has(bytes.toString('hex')),
      );
      // Without offloads rings have slots enough for all that comes.
      if (device.receiveOffload) elsewhere ??= new SentElsewhere(lab, cluster);
      const all = [...frames, ...(elsewhere?.besides(frames) ?? [])];
      const counts = segmentCounts(all, at);
      return all.map((one) => {
        const { bytes: frame, seconds, nanoseconds } = one;
        const longest = mss.longest(frame, at) || mtu;
        const way = told.wasRefused(frame, at) ? mtu : knownMtu(lab, cluster, port, frame, at);
        const most = Math.min(longest, mtu, way);
        const cap = told.segments(frame, at, one, most, counts.get(one));
        const enter = (): void => cluster.depart(port, frame, 0, frame.length, cap);
        return { seconds, nanoseconds, given, enter };
      });
    });
}

/**
 * What the sender of a packet that nobody refused knew of its way: more than its recording,
 * which somebody began when the connection was old, may tell. Infinity for a lab's own.
 */
function knownMtu(lab: Lab, cluster: Cluster, port: Port, frame: Buffer, at: number): number {
  const node = cluster.across(port)?.node;
  if (lab.brought === undefined || node === undefined) return Number.POSITIVE_INFINITY;
  if (ipv4.check(frame, at, frame.length) !== 0) return Number.POSITIVE_INFINITY;
  return deviceTo(node, ipv4.destination(frame, at))?.mtu ?? Number.POSITIVE_INFINITY;
}

/** Where the frames of an interface were recorded: at itself or at the other end of its cable. */
function recordedAt(lab: Lab, cluster: Cluster, port: Port): string {
  const { node, device } = lab.captures.some(
    (c) => c.namespace === port.node.name && c.device === port.device.name && c.frames,
  )
    ? port
    : (cluster.across(port) ?? port);
  return `${node.name}:${device.name}`;
}

const isFrom = (frame: Buffer, mac: string): boolean => frame.toString('hex', 6, 12) === mac;

const injected = (lab: Lab, namespace: string): Set<string> =>
  new Set(
    lab.events.flatMap(({ frame }) =>
      frame?.namespace === namespace ? [frame.bytes.toString('hex')] : [],
    ),
  );

/** Frames put on a node's wire by hand; their times are those of the recording that shows them. */
function handMade(lab: Lab, cluster: Cluster): Input[] {
  return lab.events.flatMap(({ frame, at }) => {
    if (frame === undefined) return [];
    const port = cluster.names.port(`${frame.namespace}:${frame.device}`);
    if (port.node.silent) return [];
    const recording = lab.frames(frame.namespace, frame.device);
    const record = recording?.find(({ bytes }) => bytes.equals(frame.bytes));
    const { seconds, nanoseconds } = record ?? eventTime(lab, at);
    return [{ seconds, nanoseconds, enter: () => cluster.depart(port, frame.bytes) }];
  });
}

/** Pings of a node that no interface showed, because their next hop never answered: ARP did. */
function unseen(lab: Lab, cluster: Cluster): Input[] {
  return lab.events.flatMap(({ ping, at }) => {
    const node = cluster.nodes.find((n) => n.name === ping?.from && !n.silent);
    if (ping === undefined || node === undefined || !ping.unreachable) return [];
    const from = formatIp4(node.devices.find((d) => d.plan.kind === 'nic')?.addresses[0] ?? 0);
    const packet = buildFrame([
      { layer: 'ipv4', src: from, dst: ping.to },
      { layer: 'icmp', type: 'echo-request', id: 1, seq: 1 },
    ]);
    return [{ ...eventTime(lab, at), enter: () => cluster.originate(node, packet) }];
  });
}

/**
 * Ports that masquerading drew at random: free inputs, so they are taken from the
 * recording and declared before the run.
 */
export function declarePorts(lab: Lab, cluster: Cluster): void {
  const packets = new PodPackets(lab, cluster);
  for (const node of cluster.nodes) {
    if (node.netfilter === null) continue;
    const own = node.devices.flatMap((d) => d.addresses);
    for (const device of node.devices.filter((d) => d.plan.kind === 'nic')) {
      for (const { bytes } of lab.frames(node.name, device.name) ?? []) {
        const at = ethernet.HEADER_LEN;
        if (ethernet.type(bytes, 0) !== ethernet.TYPE_IPV4) continue;
        if (ipv4.check(bytes, at, bytes.length) !== 0) continue;
        if (!own.includes(ipv4.source(bytes, at))) continue;
        const before = packets.before(node, bytes, at);
        if (before !== undefined) declarePort(node, before, bytes, at);
      }
    }
  }
}

function declarePort(node: Node, before: Buffer, after: Buffer, at: number): void {
  const protocol = ipv4.protocol(before, 0);
  const echo = protocol === ipv4.PROTO_ICMP;
  const l4 = ipv4.headerLength(before, 0) + (echo ? icmp.field.rest : 0);
  const there = at + ipv4.headerLength(after, at) + (echo ? icmp.field.rest : 0);
  if (ipv4.fragmentOffset(after, at) !== 0 || before.length < l4 + 4) return;
  const from = before.readUInt16BE(l4);
  const to = after.readUInt16BE(there);
  if (from === to) return;
  // Of an echo the tuple has the identifier, then type and code.
  const ports = echo
    ? (from << 16) | before.readUInt16BE(l4 - icmp.field.rest)
    : before.readInt32BE(l4);
  const source = ipv4.source(before, 0);
  const destination = ipv4.destination(before, 0);
  node.netfilter?.nat.declare({ source, destination, ports, protocol, zone: 0 }, to);
}

/** What sockets of nodes and routers sent: seen on the first interface it left by. */
function nodeBorn(lab: Lab, cluster: Cluster, mss: AnnouncedMss): Input[] {
  const forwarded = new PodPackets(lab, cluster);
  const tunnels = [...vxlanPorts(lab), ...wireguardPorts(lab)];
  const idents = new Set(lab.events.map((e) => e.identification));
  return cluster.nodes
    .filter((node) => !node.silent)
    .flatMap((node) => {
      const byHand = injected(lab, node.name);
      const addresses = new Set(node.devices.flatMap((d) => d.addresses));
      const seen = new Set<string>();
      const dialled = new Dialled(lab.tracked?.get(node.name) ?? []);
      const isNic = (device: Device): boolean => device.plan.kind === 'nic';
      // Tunnels first: what their recordings lost is still inside a frame on the wire.
      const devices = [...node.devices].sort((a, b) => Number(isNic(a)) - Number(isNic(b)));
      return devices.flatMap((device) => {
        const recording = lab.frames(node.name, device.name);
        if (recording === undefined) return [];
        // Of a datagram in fragments the first one tells whose it is.
        const firsts = new Map<string, boolean>();
        const mac = macText(device);
        const wraps = node.vxlans.length > 0 || node.ipip >= 0 || node.encrypts;
        const awaited = new AwaitedAnswers(recording, device.plan.mac ?? 0);
        const mayTunnel = isNic(device) && wraps;
        const own = recording.flatMap(({ bytes, seconds, nanoseconds }) => {
          const at = sentPacket(node, bytes, device.ethernet, mac, addresses);
          if (at < 0 || byHand.has(bytes.toString('hex'))) return [];
          const print = fingerprint(bytes, at);
          const key = `${print} ${ipv4.source(bytes, at)}`;
          if (seen.has(key) && isNic(device)) return [];
          if (forwarded.before(node, bytes, at) !== undefined) return [];
          const ident = ipv4.identification(bytes, at);
          const datagram = `${ident} ${bytes.toString('hex', at + ipv4.field.source, at + ipv4.HEADER_LEN)}`;
          const alone = isSocket(bytes, at, mayTunnel, tunnels);
          if (ipv4.fragmentOffset(bytes, at) === 0) firsts.set(datagram, alone);
          if (idents.has(ident) || !(firsts.get(datagram) ?? alone)) return [];
          seen.add(key);
          const left = { seconds, nanoseconds };
          const when = device.ethernet ? awaited.sentAt(bytes.readUIntBE(0, 6), left) : left;
          return [{ ...when, packet: dialled.before(bytes.subarray(at)) }];
        });
        const told = new ToldMtus(recording, device.ethernet);
        return leaving(own, device, mss, told).map(({ seconds, nanoseconds, packet, longest }) => {
          // What was recorded had passed its device, whatever its socket knew of path MTUs.
          const enter = (): void => cluster.originate(node, packet, 0, longest, longest === 0);
          return { seconds, nanoseconds, enter };
        });
      });
    });
}

/** As the sockets handed them to the device: in trains, where those are cut before it or by it. */
function leaving(own: readonly Sent[], device: Device, mss: AnnouncedMss, told: ToldMtus): Train[] {
  if (!device.checksumOffload) {
    return device.receiveOffload ? joinTrains(own) : own.map((one) => ({ ...one, longest: 0 }));
  }
  return own.map((one) => {
    const longest = mss.longest(one.packet, 0);
    const most = Math.min(longest, device.mtu);
    return { ...one, longest: told.segments(one.packet, 0, one, most) };
  });
}

/** Where the node's own packet starts in a frame it sent, inside its tunnels too; -1 for another's. */
function sentPacket(
  node: Node,
  b: Buffer,
  framed: boolean,
  mac: string,
  own: ReadonlySet<number>,
): number {
  const at = framed ? ethernet.HEADER_LEN : 0;
  if (framed && (b.toString('hex', 6, 12) !== mac || ethernet.type(b, 0) !== ethernet.TYPE_IPV4))
    return -1;
  if (ipv4.check(b, at, b.length) !== 0 || !own.has(ipv4.source(b, at))) return -1;
  const inner = innermost(node, b, at, b.length);
  return inner >= 0 && own.has(ipv4.source(b, inner)) ? inner : -1;
}

/**
 * Any protocol but a tunnel's and ICMP; of that echo requests, and "port unreachable", since
 * no table tells which ports are open. Later fragments count, except where they may belong
 * to a tunnel's packets.
 */
function isSocket(b: Buffer, at: number, mayTunnel: boolean, tunnels: readonly number[]): boolean {
  const l4 = at + ipv4.headerLength(b, at);
  const protocol = ipv4.protocol(b, at);
  if (protocol === ipv4.PROTO_TCP) return true;
  if (ipv4.fragmentOffset(b, at) !== 0) return protocol !== ipv4.PROTO_IPIP && !mayTunnel;
  if (protocol === ipv4.PROTO_UDP) return !tunnels.includes(udp.destinationPort(b, l4));
  if (protocol !== ipv4.PROTO_ICMP) return protocol !== ipv4.PROTO_IPIP;
  if (l4 >= b.length) return false;
  const type = icmp.type(b, l4);
  if (type === icmp.ECHO_REQUEST) return true;
  if (type !== icmp.UNREACHABLE || icmp.code(b, l4) !== icmp.CODE_PORT) return false;
  // A socket's namespace has the address that was asked; a rule rejects for others, too.
  const quote = l4 + icmp.HEADER_LEN;
  const isQuoted = quote + ipv4.HEADER_LEN <= b.length;
  return !isQuoted || ipv4.destination(b, quote) === ipv4.source(b, at);
}
