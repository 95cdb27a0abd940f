/**
 * A site is what nodes have in common that see the others alike: one network, one set
 * of NICs and gateways, one configuration. A route to another node is the same on
 * all nodes of a site, so it is made once: with n nodes there are n * n of them.
 */
import type { NextHop, RoutePlan } from '../plan/plan.ts';
import { contains, formatPrefix, type Ip4, networkOf, type Prefix } from '../wire/address.ts';
import type { Destination } from './destination.ts';
import type { IpPool } from './ip-pool.ts';
import { IPIP_DEVICE, VXLAN_DEVICE } from './names.ts';
import { route, wayTo } from './route-entry.ts';
import type { RouteRules } from './route-rules.ts';
import { type Attachment, defaultGateway } from './underlay.ts';
import { DEFAULT_ROUTE } from './underlay-resource.ts';

/** The other end of a route by Felix. */
export interface Remote {
  readonly address: Ip4;
  /** Absent without a VXLAN tunnel. */
  readonly vtep: Ip4 | undefined;
}

export class Site {
  readonly rules: RouteRules;
  readonly #at: Attachment;
  readonly #network: Prefix;
  readonly #hasVtep: boolean;
  readonly #gateways: readonly { readonly destination: Prefix; readonly via: Ip4 }[];
  /** Prefixes that the kernel or the administrator routes: BIRD leaves them alone. */
  readonly #taken: ReadonlySet<string>;

  constructor(at: Attachment, rules: RouteRules, hasVtep: boolean) {
    this.rules = rules;
    this.#at = at;
    this.#network = networkOf(at.own);
    this.#hasVtep = hasVtep;
    const gateway = defaultGateway(at);
    this.#gateways = gateway ? [{ destination: DEFAULT_ROUTE, via: gateway.via }] : [];
    this.#taken = new Set([
      ...at.nics.map(({ address }) => formatPrefix(networkOf(address))),
      ...this.#gateways.map(({ destination }) => formatPrefix(destination)),
    ]);
  }

  /** Decided by this node's mask alone, so it may differ between two nodes (nodeInOurSubnet). */
  #near(pool: IpPool | undefined, peer: Ip4): boolean {
    return pool?.crossSubnet === true && contains(this.#network, peer);
  }

  /** What Felix programs for a prefix of another node; nothing where a tunnel end is unknown. */
  byFelix(
    { cidr, pool, encapsulation, isVtep }: Destination,
    remote: Remote,
  ): RoutePlan | undefined {
    const { rules } = this;
    const source = rules.deviceRoute.source;
    const felix = { origin: 'felix', ...(source === undefined ? {} : { source }) } as const;
    if (encapsulation === 'none' || this.#near(pool, remote.address)) {
      const device = this.#at.parent.device;
      const via = { via: remote.address, device, onlink: true } as const;
      return route({ ...felix, ...via, protocol: rules.protocol }, cidr);
    }
    if (encapsulation === 'ipip') {
      const via = { via: remote.address, device: IPIP_DEVICE, onlink: true } as const;
      return route({ ...felix, ...via, protocol: rules.protocol, ...mtu(rules.ipipMtu) }, cidr);
    }
    if (remote.vtep === undefined || !this.#hasVtep) return undefined;
    const vxlan = { ...felix, ...rules.deviceRoute, ...mtu(rules.vxlanMtu), device: VXLAN_DEVICE };
    return isVtep
      ? route({ ...vxlan, scope: 'link' }, cidr)
      : route({ ...vxlan, via: remote.vtep, onlink: true }, cidr);
  }

  /** What BIRD programs for a prefix it learned (calico_kernel_programming). */
  byBird(cidr: Prefix, pool: IpPool | undefined, hops: readonly Ip4[]): RoutePlan | undefined {
    if (pool?.encapsulation === 'vxlan' || this.#taken.has(formatPrefix(cidr))) return undefined;
    return birdRoute(
      cidr,
      hops.flatMap((hop): Hop[] => {
        if (pool?.encapsulation === 'ipip' && !this.#near(pool, hop)) {
          return [{ via: hop, device: IPIP_DEVICE, onlink: true }];
        }
        const way = wayTo(this.#at.nics, this.#gateways, hop);
        return way === undefined ? [] : [{ ...way, onlink: false }];
      }),
    );
  }
}

const mtu = (value: number | undefined): Partial<RoutePlan> =>
  value === undefined ? {} : { mtu: value };

type Hop = Required<Pick<NextHop, 'via' | 'device' | 'onlink'>>;

/** One route over all next hops that can be reached, or over none of them. */
export function birdRoute(cidr: Prefix, hops: readonly Hop[]): RoutePlan {
  const bird = { protocol: 'bird', origin: 'bird' } as const;
  const unique = [...new Map(hops.map((hop) => [`${hop.via} ${hop.device}`, hop])).values()];
  const [only, ...more] = unique;
  if (only === undefined) return route({ ...bird, type: 'unreachable' }, cidr);
  if (more.length === 0) return route({ ...bird, ...only }, cidr);
  return route({ ...bird, nextHops: unique.map((hop) => ({ ...hop, weight: 1 })) }, cidr);
}
