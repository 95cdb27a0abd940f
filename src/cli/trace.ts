/** `podwire trace`: one packet through every namespace. */
import { type Command, Option } from 'commander';
import {
  CaptureFolder,
  type Cluster,
  formatTrace,
  isImported,
  keyLogOf,
  type MissingFact,
  missingFor,
  type SendOptions,
  type SendProtocol,
  sendRecorded,
  type Trace,
} from '../index.ts';
import { type KeyLogFlags, keyLogOption, writeKeyLog } from './keylog.ts';
import {
  type ClusterFlags,
  clusterOf,
  integer,
  listenOption,
  releaseOption,
  routesOnlyOption,
  setOption,
} from './options.ts';
import { print, printJson } from './terminal.ts';

interface Flags extends ClusterFlags, KeyLogFlags {
  readonly from: string;
  readonly to: string;
  readonly proto: SendProtocol;
  readonly sport?: number;
  readonly dport?: number;
  readonly size?: number;
  readonly df?: boolean;
  readonly ttl?: number;
  readonly reply?: boolean;
  readonly json?: boolean;
  readonly pcap?: string;
  readonly verbose?: boolean;
}

export function addTrace(program: Command): void {
  program
    .command('trace')
    .description('follow one packet and name the table entry that won at each decision')
    .argument('<cluster>', 'YAML file, folder of YAML files, or - for standard input')
    .requiredOption('--from <pod>', 'sender: namespace/pod, a bare pod name, or a node')
    .requiredOption(
      '--to <pod|ip>',
      'destination: a name as for --from, an IPv4 address, or a service as NAME.NAMESPACE',
    )
    .addOption(
      new Option('--proto <protocol>', 'what to send')
        .choices(['tcp', 'udp', 'icmp'])
        .default('icmp'),
    )
    .option('--sport <port>', 'source port (default 40000)', integer(0, 65535))
    .option(
      '--dport <port>',
      'destination port (default 80 for tcp, 53 for udp)',
      integer(0, 65535),
    )
    .option('--size <bytes>', 'bytes of the whole IPv4 packet', integer(28, 65535))
    .option('--df', 'set Don’t Fragment (TCP always has it)')
    .option('--ttl <hops>', 'initial TTL (default 64)', integer(0, 255))
    .option('--reply', 'also follow what comes back: the answer or the ICMP error')
    .option('--cold', 'nobody has learned a MAC yet: ARP happens')
    .option('--seed <number>', 'for the bytes a kernel draws at random', integer(0, 2 ** 31))
    .addOption(listenOption())
    .addOption(setOption())
    .addOption(releaseOption())
    .addOption(routesOnlyOption())
    .addOption(keyLogOption())
    .option('-v, --verbose', 'every step, not only the decisions')
    .option('--pcap <dir>', 'write NODE.DEVICE.pcapng for every device that sees a frame')
    .option('--json', 'the trace as JSON')
    .addHelpText('after', EXAMPLE)
    .action((cluster: string, flags: Flags) => {
      process.exitCode = trace(cluster, flags);
    });
}

const EXAMPLE = `
Exit code: 0 delivered, 1 dropped, 2 bad input.

Example:
  podwire trace fixtures/calico-vxlan --from kubia-d278t --to client --proto tcp --dport 80`;

function trace(path: string, flags: Flags): number {
  const cluster = clusterOf(path, flags);
  const result = follow(cluster, flags.pcap, {
    from: flags.from,
    to: flags.to,
    protocol: flags.proto,
    ...(flags.sport === undefined ? {} : { sourcePort: flags.sport }),
    ...(flags.dport === undefined ? {} : { destinationPort: flags.dport }),
    ...(flags.size === undefined ? {} : { size: flags.size }),
    ...(flags.df === undefined ? {} : { dontFragment: flags.df }),
    ...(flags.ttl === undefined ? {} : { ttl: flags.ttl }),
    ...(flags.reply === undefined ? {} : { reply: flags.reply }),
  });
  writeKeyLog([cluster], flags);
  const missing = result.outcome === 'delivered' ? [] : missingIn(cluster, flags);
  if (flags.json === true) printJson(missing.length === 0 ? result : { ...result, missing });
  else {
    print(`${formatTrace(result, { verbose: flags.verbose === true })}\n`);
    for (const { text } of missing) print(`${text}\n`);
  }
  return result.outcome === 'delivered' ? 0 : 1;
}

function follow(cluster: Cluster, folder: string | undefined, options: SendOptions): Trace {
  if (folder === undefined) return cluster.send(options);
  const captures = new CaptureFolder(cluster, folder);
  try {
    return sendRecorded(cluster, options, captures, keyLogOf(cluster));
  } finally {
    captures.close();
  }
}

/** What the dumps of an imported cluster lack for this packet: the drop may be theirs, not the cluster's. */
function missingIn({ plan, names }: Cluster, { from, to }: Flags): readonly MissingFact[] {
  if (!isImported(plan)) return [];
  return missingFor(plan, { from: names.find(from).name, to: names.address(to) });
}
