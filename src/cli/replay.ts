/** `podwire replay`: captures into devices, captures out of devices. */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import {
  type Capture,
  CaptureWriter,
  type Cluster,
  type FrameSink,
  openCapture,
  PodwireError,
  type ReplayOutput,
  replay,
} from '../index.ts';
import {
  type ClusterFlags,
  clusterOf,
  integer,
  type PortFile,
  portFile,
  releaseOption,
  setOption,
} from './options.ts';
import { print, tell } from './terminal.ts';

interface Flags extends ClusterFlags {
  readonly inject: readonly PortFile[];
  readonly capture: readonly PortFile[];
  readonly captureAll?: string;
  readonly lenient?: boolean;
  readonly json?: boolean;
}

export function addReplay(program: Command): void {
  program
    .command('replay')
    .description('let recorded frames arrive on devices, and capture what other devices see')
    .argument('<cluster>', 'YAML file or folder of YAML files')
    .option(
      '--inject <node:dev=file>',
      'frames that arrive on a device (repeatable; - is stdin)',
      portFile,
      [],
    )
    .option(
      '--capture <node:dev=file>',
      'write what a device sees (repeatable; - is stdout)',
      portFile,
      [],
    )
    .option('--capture-all <dir>', 'write NODE.DEVICE.pcap for every device that sees a frame')
    .option('--lenient', 'a cut input ends quietly')
    .option('--cold', 'nobody has learned a MAC yet: ARP happens')
    .option('--seed <number>', 'for the bytes a kernel draws at random', integer(0, 2 ** 31))
    .addOption(setOption())
    .addOption(releaseOption())
    .option('--json', 'the summary as JSON')
    .addHelpText('after', NOTES)
    .action((path: string, flags: Flags) => replayFiles(path, flags));
}

const NOTES = `
A frame arrives on its device as from the link. On a pod's or host's own device the
packets it sent itself leave instead.

Examples:
  podwire replay fixtures/calico-vxlan --inject k8s-node1:enp1s0=out/calico-vxlan.pcap \\
    --capture default/kubia-d278t:eth0=inner.pcap
  podwire replay cluster.yaml --inject web:eth0=sent.pcap --capture node1:eth0=- | tcpdump -nr -`;

function replayFiles(path: string, flags: Flags): void {
  if (flags.inject.length === 0) {
    throw new PodwireError('ERR_USAGE', '--inject: expected NODE:DEVICE=FILE, found nothing');
  }
  const cluster = clusterOf(path, flags);
  for (const { at } of [...flags.inject, ...flags.capture]) cluster.names.port(at);
  refuseOverwriting(flags);

  const captures: Capture[] = [];
  const writers = new Map<string, CaptureWriter>();
  try {
    const inputs = flags.inject.map(({ at, file }) => {
      const capture = openCapture(file, { lenient: flags.lenient === true });
      captures.push(capture);
      return { at, capture };
    });
    const nanosecond = captures.some((capture) => capture.nanosecond);
    const open = (at: string, file: string): CaptureWriter => {
      const linkType = cluster.names.port(at).device.ethernet ? 1 : 101;
      const writer = new CaptureWriter(file, { linkType, nanosecond });
      writers.set(file, writer);
      return writer;
    };
    const outputs: ReplayOutput[] = flags.capture.map(({ at, file }) => ({
      at,
      sink: open(at, file),
    }));
    if (flags.captureAll !== undefined)
      outputs.push(...everywhere(cluster, flags.captureAll, open));
    summarise(replay(cluster, inputs, outputs), writers, flags);
  } finally {
    for (const capture of captures) capture.close();
    for (const writer of writers.values()) writer.close();
  }
}

/** A sink per device, which opens its file at the first frame. */
function everywhere(
  cluster: Cluster,
  folder: string,
  open: (at: string, file: string) => CaptureWriter,
): ReplayOutput[] {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'an error';
    throw new PodwireError('ERR_FILE', `expected a folder that can be made, found ${why}`, {
      source: folder,
    });
  }
  return cluster.nodes.flatMap((node) =>
    node.devices
      .filter((device) => device.plan.kind !== 'loopback')
      .map((device) => {
        const at = `${node.name}:${device.name}`;
        let writer: FrameSink | undefined;
        const sink: FrameSink = {
          write: (...frame) => {
            writer ??= open(at, join(folder, fileName(node.name, device.name)));
            writer.write(...frame);
          },
        };
        return { at, sink };
      }),
  );
}

/** Names come from a file: only a safe alphabet reaches the file system. `/` of a pod becomes `_`. */
const fileName = (node: string, device: string): string =>
  `${node}.${device}`
    .replace(/[^-.A-Za-z0-9]/g, '_')
    .replace(/^\.+/, '_')
    .concat('.pcap');

/** A capture must not be written over the file it is made from. */
function refuseOverwriting({ inject, capture }: Flags): void {
  const identity = (file: string): string | undefined => {
    if (file === '-') return undefined;
    try {
      const { dev, ino, size } = statSync(file);
      return size >= 0 ? `${dev}:${ino}` : undefined;
    } catch {
      return undefined;
    }
  };
  const sources = new Set(inject.map(({ file }) => identity(file)));
  const seen = new Set<string>();
  for (const { file } of capture) {
    const id = identity(file);
    if (id !== undefined && sources.has(id)) {
      throw new PodwireError('ERR_USAGE', 'expected another file than an input, found the same', {
        source: file,
      });
    }
    if (seen.has(file)) {
      throw new PodwireError('ERR_USAGE', 'expected one device a file, found two', {
        source: file,
      });
    }
    seen.add(file);
  }
}

function summarise(
  report: ReturnType<typeof replay>,
  writers: ReadonlyMap<string, CaptureWriter>,
  flags: Flags,
): void {
  const files = [...writers].map(([file, writer]) => ({ file, frames: writer.count }));
  const piped = flags.capture.some(({ file }) => file === '-');
  const say = piped ? tell : print;
  if (flags.json === true) {
    say(`${JSON.stringify({ ...report, captures: files }, null, 2)}\n`);
    return;
  }
  const drops = Object.entries(report.drops).map(([name, n]) => `${n} ${name}`);
  const dropped =
    drops.length === 0 ? '0 dropped' : `${report.dropped} dropped (${drops.join(', ')})`;
  say(`${report.injected} frames injected, ${report.delivered} delivered, ${dropped}\n`);
  for (const { file, frames } of files) say(`  ${file}: ${frames} frames\n`);
}
