/** How one node's Felix and BIRD share the routes, and what they write into them. */
import type { RoutePlan } from '../plan/plan.ts';
import { tryProtocol } from '../text/route-name.ts';
import type { FelixSettings, RouteSource } from './felix-configuration.ts';
import type { Encapsulation } from './ip-pool.ts';
import type { ClusterRoutes, Flavour } from './release.ts';

export interface RouteRules {
  /**
   * Who programs routes of pools with this encapsulation; `undefined`: nobody.
   * What lies outside every pool is never Felix's.
   */
  programmer(encapsulation: Encapsulation, inPool: boolean): 'felix' | 'bird' | undefined;
  /** What Felix's routes to other nodes follow from. */
  readonly routeSource: RouteSource;
  /** Protocol of Felix's routes that are not to a device (calculateRouteProtocol). */
  readonly protocol: string;
  /** Protocol and source of Felix's routes to a device or into VXLAN. */
  readonly deviceRoute: Partial<Pick<RoutePlan, 'protocol' | 'source'>>;
  readonly podMetric: number;
  /** The `mtu` word of routes into a tunnel; absent where the release writes none. */
  readonly vxlanMtu: number | undefined;
  readonly ipipMtu: number | undefined;
}

/** Where Felix's own number has no say: DeviceRouteProtocol is `boot` by default. */
const FELIX = 80;
const BOOT = 3;

export interface RouteRulesInput {
  readonly flavour: Flavour;
  readonly felix: FelixSettings;
  /** BGPConfiguration's programClusterRoutes. */
  readonly bird: ClusterRoutes | undefined;
  /** Does the node run BIRD at all? */
  readonly birdRuns: boolean;
  readonly vxlanMtu: number;
  readonly ipipMtu: number;
}

export function routeRules(input: RouteRulesInput): RouteRules {
  const { flavour, felix } = input;
  const number = felix.deviceRouteProtocol ?? BOOT;
  const source = felix.deviceRouteSourceAddress;
  const optional = flavour.programClusterRoutes;
  const felixs = optional === undefined ? 'Disabled' : (felix.programClusterRoutes ?? optional);
  const rest = optional === 'EnabledIPIPOnly' ? 'EnabledNoEncapOnly' : 'Enabled';
  const birds = optional === undefined ? 'Enabled' : (input.bird ?? rest);
  return {
    programmer: (encapsulation, inPool) => {
      if (encapsulation === 'vxlan') return 'felix';
      if (inPool && programs(felixs, encapsulation)) return 'felix';
      return input.birdRuns && programs(birds, encapsulation) ? 'bird' : undefined;
    },
    routeSource: felix.routeSource ?? 'CalicoIPAM',
    protocol: name(number === BOOT ? FELIX : number),
    deviceRoute: {
      protocol: name(number),
      ...(source === undefined ? {} : { source }),
    },
    podMetric: flavour.podMetric,
    vxlanMtu: flavour.tunnelRouteMtu ? input.vxlanMtu : undefined,
    ipipMtu: flavour.tunnelRouteMtu ? input.ipipMtu : undefined,
  };
}

const programs = (which: ClusterRoutes, encapsulation: Encapsulation): boolean =>
  which === 'Enabled' ||
  (which === 'EnabledIPIPOnly' && encapsulation === 'ipip') ||
  (which === 'EnabledNoEncapOnly' && encapsulation === 'none');

const name = (protocol: number): string => tryProtocol(String(protocol)) ?? String(protocol);
