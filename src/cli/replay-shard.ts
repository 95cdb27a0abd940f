/** One worker's part of a replay, of a thread or of a machine. */
import {
  type Capture,
  type ManifestFile,
  openCapture,
  type PartOutcome,
  planCluster,
  replayShard,
  type ShardOf,
} from '../index.ts';
import { type ClusterFlags, clusterOfPlan, edited, type PortFile } from './options.ts';
import { type OutputFlags, outputPorts } from './replay-outputs.ts';

export interface ShardTask {
  readonly manifests: readonly ManifestFile[];
  readonly flags: ClusterFlags &
    OutputFlags & { readonly inject: readonly PortFile[]; readonly lenient?: boolean };
  readonly shard: ShardOf;
  /** The file that is made. */
  readonly part: string;
}

export function makePart({ manifests, flags, shard, part }: ShardTask): PartOutcome {
  const cluster = clusterOfPlan(planCluster(...edited(manifests, flags)), flags);
  const captures: Capture[] = [];
  try {
    const inputs = flags.inject.map(({ at, file }) => {
      const capture = openCapture(file, { lenient: flags.lenient === true });
      captures.push(capture);
      return { at, capture };
    });
    return replayShard(cluster, inputs, outputPorts(cluster, flags), shard, part);
  } finally {
    for (const capture of captures) capture.close();
  }
}
