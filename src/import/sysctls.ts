/** What `sysctl` lists of one namespace, and what it means for a device. */
import type { ConntrackTimeout } from '../plan/conntrack.ts';
import type { DevicePlan, NamespacePlan } from '../plan/plan.ts';
import { wordsOf } from '../text/line-reader.ts';

/** What `sysctl` printed, and whether a key that it lacks is 0. */
interface SysctlText {
  readonly text: string;
  readonly listing: { readonly whole: boolean };
}

const CONNTRACK_TIMEOUTS: Readonly<Record<ConntrackTimeout, string>> = {
  udp: 'udp_timeout',
  udp_stream: 'udp_timeout_stream',
  icmp: 'icmp_timeout',
  generic: 'generic_timeout',
  syn_sent: 'tcp_timeout_syn_sent',
  syn_recv: 'tcp_timeout_syn_recv',
  established: 'tcp_timeout_established',
  fin_wait: 'tcp_timeout_fin_wait',
  close_wait: 'tcp_timeout_close_wait',
  last_ack: 'tcp_timeout_last_ack',
  time_wait: 'tcp_timeout_time_wait',
  close: 'tcp_timeout_close',
  max_retrans: 'tcp_timeout_max_retrans',
  unacknowledged: 'tcp_timeout_unacknowledged',
};

export class Sysctls {
  private readonly values = new Map<string, string>();
  /** A key that is not listed is 0. */
  private readonly zeroes: boolean;

  /** `net.ipv4.ip_forward = 1`; of a key that is listed twice the later line counts. */
  constructor(sections: readonly SysctlText[]) {
    this.zeroes = sections.some(({ listing }) => listing.whole);
    for (const { text } of sections) {
      for (const line of text.split('\n')) {
        const [key, equals, value] = wordsOf(line);
        if (key && equals === '=' && value) this.values.set(key, value);
      }
    }
  }

  get(key: string): string | undefined {
    return this.values.get(key);
  }

  /** A device's own value; procps writes `vxlan/calico` for `vxlan.calico`. */
  ofDevice(device: string, key: string): string | undefined {
    const own = this.get(`net.ipv4.conf.${device}.${key}`);
    return own ?? this.get(`net.ipv4.conf.${device.replaceAll('.', '/')}.${key}`);
  }

  /** What a device does and no other listing tells: IN_DEV_MAXCONF and IN_DEV_ORCONF of inetdevice.h. */
  settings(
    device: string,
  ): Pick<DevicePlan, 'rpFilter' | 'routeLocalnet' | 'acceptLocal' | 'arpAccept' | 'redirects'> {
    if (device === 'lo') return {};
    const keys = ['rp_filter', 'route_localnet', 'accept_local', 'arp_accept'];
    const [filter, localnet, local, accept] = keys.map((key) => {
      const told = [this.ofDevice('all', key), this.ofDevice(device, key)].flatMap((value) =>
        value === undefined ? [] : [Number(value)],
      );
      return told.length === 0 && !this.zeroes ? undefined : Math.max(0, ...told);
    });
    return {
      ...(filter === 0 || filter === 1 || filter === 2 ? { rpFilter: filter } : {}),
      ...(localnet === undefined ? {} : { routeLocalnet: localnet === 1 }),
      ...(local === 1 ? { acceptLocal: true } : {}),
      ...(accept === 1 || accept === 2 ? { arpAccept: accept } : {}),
      ...this.redirects(device),
    };
  }

  /** How many connections are tracked, and for how long, as far as it is listed. */
  conntrack(): Pick<NamespacePlan, 'conntrack'> {
    const max = this.count('net.netfilter.nf_conntrack_max') ?? this.count('net.nf_conntrack_max');
    const timeouts = Object.entries(CONNTRACK_TIMEOUTS).flatMap(([name, key]) => {
      const seconds = this.count(`net.netfilter.nf_conntrack_${key}`);
      return seconds === undefined ? [] : [[name, seconds] as const];
    });
    if (max === undefined && timeouts.length === 0) return {};
    return {
      conntrack: {
        ...(max === undefined ? {} : { max }),
        timeouts: Object.fromEntries(timeouts),
      },
    };
  }

  private count(key: string): number | undefined {
    const value = this.get(key);
    return value !== undefined && /^\d{1,10}$/.test(value) ? Number(value) : undefined;
  }

  /** IN_DEV_RX_REDIRECTS, IN_DEV_SHARED_MEDIA, IN_DEV_SEC_REDIRECTS: of what is listed. */
  private redirects(device: string): Pick<DevicePlan, 'redirects'> {
    const told = (key: string): boolean[] =>
      [this.ofDevice('all', key), this.ofDevice(device, key)].flatMap((value) =>
        value === undefined ? [] : [value !== '0'],
      );
    const [accept, shared, secure] = ['accept_redirects', 'shared_media', 'secure_redirects'].map(
      told,
    );
    const forwards = this.get('net.ipv4.ip_forward') === '1';
    const isOn = (list: boolean[]): boolean => list.includes(true);
    const redirects = {
      ...(accept!.length === 0
        ? {}
        : { accept: forwards ? !accept!.includes(false) : isOn(accept!) }),
      ...(shared!.length === 0 ? {} : { sharedMedia: isOn(shared!) }),
      ...(secure!.length === 0 ? {} : { secure: isOn(secure!) }),
    };
    return Object.keys(redirects).length === 0 ? {} : { redirects };
  }

  /** The limits of ICMP errors and the use of path MTUs, as far as they are listed. */
  limits(): Pick<
    NamespacePlan,
    'icmpRateLimit' | 'routeErrorCost' | 'noPmtuDiscovery' | 'forwardUsePmtu'
  > {
    const icmpRateLimit = this.milliseconds('net.ipv4.icmp_ratelimit');
    const routeErrorCost = this.milliseconds('net.ipv4.route.error_cost');
    const noPmtuDiscovery = Number(this.get('net.ipv4.ip_no_pmtu_disc') ?? 0);
    const forwardUsePmtu = this.get('net.ipv4.ip_forward_use_pmtu') === '1';
    return {
      ...([1, 2, 3].includes(noPmtuDiscovery) ? { noPmtuDiscovery } : {}),
      ...(forwardUsePmtu ? { forwardUsePmtu } : {}),
      ...(icmpRateLimit === undefined ? {} : { icmpRateLimit }),
      ...(routeErrorCost === undefined ? {} : { routeErrorCost }),
    };
  }

  /** How many neighbours are kept, as far as it is listed. */
  neighbourLimits(): Pick<NamespacePlan, 'neighbourLimits'> {
    const soft = this.count('net.ipv4.neigh.default.gc_thresh2');
    const most = this.count('net.ipv4.neigh.default.gc_thresh3');
    if (soft === undefined && most === undefined) return {};
    const told = {
      ...(soft === undefined ? {} : { soft }),
      ...(most === undefined ? {} : { most }),
    };
    return { neighbourLimits: told };
  }

  private milliseconds(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined) return this.zeroes ? 0 : undefined;
    return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
  }
}
