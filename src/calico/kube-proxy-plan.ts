/** kube-proxy's rules beside Felix's on one node, and what they leave out. */
import type { ChainPlan, NetfilterPlan, NetfilterRule } from '../plan/netfilter.ts';
import { parseNetfilter } from '../text/iptables-save.ts';
import { contains, formatPrefix, type Ip4, type Prefix } from '../wire/address.ts';
import type { BgpResources } from './bgp-draft.ts';
import type { CalicoNode } from './calico-node.ts';
import type { ChainInsertMode } from './felix-configuration.ts';
import type { IpPool } from './ip-pool.ts';
import { endpointsByService, kubeProxyText } from './kube-proxy.ts';
import type { KubeProxyConfiguration } from './kube-proxy-configuration.ts';
import type { ProxyNode } from './kube-proxy-port.ts';
import { compareNames, listNames } from './names.ts';
import type { Service, ServiceEndpoint } from './service-resource.ts';
import type { Setup } from './setup-draft.ts';

interface Input {
  readonly pools: readonly IpPool[];
  readonly bgp: Pick<BgpResources, 'services' | 'endpoints'>;
  readonly setup: Pick<Setup, 'ranges' | 'kubeProxy'>;
}

/** Puts kube-proxy's rules of a node under Felix's; plans that are one object stay one. */
export function kubeProxyOver(
  { pools, bgp: { services: given, endpoints: listed }, setup: { ranges, kubeProxy } }: Input,
  assumptions: string[],
): (felix: NetfilterPlan, node: ProxyNode, mode?: ChainInsertMode) => NetfilterPlan {
  const services = [...given].sort(([a], [b]) => compareNames(a, b));
  const endpoints = endpointsByService(listed);
  const clusterCidr = ranges.pods ?? clusterCidrOf(pools);
  const settings = { ...kubeProxy, clusterCidr };
  const runs = services.some(
    ([name, { clusterIps, ports }]) =>
      clusterIps.length > 0 && ports.length > 0 && endpoints.has(name),
  );
  note({ services, endpoints, kubeProxy }, assumptions);
  if (runs) {
    assumptions.push(`kube-proxy runs in iptables mode, ${rangeInWords(ranges.pods, clusterCidr)}`);
  }
  if (!runs) return (felix) => felix;

  const local = services.filter(([name, service]) =>
    differsByNode(service, endpoints.get(name) ?? []),
  );
  const plans = new Map<string, NetfilterPlan>();
  const made = new Map<NetfilterPlan, Map<NetfilterPlan, NetfilterPlan>>();
  return (felix, node, mode) => {
    // Nodes with the same rules where rules may differ have the same rules.
    const key = kubeProxyText({ services: local, endpoints, settings }, node);
    let kube = plans.get(key);
    if (kube === undefined) {
      kube = parseNetfilter(kubeProxyText({ services, endpoints, settings }, node), 'kube-proxy');
      plans.set(key, kube);
    }
    const over = made.get(felix) ?? new Map<NetfilterPlan, NetfilterPlan>();
    made.set(felix, over);
    const plan = over.get(kube) ?? stacked(felix, kube, mode);
    over.set(kube, plan);
    return plan;
  };
}

/** A node as its kube-proxy sees it. */
export const proxyNode = ({ name, labels }: CalicoNode, address: Ip4): ProxyNode => ({
  name,
  zone: labels.get('topology.kubernetes.io/zone'),
  addresses: [address],
});

const differsByNode = (service: Service, endpoints: readonly ServiceEndpoint[]): boolean =>
  service.internalLocal ||
  service.local ||
  service.sourceRanges.length > 0 ||
  endpoints.some(({ forNodes, forZones }) => forNodes.length + forZones.length > 0);

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

interface Known {
  readonly services: readonly (readonly [string, Service])[];
  readonly endpoints: ReadonlyMap<string, readonly ServiceEndpoint[]>;
  readonly kubeProxy: KubeProxyConfiguration;
}

function note({ services, endpoints, kubeProxy }: Known, assumptions: string[]): void {
  const tell = (which: (service: Service, name: string) => boolean, what: string): void => {
    const names = services.flatMap(([name, service]) => (which(service, name) ? [name] : []));
    if (names.length > 0) assumptions.push(`${what}: ${listNames(names)}`);
  };
  if (kubeProxy.unmodelled.length > 0) {
    assumptions.push(
      `KubeProxyConfiguration: set and not modelled: ${listNames(kubeProxy.unmodelled)}; ` +
        'services are as the iptables mode has them',
    );
  }
  tell(
    ({ clusterIps, ports }, name) =>
      clusterIps.length > 0 && ports.length > 0 && !endpoints.has(name),
    'kube-proxy writes nothing for a Service without EndpointSlice or Endpoints in the input',
  );
  tell(
    ({ addressless }) => addressless === 'headless',
    'headless, so that its name means its pods and kube-proxy writes nothing',
  );
  tell(
    ({ addressless }) => addressless === 'ExternalName',
    'an ExternalName, for which kube-proxy writes nothing',
  );
}

/**
 * Felix keeps its jumps on top of every built-in chain, or below (chainInsertMode); what
 * it appends comes after everybody else's. Plans of two modes are two objects.
 */
function stacked(
  felix: NetfilterPlan,
  kube: NetfilterPlan,
  mode: ChainInsertMode = 'Insert',
): NetfilterPlan {
  const chains = new Map<string, ChainPlan>();
  const key = ({ table, name }: ChainPlan): string => `${table} ${name}`;
  for (const chain of felix.chains) chains.set(key(chain), chain);
  for (const chain of kube.chains) {
    const above = chains.get(key(chain));
    chains.set(
      key(chain),
      above === undefined ? chain : { ...above, rules: within(above, chain, mode) },
    );
  }
  return { chains: [...chains.values()], sets: [...felix.sets, ...kube.sets] };
}

function within(
  { rules: felix }: ChainPlan,
  { rules: kube }: ChainPlan,
  mode: ChainInsertMode,
): NetfilterRule[] {
  if (mode === 'Append') return [...kube, ...felix];
  const other = felix.findIndex(
    ({ target }) => !('chain' in target && target.chain.startsWith('cali-')),
  );
  const top = other < 0 ? felix.length : other;
  return [...felix.slice(0, top), ...kube, ...felix.slice(top)];
}
