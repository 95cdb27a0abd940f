/**
 * A recorded lab run again in podwire: what the pods, hosts and nodes there sent
 * goes in at its time; what every interface saw comes out, beside the recording.
 * Inputs: every frame that left a pod or host, every frame put on a wire by hand,
 * and the transport packets and pings of the nodes themselves. Everything else in
 * a recording (forwarding, tunnels, ARP, ICMP errors, echo replies of nodes) is
 * for podwire to make.
 */
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { isBefore, later, type Moment } from '../../src/cluster/events.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Node } from '../../src/node/node.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { formatIp4 } from '../../src/wire/address.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as icmp from '../../src/wire/icmp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as udp from '../../src/wire/udp.ts';
import * as vxlan from '../../src/wire/vxlan.ts';
import type { Lab } from './lab.ts';
import { maskFrame } from './mask.ts';

export interface Comparison {
  readonly at: string;
  readonly expected: number;
  readonly got: number;
  /** Masked frames the kernel had and podwire had not, and the other way. */
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  readonly faults: readonly string[];
  /** Masked frames that both had. */
  readonly agreed: readonly string[];
}

interface Input extends Moment {
  enter(): void;
}

/** Changes made while the lab ran: at the start of the phase whose label begins so. */
export type Edits = Readonly<Record<string, (cluster: Cluster) => void>>;

export function rerun(lab: Lab, edits: Edits = {}): Comparison[] {
  const { description } = lab;
  const cold = description.neighbours === 'cold';
  const cluster = Cluster.fromPlan(lab.plan, { neighbours: cold ? 'cold' : 'warm' });
  const nodes = cluster.nodes.filter((n) => n.plan.role === 'node' || n.plan.role === 'router');
  const own = new Set(nodes.flatMap((n) => n.devices.flatMap((d) => d.addresses)));
  const isNode = (address: number): boolean => own.has(address);

  declarePorts(lab, cluster, nodes);
  const seen = new Map<string, { raw: boolean; frames: Buffer[] }>();
  for (const node of cluster.nodes) {
    for (const device of node.devices) {
      const frames: Buffer[] = [];
      seen.set(`${node.name}:${device.name}`, { raw: !device.ethernet, frames });
      captureAt(
        cluster,
        { node, device },
        {
          write: (_s, _n, b, start, end) => frames.push(Buffer.from(b.subarray(start, end))),
        },
      );
    }
  }
  const inputs = [
    ...handMade(lab, cluster),
    ...sent(lab, cluster),
    ...nodeBorn(lab, cluster, nodes),
  ];
  inputs.push(...phases(lab, cluster, edits), ...unseen(lab, cluster, nodes));
  inputs.sort((a, b) => (isBefore(a, b) ? -1 : Number(isBefore(b, a))));
  for (const input of inputs) {
    cluster.advance(input);
    input.enter();
  }
  cluster.advance(endOf(lab));

  return description.captures.flatMap(({ namespace, interface: device }) => {
    const file = lab.file(namespace, device);
    const got = seen.get(`${namespace}:${device}`);
    if (file === undefined || got === undefined) return [];
    const recorded = [...openCapture(file)].map((r) => Buffer.from(r.bytes));
    return [compare(`${namespace}:${device}`, recorded, got.frames, got.raw, isNode)];
  });
}

/** Just after the last recorded frame: what timers do later, nobody saw. */
function endOf(lab: Lab): Moment {
  let last: Moment = { seconds: 0, nanoseconds: 0 };
  for (const { namespace, interface: device } of lab.description.captures) {
    const file = lab.file(namespace, device);
    if (file === undefined) continue;
    for (const { seconds, nanoseconds } of openCapture(file)) {
      if (isBefore(last, { seconds, nanoseconds })) last = { seconds, nanoseconds };
    }
  }
  return later(last, 1);
}

function compare(
  at: string,
  recorded: readonly Buffer[],
  made: readonly Buffer[],
  raw: boolean,
  isNode: (address: number) => boolean,
): Comparison {
  const expected = recorded.map((f) => maskFrame(f, raw, isNode).hex);
  const masked = made.map((f) => maskFrame(f, raw, isNode));
  const got = masked.map(({ hex }) => hex);
  const known = new Set(expected);
  return {
    at,
    expected: expected.length,
    got: got.length,
    missing: without(expected, got),
    extra: without(got, expected),
    agreed: got.filter((hex) => known.has(hex)),
    faults: masked.flatMap(({ hex, faults }) => (known.has(hex) ? [] : faults)),
  };
}

/** Multiset difference. */
function without(from: readonly string[], take: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const item of take) left.set(item, (left.get(item) ?? 0) + 1);
  return from.filter((item) => {
    const count = left.get(item) ?? 0;
    left.set(item, count - 1);
    return count <= 0;
  });
}

/** Frames that left a pod or a host, as its own interface recorded them. */
function sent(lab: Lab, cluster: Cluster): Input[] {
  return cluster.nodes
    .filter((n) => n.plan.role === 'pod' || n.plan.role === 'host')
    .flatMap((node) => {
      const file = lab.file(node.name, 'eth0');
      const port = { node, device: node.devices.find((d) => d.name === 'eth0')! };
      if (file === undefined) return [];
      const mac = (port.device.plan.mac ?? 0).toString(16).padStart(12, '0');
      const byHand = injected(lab, node.name);
      return [...openCapture(file)]
        .filter(
          ({ bytes }) => bytes.toString('hex', 6, 12) === mac || byHand.has(bytes.toString('hex')),
        )
        .map((r) => {
          const frame = Buffer.from(r.bytes);
          const { seconds, nanoseconds } = r;
          return { seconds, nanoseconds, enter: () => cluster.depart(port, frame) };
        });
    });
}

const injected = (lab: Lab, namespace: string): Set<string> =>
  new Set(
    lab.description.events.flatMap((e) =>
      e.kind === 'inject' && e.namespace === namespace && e.frame !== undefined ? [e.frame] : [],
    ),
  );

/** Frames put on a node's wire by hand; their times are those of the recording that shows them. */
function handMade(lab: Lab, cluster: Cluster): Input[] {
  return lab.description.events.flatMap((event) => {
    const { kind, namespace = '', interface: device = '', frame, t = 0 } = event;
    if (kind !== 'inject' || frame === undefined || namespace in lab.description.pods) return [];
    const port = cluster.names.port(`${namespace}:${device}`);
    if (port.node.plan.role === 'host') return [];
    const bytes = Buffer.from(frame, 'hex');
    const file = lab.file(namespace, device);
    const record = file && [...openCapture(file)].find((r) => r.bytes.equals(bytes));
    const when = record
      ? { seconds: record.seconds, nanoseconds: record.nanoseconds }
      : eventTime(lab, t);
    return [{ ...when, enter: () => cluster.depart(port, bytes) }];
  });
}

const eventTime = (lab: Lab, t: number): Moment => {
  const at = lab.description.started + t;
  return { seconds: Math.floor(at), nanoseconds: Math.round((at % 1) * 1e9) % 1e9 };
};

/** The n-th event whose label, or kind for those without, begins with the key; `key#2` is the second. */
function phases(lab: Lab, cluster: Cluster, edits: Edits): Input[] {
  return Object.entries(edits).map(([key, edit]) => {
    const [label = '', ordinal = '1'] = key.split('#');
    const matches = lab.description.events.filter((e) => (e.label ?? e.kind).startsWith(label));
    const event = matches[Number(ordinal) - 1];
    if (event === undefined) throw new Error(`no event ${key}`);
    return { ...eventTime(lab, (event.t ?? 0) - 0.002), enter: () => edit(cluster) };
  });
}

/** Pings of a node that no interface showed, because their next hop never answered: ARP did. */
function unseen(lab: Lab, cluster: Cluster, nodes: readonly Node[]): Input[] {
  return lab.description.events.flatMap(({ kind, src, dstAddress, output, t = 0 }) => {
    const node = nodes.find((n) => n.name === src);
    const failed = JSON.stringify(output ?? '').includes('Destination Host Unreachable');
    if (kind !== 'ping' || node === undefined || dstAddress === undefined || !failed) return [];
    const from = formatIp4(node.devices.find((d) => d.plan.kind === 'nic')?.addresses[0] ?? 0);
    const packet = buildFrame([
      { layer: 'ipv4', src: from, dst: dstAddress },
      { layer: 'icmp', type: 'echo-request', id: 1, seq: 1 },
    ]);
    return [{ ...eventTime(lab, t), enter: () => cluster.originate(node, packet) }];
  });
}

/** What NAT leaves alone of a packet: identification, and the bytes behind ports and checksums. */
function fingerprint(b: Buffer, at: number): string {
  const l4 = at + ipv4.headerLength(b, at);
  const protocol = ipv4.protocol(b, at);
  const skipped = protocol === ipv4.PROTO_TCP ? [4, 16] : [8, 40];
  const later = ipv4.fragmentOffset(b, at);
  const body =
    later > 0 ? '' : b.toString('hex', l4 + skipped[0]!, Math.min(l4 + skipped[1]!, b.length));
  return `${protocol} ${ipv4.identification(b, at)} ${later} ${body}`;
}

/** Packets of pods and hosts, which a node's NIC may show under the node's own address. */
function podPackets(lab: Lab, cluster: Cluster): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const node of cluster.nodes) {
    const file = lab.file(node.name, 'eth0');
    if (file === undefined || node.plan.role === 'node') continue;
    const mac = (node.devices.find((d) => d.name === 'eth0')?.plan.mac ?? 0)
      .toString(16)
      .padStart(12, '0');
    for (const { bytes } of openCapture(file)) {
      if (bytes.toString('hex', 6, 12) !== mac || ipv4.check(bytes, 14, bytes.length) !== 0)
        continue;
      found.set(
        fingerprint(bytes, ethernet.HEADER_LEN),
        Buffer.from(bytes.subarray(ethernet.HEADER_LEN)),
      );
    }
  }
  return found;
}

/** Ports that masquerading drew at random there: declared, as free inputs are. */
function declarePorts(lab: Lab, cluster: Cluster, nodes: readonly Node[]): void {
  const packets = podPackets(lab, cluster);
  for (const node of nodes) {
    const file = lab.file(node.name, 'enp1s0');
    if (node.netfilter === null || file === undefined) continue;
    const own = node.devices.flatMap((d) => d.addresses);
    for (const { bytes } of openCapture(file)) {
      const at = ethernet.HEADER_LEN;
      if (ethernet.type(bytes, 0) !== ethernet.TYPE_IPV4 || !own.includes(ipv4.source(bytes, at)))
        continue;
      const before = packets.get(fingerprint(bytes, at));
      if (before === undefined || ipv4.fragmentOffset(bytes, at) !== 0) continue;
      const echo = ipv4.protocol(bytes, at) === ipv4.PROTO_ICMP ? 4 : 0;
      const [from, to] = [before.readUInt16BE(20 + echo), bytes.readUInt16BE(at + 20 + echo)];
      if (from !== to) {
        node.netfilter.nat.declare(
          {
            source: ipv4.source(before, 0),
            destination: ipv4.destination(before, 0),
            ports: (before.readInt32BE(20 + echo) & (echo ? 0xffff0000 : -1)) | (echo ? from : 0),
            protocol: ipv4.protocol(before, 0),
          },
          to,
        );
      }
    }
  }
}

/** What sockets of nodes and routers sent: seen on the first interface it left by. */
function nodeBorn(lab: Lab, cluster: Cluster, nodes: readonly Node[]): Input[] {
  const forwarded = podPackets(lab, cluster);
  const idents = new Set(lab.description.events.map((e) => e.ident));
  return nodes.flatMap((node) => {
    const byHand = injected(lab, node.name);
    const addresses = new Set(node.devices.flatMap((d) => d.addresses));
    const seen = new Set<string>();
    // Tunnels first: what their recordings lost is still inside a frame on the wire.
    const devices = [...node.devices].sort(
      (a, b) => Number(a.plan.kind === 'nic') - Number(b.plan.kind === 'nic'),
    );
    return devices.flatMap((device) => {
      const file = lab.file(node.name, device.name);
      if (file === undefined) return [];
      const mac = (device.plan.mac ?? 0).toString(16).padStart(12, '0');
      const mayTunnel = device.plan.kind === 'nic' && (node.vxlan >= 0 || node.ipip >= 0);
      return [...openCapture(file)].flatMap(({ bytes, seconds, nanoseconds }) => {
        const at = sentPacket(bytes, device.ethernet, mac, addresses);
        if (at < 0 || byHand.has(bytes.toString('hex'))) return [];
        const key = `${fingerprint(bytes, at)} ${ipv4.source(bytes, at)}`;
        const known =
          forwarded.has(fingerprint(bytes, at)) ||
          (seen.has(key) && device.plan.kind === 'nic') ||
          idents.has(ipv4.identification(bytes, at));
        if (known || !isSocket(bytes, at, mayTunnel)) return [];
        seen.add(key);
        const packet = Buffer.from(bytes.subarray(at));
        return [{ seconds, nanoseconds, enter: () => cluster.originate(node, packet) }];
      });
    });
  });
}

/** Where the node's own packet starts in a frame it sent, inside IPIP too; -1 for another's. */
function sentPacket(b: Buffer, framed: boolean, mac: string, own: ReadonlySet<number>): number {
  const at = framed ? ethernet.HEADER_LEN : 0;
  if (framed && (b.toString('hex', 6, 12) !== mac || ethernet.type(b, 0) !== ethernet.TYPE_IPV4))
    return -1;
  if (ipv4.check(b, at, b.length) !== 0 || !own.has(ipv4.source(b, at))) return -1;
  if (ipv4.protocol(b, at) !== ipv4.PROTO_IPIP) return at;
  const inner = at + ipv4.headerLength(b, at);
  return ipv4.check(b, inner, b.length) === 0 && own.has(ipv4.source(b, inner)) ? inner : -1;
}

/**
 * TCP, UDP other than VXLAN, echo requests, and "port unreachable", since no table
 * tells which ports are open. Later fragments count, except where they may belong
 * to a tunnel's packets.
 */
function isSocket(b: Buffer, at: number, mayTunnel: boolean): boolean {
  const l4 = at + ipv4.headerLength(b, at);
  const protocol = ipv4.protocol(b, at);
  if (protocol === ipv4.PROTO_TCP) return true;
  if (ipv4.fragmentOffset(b, at) !== 0) return protocol !== ipv4.PROTO_IPIP && !mayTunnel;
  if (protocol === ipv4.PROTO_UDP) return udp.destinationPort(b, l4) !== vxlan.PORT;
  if (protocol !== ipv4.PROTO_ICMP || l4 >= b.length) return false;
  const type = icmp.type(b, l4);
  return type === icmp.ECHO_REQUEST || (type === icmp.UNREACHABLE && icmp.code(b, l4) === 3);
}
