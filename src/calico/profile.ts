/**
 * Profile: rules and labels for endpoints that no policy decides about. Those of
 * Kubernetes (`kns.NAMESPACE`, `ksa.NAMESPACE.ACCOUNT`) need no resource: the first
 * allows everything, the second nothing further. `projectcalico-default-allow` is built in.
 */
import type { Field } from './field.ts';
import { readLabels } from './network-set.ts';
import { ANYTHING, type PolicyRule, readRules } from './policy-rule.ts';
import type { Labels } from './selector.ts';

export interface Profile {
  readonly name: string;
  readonly labels: Labels;
  readonly ingress: readonly PolicyRule[];
  readonly egress: readonly PolicyRule[];
}

export function readProfile(name: string, resource: Field): Profile {
  const spec = resource.entry('spec');
  return {
    name,
    labels: readLabels(spec.entry('labelsToApply')),
    ingress: readRules(spec.entry('ingress'), undefined),
    egress: readRules(spec.entry('egress'), undefined),
  };
}

/** A profile that allows everything, both ways: as Calico makes of every namespace of Kubernetes. */
export const openProfile = (name: string): Profile => ({
  name,
  labels: new Map(),
  ingress: [{ ...ANYTHING, action: 'allow', number: 1 }],
  egress: [{ ...ANYTHING, action: 'allow', number: 1 }],
});
