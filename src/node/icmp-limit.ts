/**
 * How many ICMP errors a namespace sends: icmpv4_xrlim_allow and ip_error with the
 * token bucket of struct inet_peer (net/ipv4/inetpeer.c, route.c, icmp.c), one
 * bucket a destination. Times are milliseconds of virtual time.
 */
import * as icmp from '../wire/icmp.ts';

/** XRLIM_BURST_FACTOR: errors in a row, in units of the rate. */
const BURST = 6;
/** ip_rt_error_burst: 5 s. */
const ROUTE_ERROR_BURST = 5;
/** icmp_msgs_per_sec and icmp_msgs_burst, all destinations together. */
const GLOBAL_PER_SECOND = 1000;
const GLOBAL_BURST = 50;
/** ip_rt_redirect_load and ip_rt_redirect_number. */
const REDIRECT_MS = 20;
const REDIRECTS = 9;
/** Peers remembered; the oldest is forgotten first (inet_peer_threshold is as coarse). */
const MAX_PEERS = 4096;

interface Peer {
  tokens: number;
  last: number;
  redirects: number;
  redirected: number;
}

export class IcmpLimit {
  private readonly rate: number;
  private readonly routeErrorCost: number;
  private readonly peers = new Map<number, Peer>();
  private globalTokens = GLOBAL_BURST;
  private globalLast = 0;

  /** net.ipv4.icmp_ratelimit and net.ipv4.route.error_cost in ms; 0 switches a limit off. */
  constructor(rate: number, routeErrorCost: number) {
    this.rate = rate;
    this.routeErrorCost = routeErrorCost;
  }

  /**
   * Whether an error of this type may go to the destination now; takes its tokens. `null` for
   * one that goes by the loopback, which has no bucket (icmpv4_xrlim_allow). `told`: what the
   * limit of all errors says of it, where that is known.
   */
  allow(
    destination: number | null,
    type: number,
    code: number,
    now: number,
    told: boolean | null = null,
  ): boolean {
    if (!isLimited(type, code)) return true;
    if (!(told ?? this.allowGlobally(now))) return false;
    return (
      this.rate === 0 || destination === null || this.spend(destination, this.rate, BURST, now)
    );
  }

  /** The bucket that errors from routing draw on before `allow`: ip_error. */
  allowRouteError(destination: number, now: number): boolean {
    const cost = this.routeErrorCost;
    return cost === 0 || this.spend(destination, cost, ROUTE_ERROR_BURST, now);
  }

  /**
   * Each redirect doubles the wait for the next; after nine there is silence. `slack`: as if
   * so many milliseconds more had passed.
   */
  allowRedirect(destination: number, now: number, slack = 0): boolean {
    const peer = this.peer(destination, now);
    const silence = REDIRECT_MS * 2 ** (REDIRECTS + 1);
    if (now + slack > peer.redirected + silence) peer.redirects = 0;
    if (peer.redirects >= REDIRECTS) {
      peer.redirected = now;
      return false;
    }
    const wait = REDIRECT_MS * 2 ** peer.redirects;
    if (peer.redirects > 0 && now + slack <= peer.redirected + wait) return false;
    peer.redirects++;
    peer.redirected = now;
    return true;
  }

  private spend(destination: number, cost: number, burst: number, now: number): boolean {
    const peer = this.peer(destination, now);
    peer.tokens = Math.min(peer.tokens + now - peer.last, burst * cost);
    peer.last = now;
    if (peer.tokens < cost) return false;
    peer.tokens -= cost;
    return true;
  }

  private allowGlobally(now: number): boolean {
    const earned = Math.floor(((now - this.globalLast) * GLOBAL_PER_SECOND) / 1000);
    if (earned > 0) {
      this.globalTokens = Math.min(this.globalTokens + earned, GLOBAL_BURST);
      this.globalLast = now;
    }
    if (this.globalTokens === 0) return false;
    this.globalTokens--;
    return true;
  }

  private peer(destination: number, now: number): Peer {
    const known = this.peers.get(destination);
    if (known !== undefined) return known;
    if (this.peers.size >= MAX_PEERS) this.peers.delete(this.peers.keys().next().value!);
    // A new peer starts a minute in the past: its bucket is full.
    const peer = { tokens: 0, last: now - 60_000, redirects: 0, redirected: 0 };
    this.peers.set(destination, peer);
    return peer;
  }
}

/** icmp_ratemask 6168: unreachable, source quench, time exceeded, parameter problem. */
const MASKED: readonly number[] = [icmp.UNREACHABLE, 4, icmp.TIME_EXCEEDED, icmp.PARAMETER_PROBLEM];

/** "Fragmentation needed" is not: path MTU discovery lives on it (icmpv4_mask_allow). */
export const isLimited = (type: number, code: number): boolean =>
  MASKED.includes(type) && !(type === icmp.UNREACHABLE && code === icmp.CODE_FRAG_NEEDED);
