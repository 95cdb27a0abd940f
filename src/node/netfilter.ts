/**
 * The five hooks of netfilter, in the order of their priorities: defragmentation,
 * raw, conntrack, mangle, nat, filter. A namespace without rules has none of this,
 * and its rooms cost one comparison.
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import type { ConntrackSettings } from '../plan/conntrack.ts';
import type { Target } from '../plan/netfilter.ts';
import { RouteKind } from '../tables/routes.ts';
import type { WordMemory } from '../tables/word-memory.ts';
import { i32 } from '../wire/bytes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { type Chains, Verdict } from './chains.ts';
import { CtState } from './connection.ts';
import { Conntrack } from './conntrack.ts';
import { dropped } from './drop-packet.ts';
import { Hook } from './hook.ts';
import { Manip } from './l4-rewrite.ts';
import { Nat, type NatRange } from './nat.ts';
import type { Node } from './node.ts';
import { End, type Next, Room } from './room.ts';
import { selectSource } from './source.ts';

export class Netfilter {
  readonly conntrack: Conntrack;
  readonly chains: Chains;
  readonly nat: Nat;

  constructor(chains: Chains, seed: number, conntrack?: ConntrackSettings, memory?: WordMemory) {
    this.conntrack = new Conntrack(conntrack, memory);
    this.chains = chains;
    this.nat = new Nat(this.conntrack, seed);
  }
}

/** Notes: A the rule that decided, B the new address where one was changed. */
export function prerouting(node: Node, p: Packet): Next {
  const nf = node.netfilter;
  p.noteA = -1;
  p.noteB = 0;
  if (nf === null) return Room.Route;
  if (ipv4.isFragment(bytes, p.l3)) return reassemble(node, p, Room.Prerouting);
  p.ctState = CtState.None;
  p.ctZone = 0;
  if (nf.chains.run(node, p, Hook.RawPrerouting) === Verdict.Drop) return filtered(node, p);
  if (p.ctState !== CtState.Untracked && !nf.conntrack.track(p, node.world.ticks(), true)) {
    return dropped(p, Drop.ConntrackFull);
  }
  node.world.audit?.tracked(node, p);
  if (nf.chains.run(node, p, Hook.ManglePrerouting) === Verdict.Drop) return filtered(node, p);
  if (!translate(node, p, Hook.NatPrerouting, Manip.Destination)) return filtered(node, p);
  return Room.Route;
}

export function input(node: Node, p: Packet): Next {
  const nf = node.netfilter;
  p.noteA = -1;
  p.noteB = 0;
  if (nf === null) return Room.Local;
  if (nf.chains.run(node, p, Hook.MangleInput) === Verdict.Drop) return filtered(node, p);
  if (nf.chains.run(node, p, Hook.FilterInput) === Verdict.Drop) return filtered(node, p);
  if (!translate(node, p, Hook.NatInput, Manip.Source)) return filtered(node, p);
  return confirm(node, p, Room.Local);
}

export function forwardFilter(node: Node, p: Packet): Next {
  const nf = node.netfilter;
  p.noteA = -1;
  p.noteB = 0;
  if (nf === null) return Room.Output;
  if (nf.chains.run(node, p, Hook.MangleForward) === Verdict.Drop) return filtered(node, p);
  if (nf.chains.run(node, p, Hook.FilterForward) === Verdict.Drop) return filtered(node, p);
  return Room.Output;
}

/** A packet born here, routed once; a changed destination or mark sends it to the FIB again. */
export function localOut(node: Node, p: Packet): Next {
  const nf = node.netfilter;
  p.noteA = -1;
  p.noteB = 0;
  if (nf === null || p.localOut) return Room.Output;
  if (ipv4.isFragment(bytes, p.l3)) return reassemble(node, p, Room.LocalOut);
  p.localOut = true;
  p.ctState = CtState.None;
  const to = ipv4.destination(bytes, p.l3);
  if (nf.chains.run(node, p, Hook.RawOutput) === Verdict.Drop) return filtered(node, p);
  // An ICMP error of ours belongs to the connection of what it is about already (nf_ct_attach).
  if (p.ct >= 0 && nf.conntrack.connection(p.ct).tuples[0].zone !== p.ctZone) p.ct = -1;
  if (p.ct >= 0) p.ctState = CtState.Related;
  else if (p.ctState !== CtState.Untracked && !nf.conntrack.track(p, node.world.ticks(), false)) {
    return dropped(p, Drop.ConntrackFull);
  }
  node.world.audit?.tracked(node, p);
  const mark = p.mark;
  if (nf.chains.run(node, p, Hook.MangleOutput) === Verdict.Drop) return filtered(node, p);
  // Only what this table does to the mark routes the packet anew (iptable_mangle.c ipt_mangle_out).
  const marked = p.mark !== mark;
  if (!translate(node, p, Hook.NatOutput, Manip.Destination)) return filtered(node, p);
  if (nf.chains.run(node, p, Hook.FilterOutput) === Verdict.Drop) return filtered(node, p);
  const changed = ipv4.destination(bytes, p.l3) !== to;
  if (changed || marked) return Room.Route;
  return node.routes.kind(p.route) === RouteKind.Local ? Room.Local : Room.Output;
}

export function postrouting(node: Node, p: Packet): Next {
  const nf = node.netfilter;
  p.noteA = -1;
  p.noteB = 0;
  if (nf === null) return Room.Finish;
  if (nf.chains.run(node, p, Hook.ManglePostrouting) === Verdict.Drop) return filtered(node, p);
  if (!translate(node, p, Hook.NatPostrouting, Manip.Source)) return filtered(node, p);
  return confirm(node, p, Room.Finish);
}

/**
 * Whether a redirect about `p` gets out. Before its connection's source is settled it
 * does not: nf_nat_icmp_reply_translation, "if NAT isn't finished, assume it and drop".
 */
export function letsRedirect(node: Node, p: Packet): boolean {
  const nf = node.netfilter;
  if (nf === null || p.ct < 0) return true;
  if (nf.nat.isDone(nf.conntrack.connection(p.ct), Manip.Source)) return true;
  return !(node.plan.netfilter?.chains.some(({ table }) => table === 'nat') ?? false);
}

/** nf_nat_inet_fn: the nat chain sees only the first packet of a connection. */
function translate(node: Node, p: Packet, hook: Hook, manip: Manip): boolean {
  const nf = node.netfilter!;
  p.noteA = -1;
  p.noteB = 0;
  if (p.ct < 0) return true;
  const connection = nf.conntrack.connection(p.ct);
  if (p.ctState === CtState.New && !nf.nat.isDone(connection, manip)) {
    if (nf.chains.run(node, p, hook) === Verdict.Drop && nf.chains.exhausted) return false;
    const target = nf.chains.natTarget;
    p.noteA = target === null ? -1 : nf.chains.decided;
    if (target?.kind === 'masquerade') connection.masquerade = p.output;
    nf.nat.setup(connection, manip, rangeOf(node, p, target, manip));
    if (target !== null || connection.nat !== 0) node.world.audit?.alone('address translation');
  }
  const end = manip === Manip.Source ? ipv4.field.source : ipv4.field.destination;
  const before = i32(bytes, p.l3 + end);
  const passes = nf.nat.apply(p, manip);
  const after = i32(bytes, p.l3 + end);
  p.noteB = after === before ? 0 : after;
  return passes;
}

function rangeOf(node: Node, p: Packet, target: Target | null, manip: Manip): NatRange | undefined {
  if (target === null) return undefined;
  if (target.kind === 'masquerade' && manip === Manip.Source) {
    const address = selectSource(node, p.output, p.nextHop);
    return { address, randomFully: target.randomFully, ...target.ports };
  }
  if (target.kind !== 'snat' && target.kind !== 'dnat') return undefined;
  const address = target.address === undefined ? {} : { address: target.address };
  return { ...address, randomFully: target.randomFully, ...target.ports };
}

function confirm(node: Node, p: Packet, next: Room): Next {
  if (p.ct < 0 || p.ctState === CtState.Related) return next;
  return node.netfilter!.conntrack.confirm(p.ct) ? next : dropped(p, Drop.ConntrackClash);
}

function filtered(node: Node, p: Packet): typeof End.Dropped {
  const nf = node.netfilter!;
  p.noteA = nf.chains.decided;
  nf.conntrack.abandon(p.ct);
  return dropped(p, nf.chains.exhausted ? Drop.RuleBudget : Drop.Filtered);
}

/** ip_defrag before anything else looks: the whole datagram goes on, or nothing does. */
function reassemble(node: Node, p: Packet, next: Room): Next {
  const whole = node.reassembly.add(node, p);
  if (whole !== null) node.world.proceed(node, whole, next);
  return End.Parked;
}
