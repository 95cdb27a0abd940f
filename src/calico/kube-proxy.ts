/**
 * What kube-proxy writes in iptables mode, as iptables-save prints it (Kubernetes
 * pkg/proxy/iptables/proxier.go): the tables around the rules of each port of each
 * service (kube-proxy-port.ts). Nodes get the same rules but for what is local to them.
 */
import type { KubeProxySettings } from './kube-proxy-configuration.ts';
import { addPort, type ProxyLines, type ProxyNode, remark } from './kube-proxy-port.ts';
import { compareNames } from './names.ts';
import type { Service, ServiceEndpoint, ServiceEndpoints } from './service-resource.ts';

export interface KubeProxyInput {
  /** By `namespace/name`, in name order. */
  readonly services: readonly (readonly [string, Service])[];
  readonly endpoints: ReadonlyMap<string, readonly ServiceEndpoint[]>;
  readonly settings: KubeProxySettings;
}

/** Empty where no service has a ClusterIP and known endpoints. */
export function kubeProxyText(
  { services, endpoints, settings }: KubeProxyInput,
  node: ProxyNode,
): string {
  const lines: ProxyLines = {
    services: [],
    nodePorts: [],
    chains: new Map(),
    refused: [],
    refusedOutside: [],
    firewall: [],
    healthPorts: [],
  };
  for (const [key, service] of services) {
    const known = endpoints.get(key);
    if (known === undefined || service.clusterIps.length === 0) continue;
    for (const port of service.ports) addPort(key, service, port, known, node, settings, lines);
  }
  const rules = lines.services.length + lines.refused.length;
  const bit = `0x${(2 ** settings.masqueradeBit).toString(16)}`;
  return rules === 0 ? '' : [...natText(lines, bit), ...filterText(lines, bit), ''].join('\n');
}

/** By `namespace/name`, of all resources together. */
export function endpointsByService(
  list: readonly ServiceEndpoints[],
): ReadonlyMap<string, readonly ServiceEndpoint[]> {
  const known = new Map<string, ServiceEndpoint[]>();
  for (const { service, endpoints } of list) {
    const before = known.get(service);
    if (before === undefined) known.set(service, [...endpoints]);
    else before.push(...endpoints);
  }
  return known;
}

function natText({ services, nodePorts, chains }: ProxyLines, bit: string): string[] {
  const mark = `${bit}/${bit}`;
  const portals = remark('kubernetes service portals');
  return [
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':INPUT ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    ':KUBE-MARK-MASQ - [0:0]',
    ':KUBE-NODEPORTS - [0:0]',
    ':KUBE-POSTROUTING - [0:0]',
    ':KUBE-SERVICES - [0:0]',
    ...[...chains.keys()].sort(compareNames).map((chain) => `:${chain} - [0:0]`),
    `-A PREROUTING ${portals} -j KUBE-SERVICES`,
    `-A OUTPUT ${portals} -j KUBE-SERVICES`,
    `-A POSTROUTING ${remark('kubernetes postrouting rules')} -j KUBE-POSTROUTING`,
    `-A KUBE-MARK-MASQ -j MARK --set-xmark ${mark}`,
    ...nodePorts,
    `-A KUBE-POSTROUTING -m mark ! --mark ${mark} -j RETURN`,
    `-A KUBE-POSTROUTING -j MARK --set-xmark ${bit}/0x0`,
    `-A KUBE-POSTROUTING ${remark('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
    ...[...chains].sort(([a], [b]) => compareNames(a, b)).flatMap(([, rules]) => rules),
    ...services,
    `-A KUBE-SERVICES ${remark('kubernetes service nodeports; NOTE: this must be the last rule in this chain')} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`,
    'COMMIT',
  ];
}

function filterText(
  { refused, refusedOutside, firewall, healthPorts }: ProxyLines,
  bit: string,
): string[] {
  const fresh = '-m conntrack --ctstate NEW';
  const portals = `${fresh} ${remark('kubernetes service portals')} -j KUBE-SERVICES`;
  const outside = `${fresh} ${remark('kubernetes externally-visible service portals')} -j KUBE-EXTERNAL-SERVICES`;
  const balancers = `${fresh} ${remark('kubernetes load balancer firewall')} -j KUBE-PROXY-FIREWALL`;
  const forwarding = remark('kubernetes forwarding rules');
  return [
    '*filter',
    ':INPUT ACCEPT [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':KUBE-EXTERNAL-SERVICES - [0:0]',
    ':KUBE-FORWARD - [0:0]',
    ':KUBE-NODEPORTS - [0:0]',
    ':KUBE-PROXY-FIREWALL - [0:0]',
    ':KUBE-SERVICES - [0:0]',
    `-A INPUT ${balancers}`,
    `-A INPUT ${remark('kubernetes health check service ports')} -j KUBE-NODEPORTS`,
    `-A INPUT ${outside}`,
    `-A FORWARD ${balancers}`,
    `-A FORWARD ${forwarding} -j KUBE-FORWARD`,
    `-A FORWARD ${portals}`,
    `-A FORWARD ${outside}`,
    `-A OUTPUT ${balancers}`,
    `-A OUTPUT ${portals}`,
    ...refusedOutside,
    '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    `-A KUBE-FORWARD ${forwarding} -m mark --mark ${bit}/${bit} -j ACCEPT`,
    `-A KUBE-FORWARD ${remark('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    ...healthPorts,
    ...firewall,
    ...refused,
    'COMMIT',
  ];
}
