/** Chains of policies and profiles, made once each however many endpoints ask them. */
import type { ChainPlan, IpSetPlan, NetfilterRule, NetfilterTable } from '../plan/netfilter.ts';
import type { Policy } from './network-policy.ts';
import { chainName, type Direction, rulesChain, type SetChain } from './policy-chains.ts';
import type { Selection } from './policy-selection.ts';
import type { PolicySets } from './policy-sets.ts';
import type { Profile } from './profile.ts';
import { REJECT, type RuleStyle } from './rule-style.ts';
import type { Tier } from './tier.ts';

const PREFIXES = {
  ingress: { policy: 'cali-pi-', profile: 'cali-pri-' },
  egress: { policy: 'cali-po-', profile: 'cali-pro-' },
} as const;

/** Tiers with the chains of their policies. */
export type TierChains = readonly { readonly tier: Tier; readonly chains: readonly string[] }[];

export class ChainShelf {
  private readonly made = new Map<string, SetChain>();
  /** The same chains for other tables, by `table name`. */
  private readonly moved = new Map<string, ChainPlan>();
  private readonly sets: PolicySets;
  /** Of the Felix whose chains these are. */
  readonly style: RuleStyle;

  constructor(sets: PolicySets, style: RuleStyle) {
    this.sets = sets;
    this.style = style;
  }

  /** What one node takes from the shelf. */
  take(): Taken {
    return new Taken(this);
  }

  policy(policy: Policy, direction: Direction): string {
    const name = chainName(PREFIXES[direction].policy, `${policy.tier}/${keyOf(policy)}`);
    return this.once(name, () =>
      rulesChain(name, policy.label, direction, policy[direction] ?? [], this.sets, this.style),
    );
  }

  profile(profile: Profile, direction: Direction): string {
    const name = chainName(PREFIXES[direction].profile, profile.name);
    const owner = `profile ${profile.name}`;
    return this.once(name, () =>
      rulesChain(name, owner, direction, profile[direction], this.sets, this.style),
    );
  }

  private once(name: string, make: () => SetChain): string {
    if (!this.made.has(name)) this.made.set(name, make());
    return name;
  }

  /** A chain as one table has it. */
  in(table: NetfilterTable, name: string): SetChain {
    const made = this.made.get(name)!;
    if (made.chain.table === table) return made;
    const key = `${table} ${name}`;
    const rules = made.chain.rules.map(dropping);
    const chain = this.moved.get(key) ?? { ...made.chain, table, rules };
    this.moved.set(key, chain);
    return { chain, sets: made.sets };
  }
}

/** The chains that one node needs, table by table, and their sets. */
export class Taken {
  private readonly shelf: ChainShelf;
  private readonly used = new Map<string, readonly [NetfilterTable, string]>();

  constructor(shelf: ChainShelf) {
    this.shelf = shelf;
  }

  get style(): RuleStyle {
    return this.shelf.style;
  }

  /** Names of the chains of a selection in one direction. */
  tiers(table: NetfilterTable, selection: Selection, direction: Direction): TierChains {
    return selection.flatMap(({ tier, policies }) => {
      const own = policies.filter((one) => one[direction] !== undefined);
      const chains = own.map((one) => this.use(table, this.shelf.policy(one, direction)));
      return chains.length === 0 ? [] : [{ tier, chains }];
    });
  }

  profiles(
    table: NetfilterTable,
    profiles: readonly Profile[],
    direction: Direction,
  ): readonly string[] {
    return profiles.map((one) => this.use(table, this.shelf.profile(one, direction)));
  }

  private use(table: NetfilterTable, name: string): string {
    this.used.set(`${table} ${name}`, [table, name]);
    return name;
  }

  /** After all have been named. */
  get plan(): { readonly chains: readonly ChainPlan[]; readonly sets: readonly IpSetPlan[] } {
    const taken = [...this.used.values()].map(([table, name]) => this.shelf.in(table, name));
    const sets = new Map(taken.flatMap(({ sets }) => sets.map((set) => [set.name, set] as const)));
    return { chains: taken.map(({ chain }) => chain), sets: [...sets.values()] };
  }
}

/** Only the table filter can reject (xt_REJECT's own table). */
const dropping = (rule: NetfilterRule): NetfilterRule =>
  rule.target.kind === 'reject'
    ? { ...rule, target: { kind: 'drop' }, text: rule.text.replace(`-j ${REJECT}`, '-j DROP') }
    : rule;

const keyOf = ({ namespace, name }: Policy): string =>
  `${namespace === undefined ? '' : `${namespace}/`}${name}`;
