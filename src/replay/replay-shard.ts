/** A worker's part of a replay, from its captures to a file. */
import type { Cluster } from '../cluster/cluster.ts';
import type { Port } from '../cluster/names.ts';
import { PodwireError } from '../errors.ts';
import { Entangled } from './entangled.ts';
import type { PartOutcome } from './part-file.ts';
import { PartWriter } from './part-writer.ts';
import { Recording } from './recording.ts';
import { type ReplayInput, replay } from './replay.ts';
import { Shard, type ShardOf } from './shard.ts';

/**
 * Replays what is one worker's share of the captures, and writes what `outputs` saw of it
 * to a file for `mergeParts`. Every worker reads all captures, into a new cluster of the
 * same plan and seed. Where they end with an error, or flows turn out to be entangled,
 * the part says so. Throws ERR_FILE.
 */
export function replayShard(
  cluster: Cluster,
  inputs: readonly ReplayInput[],
  outputs: readonly Port[],
  shard: ShardOf,
  path: string,
): PartOutcome {
  const part = new PartWriter(path, shard);
  try {
    const outcome = run(cluster, inputs, outputs, shard, part);
    part.close(outcome);
    return outcome;
  } finally {
    part.abandon();
  }
}

function run(
  cluster: Cluster,
  inputs: readonly ReplayInput[],
  outputs: readonly Port[],
  of: ShardOf,
  part: PartWriter,
): PartOutcome {
  const recording = new Recording(cluster);
  for (const [number, port] of outputs.entries()) {
    const sink = part.output(number, port.device.ethernet);
    recording.add(port, () => sink);
  }
  const shard = new Shard(cluster, of, recording, part);
  const met = (): string[] => [...shard.met];
  try {
    return { report: replay(cluster, inputs, [], { gate: shard }), met: met() };
  } catch (error) {
    if (error instanceof Entangled) return { met: [], entangled: error.what };
    if (!(error instanceof PodwireError)) throw error;
    return { met: met(), fault: { frame: shard.frame, code: error.code, message: error.message } };
  } finally {
    recording.stop();
  }
}
