/**
 * One chain of one endpoint: tiers in order, policies in order, profiles, and a drop at
 * the end (felix/rules endpoints.go endpointIptablesChain). A tier or profile that
 * allows a packet marks it and returns, since another endpoint may have its say as well.
 */
import { ACCEPT_MARK, PASS_MARK } from './policy-chains.ts';
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
  /** What is known already: accepted here and now, or by a mark and a return. */
  readonly known: 'ACCEPT' | 'RETURN';
  /** Tiers with policies of its direction, and their chains. */
  readonly tiers: readonly { readonly tier: Tier; readonly chains: readonly string[] }[];
  /** Chains of profiles. */
  readonly profiles: readonly string[];
  /** Of a `forward` chain: nobody asks about forwarded packets. */
  readonly open: boolean;
}

export function endpointLines(chain: EndpointChain): readonly string[] {
  const { name, place, stage, failsafe, tiers, profiles, open } = chain;
  const accepted = `-A ${name} -m mark --mark ${ACCEPT_MARK} -j RETURN`;
  const undecided = `-m mark --mark ${cleared(PASS_MARK)}`;
  const drop = (why: string): string => `-m comment --comment "${why} (${place})" -j DROP`;
  const drops = stage === 'normal' || stage === 'forward';
  return [
    `:${name} - [0:0]`,
    ...(stage === 'untracked' ? [] : connectionLines(chain)),
    ...(failsafe === undefined ? [] : [`-A ${name} -j ${failsafe}`]),
    `-A ${name} -j MARK --set-xmark ${cleared(ACCEPT_MARK)}`,
    ...tiers.flatMap(({ tier, chains }) => [
      `-A ${name} -j MARK --set-xmark ${cleared(PASS_MARK)}`,
      ...chains.flatMap((one) => [
        `-A ${name} ${undecided} -j ${one}`,
        ...(stage === 'untracked'
          ? [`-A ${name} -m mark --mark ${ACCEPT_MARK} -j CT --notrack`]
          : []),
        accepted,
      ]),
      ...(tier.end === 'pass' || !drops
        ? []
        : [`-A ${name} ${undecided} ${drop(`no policy of tier ${tier.name} allowed it`)}`]),
    ]),
    ...(stage === 'forward' && open
      ? [`-A ${name} -j MARK --set-xmark ${ACCEPT_MARK}`, `-A ${name} -j RETURN`]
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
const connectionLines = ({ name, known }: EndpointChain): readonly string[] => [
  ...(known === 'RETURN'
    ? [`-A ${name} -m conntrack --ctstate RELATED,ESTABLISHED -j MARK --set-xmark ${ACCEPT_MARK}`]
    : []),
  `-A ${name} -m conntrack --ctstate RELATED,ESTABLISHED -j ${known}`,
  `-A ${name} -m conntrack --ctstate INVALID -j DROP`,
];

const cleared = (mark: string): string => `0x0/${mark.split('/')[1]}`;
