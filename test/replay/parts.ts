/** A replay by one cluster, and the same by workers whose parts are merged. */
import { join } from 'node:path';
import type { Cluster } from '../../src/cluster/cluster.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { capturePorts } from '../../src/replay/capture-folder.ts';
import { mergeParts } from '../../src/replay/merge.ts';
import { Recording } from '../../src/replay/recording.ts';
import { type ReplayInput, type ReplayReport, replay } from '../../src/replay/replay.ts';
import { replayShard } from '../../src/replay/replay-shard.ts';

/** Captures, by the device where their frames arrive. */
export type Sources = readonly { readonly at: string; readonly file: string }[];

export interface Outcome {
  readonly report: ReplayReport;
  readonly files: ReadonlyMap<string, string>;
}

/** Writers of every device's capture, and what they wrote. */
export class Files {
  readonly written = new Map<string, string>();
  private readonly writers: CaptureWriter[] = [];

  open(name: string): CaptureWriter {
    const sink = (chunk: Buffer): void => {
      this.written.set(name, (this.written.get(name) ?? '') + chunk.toString('hex'));
    };
    const writer = new CaptureWriter(sink, { format: 'pcapng', interfaceName: name });
    this.writers.push(writer);
    return writer;
  }

  close(): ReadonlyMap<string, string> {
    for (const writer of this.writers) writer.close();
    return this.written;
  }
}

export const inputsOf = (files: Sources): ReplayInput[] =>
  files.map(({ at, file }) => ({ at, capture: openCapture(file) }));

/** What one cluster makes of it all. */
export function alone(make: () => Cluster, files: Sources): Outcome {
  const cluster = make();
  const out = new Files();
  const recording = new Recording(cluster);
  for (const port of capturePorts(cluster)) {
    recording.add(port, () => out.open(`${port.node.name}:${port.device.name}`));
  }
  const report = replay(cluster, inputsOf(files));
  recording.stop();
  return { report, files: out.close() };
}

/** What `count` workers make of it together; their parts are in `folder`. */
export function merged(
  make: () => Cluster,
  files: Sources,
  count: number,
  folder: string,
): Outcome {
  const parts = Array.from({ length: count }, (_, index) => {
    const cluster = make();
    const path = join(folder, `part-${index}`);
    replayShard(cluster, inputsOf(files), capturePorts(cluster), { index, count }, path);
    return path;
  });
  const cluster = make();
  const out = new Files();
  const targets = capturePorts(cluster).map(({ node: n, device }) => ({
    isEthernet: device.ethernet,
    open: () => out.open(`${n.name}:${device.name}`),
  }));
  // The order of the parts is of no consequence.
  const report = mergeParts(cluster, parts.reverse(), targets);
  return { report, files: out.close() };
}
