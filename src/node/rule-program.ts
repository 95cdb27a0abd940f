/**
 * The chains of a namespace made ready for packets, once for all whose plans have the very same
 * list: nodes without policies of their own do, and a packet that meets another node's rules
 * then finds them in the processor's caches.
 */
import type { ChainPlan, NetfilterRule } from '../plan/netfilter.ts';
import { type Chain, compileRule, type Numbers } from './compiled-rule.ts';
import { HOOK_CHAINS } from './hook.ts';

export class RuleProgram {
  /** By hook: the built-in chains, where they have anything to say. */
  readonly hooks: readonly (Chain | null)[];
  /** By id: every rule of every chain, for the trace. */
  readonly rules: readonly NetfilterRule[];
  /** Names of the sets that rules ask, and of the lists of the match `recent`, by number. */
  readonly sets: readonly string[];
  readonly lists: readonly string[];
  /** How many rules count packets. */
  readonly counters: number;

  constructor(plans: readonly ChainPlan[]) {
    const rules: NetfilterRule[] = [];
    const sets = new Map<string, number>();
    const lists = new Map<string, number>();
    let counters = 0;
    const numbers: Numbers = {
      set: (name) => numberOf(sets, name),
      list: (name) => numberOf(lists, name),
      counter: () => counters++,
    };
    const chains = new Map<string, Chain>();
    for (const plan of plans) {
      chains.set(`${plan.table} ${plan.name}`, {
        policy: plan.policy === 'DROP' ? 2 : 1,
        rules: plan.rules.map((rule) =>
          compileRule(rule, plan.table, rules.push(rule) - 1, numbers),
        ),
      });
    }
    for (const chain of chains.values()) {
      for (const rule of chain.rules) rule.next = chains.get(rule.jump) ?? null;
    }
    this.hooks = HOOK_CHAINS.map((name) => {
      const chain = chains.get(name) ?? null;
      return chain === null || isIdle(chain) ? null : chain;
    });
    this.rules = rules;
    this.sets = [...sets.keys()];
    this.lists = [...lists.keys()];
    this.counters = counters;
  }
}

const isIdle = ({ rules, policy }: Chain): boolean => rules.length === 0 && policy === 1;

function numberOf(names: Map<string, number>, name: string): number {
  const known = names.get(name) ?? names.size;
  names.set(name, known);
  return known;
}

const programs = new WeakMap<readonly ChainPlan[], RuleProgram>();

/** The program of these chains, made once a list. */
export function programOf(chains: readonly ChainPlan[]): RuleProgram {
  let program = programs.get(chains);
  if (program === undefined) {
    program = new RuleProgram(chains);
    programs.set(chains, program);
  }
  return program;
}
