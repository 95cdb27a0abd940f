/**
 * Which service prefixes each node advertises (confd routeGenerator): the configured
 * ranges from every node, and a /32 from the nodes with an endpoint where the service
 * keeps traffic local; from all nodes where ranges are single addresses or not aggregated. They are blackholes in BIRD and never in a node's kernel.
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
  const { serviceClusterIps, serviceExternalIps, serviceLoadBalancerIps } = configuration;
  if (serviceRanges(configuration).length === 0) return [];
  const takers = nodes
    .filter(({ labels }) => labels.get(EXCLUDED) !== 'true')
    .map(({ name }) => name);
  const prefixes = new Map<string, ServicePrefix>();
  const add = (cidr: Prefix, from: readonly string[]): void => {
    if (from.length === 0) return;
    const key = formatPrefix(cidr);
    const before = prefixes.get(key)?.nodes ?? [];
    // In the order of the nodes, which two services may share.
    const all = takers.filter((name) => before.includes(name) || from.includes(name));
    prefixes.set(key, { cidr, nodes: all });
  };
  const { aggregatesLoadBalancers: aggregates } = configuration;
  const wholes = [...serviceExternalIps, ...(aggregates ? serviceLoadBalancerIps : [])];
  for (const cidr of serviceClusterIps) add(cidr, takers);
  // A range of one address goes out with the service that has the address.
  for (const cidr of wholes.filter(isRange)) add(cidr, takers);

  const ready = new Map<string, Set<string>>();
  for (const { service, nodes: names } of endpoints) {
    const known = ready.get(service) ?? new Set();
    for (const name of names) known.add(name);
    ready.set(service, known);
  }
  for (const [key, service] of services) {
    const holders = ready.get(key);
    if (holders === undefined || service.addressless !== undefined) continue;
    const from = service.local
      ? takers.filter((name) => holders.has(name))
      : (!aggregates && holders.size > 0) || hasAddressOfItsOwn(service, configuration)
        ? takers
        : [];
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

const isRange = ({ length }: Prefix): boolean => length < 32;

/** Is an address of the service advertised as a range of its own (hasAnySingleLoadBalancerIP)? */
function hasAddressOfItsOwn(
  { balanced, externalIps, loadBalancerIps }: Service,
  of: BgpConfiguration,
): boolean {
  const among = (ranges: readonly Prefix[], addresses: readonly Ip4[]): boolean =>
    ranges.some((range) => !isRange(range) && addresses.includes(range.address));
  return (
    (balanced && among(of.serviceLoadBalancerIps, loadBalancerIps)) ||
    among(of.serviceExternalIps, externalIps)
  );
}
