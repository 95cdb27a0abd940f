/** A folder with a capture of every device that saw a frame. */
import { lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../cluster/cluster.ts';
import type { Port } from '../cluster/names.ts';
import { fileError, found, PodwireError } from '../errors.ts';
import { DeviceKind } from '../node/device.ts';
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../pcap/pcap.ts';
import { CaptureWriter } from '../pcap/writer.ts';
import type { Recording } from './recording.ts';

/** Thousands of devices may be written at once. */
const BATCH_LEN = 16 * 1024;

/** Of each of the two names in a file's name; 255 is the usual limit of the whole. */
const MAX_NAME = 100;

/** What Windows keeps for devices, whatever follows the dot. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i;

export interface CaptureFolderOptions {
  /** Default pcapng. */
  readonly format?: 'pcap' | 'pcapng';
}

/**
 * Link type of what a packet socket on a device sees: bare IP on tunnels without
 * Ethernet. Linux's cooked types are made by libpcap for `any`, and by no device.
 */
export const linkTypeOf = ({ device }: Port): number =>
  device.ethernet ? LINKTYPE_ETHERNET : LINKTYPE_RAW;

/** Every device there can be a capture of: all but the loopbacks. */
export const capturePorts = (cluster: Cluster): Port[] =>
  cluster.nodes.flatMap((node) =>
    node.devices
      .filter(({ kind }) => kind !== DeviceKind.Loopback)
      .map((device) => ({ node, device })),
  );

export class CaptureFolder {
  readonly #folder: string;
  readonly #format: 'pcap' | 'pcapng';
  /** Every device but the loopbacks, by `NAME:DEVICE`. */
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #writers = new Map<string, CaptureWriter>();

  /** Makes the folder where needed; no file before its first frame. Throws ERR_FILE. */
  constructor(cluster: Cluster, folder: string, options: CaptureFolderOptions = {}) {
    this.#folder = folder;
    this.#format = options.format ?? 'pcapng';
    try {
      mkdirSync(folder, { recursive: true });
    } catch (cause) {
      throw fileError('a folder that can be made', cause, folder);
    }
    this.#targets = targetsOf(capturePorts(cluster));
  }

  /** Every device there can be a capture of. */
  get ports(): Port[] {
    return [...this.#targets.values()].map(({ port }) => port);
  }

  /** Files so far, and the frames in them. */
  get files(): { file: string; frames: number }[] {
    return [...this.#writers].map(([file, { count }]) => ({ file, frames: count }));
  }

  /** Records every device of the cluster. */
  record(recording: Recording): void {
    for (const [at, { port }] of this.#targets) {
      recording.add(port, () => this.writer(at), port.device.kind === DeviceKind.Nic);
    }
  }

  /** The capture of a device, `NAME:DEVICE`, opened at the first call. Throws ERR_FILE and ERR_NAME. */
  writer(at: string): CaptureWriter {
    const target = this.#targets.get(at);
    if (target === undefined) {
      throw new PodwireError('ERR_NAME', `expected NAME:DEVICE of the cluster, found ${found(at)}`);
    }
    const { port, name } = target;
    const file = join(this.#folder, `${name}.${this.#format}`);
    const present = this.#writers.get(file);
    if (present !== undefined) return present;
    // The name is ours, so a link there is somebody's trap.
    if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw new PodwireError('ERR_FILE', 'expected a file or nothing, found a symbolic link', {
        source: file,
      });
    }
    const writer = new CaptureWriter(file, {
      format: this.#format,
      linkType: linkTypeOf(port),
      interfaceName: port.device.name,
      nanosecond: true,
      batchLength: BATCH_LEN,
    });
    this.#writers.set(file, writer);
    return writer;
  }

  /** Puts all files there; the first failure is thrown after the last file. */
  close(): void {
    let fault: unknown;
    for (const writer of this.#writers.values()) {
      try {
        writer.close();
      } catch (cause) {
        fault ??= cause;
      }
    }
    if (fault !== undefined) throw fault;
  }
}

interface Target {
  readonly port: Port;
  /** Of the file, without what follows the last dot. */
  readonly name: string;
}

/**
 * Files are called NODE.DEVICE. Names come from files of others: only a safe
 * alphabet reaches the file system, and names that became one, or would be one
 * where case does not count, are told apart by a number.
 */
function targetsOf(ports: readonly Port[]): ReadonlyMap<string, Target> {
  const taken = new Set<string>();
  const targets = new Map<string, Target>();
  for (const port of ports) {
    const base = `${safe(port.node.name)}.${safe(port.device.name)}`
      .replace(/^\.+/, '_')
      .replace(RESERVED, '_$1');
    let name = base;
    for (let n = 2; taken.has(name.toLowerCase()); n++) name = `${base}~${n}`;
    taken.add(name.toLowerCase());
    targets.set(`${port.node.name}:${port.device.name}`, { port, name });
  }
  return targets;
}

/** `/` of a pod becomes `_`. */
const safe = (name: string): string => name.slice(0, MAX_NAME).replace(/[^-.A-Za-z0-9]/g, '_');
