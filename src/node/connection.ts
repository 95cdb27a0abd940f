/** One connection as tracking knows it, and what it makes of a packet: struct nf_conn, ip_conntrack_info. */
import type { TcpFlow } from './tcp-tracking.ts';
import type { Tuple } from './tuple.ts';

export const CtState = {
  None: 0,
  New: 1,
  Established: 2,
  Related: 4,
  Invalid: 8,
  Untracked: 16,
} as const;

/** Beside the state of a packet, what became of its connection's ends (XT_CONNTRACK_STATE_SNAT, …_DNAT). */
export const SOURCE_CHANGED = 32;
export const DESTINATION_CHANGED = 64;

export const ORIGINAL = 0;
export const REPLY = 1;

export interface Connection {
  readonly tuples: readonly [Tuple, Tuple];
  /** Its number among all there ever were: an id is used again. */
  readonly serial: number;
  confirmed: boolean;
  /** Nobody finds it any more. */
  gone: boolean;
  replied: boolean;
  /** Bits of NAT: what was set up, and what changes anything. */
  natDone: number;
  nat: number;
  /** Ticks of the packet that kept it last, and how long it lasts after that, ms. */
  last: number;
  timeout: number;
  /** Ticks of its first packet. */
  readonly began: number;
  /** UDP: it has been a stream. TCP has its own (TcpFlow). */
  assured: boolean;
  /** Position of the device whose address it was given by MASQUERADE; -1 none (masq_index). */
  masquerade: number;
  readonly tcp: TcpFlow | null;
  /** The next and the one before among those of one original source; -1 none. */
  nextOfSource: number;
  previousOfSource: number;
}
