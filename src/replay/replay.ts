/**
 * Captures in, captures out: recorded frames arrive on devices at their recorded
 * times, and the traffic of any device can be written down.
 */
import { withAnswers } from '../cluster/answer.ts';
import { captureAt, type FrameSink } from '../cluster/capture-tap.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Port } from '../cluster/names.ts';
import { DROP_COUNT, Drop, dropInfo } from '../drop.ts';
import { PodwireError } from '../errors.ts';
import type { Device } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import { isBefore } from '../packet/moment.ts';
import type { Capture } from '../pcap/capture.ts';
import { LINKTYPE_ETHERNET, LINKTYPE_IPV4, LINKTYPE_RAW } from '../pcap/pcap.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { Offload, Reach } from './offload.ts';
import { sendAgain } from './sent-again.ts';

/** DLT_RAW as BSDs and old files number it. */
const RAW_KINDS = [LINKTYPE_RAW, LINKTYPE_IPV4, 12, 14];

export interface ReplayInput {
  /** `NAME:DEVICE`. */
  readonly at: string;
  readonly capture: Capture;
}

export interface ReplayOutput {
  /** `NAME:DEVICE`. */
  readonly at: string;
  /** A `CaptureWriter`, or anything that takes frames. */
  readonly sink: FrameSink;
}

/** Lets only some of the frames in; of the others the time passes. */
export interface ReplayGate {
  /** Asked for every frame, `b[start, end)`, in the order of the replay. */
  admits(b: Buffer, start: number, end: number, isEthernet: boolean): boolean;
  /** A frame that was admitted has gone as far as it does at its time. */
  done(b: Buffer, start: number, end: number, isEthernet: boolean, sentAgain: boolean): void;
}

export interface ReplayOptions {
  /**
   * For captures of one direction only: stacks of pods and hosts answer what arrives, echo
   * requests, SYNs and what is for closed ports. Default false: the capture holds the answers.
   */
  readonly answer?: boolean;
  /** Asked which frames enter; all, unless told. */
  readonly gate?: ReplayGate;
  /** Packets of flows that are known are taken many at a time. Default true; it shows in the speed only. */
  readonly offload?: boolean;
}

export interface ReplayReport {
  /** Frames that entered the cluster. */
  readonly injected: number;
  /** Of those, frames that a node had sent by the device of the capture: made, and sent, again. */
  readonly sentAgain: number;
  /** Packets that reached a socket of a pod, node or host. */
  readonly delivered: number;
  readonly dropped: number;
  /** Drop reasons by name, those that occurred. */
  readonly drops: Readonly<Record<string, number>>;
  /** Still held when nothing more could happen. */
  readonly waiting: number;
}

/**
 * Replays captures into a cluster until nothing more happens. Records enter in
 * the order of their times; a time before the virtual clock's counts as now.
 *
 * A frame arrives on its device, as from the link. On a pod's or host's device
 * the packets it sent itself leave instead: a frame with the device's own source
 * MAC as it is, another with an own source address as an IP packet of that
 * namespace, by its own routes and neighbours. On a node's device the frames it
 * had sent itself are made again: the packet inside leaves from its pod, or the node.
 *
 * A damaged capture: everything before the fault is replayed, then its error is
 * thrown.
 */
export function replay(
  cluster: Cluster,
  inputs: readonly ReplayInput[],
  outputs: readonly ReplayOutput[] = [],
  { answer = false, gate, offload = true }: ReplayOptions = {},
): ReplayReport {
  const feeds = inputs.map(({ at, capture }) => new Feed(cluster, cluster.names.port(at), capture));
  if (offload && feeds.length === 1 && !answer && gate === undefined) feeds[0]!.offloads();
  const stops = outputs.map(({ at, sink }) => captureAt(cluster, cluster.names.port(at), sink));
  const before = cluster.drops();
  const { entered, delivered, dropped } = cluster.counts;
  const fault = answer
    ? withAnswers(
        cluster,
        () => false,
        () => feed(cluster, feeds, gate),
      )
    : feed(cluster, feeds, gate);
  for (const stop of stops) stop();
  for (const feed of feeds) feed.close();
  if (fault !== undefined) throw fault;
  return {
    injected: cluster.counts.entered - entered,
    sentAgain: feeds.reduce((sum, feed) => sum + feed.sentAgain, 0),
    delivered: cluster.counts.delivered - delivered,
    dropped: cluster.counts.dropped - dropped,
    drops: named(cluster.drops(), before),
    waiting: cluster.waiting(),
  };
}

/** Everything up to the first fault, which is returned. */
function feed(cluster: Cluster, feeds: readonly Feed[], gate?: ReplayGate): unknown {
  let fault: unknown;
  try {
    for (let next = earliest(feeds); next !== undefined; next = earliest(feeds)) {
      if (gate !== undefined) next.injectGated(gate);
      else if (!next.offloaded()) next.inject();
      next.learn();
    }
  } catch (error) {
    fault = error;
  }
  cluster.run();
  return fault;
}

function named(now: Uint32Array, before: Uint32Array): Record<string, number> {
  const drops: Record<string, number> = {};
  for (let code = 0; code < DROP_COUNT; code++) {
    const count = now[code]! - before[code]!;
    if (count > 0) drops[dropInfo[code as Drop].name] = count;
  }
  return drops;
}

/** The feed whose next record is first; of equals, the one named first. */
function earliest(feeds: readonly Feed[]): Feed | undefined {
  let first: Feed | undefined;
  for (const feed of feeds) {
    if (!feed.ready()) continue;
    if (first === undefined || isBefore(feed.capture, first.capture)) first = feed;
  }
  return first;
}

/** One capture on its way into one device. */
class Feed {
  readonly capture: Capture;
  private readonly cluster: Cluster;
  private readonly port: Port;
  private held = false;
  private over = false;
  sentAgain = 0;
  private offload: Offload | null = null;

  constructor(cluster: Cluster, port: Port, capture: Capture) {
    this.cluster = cluster;
    this.port = port;
    this.capture = capture;
    this.isEthernet();
  }

  /** Of the present record: a pcapng may have several link types. */
  private isEthernet(): boolean {
    const { linkType, name, offset } = this.capture;
    if (linkType === LINKTYPE_ETHERNET) return true;
    if (RAW_KINDS.includes(linkType)) return false;
    throw new PodwireError(
      'ERR_CAPTURE_FORMAT',
      `link type: expected 1 (Ethernet) or 101 (raw IP), found ${linkType}`,
      offset > 0 ? { source: name, offset } : { source: name },
    );
  }

  /** Whether a record is at hand; reads the next one where needed. */
  ready(): boolean {
    if (!this.held && !this.over) {
      this.held = this.capture.advance();
      this.over = !this.held;
    }
    return this.held;
  }

  /** From here on, flows that are known are taken together: there is no other capture to wait for. */
  offloads(): void {
    this.offload = Offload.of(this.cluster, this.port, this.capture);
  }

  learn(): void {
    this.offload?.learn();
  }

  close(): void {
    if (this.over) this.offload?.close();
  }

  /** Takes what can be taken together; false where the record at hand is for `inject`. */
  offloaded(): boolean {
    const { offload } = this;
    if (!offload?.isReady()) return false;
    try {
      for (;;) {
        const reach = offload.run();
        if (reach === Reach.None) return false;
        this.held = false;
        if (!this.ready()) return true;
        if (reach === Reach.Some) return false;
      }
    } finally {
      offload.settle();
    }
  }

  /** The same where it is let in. */
  injectGated(gate: ReplayGate): void {
    const { bytes, start, end, seconds, nanoseconds } = this.capture;
    const isEthernet = this.isEthernet();
    if (!gate.admits(bytes, start, end, isEthernet)) {
      this.held = false;
      this.cluster.advance({ seconds, nanoseconds });
      return;
    }
    const before = this.sentAgain;
    this.inject();
    gate.done(bytes, start, end, isEthernet, this.sentAgain > before);
  }

  inject(): void {
    const { cluster, port, capture } = this;
    const { bytes, start, end } = capture;
    this.held = false;
    const isEthernet = this.isEthernet();
    cluster.advance({ seconds: capture.seconds, nanoseconds: capture.nanoseconds });
    const { node, device } = port;
    const own = node.plan.role === 'pod' || node.plan.role === 'host';
    if (isEthernet && device.ethernet) {
      if (isFrom(device, bytes, start, end)) {
        if (own) {
          cluster.depart(port, bytes, start, end);
          return;
        }
        if (sendAgain(cluster, port, bytes, start, end)) {
          this.sentAgain++;
          return;
        }
      }
      const l3 = start + ethernet.HEADER_LEN;
      const ip =
        end - start > ethernet.HEADER_LEN && ethernet.type(bytes, start) === ethernet.TYPE_IPV4;
      if (own && ip && isSentBy(node, bytes, l3, end)) {
        cluster.originate(node, bytes.subarray(l3, end));
      } else cluster.arrive(port, bytes, start, end);
    } else if (isEthernet) {
      cluster.arrive(port, bytes, Math.min(start + ethernet.HEADER_LEN, end), end);
    } else if (own && isSentBy(node, bytes, start, end)) {
      cluster.originate(node, bytes.subarray(start, end));
    } else if (device.ethernet) {
      cluster.arrive(port, framed(device, bytes.subarray(start, end)));
    } else {
      cluster.arrive(port, bytes, start, end);
    }
  }
}

const isFrom = (device: Device, b: Buffer, start: number, end: number): boolean =>
  end - start >= ethernet.HEADER_LEN &&
  ethernet.sourceHigh(b, start) === device.macHigh &&
  ethernet.sourceLow(b, start) === device.macLow;

/** A sound IPv4 packet from one of the namespace's own addresses. */
const isSentBy = (node: Node, b: Buffer, l3: number, end: number): boolean =>
  ipv4.check(b, l3, end) === Drop.None &&
  node.devices.some((device) => device.addresses.includes(ipv4.source(b, l3)));

/** A bare IP packet as a frame for this device. The source MAC is of no consequence. */
function framed(device: Device, packet: Buffer): Buffer {
  const frame = Buffer.alloc(ethernet.HEADER_LEN + packet.length);
  const { macHigh, macLow } = device;
  ethernet.emit(frame, 0, macHigh, macLow, 0, 0, ethernet.TYPE_IPV4);
  packet.copy(frame, ethernet.HEADER_LEN);
  return frame;
}
