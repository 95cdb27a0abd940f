/** Captures on devices: every frame a packet socket there sees goes to the writers. */
import type { Device, Tap } from '../node/device.ts';
import type { Node } from '../node/node.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import type { Cluster } from './cluster.ts';
import type { Port } from './names.ts';

/** Takes frames with their virtual time; `CaptureWriter` of pcap/ is one. */
export interface FrameSink {
  write(seconds: number, nanoseconds: number, bytes: Buffer, start: number, end: number): void;
}

/** A tap that keeps every frame as a record: who knows the frames may make the records. */
export interface RecordTap extends Tap {
  /** Where the records go; undefined before the first frame, and where more goes with them. */
  readonly sink: FrameSink | undefined;
}

class Taps implements Tap {
  readonly all: Tap[] = [];

  see(node: Node, device: Device, p: Packet, outgoing: boolean): void {
    for (const tap of this.all) tap.see(node, device, p, outgoing);
  }
}

/** All taps of a device. */
export function tapsOf({ tap }: Device): readonly Tap[] {
  if (tap instanceof Taps) return tap.all;
  return tap === null ? [] : [tap];
}

/** Adds a tap to a device; several may share one. Gives the function that takes it off again. */
export function tapAt({ device }: Port, tap: Tap): () => void {
  const taps = device.tap instanceof Taps ? device.tap : new Taps();
  taps.all.push(tap);
  device.tap = taps;
  return () => {
    const at = taps.all.indexOf(tap);
    if (at >= 0) taps.all.splice(at, 1);
    if (taps.all.length === 0 && device.tap === taps) device.tap = null;
  };
}

/**
 * Adds a sink to a device; several may share one. The bytes are valid during the
 * call only. Gives the function that takes the sink off again.
 */
export function captureAt(cluster: Cluster, port: Port, sink: FrameSink): () => void {
  const tap: RecordTap = {
    sink,
    see: (_node, _device, p) => {
      const { seconds, nanoseconds } = cluster.now;
      sink.write(seconds, nanoseconds, bytes, p.data, p.tail);
    },
  };
  return tapAt(port, tap);
}
