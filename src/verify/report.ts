/** What a verification found, as data (`podwire verify --json`) and as text. */
import type { FrameDifference } from './compare.ts';
import type { PlacedChange, Verification } from './placement.ts';
import type { UnheardSender } from './unheard.ts';

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
  readonly losses: readonly CaptureLoss[];
  /** Whose frames could not be sent again, for want of a capture. */
  readonly unheard: readonly UnheardSender[];
}

export interface CaptureLoss {
  readonly namespace: string;
  readonly interface: string;
  readonly frames: number;
}

/** `unheard`: who was not captured, as `unheardSenders` tells of the lab. */
export function verifyReport(
  { compared, changes }: Verification,
  unheard: readonly UnheardSender[] = [],
): VerifyReport {
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
    losses: compared
      .filter(({ lost }) => lost > 0)
      .map((c) => ({ namespace: c.namespace, interface: c.interface, frames: c.lost })),
    unheard,
  };
}

const counts = (c: FrameCounts): FrameCounts => ({
  frames: c.frames,
  equal: c.equal,
  equalOutsideFree: c.equalOutsideFree,
  different: c.different,
  missing: c.missing,
  extra: c.extra,
});

/** Whether every frame recorded was made, and no other. */
export const agrees = ({ totals }: VerifyReport): boolean =>
  totals.different === 0 && totals.missing === 0 && totals.extra === 0;

/** One line an interface, then up to `shown` differences, then one line of totals. */
export function formatVerify(report: VerifyReport, shown = 20): string {
  const { interfaces, totals, differences, changes, losses, unheard } = report;
  const names = interfaces.map((i) => `${i.namespace}:${i.interface}`);
  const width = Math.max(0, ...names.map((name) => name.length));
  const rows = interfaces.map((i, n) => `${(names[n] ?? '').padEnd(width)}  ${line(i)}`);
  const details = differences.slice(0, shown).map(detail);
  const left = differences.length - details.length;
  return [
    ...rows,
    ...(changes.length > 0 ? ['', ...changes.map(moment)] : []),
    ...(losses.length > 0 ? ['', ...losses.map(loss)] : []),
    ...(totals.missing > 0 && unheard.length > 0 ? ['', ...unheard.map(silence)] : []),
    ...(details.length > 0 ? ['', ...details] : []),
    ...(left > 0 ? [`and ${left} more (--json tells all)`] : []),
    '',
    line(totals),
    '',
  ].join('\n');
}

function line(c: FrameCounts): string {
  const parts = [`${c.frames} frames: ${c.equal} equal`];
  if (c.equalOutsideFree > 0) parts.push(`${c.equalOutsideFree} equal outside free bytes`);
  if (c.different > 0) parts.push(`${c.different} different`);
  if (c.missing > 0) parts.push(`${c.missing} missing`);
  if (c.extra > 0) parts.push(`${c.extra} extra`);
  return parts.join(', ');
}

const loss = ({ namespace, interface: name, frames }: CaptureLoss): string =>
  `${namespace}:${name}: its capture lost ${frames} frames, as other captures and counters show`;

const silence = ({ namespace, interface: name }: UnheardSender): string =>
  `${namespace}${name === undefined ? '' : `:${name}`}: no capture; what it sent is not known, and missing elsewhere`;

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
