/** `podwire replay`: captures into devices, captures out of devices. */
import { statSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import {
  type Capture,
  type Cluster,
  captureFilter,
  Entangled,
  keyLogOf,
  type ManifestFile,
  mergeParts,
  openCapture,
  type PartOutcome,
  PodwireError,
  printable,
  Recording,
  type ReplayGate,
  type ReplayInput,
  type ReplayReport,
  readManifests,
  replay,
  type ShardOf,
} from '../index.ts';
import { isFile, withParts } from './jobs.ts';
import { type KeyLogFlags, keyLogOption, writeKeyLog } from './keylog.ts';
import {
  type ClusterFlags,
  clusterOfPlan,
  integer,
  listenOption,
  type PortFile,
  planOf,
  portFile,
  releaseOption,
  routesOnlyOption,
  setOption,
} from './options.ts';
import { ReplayOutputs } from './replay-outputs.ts';
import { makePart } from './replay-shard.ts';
import { print, tell } from './terminal.ts';

interface Flags extends ClusterFlags, KeyLogFlags {
  readonly inject: readonly PortFile[];
  readonly capture: readonly PortFile[];
  readonly captureAll?: string;
  readonly lenient?: boolean;
  readonly answer?: boolean;
  readonly json?: boolean;
  readonly filter?: string;
  readonly jobs?: number;
  readonly shard?: ShardOf;
  readonly part?: string;
  readonly merge?: readonly string[];
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
    .option('--filter <expression>', "only frames that pass one of tcpdump's expressions")
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
    .option(
      '--jobs <number>',
      'worker threads that share the flows, where flows share nothing',
      integer(1, MAX_JOBS),
    )
    .option('--shard <i/n>', 'only the flows of worker I of N (from 0), into --part', shardOf)
    .option('--part <file>', 'what --shard writes')
    .option('--merge <part...>', 'no replay: the parts of all N workers, put together')
    .addHelpText('after', NOTES)
    .action((path: string, flags: Flags) => replayFiles(path, flags));
}

/** Each has a cluster, and 60 MiB for packets. */
const MAX_JOBS = 64;
const MAX_SHARDS = 65_536;

function shardOf(text: string): ShardOf {
  const [, index, count] = /^(\d{1,5})\/(\d{1,5})$/.exec(text)?.map(Number) ?? [];
  if (index !== undefined && count !== undefined && index < count && count <= MAX_SHARDS) {
    return { index, count };
  }
  throw new InvalidArgumentError('expected I/N with I from 0 to N - 1.');
}

const NOTES = `
A frame arrives on its device as from the link. On a pod's or host's own device the
packets it sent itself leave instead. Captures in pcapng say beside a frame why its
packet was dropped there.

Examples:
  podwire replay fixtures/calico-vxlan --inject k8s-node1:enp1s0=out/calico-vxlan.pcap \\
    --capture default/kubia-d278t:eth0=inner.pcap
  podwire replay cluster.yaml --inject web:eth0=sent.pcap --capture node1:eth0=- | tcpdump -nr -`;

async function replayFiles(path: string, flags: Flags): Promise<void> {
  if (flags.inject.length === 0) {
    throw new PodwireError('ERR_USAGE', '--inject: expected NODE:DEVICE=FILE, found nothing');
  }
  const manifests = readManifests(path);
  if (flags.shard !== undefined) {
    refuseHalves(flags);
    sharded(makePart({ manifests, flags, shard: flags.shard, part: flags.part! }), flags.shard);
    return;
  }
  const plan = planOf(manifests, flags);
  const cluster = clusterOfPlan(plan, flags);
  for (const { at } of [...flags.inject, ...flags.capture]) cluster.names.port(at);
  refuseOverwriting(flags);

  const captures: Capture[] = [];
  const outputs = new ReplayOutputs(cluster, flags);
  try {
    const inputs = flags.inject.map(({ at, file }) => {
      const capture = openCapture(file, { lenient: flags.lenient === true });
      captures.push(capture);
      return { at, capture };
    });
    outputs.open(captures.some((capture) => capture.nanosecond));
    const merge = (parts: readonly string[]): ReplayReport =>
      mergeParts(clusterOfPlan(plan, flags), parts, outputs.targets);
    const report =
      flags.merge === undefined
        ? ((await replayInJobs(manifests, flags, merge)) ??
          replayAlone(cluster, inputs, outputs, flags))
        : mergeOrName(() => merge(flags.merge!));
    outputs.close();
    summarise(report, outputs, flags);
  } finally {
    for (const capture of captures) capture.close();
    try {
      outputs.close();
    } finally {
      writeKeyLog([cluster], flags);
    }
  }
}

function replayAlone(
  cluster: Cluster,
  inputs: readonly ReplayInput[],
  outputs: ReplayOutputs,
  { answer = false, filter }: Flags,
): ReplayReport {
  const recording = new Recording(cluster, keyLogOf(cluster));
  try {
    outputs.record(recording);
    return replay(cluster, inputs, [], {
      answer,
      ...(filter === undefined ? {} : { gate: filterGate(filter) }),
    });
  } finally {
    recording.stop();
  }
}

/** LINKTYPE_RAW */
const RAW_IP = 101;

/** Throws ERR_USAGE for an expression that filters do not know. */
function filterGate(expression: string): ReplayGate {
  const framed = captureFilter(expression);
  const bare = captureFilter(expression, { linkType: RAW_IP });
  return {
    admits: (b, start, end, isEthernet) => (isEthernet ? framed : bare)(b.subarray(start, end)),
    done: () => {},
  };
}

/** Sockets answer, or refuse, by what any flow has done before. */
const hasSockets = ({ answer, listen = [] }: Flags): boolean =>
  answer === true || listen.length > 0;

/** By several workers where that comes to the same; undefined where one has to do it. */
async function replayInJobs(
  manifests: readonly ManifestFile[],
  flags: Flags,
  merge: (parts: readonly string[]) => ReplayReport,
): Promise<ReplayReport | undefined> {
  const { jobs = 1 } = flags;
  if (jobs === 1) return undefined;
  if (hasSockets(flags)) {
    tell(`podwire: 1 job, not ${jobs}: flows share sockets (--answer, --listen)\n`);
    return undefined;
  }
  if (flags.filter !== undefined) {
    tell(`podwire: 1 job, not ${jobs}: --filter is asked by one\n`);
    return undefined;
  }
  const once = flags.inject.find(({ file }) => !isFile(file));
  if (once !== undefined) {
    tell(`podwire: 1 job, not ${jobs}: ${printable(once.file)} can be read only once\n`);
    return undefined;
  }
  try {
    const report = await withParts({ manifests, flags }, jobs, merge);
    tell(`podwire: ${jobs} jobs\n`);
    return report;
  } catch (error) {
    if (!(error instanceof Entangled)) throw error;
    tell(`podwire: 1 job, not ${jobs}: flows share ${error.what}\n`);
    return undefined;
  }
}

/** Between machines there is nobody to do it again. */
function mergeOrName<T>(merge: () => T): T {
  try {
    return merge();
  } catch (error) {
    if (!(error instanceof Entangled)) throw error;
    throw entangledError(error.what);
  }
}

function sharded(outcome: PartOutcome, { index, count }: ShardOf): void {
  if (outcome.entangled !== undefined) throw entangledError(outcome.entangled);
  tell(`podwire: part ${index} of ${count}, ${outcome.report?.injected ?? 0} frames\n`);
}

const entangledError = (what: string): PodwireError =>
  new PodwireError(
    'ERR_USAGE',
    `--shard: expected flows that have nothing to do with each other, found that they share ${what}; replay the whole`,
  );

function refuseHalves(flags: Flags): void {
  const { shard, part, merge, jobs, filter } = flags;
  if (filter !== undefined) {
    throw new PodwireError('ERR_USAGE', '--filter: expected no --shard with it, found one');
  }
  if (shard !== undefined && part === undefined) {
    throw new PodwireError('ERR_USAGE', '--shard: expected --part FILE with it, found none');
  }
  if (hasSockets(flags)) throw entangledError('sockets (--answer, --listen)');
  if (merge !== undefined || jobs !== undefined) {
    throw new PodwireError(
      'ERR_USAGE',
      '--shard: expected neither --merge nor --jobs with it, found one',
    );
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

function summarise(report: ReplayReport, { files }: ReplayOutputs, flags: Flags): void {
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
