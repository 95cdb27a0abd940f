/** Tier: policies are asked tier by tier, and a tier that selects a pod has the last word. */
import type { Field } from './field.ts';
import { compareNames } from './names.ts';

export interface Tier {
  readonly name: string;
  /** Infinity where none is given. */
  readonly order: number;
  /** What becomes of a packet that no policy of the tier decided about. */
  readonly end: 'deny' | 'pass';
}

export const DEFAULT_TIER = 'default';

/** Tiers that Calico makes itself (apiv3 DefaultTierOrder and its kin). */
export const BUILT_IN_TIERS: readonly Tier[] = [
  { name: 'kube-admin', order: 1000, end: 'pass' },
  { name: 'adminnetworkpolicy', order: 1000, end: 'pass' },
  { name: DEFAULT_TIER, order: 1_000_000, end: 'deny' },
  { name: 'kube-baseline', order: 10_000_000, end: 'pass' },
  { name: 'baselineadminnetworkpolicy', order: 10_000_000, end: 'pass' },
];

export function readTier(name: string, resource: Field): Tier {
  const spec = resource.entry('spec');
  const given = BUILT_IN_TIERS.find((tier) => tier.name === name);
  const action = spec.entry('defaultAction').optional((f) => f.choice(['Deny', 'Pass']));
  return {
    name,
    order: spec.entry('order').optional((f) => f.number()) ?? given?.order ?? Infinity,
    end: action === undefined ? (given?.end ?? 'deny') : action === 'Pass' ? 'pass' : 'deny',
  };
}

/** By order, then name; without an order last. */
export const compareTiers = (a: Tier, b: Tier): number =>
  compareOrders(a.order, b.order) || compareNames(a.name, b.name);

/** Infinity - Infinity is no number. */
export const compareOrders = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);
