/** Limits of connection tracking, as sysctl has them. What is absent is the kernel's default. */

/** The names of `net.netfilter.nf_conntrack_*_timeout*` with what differs between them. */
export type ConntrackTimeout =
  | 'udp'
  | 'udp_stream'
  | 'icmp'
  | 'generic'
  | 'syn_sent'
  | 'syn_recv'
  | 'established'
  | 'fin_wait'
  | 'close_wait'
  | 'last_ack'
  | 'time_wait'
  | 'close'
  | 'max_retrans'
  | 'unacknowledged';

export interface ConntrackSettings {
  /** nf_conntrack_max: connections at a time; 0 is no limit. */
  readonly max?: number;
  /** Seconds. */
  readonly timeouts?: Readonly<Partial<Record<ConntrackTimeout, number>>>;
}
