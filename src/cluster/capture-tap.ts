/** Captures on devices: every frame a packet socket there sees goes to the writers. */
import type { Device, Tap } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import type { Cluster, Port } from './cluster.ts';

/** Takes frames with their virtual time; `CaptureWriter` of pcap/ is one. */
export interface FrameSink {
  write(seconds: number, nanoseconds: number, bytes: Buffer, start: number, end: number): void;
}

class CaptureTap implements Tap {
  readonly sinks: FrameSink[] = [];
  private readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  see(_node: Node, _device: Device, p: Packet): void {
    const { seconds, nanoseconds } = this.cluster.now;
    for (const sink of this.sinks) sink.write(seconds, nanoseconds, bytes, p.data, p.tail);
  }
}

/**
 * Adds a sink to a device; several may share one. The bytes are valid during the
 * call only. Gives the function that takes the sink off again.
 */
export function captureAt(cluster: Cluster, { device }: Port, sink: FrameSink): () => void {
  const tap = device.tap instanceof CaptureTap ? device.tap : new CaptureTap(cluster);
  tap.sinks.push(sink);
  device.tap = tap;
  return () => {
    const at = tap.sinks.indexOf(sink);
    if (at >= 0) tap.sinks.splice(at, 1);
    if (tap.sinks.length === 0 && device.tap === tap) device.tap = null;
  };
}
