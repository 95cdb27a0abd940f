/**
 * Which service prefixes each node advertises (confd routeGenerator): the configured
 * ranges from every node, and a /32 from the nodes with an endpoint where the service
 * keeps traffic local. They are blackholes in BIRD and never in a node's kernel.
 */
import { contains, formatPrefix, type Ip4, type Prefix } from '../wire/address.ts';
import type { BgpConfiguration } from './bgp-configuration.ts';
import type { CalicoNode } from './calico-node.ts';
import type { Service, ServiceEndpoints } from './service-resource.ts';

export interface ServicePrefix {
  readonly cidr: Prefix;
  readonly nodes: readonly string[];
}

/** Kubernetes' label for nodes that load balancers leave out. */
const EXCLUDED = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** The ranges of services that a BGPConfiguration has advertised. */
export const serviceRanges = (of: BgpConfiguration): readonly Prefix[] => [
  ...of.serviceClusterIps,
  ...of.serviceExternalIps,
  ...of.serviceLoadBalancerIps,
];

export function servicePrefixes(
  configuration: BgpConfiguration,
  services: ReadonlyMap<string, Service>,
  endpoints: readonly ServiceEndpoints[],
  nodes: readonly CalicoNode[],
): ServicePrefix[] {
  const ranges = serviceRanges(configuration);
  const { serviceClusterIps, serviceExternalIps, serviceLoadBalancerIps } = configuration;
  if (ranges.length === 0) return [];
  const takers = nodes.filter(({ labels }) => labels.get(EXCLUDED) !== 'true');
  const prefixes = new Map<string, ServicePrefix>();
  const add = (cidr: Prefix, from: readonly string[]): void => {
    if (from.length > 0) prefixes.set(formatPrefix(cidr), { cidr, nodes: from });
  };
  for (const cidr of ranges)
    add(
      cidr,
      takers.map(({ name }) => name),
    );

  const ready = new Map<string, Set<string>>();
  for (const { service, nodes: names } of endpoints) {
    const known = ready.get(service) ?? new Set();
    for (const name of names) known.add(name);
    ready.set(service, known);
  }
  for (const [key, service] of services) {
    if (!service.local) continue;
    const holders = ready.get(key);
    const from = takers.flatMap(({ name }) => (holders?.has(name) ? [name] : []));
    const single = (addresses: readonly Ip4[], within: readonly Prefix[]): void => {
      for (const address of addresses) {
        if (within.some((range) => contains(range, address))) add({ address, length: 32 }, from);
      }
    };
    single(service.clusterIps, serviceClusterIps);
    single(service.externalIps, serviceExternalIps);
    single(service.loadBalancerIps, serviceLoadBalancerIps);
  }
  return [...prefixes.values()];
}
