/**
 * How one Felix writes its rules: its bits of the packet mark, and what becomes of
 * packets that are allowed or denied (felix/rules rule_defs.go NewRenderer; driver.go
 * takes the bits from IptablesMarkMask, the lowest first).
 */
import type { FelixSettings } from './felix-configuration.ts';
import type { Flavour } from './release.ts';

/** Bits of the mark, one each. */
export interface FelixMarks {
  readonly accept: number;
  readonly pass: number;
  /** For packets from workloads: the first scratch bit. */
  readonly workload: number;
  /** WireGuard's own packets. */
  readonly wireguard: number;
  /** What decisions about one packet leave on it: accept, pass and two of scratch. */
  readonly decisions: number;
}

/** The second makes room for the rules after Felix's own: they have the last word. */
export type AllowAction = 'ACCEPT' | 'RETURN';

export interface RuleStyle {
  readonly marks: FelixMarks;
  readonly filterAllow: AllowAction;
  readonly mangleAllow: AllowAction;
  /** In the table filter; the others can only drop. */
  readonly filterDeny: 'DROP' | typeof REJECT;
  /** Packets that fit no connection are denied. */
  readonly deniesInvalid: boolean;
}

/** As iptables-save prints it. */
export const REJECT = 'REJECT --reject-with icmp-port-unreachable';

/** Felix's default (config_params.go IptablesMarkMask). */
const MARK_MASK = 0xffff0000;

export function ruleStyle(
  felix: FelixSettings,
  { markDrop }: Pick<Flavour, 'markDrop'>,
): RuleStyle {
  return {
    marks: marksOf(felix.iptablesMarkMask ?? MARK_MASK, markDrop),
    filterAllow: felix.iptablesFilterAllowAction === 'Return' ? 'RETURN' : 'ACCEPT',
    mangleAllow: felix.iptablesMangleAllowAction === 'Return' ? 'RETURN' : 'ACCEPT',
    filterDeny: felix.iptablesFilterDenyAction === 'Reject' ? REJECT : 'DROP',
    deniesInvalid: felix.disableConntrackInvalidCheck !== true,
  };
}

/** `value/mask` of a bit that is set, as iptables has it; of one that is not, `cleared`. */
export const marked = (bit: number): string => `${hex(bit)}/${hex(bit)}`;
export const cleared = (bits: number): string => `0x0/${hex(bits)}`;

const hex = (bits: number): string => `0x${bits.toString(16)}`;

function marksOf(mask: number, markDrop: boolean): FelixMarks {
  const bits = Array.from({ length: 32 }, (_, i) => 2 ** i).filter((bit) => (mask & bit) !== 0);
  const next = (): number => bits.shift() ?? 0;
  const accept = next();
  const pass = next();
  if (markDrop) next();
  const workload = next();
  const scratch = next();
  return {
    accept,
    pass,
    workload,
    wireguard: next(),
    decisions: (accept | pass | workload | scratch) >>> 0,
  };
}
