/**
 * Netfilter rules as plain data: what `iptables-save` and `ipset save` print, in
 * the part that Calico and kube-proxy use.
 */
import type { Ip4, Prefix } from '../wire/address.ts';

export type NetfilterTable = 'raw' | 'mangle' | 'nat' | 'filter';

interface Negatable {
  /** `!` */
  readonly not: boolean;
}

export interface PrefixMatch extends Negatable {
  readonly prefix: Prefix;
}

export interface NameMatch extends Negatable {
  /** `cali+` matches by beginning. */
  readonly name: string;
}

export interface NumberMatch extends Negatable {
  readonly from: number;
  readonly to: number;
}

export interface MarkMatch extends Negatable {
  readonly value: number;
  readonly mask: number;
}

export interface SetMatch extends Negatable {
  readonly set: string;
  /** `src`, `dst`, `src,src` … one a dimension. */
  readonly directions: readonly ('src' | 'dst')[];
}

/** `multiport`: one of the ranges. */
export interface PortsMatch extends Negatable {
  readonly side: 'src' | 'dst';
  readonly ranges: readonly PortRange[];
}

/** `--icmp-type 3/1`; without a code any. */
export interface IcmpMatch extends Negatable {
  readonly type: number;
  readonly code?: number;
}

/** `recent`: a list of addresses by name, and when each was seen. */
export interface RecentMatch extends Negatable {
  readonly list: string;
  /** Enter the address, ask for it, ask and enter it anew, or strike it out. */
  readonly verb: 'set' | 'rcheck' | 'update' | 'remove';
  readonly side: 'src' | 'dst';
  /** How long ago at most; 0: at any time. */
  readonly seconds: number;
  /** How often at least. */
  readonly hits: number;
  readonly reap: boolean;
}

export interface AddressTypeMatch {
  readonly side: 'src' | 'dst';
  readonly not: boolean;
  readonly limit?: 'in' | 'out';
}

/** Of `--ctstate`: the last two hold where that end of the connection is translated. */
export type ConnectionState =
  | 'NEW'
  | 'ESTABLISHED'
  | 'RELATED'
  | 'INVALID'
  | 'UNTRACKED'
  | 'SNAT'
  | 'DNAT';

/** All that is given must match. */
export interface Matches {
  readonly source?: PrefixMatch;
  readonly destination?: PrefixMatch;
  /** IP protocol number. */
  readonly protocol?: NumberMatch;
  readonly inDevice?: NameMatch;
  readonly outDevice?: NameMatch;
  readonly sourcePort?: NumberMatch;
  readonly destinationPort?: NumberMatch;
  readonly ports?: readonly PortsMatch[];
  readonly icmp?: readonly IcmpMatch[];
  /** `--tcp-flags MASK COMPARED`: of the flags in the mask, exactly those are set. */
  readonly tcpFlags?: Negatable & { readonly mask: number; readonly set: number };
  readonly mark?: MarkMatch;
  readonly states?: Negatable & { readonly any: readonly ConnectionState[] };
  readonly sets?: readonly SetMatch[];
  /** `addrtype --src-type LOCAL` and its like; LOCAL is the only type used. */
  readonly addressTypes?: readonly AddressTypeMatch[];
  readonly statistic?:
    | { readonly mode: 'nth'; readonly every: number; readonly packet: number }
    | { readonly mode: 'random'; readonly probability: number };
  readonly recent?: RecentMatch;
  /** `rpfilter`: `invert` matches packets that fail. */
  readonly rpfilter?: { readonly invert: boolean; readonly loose: boolean };
}

export type Target =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'notrack' | 'none' }
  /** Tracked apart from what is in another zone (1 to 65,535). */
  | { readonly kind: 'zone'; readonly zone: number }
  /** Drop, and answer: by an ICMP "unreachable" of this code, or TCP by a reset. */
  | { readonly kind: 'reject'; readonly code: number | 'tcp-reset' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** mark = (mark & ~mask) ^ value */
  | { readonly kind: 'mark'; readonly value: number; readonly mask: number }
  | { readonly kind: 'masquerade'; readonly randomFully: boolean; readonly ports?: PortRange }
  | {
      readonly kind: 'snat' | 'dnat';
      readonly address?: Ip4;
      readonly ports?: PortRange;
      readonly randomFully: boolean;
    };

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

export interface NetfilterRule {
  readonly matches: Matches;
  readonly target: Target;
  /** The rule as iptables-save prints it, `-A CHAIN …`. */
  readonly text: string;
}

export interface ChainPlan {
  readonly table: NetfilterTable;
  readonly name: string;
  /** Of a built-in chain. */
  readonly policy?: 'ACCEPT' | 'DROP';
  readonly rules: readonly NetfilterRule[];
}

export interface IpSetPlan {
  readonly name: string;
  /** hash:net and hash:ip: prefixes; other kinds are kept and never match. */
  readonly prefixes: readonly Prefix[];
}

/** A namespace with this tracks connections, and reassembles fragments before it looks at them. */
export interface NetfilterPlan {
  readonly chains: readonly ChainPlan[];
  readonly sets: readonly IpSetPlan[];
}
