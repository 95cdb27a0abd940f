/** `podwire replay`: captures into devices, captures out of devices. */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import {
  type Capture,
  CaptureFolder,
  CaptureWriter,
  keyLogOf,
  linkTypeOf,
  openCapture,
  PodwireError,
  Recording,
  replay,
} from '../index.ts';
import { type KeyLogFlags, keyLogOption, writeKeyLog } from './keylog.ts';
import {
  type ClusterFlags,
  clusterOf,
  integer,
  listenOption,
  type PortFile,
  portFile,
  releaseOption,
  routesOnlyOption,
  setOption,
} from './options.ts';
import { print, tell } from './terminal.ts';

interface Flags extends ClusterFlags, KeyLogFlags {
  readonly inject: readonly PortFile[];
  readonly capture: readonly PortFile[];
  readonly captureAll?: string;
  readonly lenient?: boolean;
  readonly answer?: boolean;
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
      'write what a device sees, a pcapng where FILE says so (repeatable; - is stdout)',
      portFile,
      [],
    )
    .option('--capture-all <dir>', 'write NODE.DEVICE.pcapng for every device that sees a frame')
    .option('--lenient', 'a cut input ends quietly')
    .option('--answer', 'stacks answer: echo requests, SYNs, closed ports (for one-sided captures)')
    .addOption(listenOption())
    .option('--cold', 'nobody has learned a MAC yet: ARP happens')
    .option('--seed <number>', 'for the bytes a kernel draws at random', integer(0, 2 ** 31))
    .addOption(setOption())
    .addOption(releaseOption())
    .addOption(routesOnlyOption())
    .addOption(keyLogOption())
    .option('--json', 'the summary as JSON')
    .addHelpText('after', NOTES)
    .action((path: string, flags: Flags) => replayFiles(path, flags));
}

const NOTES = `
A frame arrives on its device as from the link. On a pod's or host's own device the
packets it sent itself leave instead. Captures in pcapng say beside a frame why its
packet was dropped there.

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
  let folder: CaptureFolder | undefined;
  try {
    const inputs = flags.inject.map(({ at, file }) => {
      const capture = openCapture(file, { lenient: flags.lenient === true });
      captures.push(capture);
      return { at, capture };
    });
    const nanosecond = captures.some((capture) => capture.nanosecond);
    const recording = new Recording(cluster, keyLogOf(cluster));
    try {
      for (const { at, file } of flags.capture) {
        const port = cluster.names.port(at);
        const isPcapng = file.toLowerCase().endsWith('.pcapng');
        const writer = new CaptureWriter(file, {
          linkType: linkTypeOf(port),
          interfaceName: port.device.name,
          nanosecond: nanosecond || isPcapng,
        });
        writers.set(file, writer);
        recording.add(port, () => writer, true);
      }
      if (flags.captureAll !== undefined) {
        folder = new CaptureFolder(cluster, flags.captureAll);
        folder.record(recording);
      }
      const report = replay(cluster, inputs, [], { answer: flags.answer === true });
      recording.stop();
      summarise(report, writers, folder, flags);
    } finally {
      try {
        recording.stop();
      } finally {
        folder?.close();
      }
    }
  } finally {
    for (const capture of captures) capture.close();
    for (const writer of writers.values()) writer.close();
    writeKeyLog([cluster], flags);
  }
}

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
  folder: CaptureFolder | undefined,
  flags: Flags,
): void {
  const files = [
    ...[...writers].map(([file, writer]) => ({ file, frames: writer.count })),
    ...(folder?.files ?? []),
  ];
  const piped = flags.capture.some(({ file }) => file === '-');
  const say = piped ? tell : print;
  if (flags.json === true) {
    say(`${JSON.stringify({ ...report, captures: files }, null, 2)}\n`);
    return;
  }
  const drops = Object.entries(report.drops).map(([name, n]) => `${n} ${name}`);
  const dropped =
    drops.length === 0 ? '0 dropped' : `${report.dropped} dropped (${drops.join(', ')})`;
  const again = report.sentAgain === 0 ? '' : ` (${report.sentAgain} sent again)`;
  say(`${report.injected} frames injected${again}, ${report.delivered} delivered, ${dropped}\n`);
  for (const { file, frames } of files) say(`  ${file}: ${frames} frames\n`);
}
