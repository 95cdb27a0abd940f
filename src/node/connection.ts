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

/** What every packet asks for comes first, in one line of the processor's cache. */
export interface Connection {
  /** Nobody finds it any more. */
  gone: boolean;
  replied: boolean;
  /** Ticks of the packet that kept it last, and how long it lasts after that, ms. */
  last: number;
  timeout: number;
  /** Null but for TCP. */
  readonly tcp: TcpFlow | null;
  readonly isUdp: boolean;
  /** UDP: it has been a stream. TCP has its own (TcpFlow). */
  assured: boolean;
  confirmed: boolean;
  readonly tuples: readonly [Tuple, Tuple];
  /** Its number among all there ever were: an id is used again. */
  readonly serial: number;
  /** Bits of NAT: what was set up, and what changes anything. */
  natDone: number;
  nat: number;
  /** Ticks of its first packet. */
  readonly began: number;
  /** Position of the device whose address it was given by MASQUERADE; -1 none (masq_index). */
  masquerade: number;
  /** The next and the one before among those of one original source; -1 none. */
  nextOfSource: number;
  previousOfSource: number;
}

/** Whether it is confirmed and has not expired. */
export const isAlive = ({ gone, confirmed, last, timeout }: Connection, now: number): boolean => {
  const idle = (now - last) | 0;
  return confirmed && !gone && idle >= 0 && idle <= timeout;
};

/** One more packet of one that is alive, where such a packet changes no state; else false. */
export function keep(connection: Connection, now: number): boolean {
  const { tcp, isUdp, replied, assured } = connection;
  if (tcp !== null || (isUdp && replied && !assured)) return false;
  connection.last = now;
  return true;
}
