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

class Taps implements Tap {
  readonly all: Tap[] = [];

  see(node: Node, device: Device, p: Packet, outgoing: boolean): void {
    for (const tap of this.all) tap.see(node, device, p, outgoing);
  }
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
  return tapAt(port, {
    see: (_node, _device, p) => {
      const { seconds, nanoseconds } = cluster.now;
      sink.write(seconds, nanoseconds, bytes, p.data, p.tail);
    },
  });
}
