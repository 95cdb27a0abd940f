/**
 * A scenario: a TCP exchange told as facts, sent through a cluster, and the
 * capture that should come out. `podwire run` regenerates real captures with it.
 */
import { createHash } from 'node:crypto';
import { Field } from '../calico/field.ts';
import type { ManifestFile } from '../calico/manifest.ts';
import { parseYaml } from '../calico/yaml-document.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { explain, type Step } from '../cluster/explain.ts';
import { ownAddress } from '../cluster/names.ts';
import {
  type ConversationSegment,
  type ConversationSide,
  conversationPackets,
  type Side,
} from '../frame/conversation.ts';
import { CaptureWriter, formatOf } from '../pcap/writer.ts';
import { TraceRing } from '../trace/ring.ts';
import { formatIp4 } from '../wire/address.ts';
import { linkTypeOf } from './capture-folder.ts';
import { keyLogOf, Recording } from './recording.ts';

export interface ScenarioSide {
  /** As `Cluster.names` takes it. */
  readonly pod: string;
  readonly port: number;
  readonly isn: number;
  readonly identification: number;
}

export interface Scenario {
  readonly name: string;
  readonly capture: {
    /** `NAME:DEVICE` */
    readonly at: string;
    readonly file: string;
    /** What the real capture has, where it is known. */
    readonly frames?: number;
    /** Lower-case hex. */
    readonly sha256?: string;
  };
  readonly client: ScenarioSide;
  readonly server: ScenarioSide;
  readonly segments: readonly ConversationSegment[];
}

/** The scenarios among a folder's documents. Throws ERR_CONFIG_… with file and line. */
export function readScenarios(files: readonly ManifestFile[]): Scenario[] {
  return files
    .flatMap(({ text, source }) => parseYaml(text, source))
    .map((document) => Field.root(document))
    .filter((root) => root.entry('kind').optional((f) => f.text()) === 'Scenario')
    .map(readScenario);
}

function readScenario(root: Field): Scenario {
  const name = root.entry('metadata').entry('name').name();
  const spec = root.named(`Scenario/${name}`).entry('spec');
  const capture = spec.entry('capture');
  const tcp = spec.entry('tcp');
  const syn = tcp.entry('syn');
  const options = {
    mss: syn.entry('mss').optional((f) => f.integer(0, 65535)),
    sackPermitted: syn.entry('sackPermitted').optional((f) => f.boolean()),
    windowScale: syn.entry('windowScale').optional((f) => f.integer(0, 14)),
  };
  const frames = capture.entry('frames').optional((f) => f.integer(0, 2 ** 31));
  const sha256 = capture.entry('sha256').optional(readDigest);
  return {
    name,
    capture: {
      at: capture.entry('at').text('NODE:DEVICE'),
      file: readFileName(capture.entry('file')),
      ...(frames === undefined ? {} : { frames }),
      ...(sha256 === undefined ? {} : { sha256 }),
    },
    client: readSide(tcp.entry('client')),
    server: readSide(tcp.entry('server')),
    segments: tcp
      .entry('segments')
      .items()
      .map((f) => readSegment(f, defined(options))),
  };
}

function readSide(field: Field): ScenarioSide {
  return {
    pod: field.entry('pod').text('a pod'),
    port: field.entry('port').integer(0, 65535),
    isn: field.entry('isn').integer(0, 0xffffffff),
    identification: field.entry('identification').integer(0, 65535),
  };
}

function readSegment(
  field: Field,
  syn: NonNullable<ConversationSegment['options']>,
): ConversationSegment {
  const flags = field.entry('flags').text('TCP flags as tcpdump prints them');
  const timestamp = field.entry('timestamp').optional((f) => f.integer(0, 0xffffffff));
  const payload = field.entry('payload').optional((f) => f.text());
  return {
    from: field.entry('from').choice<Side>(['client', 'server']),
    flags,
    window: field.entry('window').integer(0, 65535),
    time: readTime(field.entry('time')),
    ...(flags.includes('S') ? { options: syn } : {}),
    ...(timestamp === undefined ? {} : { timestamps: { value: timestamp } }),
    ...(payload === undefined ? {} : { payload }),
  };
}

/** Seconds since 1970 with up to nine decimals, as text: a YAML number would lose digits. */
function readTime(field: Field): ConversationSegment['time'] {
  const expected = 'a quoted time such as "1660580989.048035"';
  const match = /^(\d{1,10})(?:\.(\d{1,9}))?$/.exec(field.text(expected));
  if (match === null) throw field.refuse(expected);
  return { seconds: Number(match[1]), nanoseconds: Number((match[2] ?? '').padEnd(9, '0')) };
}

function readDigest(field: Field): string {
  const text = field.text('64 hexadecimal digits');
  if (!/^[0-9a-f]{64}$/.test(text)) throw field.refuse('64 hexadecimal digits');
  return text;
}

function readFileName(field: Field): string {
  const expected = 'a file name without folders';
  const text = field.text(expected);
  if (!/^[A-Za-z0-9][-_.A-Za-z0-9]*$/.test(text)) throw field.refuse(expected);
  return text;
}

/** Without the keys that are not set, as exactOptionalPropertyTypes wants it. */
const defined = <T extends object>(from: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(from).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };

export interface ScenarioResult {
  readonly frames: number;
  /** Bytes of the capture file. */
  readonly bytes: number;
  readonly sha256: string;
  /** Whether it has the digest of the real capture; undefined where none is stated. */
  readonly equal?: boolean;
  /** The first packet's way. */
  readonly steps: readonly Step[];
}

const TRACED = 1;

/**
 * Sends the exchange through the cluster and hands the capture file to `write`, in
 * chunks: a pcapng where the scenario's file is called so, which also has what opens
 * WireGuard's messages, else a pcap.
 */
export function runScenario(
  cluster: Cluster,
  scenario: Scenario,
  write: (chunk: Buffer) => void,
): ScenarioResult {
  const hash = createHash('sha256');
  let bytes = 0;
  const port = cluster.names.port(scenario.capture.at);
  const writer = new CaptureWriter(
    (chunk) => {
      hash.update(chunk);
      bytes += chunk.length;
      write(chunk);
    },
    {
      format: formatOf(scenario.capture.file),
      linkType: linkTypeOf(port),
      interfaceName: port.device.name,
    },
  );
  const recording = new Recording(cluster, keyLogOf(cluster));
  recording.add(port, () => writer, true);
  const nodes = {
    client: cluster.names.find(scenario.client.pod),
    server: cluster.names.find(scenario.server.pod),
  };
  const packets = conversationPackets({
    client: conversationSide(nodes.client, scenario.client),
    server: conversationSide(nodes.server, scenario.server),
    segments: scenario.segments,
  });
  const ring = new TraceRing();
  cluster.recording(ring, () => {
    for (const [i, packet] of packets.entries()) {
      cluster.advance(packet);
      cluster.originate(nodes[packet.from], packet.bytes, i === 0 ? TRACED : 0);
    }
    cluster.run();
  });
  recording.stop();
  writer.close();
  const sha256 = hash.digest('hex');
  const expected = scenario.capture.sha256;
  return {
    frames: writer.count,
    bytes,
    sha256,
    steps: [...ring].map((record) => explain(cluster.nodes, record)),
    ...(expected === undefined ? {} : { equal: sha256 === expected }),
  };
}

function conversationSide(
  node: Parameters<typeof ownAddress>[0],
  { port, isn, identification }: ScenarioSide,
): ConversationSide {
  return { address: formatIp4(ownAddress(node) ?? 0), port, isn, identification };
}
