/** NetworkSet and GlobalNetworkSet: labelled lists of prefixes that rules select. */
import { networkOf, type Prefix } from '../wire/address.ts';
import type { Field } from './field.ts';
import type { Labels } from './selector.ts';

export interface NetworkSet {
  /** Absent for a GlobalNetworkSet. */
  readonly namespace: string | undefined;
  readonly labels: Labels;
  /** Its IPv4 part. */
  readonly nets: readonly Prefix[];
}

export function readNetworkSet(namespace: string | undefined, resource: Field): NetworkSet {
  // Names in `allowedEgressDomains` are resolved by a feature of the commercial product.
  const domains = resource.entry('spec').entry('allowedEgressDomains');
  if (domains.items().length > 0) throw domains.refuse('no domains, which are not modelled');
  return {
    namespace,
    labels: readLabels(resource.entry('metadata').entry('labels')),
    nets: readNets(resource.entry('spec').entry('nets')) ?? [],
  };
}

export const readLabels = (at: Field): Labels =>
  new Map(at.entries().map(([key, f]) => [key, f.optional((v) => v.text()) ?? ''] as const));

/** The IPv4 prefixes of a list; `undefined` where there is no list. A bare address is a /32. */
export function readNets(at: Field): readonly Prefix[] | undefined {
  const items = at.items();
  if (items.length === 0) return undefined;
  return items
    .filter((item) => !item.text('a prefix').includes(':'))
    .map((item) => networkOf(item.interfaceAddress()));
}
