/**
 * TCP packets that a pod sent and that the captures at both ends of its cable lost: others
 * have them further on, with fewer hops to live, inside tunnels, cut into segments. They are
 * taken from the capture that has them first, and put together into trains again.
 */
import type { Cluster } from '../cluster/cluster.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import { innermost } from './inner-packet.ts';
import { type Lab, vxlanPorts } from './lab.ts';
import { byTime, type Recording } from './recording.ts';
import { joinTrains, type Sent } from './trains.ts';

const L3 = ethernet.HEADER_LEN;
/** Bytes that every path takes at once: ip_rt_min_pmtu less headers with a timestamp. */
const LEAST_SEGMENT = 552 - 52;
/** Segments of the longest packet. */
const MAX_SEGMENTS = Math.ceil(65535 / LEAST_SEGMENT);

export class SentElsewhere {
  /** What is recorded of TCP, innermost packets in the order of time, by source address. */
  private readonly found = new Map<number, Sent[]>();

  constructor(lab: Lab, cluster: Cluster) {
    const ports = vxlanPorts(lab);
    for (const node of cluster.nodes) {
      for (const device of node.devices) {
        const at = device.ethernet ? L3 : 0;
        for (const { bytes, seconds, nanoseconds } of lab.frames(node.name, device.name) ?? []) {
          const packet = tcpInside(bytes, at, ports);
          if (packet !== undefined) this.keep({ packet, seconds, nanoseconds });
        }
      }
    }
    for (const list of this.found.values()) list.sort(byTime);
  }

  private keep(one: Sent): void {
    const source = ipv4.source(one.packet, 0);
    const list = this.found.get(source);
    if (list === undefined) this.found.set(source, [one]);
    else list.push(one);
  }

  /** Frames that the sender of these sent as well, on connections of which they show some. */
  besides(frames: Recording): Recording {
    const connections = new Map<string, Connection>();
    const sources = new Set<number>();
    for (const { bytes } of frames) {
      const packet = tcpInside(bytes, L3, []);
      if (packet === undefined) continue;
      const key = connectionOf(packet);
      const known = connections.get(key) ?? new Connection(bytes);
      connections.set(key, known);
      known.add(packet);
      sources.add(ipv4.source(packet, 0));
    }
    const lost = [...sources].flatMap((source) =>
      (this.found.get(source) ?? []).filter(
        ({ packet }) => connections.get(connectionOf(packet))?.takes(packet) === true,
      ),
    );
    return joinTrains(lost).map(({ packet, seconds, nanoseconds }) => {
      const bytes = connections.get(connectionOf(packet))!.asSent(packet);
      return { bytes, seconds, nanoseconds, originalLength: bytes.length };
    });
  }
}

/** What one end of a connection is known to have sent. */
class Connection {
  private readonly model: Buffer;
  /** By identification. */
  private readonly sent = new Map<number, Buffer[]>();

  /** `model`: a frame as its sender made it. */
  constructor(model: Buffer) {
    this.model = model;
  }

  add(packet: Buffer): void {
    const id = ipv4.identification(packet, 0);
    this.sent.set(id, [...(this.sent.get(id) ?? []), packet]);
  }

  /** Whether the packet was not known yet; now it is. */
  takes(packet: Buffer): boolean {
    const id = ipv4.identification(packet, 0);
    for (let nth = 0; nth < MAX_SEGMENTS; nth++) {
      const trains = this.sent.get((id - nth) & 0xffff);
      if (trains?.some((train) => holds(train, packet, nth))) return false;
    }
    this.add(packet);
    return true;
  }

  /** A packet from further on, as it was on the sender's cable. */
  asSent(packet: Buffer): Buffer {
    const b = Buffer.concat([this.model.subarray(0, L3), packet]);
    b[L3 + ipv4.field.ttl] = ipv4.ttl(this.model, L3);
    ipv4.fillChecksum(b, L3);
    return b;
  }
}

/** A copy of the whole TCP packet that is innermost in a frame. */
function tcpInside(b: Buffer, outer: number, ports: readonly number[]): Buffer | undefined {
  if (ipv4.check(b, outer, b.length) !== 0 || ipv4.isFragment(b, outer)) return undefined;
  const at = innermost(b, outer, b.length, ports);
  if (ipv4.check(b, at, b.length) !== 0 || ipv4.isFragment(b, at)) return undefined;
  if (ipv4.protocol(b, at) !== ipv4.PROTO_TCP) return undefined;
  const end = at + ipv4.totalLength(b, at);
  const isTcp = tcp.check(b, at + ipv4.headerLength(b, at), end) === 0;
  return isTcp ? Buffer.from(b.subarray(at, end)) : undefined;
}

/** Addresses and ports. */
const connectionOf = (p: Buffer): string => {
  const l4 = ipv4.headerLength(p, 0);
  return p.toString('hex', ipv4.field.source, ipv4.HEADER_LEN) + p.toString('hex', l4, l4 + 4);
};

/** Whether a packet is the train's `nth` segment: all before it are as long, as its number in the stream says. */
function holds(train: Buffer, p: Buffer, nth: number): boolean {
  const [from, to] = [sequenceOf(train), sequenceOf(p)];
  const ahead = (to - from) >>> 0;
  if (nth === 0) return ahead === 0;
  const size = ahead / nth;
  return Number.isInteger(size) && size >= LEAST_SEGMENT && ahead < dataLength(train);
}

const sequenceOf = (p: Buffer): number => tcp.sequence(p, ipv4.headerLength(p, 0));

const dataLength = (p: Buffer): number => {
  const l4 = ipv4.headerLength(p, 0);
  return p.length - l4 - tcp.headerLength(p, l4);
};
