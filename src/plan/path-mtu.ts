/** What a namespace makes of path MTUs, and those that it has learned. */
import type { Ip4 } from '../wire/address.ts';
import type { RoutePlan } from './plan.ts';

/** A path MTU or another gateway learned for one destination: the `cache` line of `ip route get`. */
export interface RouteExceptionPlan {
  readonly destination: Ip4;
  /** Table and TOS of the route that it is an exception of. */
  readonly table: RoutePlan['table'];
  readonly tos?: number;
  readonly mtu?: number;
  /** Where a redirect sent what is for the destination. */
  readonly gateway?: Ip4;
  /** Below the least that is believed: it stays at 552, and packets may be fragmented. */
  readonly locked: boolean;
  readonly expiresSeconds: number;
}

export interface PathMtuSettings {
  /** net.ipv4.ip_no_pmtu_disc; absent means 0: "fragmentation needed" is heeded. */
  readonly noPmtuDiscovery?: number;
  /** net.ipv4.ip_forward_use_pmtu; absent means off. */
  readonly forwardUsePmtu?: boolean;
  /** Path MTUs that the namespace has learned. */
  readonly exceptions?: readonly RouteExceptionPlan[];
}
