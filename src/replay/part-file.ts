/**
 * The part of a replay that one worker made, on its way to the merge. Little-endian:
 *
 *   head:   'podwire part', version, worker, workers; blocks follow, then the outcome
 *   block:  | length | frame number | identifications | records | ... | ... |
 *             u32       f64            u32               u32
 *
 * The frame number counts all records of all inputs in the order of the replay: what
 * parts are merged by. The outcome is a block of frame number -1 with JSON in it; its
 * length stands behind it once more, so that it is found from the end.
 */
import { PodwireError } from '../errors.ts';
import type { ReplayReport } from './replay.ts';

export const MAGIC: Buffer = Buffer.from('podwire part 1\n');
export const HEAD_LEN: number = MAGIC.length + 8;
export const OUTCOME = -1;

// Where fields stand.
export const block = { length: 0, frame: 4, drawn: 12, records: 16 } as const;
export const BLOCK_LEN = 20;
export const drawn = {
  node: 0,
  source: 4,
  destination: 8,
  protocol: 12,
  identification: 14,
} as const;
export const DRAWN_LEN = 16;
/** A comment stands between a record's head and its frame. */
export const record = {
  output: 0,
  seconds: 2,
  nanoseconds: 10,
  textLength: 14,
  length: 18,
} as const;
export const RECORD_LEN = 22;

/** An identification that a namespace gave away. */
export interface Drawn {
  /** Position in the cluster's list. */
  readonly node: number;
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly identification: number;
}

export interface PartOutcome {
  readonly report?: ReplayReport;
  /** What one flow may share with another, as `WHAT of NODE`. */
  readonly met: readonly string[];
  /** Why the parts cannot be merged. */
  readonly entangled?: string;
  /** The input ended with an error, behind this frame. */
  readonly fault?: { readonly frame: number; readonly code: string; readonly message: string };
}

export const partError = (name: string, expected: string, found: string): PodwireError =>
  new PodwireError('ERR_FILE', `expected ${expected}, found ${found}`, { source: name });
