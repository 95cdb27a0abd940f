/** Rules and chains as the packet meets them: ip_tables.c, with the matches Calico uses. */
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import type { NetfilterPlan, NetfilterRule, Target } from '../plan/netfilter.ts';
import { contains } from '../wire/address.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Choices } from './choices.ts';
import { type Chain, type CompiledRule, leadsTo, RESET } from './compiled-rule.ts';
import { CtState } from './connection.ts';
import { mix } from './flow-hash.ts';
import type { Hook } from './hook.ts';
import { sendError } from './icmp-error.ts';
import { type IpSet, ipSetOf } from './ip-set.ts';
import type { Node } from './node.ts';
import { RecentTable } from './recent-table.ts';
import {
  allPortsMatch,
  deviceName,
  flagsMatch,
  icmpMatches,
  inState,
  isEvil,
  isLocal,
  named,
  passesReversePath,
  portsMatch,
  seenBefore,
  within,
} from './rule-match.ts';
import { programOf, type RuleProgram } from './rule-program.ts';
import { resetRejected } from './tcp-reset.ts';

/** What a chain decided. */
export const Verdict = { Continue: 0, Accept: 1, Drop: 2, Return: 3 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

const NONE: readonly never[] = [];

/** Deeper nesting than any rule set of Calico or kube-proxy; nf_tables takes 16 (NFT_JUMP_STACK_SIZE). */
const MAX_DEPTH = 32;
/**
 * Rules one packet may meet at one hook. The kernel has no such limit: chains that jump
 * to the next one twice double its work at every level, and hold a CPU for hours.
 */
const MAX_RULES = 262_144;

/** The rules of one namespace, and what they remember. Those themselves are shared (rule-program.ts). */
export class Chains {
  /** Null before the first packet, which most nodes of a large cluster never see. */
  private program: RuleProgram | null = null;
  /** The rule that decided last, and the NAT target it asked for. */
  decided = -1;
  natTarget: Target | null = null;
  /** The last run met more rules, or deeper jumps, than a packet may: it said drop. */
  exhausted = false;
  private left = 0;
  /** How often a rule said yes or no by chance, by counting or by memory: that holds for one packet. */
  drawn = 0;
  /** A match dropped the packet in the middle of its rule. */
  private isEvil = false;
  /** Of a recording that is run again. */
  choices: Choices | null = null;
  /** By the program's numbers. */
  private sets: readonly (IpSet | undefined)[] = NONE;
  /** The same of the match `recent`, and of `statistic --mode nth`. */
  private lists: readonly RecentTable[] = NONE;
  private counters: number[] | null = null;
  private readonly seed: number;
  private readonly plan: NetfilterPlan;
  private draws = 0;

  constructor(plan: NetfilterPlan, seed: number) {
    this.seed = seed;
    this.plan = plan;
  }

  /** By id. */
  get rules(): readonly NetfilterRule[] {
    return this.program?.rules ?? NONE;
  }

  private prepare(): RuleProgram {
    const { chains, sets } = this.plan;
    const program = programOf(chains);
    const named = new Map(sets.map((set) => [set.name, set]));
    this.sets = program.sets.map((name) => {
      const set = named.get(name);
      return set && ipSetOf(set);
    });
    if (program.lists.length > 0) this.lists = program.lists.map(() => new RecentTable());
    if (program.counters > 0) this.counters = new Array<number>(program.counters).fill(0);
    this.program = program;
    return program;
  }

  /** Runs a built-in chain. One that is not there accepts. */
  run(node: Node, p: Packet, hook: Hook): Verdict {
    this.decided = -1;
    this.natTarget = null;
    this.exhausted = false;
    this.isEvil = false;
    const chain = (this.program ?? this.prepare()).hooks[hook]!;
    if (chain === null) return Verdict.Accept;
    this.left = MAX_RULES;
    const verdict = this.walk(node, p, chain, 0);
    return verdict === Verdict.Continue || verdict === Verdict.Return ? chain.policy : verdict;
  }

  private walk(node: Node, p: Packet, chain: Chain, depth: number): Verdict {
    if (depth > MAX_DEPTH) return this.giveUp();
    const { rules } = chain;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!;
      if (--this.left < 0) return this.giveUp();
      if (!this.matches(node, p, rule)) {
        if (this.isEvil) return Verdict.Drop;
        continue;
      }
      const verdict = this.act(node, p, rule, depth);
      if (verdict !== Verdict.Continue) return verdict;
    }
    return Verdict.Continue;
  }

  private giveUp(): Verdict {
    this.exhausted = true;
    this.decided = -1;
    return Verdict.Drop;
  }

  private act(node: Node, p: Packet, rule: CompiledRule, depth: number): Verdict {
    const { id, kind } = rule;
    switch (kind) {
      case 'accept':
        this.decided = id;
        return Verdict.Accept;
      case 'drop':
        this.decided = id;
        return Verdict.Drop;
      case 'reject':
        // The quote shows the packet as it is at this hook: forwarded ones have lost a hop.
        if (rule.value === RESET) resetRejected(node, p);
        else sendError(node, p, icmp.UNREACHABLE, rule.value, 0);
        this.decided = id;
        return Verdict.Drop;
      case 'return':
        return Verdict.Return;
      case 'mark':
        p.mark = (p.mark & ~rule.mask) ^ rule.value;
        return Verdict.Continue;
      // The first to say how a packet is tracked counts (xt_ct_target).
      case 'notrack':
        if (p.ctZone === 0) p.ctState = CtState.Untracked;
        return Verdict.Continue;
      case 'zone':
        if (p.ctZone === 0 && p.ctState !== CtState.Untracked) p.ctZone = rule.value;
        return Verdict.Continue;
      case 'none':
        return Verdict.Continue;
      case 'jump':
      case 'goto': {
        const { next } = rule;
        if (next === null) return Verdict.Continue;
        const verdict = this.walk(node, p, next, depth + 1);
        if (kind === 'goto') return verdict === Verdict.Continue ? Verdict.Return : verdict;
        return verdict === Verdict.Return ? Verdict.Continue : verdict;
      }
      default:
        this.decided = id;
        this.natTarget = rule.target;
        return Verdict.Accept;
    }
  }

  private matches(node: Node, p: Packet, rule: CompiledRule): boolean {
    const m = rule.matches;
    const from = ipv4.source(bytes, p.l3);
    const to = ipv4.destination(bytes, p.l3);
    if (m.source !== undefined && contains(m.source.prefix, from) === m.source.not) return false;
    if (m.destination !== undefined && contains(m.destination.prefix, to) === m.destination.not)
      return false;
    if (m.protocol !== undefined && !within(m.protocol, ipv4.protocol(bytes, p.l3))) return false;
    if (
      m.inDevice !== undefined &&
      named(m.inDevice.name, deviceName(node, p.input)) === m.inDevice.not
    )
      return false;
    if (
      m.outDevice !== undefined &&
      named(m.outDevice.name, deviceName(node, p.output)) === m.outDevice.not
    ) {
      return false;
    }
    if (rule.asksHeader && isEvil(rule, p)) {
      this.decided = rule.id;
      this.isEvil = true;
      return false;
    }
    if ((m.sourcePort !== undefined || m.destinationPort !== undefined) && !portsMatch(m, p))
      return false;
    if (m.ports !== undefined && !allPortsMatch(m.ports, p)) return false;
    if (m.icmp !== undefined && !icmpMatches(m.icmp, p)) return false;
    if (m.tcpFlags !== undefined && flagsMatch(m.tcpFlags, p) === m.tcpFlags.not) return false;
    if (m.mark !== undefined && ((p.mark & m.mark.mask) === m.mark.value) === m.mark.not)
      return false;
    if (m.states !== undefined && inState(node, p, rule.states) === m.states.not) return false;
    const { sets } = rule;
    const addressTypes = m.addressTypes ?? NONE;
    // Counted loops: an iterator would be an allocation a packet.
    for (let i = 0; i < sets.length; i++) {
      const set = sets[i]!;
      const inside = this.sets[set.set]?.has(set.ofDestination ? to : from) ?? false;
      if (inside === set.not || set.isCompound) return false;
    }
    for (let i = 0; i < addressTypes.length; i++) {
      const type = addressTypes[i]!;
      const local = isLocal(node, p, type.side === 'src' ? from : to, type.limit);
      if (local === type.not) return false;
    }
    if (m.rpfilter !== undefined) {
      const device = node.devices[p.input];
      const fails = device !== undefined && !passesReversePath(node, p, from, m.rpfilter.loose);
      if (fails !== m.rpfilter.invert) return false;
    }
    if (m.statistic !== undefined && !this.draw(node, p, rule)) return false;
    // The last to be asked, as asking leaves a trace.
    if (m.recent === undefined) return true;
    this.drawn++;
    node.world.audit?.shared(node, 'rules with a memory');
    return seenBefore(m.recent, this.lists[rule.list]!, p, node.world.ticks());
  }

  private draw(node: Node, p: Packet, rule: CompiledRule): boolean {
    this.drawn++;
    node.world.audit?.shared(node, 'rules that choose by chance');
    const { statistic } = rule.matches;
    if (statistic?.mode === 'nth') {
      const counters = this.counters!;
      const now = counters[rule.counter]!;
      counters[rule.counter] = (now + 1) % statistic.every;
      return now === statistic.packet;
    }
    const chosen = this.choices === null ? null : this.choices.endpoint(p);
    if (chosen !== null) return leadsTo(rule, chosen, 0);
    const random = (mix(this.seed, ++this.draws) >>> 0) / 2 ** 32;
    return random < (statistic?.probability ?? 1);
  }
}
