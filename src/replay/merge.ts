/**
 * Puts the parts of a replay together in the order of the frames: what comes out is
 * what one cluster would have written, or Entangled says why it cannot be told.
 */
import type { Cluster } from '../cluster/cluster.ts';
import { Drop, dropInfo } from '../drop.ts';
import { type ErrorCode, PodwireError } from '../errors.ts';
import { Entangled } from './entangled.ts';
import { type PartOutcome, partError } from './part-file.ts';
import { PartReader } from './part-reader.ts';
import type { RecordSink } from './recording.ts';
import { Renumberer } from './renumber.ts';
import type { ReplayReport } from './replay.ts';

/** One of the files that are written, in the order in which the workers number them. */
export interface MergeTarget {
  readonly isEthernet: boolean;
  /** Called at its first frame. */
  open(): RecordSink;
}

/**
 * Merges the parts of all workers. `cluster` is a new one, as each worker had. Throws
 * ERR_FILE for parts that do not belong together and Entangled, both before anything is
 * written, and, after everything is written, the error that ended the inputs.
 */
export function mergeParts(
  cluster: Cluster,
  files: readonly string[],
  targets: readonly MergeTarget[],
): ReplayReport {
  const outcomes = files.map(outcomeOf);
  disentangle(outcomes);
  const fault = earliest(outcomes);
  const parts = files.map((file) => new PartReader(file));
  try {
    interleave(cluster, complete(parts), targets, fault?.frame ?? Number.POSITIVE_INFINITY);
  } finally {
    for (const part of parts) part.close();
  }
  if (fault !== undefined) throw new PodwireError(fault.code as ErrorCode, fault.message);
  return sumOf(outcomes.flatMap(({ report }) => (report === undefined ? [] : [report])));
}

const earliest = (outcomes: readonly PartOutcome[]): PartOutcome['fault'] =>
  outcomes
    .flatMap(({ fault }) => (fault === undefined ? [] : [fault]))
    .sort((a, b) => a.frame - b.frame)[0];

/** A first look: parts that cannot be merged write nothing. */
function outcomeOf(file: string): PartOutcome {
  const part = new PartReader(file);
  try {
    return part.outcome();
  } finally {
    part.close();
  }
}

function disentangle(outcomes: readonly PartOutcome[]): void {
  const met = new Set<string>();
  for (const outcome of outcomes) {
    if (outcome.entangled !== undefined) throw new Entangled(outcome.entangled);
    for (const what of outcome.met) {
      if (met.has(what)) throw new Entangled(what);
      met.add(what);
    }
  }
}

/** Each worker once. */
function complete(parts: readonly PartReader[]): readonly PartReader[] {
  const count = parts[0]?.shard.count ?? 0;
  const found = new Set<number>();
  for (const { name, shard } of parts) {
    if (shard.count !== count) throw partError(name, `one of ${count}`, `one of ${shard.count}`);
    if (found.has(shard.index)) throw partError(name, 'another part', `part ${shard.index} twice`);
    found.add(shard.index);
  }
  if (found.size === count) return parts;
  throw partError(parts[0]?.name ?? 'merge', `${count} parts`, `${found.size}`);
}

function interleave(
  cluster: Cluster,
  parts: readonly PartReader[],
  targets: readonly MergeTarget[],
  last: number,
): void {
  const numbers = new Renumberer(cluster);
  const sinks: RecordSink[] = [];
  let open = parts.filter((part) => part.advance());
  while (open.length > 0) {
    let first = open[0]!;
    for (const part of open) if (part.frame < first.frame) first = part;
    if (first.frame > last) return;
    numbers.begin();
    first.tellDrawn(numbers);
    while (first.next()) {
      const { output, bytes, start, end } = first;
      const target = targets[output];
      if (target === undefined) throw partError(first.name, 'a known output', `${output}`);
      numbers.mend(bytes, start, end, target.isEthernet);
      const sink = sinks[output] ?? target.open();
      sinks[output] = sink;
      sink.write(first.seconds, first.nanoseconds, bytes, start, end, end - start, first.comment);
    }
    if (!first.advance()) open = open.filter((part) => part !== first);
  }
}

function sumOf(reports: readonly ReplayReport[]): ReplayReport {
  const sum = (of: (report: ReplayReport) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  const drops: Record<string, number> = {};
  for (const code of Object.values(Drop)) {
    const { name } = dropInfo[code];
    const count = sum((report) => report.drops[name] ?? 0);
    if (count > 0) drops[name] = count;
  }
  return {
    injected: sum(({ injected }) => injected),
    sentAgain: sum(({ sentAgain }) => sentAgain),
    delivered: sum(({ delivered }) => delivered),
    dropped: sum(({ dropped }) => dropped),
    drops,
    waiting: sum(({ waiting }) => waiting),
  };
}
