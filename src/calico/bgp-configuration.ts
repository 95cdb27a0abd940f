/**
 * BGPConfiguration: `default` is for the cluster; of `node.NAME` Calico takes the
 * listen port, the log level and the communities, none of which changes a route.
 */
import type { Prefix } from '../wire/address.ts';
import { readAsNumber } from './calico-node.ts';
import type { Field } from './field.ts';
import type { ClusterRoutes } from './release.ts';

export interface BgpConfiguration {
  readonly asNumber: number;
  readonly mesh: boolean;
  readonly serviceClusterIps: readonly Prefix[];
  readonly serviceExternalIps: readonly Prefix[];
  readonly serviceLoadBalancerIps: readonly Prefix[];
  /** False: addresses of load balancers go out one by one, not as their range. */
  readonly aggregatesLoadBalancers: boolean;
  readonly programClusterRoutes: ClusterRoutes | undefined;
  /** Fields that are set and change nothing here. */
  readonly unmodelled: readonly string[];
}

export const DEFAULT_BGP: BgpConfiguration = {
  asNumber: 64512,
  mesh: true,
  serviceClusterIps: [],
  serviceExternalIps: [],
  serviceLoadBalancerIps: [],
  aggregatesLoadBalancers: true,
  programClusterRoutes: undefined,
  unmodelled: [],
};

const UNMODELLED = ['localWorkloadPeeringIPV4', 'ignoredInterfaces', 'bindMode'].concat([
  'communities',
  'prefixAdvertisements',
]);

export function readBgpConfiguration(resource: Field): BgpConfiguration {
  const spec = resource.entry('spec');
  return {
    asNumber: spec.entry('asNumber').optional(readAsNumber) ?? DEFAULT_BGP.asNumber,
    mesh: spec.entry('nodeToNodeMeshEnabled').optional((f) => f.boolean()) ?? DEFAULT_BGP.mesh,
    serviceClusterIps: readCidrs(spec.entry('serviceClusterIPs')),
    serviceExternalIps: readCidrs(spec.entry('serviceExternalIPs')),
    serviceLoadBalancerIps: readCidrs(spec.entry('serviceLoadBalancerIPs')),
    aggregatesLoadBalancers:
      spec
        .entry('serviceLoadBalancerAggregation')
        .optional((f) => f.choice(['Enabled', 'Disabled'])) !== 'Disabled',
    programClusterRoutes: spec
      .entry('programClusterRoutes')
      .optional((f) => f.choice(['Enabled', 'Disabled', 'EnabledNoEncapOnly'])),
    unmodelled: UNMODELLED.filter((key) => !spec.entry(key).absent),
  };
}

/** `[{cidr: …}]`; IPv6 ranges are left out. */
const readCidrs = (list: Field): Prefix[] =>
  list.items().flatMap((item) => {
    const at = item.entry('cidr');
    return at.text('an IPv4 prefix').includes(':') ? [] : [at.prefix()];
  });
