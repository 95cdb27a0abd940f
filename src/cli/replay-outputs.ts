/** The files that `podwire replay` writes, and what each of them sees. */
import {
  CaptureFolder,
  CaptureWriter,
  type Cluster,
  capturePorts,
  linkTypeOf,
  type MergeTarget,
  type Port,
  type Recording,
} from '../index.ts';
import type { PortFile } from './options.ts';

export interface OutputFlags {
  readonly capture: readonly PortFile[];
  readonly captureAll?: string;
}

/** What is captured, in the order in which workers number it. */
export function outputPorts(cluster: Cluster, { capture, captureAll }: OutputFlags): Port[] {
  const named = capture.map(({ at }) => cluster.names.port(at));
  return captureAll === undefined ? named : [...named, ...capturePorts(cluster)];
}

export class ReplayOutputs {
  private readonly cluster: Cluster;
  private readonly flags: OutputFlags;
  private readonly writers = new Map<string, CaptureWriter>();
  private folder: CaptureFolder | undefined = undefined;

  constructor(cluster: Cluster, flags: OutputFlags) {
    this.cluster = cluster;
    this.flags = flags;
  }

  /** Opens the files that have a name. `nanosecond`: some input counts them. Throws ERR_FILE. */
  open(nanosecond: boolean): void {
    const { cluster, flags, writers } = this;
    for (const { at, file } of flags.capture) {
      const port = cluster.names.port(at);
      const isPcapng = file.toLowerCase().endsWith('.pcapng');
      const writer = new CaptureWriter(file, {
        linkType: linkTypeOf(port),
        interfaceName: port.device.name,
        nanosecond: nanosecond || isPcapng,
      });
      writers.set(file, writer);
    }
    if (flags.captureAll !== undefined) this.folder = new CaptureFolder(cluster, flags.captureAll);
  }

  /** Writes what the cluster's devices see. */
  record(recording: Recording): void {
    for (const { at, file } of this.flags.capture) {
      const writer = this.writers.get(file)!;
      recording.add(this.cluster.names.port(at), () => writer, true);
    }
    this.folder?.record(recording);
  }

  /** The same files for what workers' clusters have seen, in the order of `outputPorts`. */
  get targets(): MergeTarget[] {
    const named = this.flags.capture.map(({ file }) => this.writers.get(file)!);
    return outputPorts(this.cluster, this.flags).map(({ node, device }, n) => ({
      isEthernet: device.ethernet,
      open: () => named[n] ?? this.folder!.writer(`${node.name}:${device.name}`),
    }));
  }

  /** Those that there are, and the frames in them. */
  get files(): { file: string; frames: number }[] {
    const named = [...this.writers].map(([file, { count }]) => ({ file, frames: count }));
    return [...named, ...(this.folder?.files ?? [])];
  }

  /** Puts the files there. */
  close(): void {
    try {
      this.folder?.close();
    } finally {
      for (const writer of this.writers.values()) writer.close();
    }
  }
}
