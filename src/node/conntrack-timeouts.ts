/** How long a connection lasts after its last packet: nf_conntrack_*_timeout*. */
import type { ConntrackSettings, ConntrackTimeout } from '../plan/conntrack.ts';
import { PROTO_ICMP, PROTO_UDP } from '../wire/ipv4.ts';

/** Milliseconds. */
export interface ConntrackTimeouts {
  readonly udp: number;
  /** UDP that has gone both ways for a while. */
  readonly udpStream: number;
  readonly icmp: number;
  readonly generic: number;
  /** By `TcpState`. */
  readonly tcp: readonly number[];
  /** TCP that is sent again and again, or into a closed window. */
  readonly retransmitted: number;
  /** TCP of which something is not acknowledged. */
  readonly unacknowledged: number;
}

/** The kernel's own, seconds (nf_conntrack_proto_*.c). */
const DEFAULTS: Readonly<Record<ConntrackTimeout, number>> = {
  udp: 30,
  udp_stream: 120,
  icmp: 30,
  generic: 600,
  syn_sent: 120,
  syn_recv: 60,
  established: 432_000,
  fin_wait: 120,
  close_wait: 60,
  last_ack: 30,
  time_wait: 120,
  close: 10,
  max_retrans: 300,
  unacknowledged: 300,
};
/** No sysctl sets that of a SYN from both sides, nor of no state at all. */
const FIXED_MS = 120_000;
/** Ticks are 32 bits wide, so that what lasts longer lasts so long. */
const LONGEST_MS = 2 ** 31 - 1;

export const conntrackTimeouts = (settings: ConntrackSettings['timeouts']): ConntrackTimeouts =>
  settings === undefined ? OF_THE_KERNEL : timeoutsOf(settings);

function timeoutsOf(settings: NonNullable<ConntrackSettings['timeouts']>): ConntrackTimeouts {
  const ms = (name: ConntrackTimeout): number =>
    Math.min((settings[name] ?? DEFAULTS[name]) * 1000, LONGEST_MS);
  return {
    udp: ms('udp'),
    udpStream: ms('udp_stream'),
    icmp: ms('icmp'),
    generic: ms('generic'),
    tcp: [FIXED_MS, ...TCP_STATES.map(ms), FIXED_MS],
    retransmitted: ms('max_retrans'),
    unacknowledged: ms('unacknowledged'),
  };
}

/** In the order of `TcpState`, from SynSent to Closed. */
const TCP_STATES: readonly ConntrackTimeout[] = [
  'syn_sent',
  'syn_recv',
  'established',
  'fin_wait',
  'close_wait',
  'last_ack',
  'time_wait',
  'close',
];

/** Shared: nearly every node has these. */
const OF_THE_KERNEL = timeoutsOf({});

/** How long one without states lasts that nobody has answered yet. */
export function unanswered(timeouts: ConntrackTimeouts, protocol: number): number {
  if (protocol === PROTO_UDP) return timeouts.udp;
  return protocol === PROTO_ICMP ? timeouts.icmp : timeouts.generic;
}
