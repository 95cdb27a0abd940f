/** The built-in chains by number, in the order a packet meets them: a name a packet would be a hash. */
export const Hook = {
  RawPrerouting: 0,
  ManglePrerouting: 1,
  NatPrerouting: 2,
  MangleInput: 3,
  FilterInput: 4,
  NatInput: 5,
  MangleForward: 6,
  FilterForward: 7,
  RawOutput: 8,
  MangleOutput: 9,
  NatOutput: 10,
  FilterOutput: 11,
  ManglePostrouting: 12,
  NatPostrouting: 13,
} as const;
export type Hook = (typeof Hook)[keyof typeof Hook];

/** `table CHAIN`, by number. */
export const HOOK_CHAINS: readonly string[] = [
  'raw PREROUTING',
  'mangle PREROUTING',
  'nat PREROUTING',
  'mangle INPUT',
  'filter INPUT',
  'nat INPUT',
  'mangle FORWARD',
  'filter FORWARD',
  'raw OUTPUT',
  'mangle OUTPUT',
  'nat OUTPUT',
  'filter OUTPUT',
  'mangle POSTROUTING',
  'nat POSTROUTING',
];
