/** kube-proxy's rules beside Felix's on one node, and what they leave out. */
import type { ChainPlan, NetfilterPlan, NetfilterRule } from '../plan/netfilter.ts';
import { parseNetfilter } from '../text/iptables-save.ts';
import { contains, formatPrefix, type Prefix } from '../wire/address.ts';
import type { BgpResources } from './bgp-draft.ts';
import type { ClusterRanges } from './cluster-ranges.ts';
import type { IpPool } from './ip-pool.ts';
import { endpointsByService, kubeProxyText } from './kube-proxy.ts';
import { compareNames, listNames } from './names.ts';
import type { Service } from './service-resource.ts';

interface Input {
  readonly pools: readonly IpPool[];
  readonly bgp: Pick<BgpResources, 'services' | 'endpoints'>;
  readonly setup: { readonly ranges: ClusterRanges };
}

/** Puts kube-proxy's rules under Felix's; plans that are one object stay one. */
export function kubeProxyOver(
  { pools, bgp: { services, endpoints }, setup: { ranges } }: Input,
  assumptions: string[],
): (felix: NetfilterPlan) => NetfilterPlan {
  const served = [...services]
    .filter(([, { clusterIps, ports }]) => clusterIps.length > 0 && ports.length > 0)
    .sort(([a], [b]) => compareNames(a, b));
  const clusterCidr = ranges.pods ?? clusterCidrOf(pools);
  const text = kubeProxyText({ services, endpoints, clusterCidr });
  note(served, new Set(endpointsByService(endpoints).keys()), assumptions);
  if (text !== '') {
    assumptions.push(`kube-proxy runs in iptables mode, ${rangeInWords(ranges.pods, clusterCidr)}`);
  }
  if (text === '') return (felix) => felix;
  const kube = parseNetfilter(text, 'kube-proxy');
  const made = new Map<NetfilterPlan, NetfilterPlan>();
  return (felix) => {
    const plan = made.get(felix) ?? stacked(felix, kube);
    made.set(felix, plan);
    return plan;
  };
}

/** Pods come from the pools, so kube-proxy was most likely given the widest of them. */
function clusterCidrOf(pools: readonly IpPool[]): Prefix | undefined {
  return pools
    .map(({ cidr }) => cidr)
    .find((wide) =>
      pools.every(({ cidr }) => cidr.length >= wide.length && contains(wide, cidr.address)),
    );
}

function rangeInWords(given: Prefix | undefined, used: Prefix | undefined): string {
  if (given !== undefined) return `with the cluster's own clusterCIDR ${formatPrefix(given)}`;
  if (used === undefined) return 'without a clusterCIDR, as no IPPool holds all others';
  return `with clusterCIDR ${formatPrefix(used)}, the IPPool that holds all others`;
}

function note(
  served: readonly (readonly [string, Service])[],
  known: ReadonlySet<string>,
  assumptions: string[],
): void {
  const tell = (which: (service: Service, name: string) => boolean, what: string): void => {
    const names = served.flatMap(([name, service]) => (which(service, name) ? [name] : []));
    if (names.length > 0) assumptions.push(`${what}: ${listNames(names)}`);
  };
  tell(
    (_, name) => !known.has(name),
    'kube-proxy writes nothing for a Service without EndpointSlice or Endpoints in the input',
  );
  tell(({ affinity }) => affinity, 'sessionAffinity is not modelled, each connection draws anew');
  tell(
    ({ internalLocal }) => internalLocal,
    'internalTrafficPolicy Local is not modelled, all endpoints are used',
  );
  tell(
    ({ local, externalIps, loadBalancerIps, ports }) =>
      local &&
      (externalIps.length > 0 ||
        loadBalancerIps.length > 0 ||
        ports.some(({ nodePort }) => nodePort !== undefined)),
    'externalTrafficPolicy Local is not modelled, only the ClusterIP is served',
  );
}

/**
 * Felix keeps its jumps on top of every built-in chain (chainInsertMode Insert); what
 * it appends comes after everybody else's.
 */
function stacked(felix: NetfilterPlan, kube: NetfilterPlan): NetfilterPlan {
  const chains = new Map<string, ChainPlan>();
  const key = ({ table, name }: ChainPlan): string => `${table} ${name}`;
  for (const chain of felix.chains) chains.set(key(chain), chain);
  for (const chain of kube.chains) {
    const above = chains.get(key(chain));
    chains.set(key(chain), above === undefined ? chain : { ...above, rules: within(above, chain) });
  }
  return { chains: [...chains.values()], sets: [...felix.sets, ...kube.sets] };
}

function within({ rules: felix }: ChainPlan, { rules: kube }: ChainPlan): NetfilterRule[] {
  const other = felix.findIndex(
    ({ target }) => !('chain' in target && target.chain.startsWith('cali-')),
  );
  const top = other < 0 ? felix.length : other;
  return [...felix.slice(0, top), ...kube, ...felix.slice(top)];
}
