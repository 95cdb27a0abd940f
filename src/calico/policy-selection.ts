/** Which policies select an endpoint, tier by tier, in the order in which they are asked. */
import { comparePolicies, type Policy } from './network-policy.ts';
import type { Party } from './party.ts';
import type { Tier } from './tier.ts';

/** Policies that select one endpoint; tiers without any are left out. */
export type Selection = readonly {
  readonly tier: Tier;
  readonly policies: readonly Policy[];
}[];

/** Asks for the selection of a party; what is in no namespace meets global policies alone. */
export type Select = (party: Party, namespace?: string) => Selection;

interface Sorted {
  readonly tier: Tier;
  readonly everywhere: readonly Policy[];
  /** By namespace. */
  readonly inside: ReadonlyMap<string, readonly Policy[]>;
}

/** Sorted once, so that an endpoint meets the policies of its own namespace alone, and the global ones. */
export function selectorOf(tiers: readonly Tier[], policies: readonly Policy[]): Select {
  const sorted = tiers.map((tier) => inTier(tier, policies));
  return (party, namespace) =>
    sorted.flatMap(({ tier, everywhere, inside }) => {
      const own = namespace === undefined ? [] : (inside.get(namespace) ?? []);
      const chosen = [...everywhere, ...own].filter(({ selects }) => selects(party));
      return chosen.length === 0 ? [] : [{ tier, policies: chosen.sort(comparePolicies) }];
    });
}

function inTier(tier: Tier, policies: readonly Policy[]): Sorted {
  const everywhere: Policy[] = [];
  const inside = new Map<string, Policy[]>();
  for (const policy of policies) {
    if (policy.tier !== tier.name) continue;
    const list = policy.namespace === undefined ? everywhere : inside.get(policy.namespace);
    if (list === undefined) inside.set(policy.namespace!, [policy]);
    else list.push(policy);
  }
  return { tier, everywhere, inside };
}

/** The part of a selection that holds for one kind of policies. */
export const keep = (selection: Selection, wanted: (policy: Policy) => boolean): Selection =>
  selection.flatMap(({ tier, policies }) => {
    const kept = policies.filter(wanted);
    return kept.length === 0 ? [] : [{ tier, policies: kept }];
  });
