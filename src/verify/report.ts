/** What a verification found, as data (`podwire verify --json`) and as text. */
import type { FrameDifference, InterfaceComparison } from './compare.ts';
import type { BroughtFacts, Lab } from './lab.ts';
import type { PlacedChange, Verification } from './placement.ts';
import { type UnheardSender, unheardSenders } from './unheard.ts';

export interface FrameCounts {
  /** Frames recorded. */
  readonly frames: number;
  readonly equal: number;
  /** Equal but for bytes a kernel draws at random, and the checksums over them. */
  readonly equalOutsideFree: number;
  readonly different: number;
  /** Recorded, and not made. */
  readonly missing: number;
  /** Made, and not recorded. */
  readonly extra: number;
}

export interface VerifiedInterface extends FrameCounts {
  readonly namespace: string;
  readonly interface: string;
}

export interface VerifiedDifference extends Omit<FrameDifference, 'at'> {
  readonly namespace: string;
  readonly interface: string;
}

export interface VerifyReport {
  readonly interfaces: readonly VerifiedInterface[];
  readonly totals: FrameCounts;
  readonly differences: readonly VerifiedDifference[];
  /** Tables that changed during the recording, and when that was taken to be. */
  readonly changes: readonly PlacedChange[];
  /** Frames that a capture lost, as others show. */
  readonly losses: readonly CountedFrames[];
  /** Whose frames could not be sent again, for want of a capture. */
  readonly unheard: readonly UnheardSender[];
  /** Present where tables and captures were brought from a running cluster. */
  readonly brought?: BroughtReport;
}

/** What is to be known of a verification whose tables and captures somebody brought. */
export interface BroughtReport {
  /** Recorded frames that were put in as they are, where they were recorded: they prove nothing. */
  readonly given: readonly CountedFrames[];
  /** Frames of protocols that no emulated network has. */
  readonly aside: readonly AsideFrames[];
  /** What was taken for granted, what the tables lack, and what of the captures was not used. */
  readonly assumed: readonly string[];
  readonly missing: readonly string[];
  readonly unused: readonly string[];
}

/** So many frames of one interface. */
export interface CountedFrames {
  readonly namespace: string;
  readonly interface: string;
  readonly frames: number;
}

export interface AsideFrames extends CountedFrames {
  readonly protocol: string;
}

/** `lab`: what was verified; without it nothing is said of what its recording lacks. */
export function verifyReport({ compared, changes }: Verification, lab?: Lab): VerifyReport {
  const interfaces = compared.map((c) => ({
    namespace: c.namespace,
    interface: c.interface,
    ...counts(c),
  }));
  const sum = (key: keyof FrameCounts): number => interfaces.reduce((n, i) => n + i[key], 0);
  return {
    interfaces,
    totals: {
      frames: sum('frames'),
      equal: sum('equal'),
      equalOutsideFree: sum('equalOutsideFree'),
      different: sum('different'),
      missing: sum('missing'),
      extra: sum('extra'),
    },
    differences: compared.flatMap((c) =>
      c.differences.map(({ at: _, ...d }) => ({
        namespace: c.namespace,
        interface: c.interface,
        ...d,
      })),
    ),
    changes,
    losses: counted(compared, ({ lost }) => lost),
    unheard: lab === undefined ? [] : unheardSenders(lab),
    ...(lab?.brought === undefined ? {} : { brought: broughtReport(compared, lab, lab.brought) }),
  };
}

const broughtReport = (
  compared: readonly InterfaceComparison[],
  lab: Lab,
  { assumed, missing, unused }: BroughtFacts,
): BroughtReport => ({
  given: counted(compared, ({ given }) => given),
  aside: asideOf(lab),
  assumed,
  missing,
  unused,
});

const counted = (
  compared: readonly InterfaceComparison[],
  count: (one: InterfaceComparison) => number,
): CountedFrames[] =>
  compared
    .map((c) => ({ namespace: c.namespace, interface: c.interface, frames: count(c) }))
    .filter(({ frames }) => frames > 0);

const asideOf = ({ captures }: Lab): AsideFrames[] =>
  captures.flatMap(({ namespace, device, aside = {} }) =>
    Object.entries(aside).map(([protocol, frames]) => ({
      namespace,
      interface: device,
      protocol,
      frames,
    })),
  );

const counts = (c: FrameCounts): FrameCounts => ({
  frames: c.frames,
  equal: c.equal,
  equalOutsideFree: c.equalOutsideFree,
  different: c.different,
  missing: c.missing,
  extra: c.extra,
});

/** How many recorded frames something was made for to compare with. */
export const comparedFrames = ({ totals, brought }: VerifyReport): number =>
  totals.frames - (brought?.given ?? []).reduce((sum, { frames }) => sum + frames, 0);

/** Whether frames were compared, every one of them was made, and no other. */
export const agrees = (report: VerifyReport): boolean => {
  const { different, missing, extra } = report.totals;
  return comparedFrames(report) > 0 && different === 0 && missing === 0 && extra === 0;
};

/** One line an interface, then up to `shown` differences, then one line of totals. */
export function formatVerify(report: VerifyReport, shown = 20): string {
  const { interfaces, totals, differences, changes, losses, unheard, brought } = report;
  const names = interfaces.map((i) => `${i.namespace}:${i.interface}`);
  const width = Math.max(0, ...names.map((name) => name.length));
  const rows = interfaces.map((i, n) => `${(names[n] ?? '').padEnd(width)}  ${line(i)}`);
  const details = differences.slice(0, shown).map(detail);
  const left = differences.length - details.length;
  return [
    ...rows,
    ...(changes.length > 0 ? ['', ...changes.map(moment)] : []),
    ...(losses.length > 0 ? ['', ...losses.map(loss)] : []),
    ...listed(brought?.aside.map(passed)),
    ...(totals.missing > 0 && unheard.length > 0 ? ['', ...unheard.map(silence)] : []),
    ...listed(brought?.unused.map((text) => `not used: ${text}`)),
    ...(brought === undefined ? [] : facts(brought, agrees(report))),
    ...(details.length > 0 ? ['', ...details] : []),
    ...(left > 0 ? [`and ${left} more (--json tells all)`] : []),
    '',
    line(totals),
    ...proof(report),
    '',
  ].join('\n');
}

/** Of each kind, as many as are shown where frames disagree: one of them may be why. */
const SHOWN_FACTS = 10;

function facts({ missing, assumed }: BroughtReport, isFine: boolean): string[] {
  const of = (kind: string, texts: readonly string[]): string[] => {
    const shown = isFine ? [] : texts.slice(0, SHOWN_FACTS);
    const left = texts.length - shown.length;
    const more = shown.length > 0 ? 'more ' : '';
    const rest = left > 0 ? [`${kind}: ${left} ${more}facts (--json tells all)`] : [];
    return listed([...shown.map((text) => `${kind}: ${text}`), ...rest]);
  };
  return [...of('missing', missing), ...of('assumed', assumed)];
}

/** A blank line, and the lines; nothing for none. */
const listed = (lines: readonly string[] = []): string[] =>
  lines.length > 0 ? ['', ...lines] : [];

/** What the totals are worth. */
function proof(report: VerifyReport): string[] {
  const compared = comparedFrames(report);
  const given = report.totals.frames - compared;
  if (given === 0) return [];
  return [`${given} of them were put in as recorded, ${compared} were made and compared`];
}

const passed = ({ namespace, interface: name, protocol, frames }: AsideFrames): string =>
  `${namespace}:${name}: ${frames} frames of ${protocol}, not compared`;

function line(c: FrameCounts): string {
  const parts = [`${c.frames} frames: ${c.equal} equal`];
  if (c.equalOutsideFree > 0) parts.push(`${c.equalOutsideFree} equal outside free bytes`);
  if (c.different > 0) parts.push(`${c.different} different`);
  if (c.missing > 0) parts.push(`${c.missing} missing`);
  if (c.extra > 0) parts.push(`${c.extra} extra`);
  return parts.join(', ');
}

const loss = ({ namespace, interface: name, frames }: CountedFrames): string =>
  `${namespace}:${name}: its capture lost ${frames} frames, as other captures and counters show`;

function silence({ namespace, interface: name, heardBy }: UnheardSender): string {
  const head = `${namespace}${name === undefined ? '' : `:${name}`}: no capture; what it sent is`;
  return heardBy === undefined
    ? `${head} not known, and missing elsewhere`
    : `${head} taken from captures of ${heardBy}, as far as those have it`;
}

function moment({ namespace, table, sign, entries, entry, before }: PlacedChange): string {
  const count = sign === '=' ? `its ${table}` : `${sign}${entries} of its ${table}`;
  const what = `${namespace}: ${count}${entry === undefined ? '' : ` (${entry})`}`;
  if (before === undefined) return `${what} during the recording; no frame tells when`;
  return `${what}, taken to be before "${before.event}" at ${before.at} s`;
}

function detail(d: VerifiedDifference): string {
  const why = d.decision === '' ? '' : `\n    made by: ${d.decision}`;
  const head = `${d.namespace}:${d.interface} frame ${d.frame}, ${d.field}`;
  return `${head}\n    recorded: ${d.expected}\n    made:     ${d.got}${why}`;
}
