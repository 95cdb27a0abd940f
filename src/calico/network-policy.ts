/** NetworkPolicy and GlobalNetworkPolicy of Calico: whom they select, and their rules. */
import type { Field } from './field.ts';
import { compareNames } from './names.ts';
import { NAMESPACE_LABEL, type PartySelector } from './party.ts';
import { namespaceSelector, type PolicyRule, readRules } from './policy-rule.ts';
import { parseSelector } from './selector.ts';
import { compareOrders, DEFAULT_TIER } from './tier.ts';

/** `untracked` ones are asked before connections are known, `preDnat` ones before NAT. */
export type PolicyStage = 'normal' | 'untracked' | 'preDnat';

export interface Policy {
  readonly kind:
    | 'NetworkPolicy'
    | 'GlobalNetworkPolicy'
    | 'Kubernetes NetworkPolicy'
    | 'AdminNetworkPolicy'
    | 'BaselineAdminNetworkPolicy'
    | 'ClusterNetworkPolicy';
  /** `namespace/name`, or the name of a global one: what a trace says. */
  readonly label: string;
  readonly name: string;
  readonly namespace: string | undefined;
  readonly tier: string;
  /** Infinity where none is given. */
  readonly order: number;
  readonly selects: PartySelector['holds'];
  /** Where it is asked; for workloads only `normal` ones are. */
  readonly stage: PolicyStage;
  /** Asked about what a host endpoint forwards, too. */
  readonly onForward: boolean;
  /** Absent where the policy does not speak of this direction. */
  readonly ingress: readonly PolicyRule[] | undefined;
  readonly egress: readonly PolicyRule[] | undefined;
  /** Rules that Calico cannot convert from Kubernetes' own. */
  readonly unconverted?: readonly string[];
  readonly at: Field;
}

/** Throws ERR_CONFIG_VALUE for what Calico's own validation refuses. */
export function readNetworkPolicy(
  written: string,
  namespace: string | undefined,
  resource: Field,
): Policy {
  const spec = resource.entry('spec');
  const tier = spec.entry('tier').optional((f) => f.name()) ?? DEFAULT_TIER;
  // The CRDs are called `TIER.NAME`, what calicoctl prints only `NAME` in the default tier.
  const name = written.startsWith(`${tier}.`) ? written.slice(tier.length + 1) : written;
  const rulesOf = (key: 'ingress' | 'egress') => readRules(spec.entry(key), namespace);
  const ingress = rulesOf('ingress');
  const egress = rulesOf('egress');
  const types = typesOf(spec);
  return {
    kind: namespace === undefined ? 'GlobalNetworkPolicy' : 'NetworkPolicy',
    label: namespace === undefined ? name : `${namespace}/${name}`,
    name,
    namespace,
    tier,
    order: spec.entry('order').optional((f) => f.number()) ?? Infinity,
    selects: selectorOf(spec, namespace),
    ingress: types.includes('Ingress') ? ingress : undefined,
    egress: types.includes('Egress') ? egress : undefined,
    ...stageOf(spec, namespace),
    at: resource.emptied(),
  };
}

function stageOf(spec: Field, namespace: string | undefined): Pick<Policy, 'stage' | 'onForward'> {
  if (namespace !== undefined) return { stage: 'normal', onForward: false };
  const is = (key: string): boolean => spec.entry(key).optional((f) => f.boolean()) === true;
  const untracked = is('doNotTrack');
  const preDnat = is('preDNAT');
  if (untracked && preDnat) {
    throw spec.entry('preDNAT').conflict('doNotTrack or preDNAT', 'both');
  }
  const onForward = is('applyOnForward');
  if ((untracked || preDnat) && !onForward) {
    throw spec.entry('applyOnForward').refuse('true, as doNotTrack and preDNAT need it');
  }
  if (preDnat && spec.entry('egress').items().length > 0) {
    throw spec.entry('egress').refuse('no egress rules, which preDNAT does not know');
  }
  return { stage: untracked ? 'untracked' : preDnat ? 'preDnat' : 'normal', onForward };
}

/** By default a policy is of the types that it has rules for, and of Ingress without any. */
export function typesOf(spec: Field, key = 'types'): readonly ('Ingress' | 'Egress')[] {
  const given = spec.entry(key).items();
  if (given.length > 0) return given.map((f) => f.choice(['Ingress', 'Egress']));
  const egress = spec.entry('egress').items().length > 0;
  const ingress = spec.entry('ingress').items().length > 0 || !egress;
  return [...(ingress ? (['Ingress'] as const) : []), ...(egress ? (['Egress'] as const) : [])];
}

function selectorOf(spec: Field, namespace: string | undefined): PartySelector['holds'] {
  const own = spec.entry('selector').optional((f) => parseSelector(f));
  const accounts = spec.entry('serviceAccountSelector').optional((f) => parseSelector(f));
  const spaces =
    namespace === undefined
      ? spec.entry('namespaceSelector').optional(namespaceSelector)
      : undefined;
  return (party) =>
    (namespace === undefined || party.labels.get(NAMESPACE_LABEL) === namespace) &&
    (own?.(party.labels) ?? true) &&
    (accounts?.(party.account) ?? true) &&
    (spaces?.(party) ?? true);
}

/** The order within a tier: by `order`, without one last; then by name, namespace and kind. */
export const comparePolicies = (a: Policy, b: Policy): number =>
  compareOrders(a.order, b.order) ||
  compareNames(a.name, b.name) ||
  compareNames(a.namespace ?? '', b.namespace ?? '') ||
  compareNames(a.kind, b.kind);
