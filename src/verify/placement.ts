/** When did the tables of a recording change? Found by trying: at the moment that explains most frames. */
import { type TableChange, tableChanges } from './changes.ts';
import type { InterfaceComparison } from './compare.ts';
import type { Lab } from './lab.ts';
import { type Proposal, proposals } from './unlisted-changes.ts';
import { type LabEdit, type VerifyOptions, verifyLab } from './verify.ts';

/** A change of a table during the recording, and the event it stands before. */
export interface PlacedChange {
  readonly namespace: string;
  readonly table: 'routes' | 'neighbours' | 'fdb' | 'sysctl';
  /** `-` entries that went, `+` entries that came, `=` one that was set. */
  readonly sign: '-' | '+' | '=';
  readonly entries: number;
  /** Which, where the dumps do not show it. */
  readonly entry?: string;
  /** Label of the event, and seconds since the start; absent where no moment explains more. */
  readonly before?: { readonly event: string; readonly at: number };
}

export interface Verification {
  readonly compared: readonly InterfaceComparison[];
  readonly changes: readonly PlacedChange[];
}

/** Moments tried for each change of the dumps; a longer list is thinned out. */
const MAX_MOMENTS = 150;
/** Work that the search for changes no dump shows may take, in frames of reruns. */
const MAX_FRAMES = 300_000;
/** Disagreements that nothing explains, before that search ends. */
const MAX_UNEXPLAINED = 4;

/**
 * As `verifyLab`; where frames disagree and the tables differ before and after, each
 * change is made at the event before which it leaves the fewest disagreements. What
 * still disagrees is followed from the first frame on: a change that no dump shows is
 * taken as made where the recording says that something was, and the frames say what.
 */
export function verifyWithChanges(lab: Lab, options: VerifyOptions = {}): Verification {
  const compared = verifyLab(lab, options);
  const found = lab.after === undefined ? [] : tableChanges(lab.plan, lab.after);
  const start = { compared, changes: [], edits: options.edits ?? [] };
  if (disagreements(compared) === 0) return { compared, changes: found.map((c) => placed(c)) };
  const listed = placeListed(lab, options, start, found);
  if (disagreements(listed.compared) === 0) return listed;
  const both = placeUnlisted(lab, options, listed);
  if (found.length === 0 || disagreements(both.compared) === 0) return both;
  // One of the dumps' changes may have taken the place of another, earlier one.
  const other = placeListed(lab, options, placeUnlisted(lab, options, start), found);
  return disagreements(other.compared) < disagreements(both.compared) ? other : both;
}

interface Placement extends Verification {
  readonly edits: readonly LabEdit[];
}

function placeListed(
  lab: Lab,
  options: VerifyOptions,
  start: Placement,
  found: readonly TableChange[],
): Placement {
  let { compared } = start;
  let least = disagreements(compared);
  const edits = [...start.edits];
  const changes = [...start.changes];
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
  return { compared, changes, edits };
}

/** From one disagreement to the next: the change after which the next one comes latest. */
function placeUnlisted(lab: Lab, options: VerifyOptions, start: Placement): Placement {
  const editsWith = (taken: readonly Proposal[]): LabEdit[] => [
    ...start.edits,
    ...taken.map(({ at, change }) => ({ at, apply: change.apply })),
  ];
  const run = (taken: readonly Proposal[]): readonly InterfaceComparison[] =>
    verifyLab(lab, { ...options, edits: editsWith(taken) });
  const cost = start.compared.reduce((sum, { frames }) => sum + frames, 1);
  let runs = Math.floor(MAX_FRAMES / cost);
  let made: readonly Proposal[] = [];
  let { compared } = start;
  let floor = Number.NEGATIVE_INFINITY;
  for (let unexplained = 0; unexplained < MAX_UNEXPLAINED; ) {
    const time = firstAfter(compared, floor);
    if (time === Number.POSITIVE_INFINITY) break;
    let best: Trial | undefined;
    for (const proposal of proposals(lab, compared, time, made)) {
      if (--runs < 0) break;
      const result = run([...made, proposal]);
      const trial = { proposal, result, next: firstAfter(result, floor) };
      // Of several at one moment, each on its own may leave the others.
      const fewer = trial.next === time && disagreements(result) < disagreements(compared);
      const explains = (trial.next > time || fewer) && breaksNothing(result, compared, floor);
      if (explains && (best === undefined || isBetter(trial, best))) best = trial;
      if (disagreements(result) === 0) break;
    }
    if (best === undefined) {
      unexplained++;
      floor = time;
    } else {
      made = [...made, best.proposal];
      compared = best.result;
    }
  }
  for (const one of made) {
    const without = made.filter((other) => other !== one && other.undoes !== one);
    const result = run(without);
    if (disagreements(result) > disagreements(compared)) continue;
    made = without;
    compared = result;
  }
  if (disagreements(compared) >= disagreements(start.compared)) return start;
  const taken = made.map(({ change, event, at }) => placed(change, { event, at }));
  return { compared, changes: [...start.changes, ...taken], edits: editsWith(made) };
}

/** A proposal tried: what it left, and when the next disagreement is. */
interface Trial {
  readonly proposal: Proposal;
  readonly result: readonly InterfaceComparison[];
  readonly next: number;
}

const isBetter = (a: Trial, b: Trial): boolean =>
  a.next > b.next || (a.next === b.next && disagreements(a.result) < disagreements(b.result));

const times = (compared: readonly InterfaceComparison[]): number[] =>
  compared.flatMap(({ differences }) => differences.map(({ at }) => at));

/** No disagreement up to `floor` that was not there before. */
function breaksNothing(
  result: readonly InterfaceComparison[],
  before: readonly InterfaceComparison[],
  floor: number,
): boolean {
  const known = new Set(times(before));
  return times(result).every((at) => at > floor || known.has(at));
}

/** Time of the first disagreement after `floor`; infinity where there is none. */
const firstAfter = (compared: readonly InterfaceComparison[], floor: number): number =>
  times(compared).reduce(
    (first, at) => (at > floor && at < first ? at : first),
    Number.POSITIVE_INFINITY,
  );

function moments({ events }: Lab): Lab['events'] {
  const step = Math.ceil(events.length / MAX_MOMENTS);
  return events.filter((_, i) => i % step === 0);
}

const disagreements = (compared: readonly InterfaceComparison[]): number =>
  compared.reduce((sum, c) => sum + c.different + c.missing + c.extra, 0);

const placed = (
  { namespace, table, sign, entries, entry }: TableChange,
  before?: PlacedChange['before'],
): PlacedChange => ({
  namespace,
  table,
  sign,
  entries,
  ...(entry === undefined ? {} : { entry }),
  ...(before === undefined ? {} : { before }),
});
