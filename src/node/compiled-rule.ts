/**
 * A netfilter rule made ready for packets: what repeats is looked up once, here. Namespaces
 * share it: what a rule remembers of packets has a number, and stands in each one's Chains.
 */
import type {
  ConnectionState,
  Matches,
  NetfilterRule,
  SetMatch,
  Target,
} from '../plan/netfilter.ts';
import { CtState, DESTINATION_CHANGED, SOURCE_CHANGED } from './connection.ts';

const STATE_BIT: { readonly [S in ConnectionState]: number } = {
  NEW: CtState.New,
  ESTABLISHED: CtState.Established,
  RELATED: CtState.Related,
  INVALID: CtState.Invalid,
  UNTRACKED: CtState.Untracked,
  SNAT: SOURCE_CHANGED,
  DNAT: DESTINATION_CHANGED,
};

export interface CompiledRule {
  readonly id: number;
  readonly matches: AllMatches;
  readonly target: Target;
  readonly kind: Target['kind'];
  /** For MARK: mark = (mark & ~mask) ^ value; for CT the zone; for REJECT the code of the ICMP error, or RESET. */
  readonly value: number;
  readonly mask: number;
  /** `table chain` of a jump, and the chain, once all are known. */
  readonly jump: string;
  next: Chain | null;
  readonly states: number;
  /** It asks for ports, flags or an ICMP type. */
  readonly asksHeader: boolean;
  readonly sets: readonly CompiledSetMatch[];
  /** Numbers of the list that `recent` asks, and of the counter of `statistic --mode nth`; -1: none. */
  readonly list: number;
  readonly counter: number;
}

interface CompiledSetMatch {
  /** Number of the set. */
  readonly set: number;
  readonly ofDestination: boolean;
  /** Of several dimensions: no set here has them, and nothing matches. */
  readonly isCompound: boolean;
  readonly not: boolean;
}

/** Gives what rules name a number each. */
export interface Numbers {
  set(name: string): number;
  list(name: string): number;
  /** A new one. */
  counter(): number;
}

export interface Chain {
  readonly rules: readonly CompiledRule[];
  /** A built-in chain's end: accept (1) or drop (2), as in chains.ts. */
  readonly policy: 1 | 2;
}

/** Every key is there, so that all rules have one shape and reading them is one load. */
type AllMatches = { readonly [K in keyof Required<Omit<Matches, 'sets'>>]: Matches[K] | undefined };

const allMatches = (m: Matches): AllMatches => ({
  source: m.source,
  destination: m.destination,
  protocol: m.protocol,
  inDevice: m.inDevice,
  outDevice: m.outDevice,
  sourcePort: m.sourcePort,
  destinationPort: m.destinationPort,
  ports: m.ports,
  icmp: m.icmp,
  tcpFlags: m.tcpFlags,
  mark: m.mark,
  states: m.states,
  addressTypes: m.addressTypes,
  statistic: m.statistic,
  recent: m.recent,
  rpfilter: m.rpfilter,
});

const NONE: readonly never[] = [];

const HEADER_MATCHES = ['sourcePort', 'destinationPort', 'ports', 'icmp', 'tcpFlags'] as const;

/** `id`: its number among all rules of the namespace. */
export function compileRule(
  { matches, target }: NetfilterRule,
  table: string,
  id: number,
  numbers: Numbers,
): CompiledRule {
  const compileSet = ({ set, directions, not }: SetMatch): CompiledSetMatch => ({
    set: numbers.set(set),
    ofDestination: directions[0] === 'dst',
    isCompound: directions.length > 1,
    not,
  });
  return {
    id,
    matches: allMatches(matches),
    target,
    kind: target.kind,
    value: numberOf(target),
    mask: target.kind === 'mark' ? target.mask : 0,
    jump: 'chain' in target ? `${table} ${target.chain}` : '',
    next: null,
    states: matches.states?.any.reduce((bits, state) => bits | STATE_BIT[state], 0) ?? 0,
    asksHeader: HEADER_MATCHES.some((name) => matches[name] !== undefined),
    sets: matches.sets?.map(compileSet) ?? NONE,
    list: matches.recent === undefined ? -1 : numbers.list(matches.recent.list),
    counter: matches.statistic?.mode === 'nth' ? numbers.counter() : -1,
  };
}

/** Chains within chains that are looked into: kube-proxy's have two. */
const MAX_DEPTH = 4;

/** Whether a rule, or the chain it jumps to, gives an address as the destination. */
export function leadsTo({ target, next }: CompiledRule, address: number, depth: number): boolean {
  if (target.kind === 'dnat') return target.address === address;
  if (next === null || depth === MAX_DEPTH) return false;
  return next.rules.some((rule) => leadsTo(rule, address, depth + 1));
}

/** As the value of a rule that rejects. */
export const RESET = -1;

function numberOf(target: Target): number {
  if (target.kind === 'mark') return target.value;
  if (target.kind === 'zone') return target.zone;
  if (target.kind !== 'reject') return 0;
  return target.code === 'tcp-reset' ? RESET : target.code;
}
