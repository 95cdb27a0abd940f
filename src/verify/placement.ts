/** When did the tables of a recording change? Found by trying: at the moment that explains most frames. */
import { type TableChange, tableChanges } from './changes.ts';
import type { InterfaceComparison } from './compare.ts';
import type { Lab } from './lab.ts';
import { type LabEdit, type VerifyOptions, verifyLab } from './verify.ts';

/** A change of a table during the recording, and the event it stands before. */
export interface PlacedChange {
  readonly namespace: string;
  readonly table: 'routes' | 'neighbours' | 'fdb';
  /** `-` entries that went, `+` entries that came. */
  readonly sign: '-' | '+';
  readonly entries: number;
  /** Label of the event, and seconds since the start; absent where no moment explains more. */
  readonly before?: { readonly event: string; readonly at: number };
}

export interface Verification {
  readonly compared: readonly InterfaceComparison[];
  readonly changes: readonly PlacedChange[];
}

/** Moments tried for each change; a longer list is thinned out. */
const MAX_MOMENTS = 150;

/**
 * As `verifyLab`; where frames disagree and the tables differ before and after, each
 * change is made at the event before which it leaves the fewest disagreements.
 */
export function verifyWithChanges(lab: Lab, options: VerifyOptions = {}): Verification {
  let compared = verifyLab(lab, options);
  const found = lab.after === undefined ? [] : tableChanges(lab.plan, lab.after);
  let least = disagreements(compared);
  if (least === 0) return { compared, changes: found.map((change) => placed(change)) };
  const edits: LabEdit[] = [...(options.edits ?? [])];
  const changes: PlacedChange[] = [];
  for (const change of found) {
    let best: { event: string; at: number } | undefined;
    for (const { label, at } of moments(lab)) {
      const edit: LabEdit = { at, apply: change.apply };
      const tried = verifyLab(lab, { ...options, edits: [...edits, edit] });
      const left = disagreements(tried);
      // Of equal moments the last: a change is made for what follows it.
      if (left > least || (left === least && best === undefined)) continue;
      least = left;
      compared = tried;
      best = { event: label, at };
    }
    if (best !== undefined) edits.push({ at: best.at, apply: change.apply });
    changes.push(placed(change, best));
  }
  return { compared, changes };
}

function moments({ events }: Lab): Lab['events'] {
  const step = Math.ceil(events.length / MAX_MOMENTS);
  return events.filter((_, i) => i % step === 0);
}

const disagreements = (compared: readonly InterfaceComparison[]): number =>
  compared.reduce((sum, c) => sum + c.different + c.missing + c.extra, 0);

const placed = (
  { namespace, table, sign, entries }: TableChange,
  before?: PlacedChange['before'],
): PlacedChange => ({
  namespace,
  table,
  sign,
  entries,
  ...(before === undefined ? {} : { before }),
});
