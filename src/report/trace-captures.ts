/** A trace as captures: what every device saw, and beside each frame what led to it. */
import { tapAt } from '../cluster/capture-tap.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Step } from '../cluster/explain.ts';
import { type SendOptions, send, type Trace } from '../cluster/send.ts';
import { DeviceKind } from '../node/device.ts';
import { bytes } from '../packet/arena.ts';
import type { CaptureFolder } from '../replay/capture-folder.ts';
import type { KeyLog } from '../replay/recording.ts';
import { isTelling } from './trace-text.ts';

interface Seen {
  /** `NAME:DEVICE`. */
  readonly at: string;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly frame: Buffer;
  /** Number of the followed packet; 0 for what only accompanies it, such as ARP. */
  readonly traced: number;
  /** The key log's length when it was seen; -1 where no keys belong into the capture. */
  readonly keys: number;
}

const NO_KEYS: KeyLog = () => [];

/**
 * Follows a packet as `Cluster.send` does, and writes every frame that any device
 * saw meanwhile into the folder, which stays open. The comment of a frame tells
 * the decisions since the frame before; that of the last one, how it ended.
 */
export function sendRecorded(
  cluster: Cluster,
  options: SendOptions,
  folder: CaptureFolder,
  keyLog: KeyLog = NO_KEYS,
): Trace {
  const seen: Seen[] = [];
  const { ports } = folder;
  const recorded = new Set(ports.map(({ node, device }) => `${node.name}:${device.name}`));
  const stops = ports.map((port) =>
    tapAt(port, {
      see: (node, device, p) => {
        const { seconds, nanoseconds } = cluster.now;
        const frame = Buffer.from(bytes.subarray(p.data, p.tail));
        const keys = device.kind === DeviceKind.Nic ? keyLog().length : -1;
        const at = `${node.name}:${device.name}`;
        seen.push({ at, seconds, nanoseconds, frame, traced: p.traced, keys });
      },
    }),
  );
  const behind: number[][] = [[], []];
  let trace: Trace;
  try {
    trace = send(cluster, options, (packet, steps) => behind[packet - 1]!.push(steps));
  } finally {
    for (const stop of stops) stop();
  }
  const comments = [trace, trace.reply].map((of, n) =>
    of === undefined ? [] : commentsOf(of, behind[n]!, recorded),
  );
  const known = new Map<string, number>();
  for (const { at, seconds, nanoseconds, frame, traced, keys } of seen) {
    const writer = folder.writer(at);
    if (writer.format === 'pcapng') {
      for (const text of keyLog().slice(known.get(at) ?? 0, Math.max(keys, 0))) {
        writer.secrets(text);
      }
      known.set(at, Math.max(keys, known.get(at) ?? 0));
    }
    const comment = comments[traced - 1]?.shift();
    writer.write(seconds, nanoseconds, frame, 0, frame.length, frame.length, comment);
  }
  return trace;
}

/** For each recorded frame of the trace, in order; `behind` are the steps before each frame. */
function commentsOf(
  { frames, steps, outcome, at, reason }: Trace,
  behind: readonly number[],
  recorded: ReadonlySet<string>,
): string[] {
  const written = frames.flatMap(({ node, device }, n) =>
    recorded.has(`${node}:${device}`) ? [behind[n]!] : [],
  );
  let told = 0;
  return written.map((step, n) => {
    const isLast = n === written.length - 1;
    const until = isLast ? steps.length : step;
    const words = steps.slice(told, until).filter(isTelling).map(sentence);
    told = until;
    if (isLast) {
      words.push(outcome === 'delivered' ? `delivered at ${at}` : `dropped at ${at}: ${reason}`);
    }
    return words.join('; ');
  });
}

const sentence = ({ node, room, entry, note }: Step): string =>
  `${node} ${room}: ${entry === undefined ? note : `${entry} (${note})`}`;
