/**
 * One chain of one endpoint: tiers in order, policies in order, profiles, and a drop at
 * the end (felix/rules endpoints.go endpointIptablesChain). A tier or profile that
 * allows a packet marks it and returns, since another endpoint may have its say as well.
 */
import { type AllowAction, cleared, marked, type RuleStyle } from './rule-style.ts';
import type { Tier } from './tier.ts';

/**
 * `normal` chains drop what nobody allowed; `forward` chains allow it where no policy
 * asks about forwarded packets; the other two leave it to the tables after them.
 */
export type ChainStage = 'normal' | 'forward' | 'untracked' | 'preDnat';

export interface EndpointChain {
  readonly name: string;
  /** What a trace calls it: `ingress of default/web`. */
  readonly place: string;
  readonly stage: ChainStage;
  /** Chain to jump to before all policies. */
  readonly failsafe?: string;
  readonly style: RuleStyle;
  /** What is known already: accepted here and now, or by a mark and a return. */
  readonly known: AllowAction;
  /** What becomes of packets that nobody allowed. */
  readonly deny: RuleStyle['filterDeny'];
  /** Tiers with policies of its direction, and their chains. */
  readonly tiers: readonly { readonly tier: Tier; readonly chains: readonly string[] }[];
  /** Chains of profiles. */
  readonly profiles: readonly string[];
  /** Of a `forward` chain: nobody asks about forwarded packets. */
  readonly open: boolean;
}

export function endpointLines(chain: EndpointChain): readonly string[] {
  const { name, place, stage, failsafe, tiers, profiles, open, deny } = chain;
  const { accept, pass } = chain.style.marks;
  const accepted = `-A ${name} -m mark --mark ${marked(accept)} -j RETURN`;
  const undecided = `-m mark --mark ${cleared(pass)}`;
  const drop = (why: string): string => `-m comment --comment "${why} (${place})" -j ${deny}`;
  const drops = stage === 'normal' || stage === 'forward';
  return [
    `:${name} - [0:0]`,
    ...(stage === 'untracked' ? [] : connectionLines(chain)),
    ...(failsafe === undefined ? [] : [`-A ${name} -j ${failsafe}`]),
    `-A ${name} -j MARK --set-xmark ${cleared(accept)}`,
    ...tiers.flatMap(({ tier, chains }) => [
      `-A ${name} -j MARK --set-xmark ${cleared(pass)}`,
      ...chains.flatMap((one) => [
        `-A ${name} ${undecided} -j ${one}`,
        ...(stage === 'untracked'
          ? [`-A ${name} -m mark --mark ${marked(accept)} -j CT --notrack`]
          : []),
        accepted,
      ]),
      ...(tier.end === 'pass' || !drops
        ? []
        : [`-A ${name} ${undecided} ${drop(`no policy of tier ${tier.name} allowed it`)}`]),
    ]),
    ...(stage === 'forward' && open
      ? [`-A ${name} -j MARK --set-xmark ${marked(accept)}`, `-A ${name} -j RETURN`]
      : []),
    ...(stage === 'normal'
      ? [
          ...profiles.flatMap((one) => [`-A ${name} -j ${one}`, accepted]),
          `-A ${name} ${drop('no profile allowed it')}`,
        ]
      : []),
  ];
}

/** What belongs to a connection was decided about when that began. */
function connectionLines({ name, known, deny, style }: EndpointChain): readonly string[] {
  const belongs = `-A ${name} -m conntrack --ctstate RELATED,ESTABLISHED`;
  return [
    ...(known === 'RETURN' ? [`${belongs} -j MARK --set-xmark ${marked(style.marks.accept)}`] : []),
    `${belongs} -j ${known}`,
    ...(style.deniesInvalid ? [`-A ${name} -m conntrack --ctstate INVALID -j ${deny}`] : []),
  ];
}
