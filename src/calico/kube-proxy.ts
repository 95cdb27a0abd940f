/**
 * What kube-proxy writes in iptables mode, as iptables-save prints it (Kubernetes
 * pkg/proxy/iptables/proxier.go): each service a chain that draws an endpoint, each
 * endpoint a chain that translates to it. Every node gets the same rules.
 */
import { createHash } from 'node:crypto';
import { formatIp4, formatPrefix, type Prefix } from '../wire/address.ts';
import { compareNames } from './names.ts';
import type {
  PortKey,
  Service,
  ServiceEndpoint,
  ServiceEndpoints,
  ServicePort,
} from './service-resource.ts';

export interface KubeProxyInput {
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, Service>;
  readonly endpoints: readonly ServiceEndpoints[];
  /** `--cluster-cidr`: what comes from outside it is masqueraded on its way to a ClusterIP. */
  readonly clusterCidr: Prefix | undefined;
}

/** Lines for one port of one service. */
interface Draft {
  readonly services: string[];
  readonly nodePorts: string[];
  readonly chains: Map<string, readonly string[]>;
  readonly refused: string[];
  readonly refusedOutside: string[];
}

/** Bit 14, kube-proxy's default (iptables.masqueradeBit). */
const MASQUERADE_MARK = '0x4000/0x4000';

/** `KUBE-SVC-` and its like: what the name is made of, digested (portProtoHash). */
export const kubeChain = (prefix: 'SVC' | 'EXT' | 'SEP', of: string): string =>
  `KUBE-${prefix}-${base32(createHash('sha256').update(of, 'utf8').digest()).slice(0, 16)}`;

/** Empty where no service has a ClusterIP and known endpoints. */
export function kubeProxyText({ services, endpoints, clusterCidr }: KubeProxyInput): string {
  const byService = endpointsByService(endpoints);
  const draft: Draft = {
    services: [],
    nodePorts: [],
    chains: new Map(),
    refused: [],
    refusedOutside: [],
  };
  for (const [key, service] of [...services].sort(([a], [b]) => compareNames(a, b))) {
    const known = byService.get(key);
    if (known === undefined || service.clusterIps.length === 0) continue;
    for (const port of service.ports) {
      const to = endpointsOf(known, port);
      if (to.length === 0) refusePort(draft, key, service, port);
      else addPort(draft, portNameOf(key, port), service, port, to, clusterCidr);
    }
  }
  const rules = draft.services.length + draft.refused.length;
  return rules === 0 ? '' : [...natText(draft), ...filterText(draft), ''].join('\n');
}

/** By `namespace/name`, of all resources together: Endpoints repeat what slices say. */
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

/** `ADDRESS:PORT` of each, in text order; terminating ones where nothing else is left. */
function endpointsOf(known: readonly ServiceEndpoint[], { name, protocol }: PortKey): string[] {
  const own = known.filter((at) => at.name === name && at.protocol === protocol);
  const ready = own.filter((at) => at.ready);
  const used = ready.length > 0 ? ready : own;
  const texts = new Set(used.map(({ address, port }) => `${formatIp4(address)}:${port}`));
  return [...texts].sort(compareNames);
}

/** `namespace/name:port`, as rules' comments have it. */
const portNameOf = (key: string, { name }: PortKey): string =>
  name === '' ? key : `${key}:${name}`;

const remark = (text: string): string => `-m comment --comment "${text}"`;

const portMatch = ({ protocol }: PortKey, port: number): string => `-m ${protocol} --dport ${port}`;

function addPort(
  draft: Draft,
  name: string,
  service: Service,
  port: ServicePort,
  endpoints: readonly string[],
  clusterCidr: Prefix | undefined,
): void {
  const { protocol } = port;
  const own = kubeChain('SVC', name + protocol);
  const clusterIp = `-d ${formatIp4(service.clusterIps[0]!)}/32 -p ${protocol} ${remark(`${name} cluster IP`)} ${portMatch(port, port.port)}`;
  draft.services.push(`-A KUBE-SERVICES ${clusterIp} -j ${own}`);
  const from = clusterCidr === undefined ? undefined : formatPrefix(clusterCidr);
  draft.chains.set(own, [
    ...(from === undefined ? [] : [`-A ${own} ! -s ${from} ${clusterIp} -j KUBE-MARK-MASQ`]),
    ...endpoints.map((endpoint, i) => {
      const left = endpoints.length - i;
      const drawn =
        left === 1 ? '' : ` -m statistic --mode random --probability ${printedProbability(left)}`;
      const chain = kubeChain('SEP', name + protocol + endpoint);
      return `-A ${own} ${remark(`${name} -> ${endpoint}`)}${drawn} -j ${chain}`;
    }),
  ]);
  for (const endpoint of endpoints) {
    const chain = kubeChain('SEP', name + protocol + endpoint);
    draft.chains.set(chain, [
      // An endpoint that meets itself: its answer must come back through the node.
      `-A ${chain} -s ${endpoint.split(':')[0]}/32 ${remark(name)} -j KUBE-MARK-MASQ`,
      `-A ${chain} -p ${protocol} ${remark(name)} -m ${protocol} -j DNAT --to-destination ${endpoint}`,
    ]);
  }
  if (!service.local) addOutside(draft, name, service, port, own);
}

/** Addresses and ports outside the cluster: always masqueraded, as the way back must be this node. */
function addOutside(
  draft: Draft,
  name: string,
  service: Service,
  port: ServicePort,
  own: string,
): void {
  const { protocol, nodePort } = port;
  const chain = kubeChain('EXT', name + protocol);
  for (const [address, what] of outsideOf(service)) {
    draft.services.push(
      `-A KUBE-SERVICES -d ${address}/32 -p ${protocol} ${remark(`${name} ${what}`)} ${portMatch(port, port.port)} -j ${chain}`,
    );
  }
  if (nodePort !== undefined) {
    draft.nodePorts.push(
      `-A KUBE-NODEPORTS -p ${protocol} ${remark(name)} ${portMatch(port, nodePort)} -j ${chain}`,
    );
  }
  if (nodePort === undefined && outsideOf(service).length === 0) return;
  draft.chains.set(chain, [
    `-A ${chain} ${remark(`masquerade traffic for ${name} external destinations`)} -j KUBE-MARK-MASQ`,
    `-A ${chain} -j ${own}`,
  ]);
}

const outsideOf = ({ externalIps, loadBalancerIps }: Service): (readonly [string, string])[] => [
  ...externalIps.map((address) => [formatIp4(address), 'external IP'] as const),
  ...[...new Set(loadBalancerIps)].map(
    (address) => [formatIp4(address), 'loadbalancer IP'] as const,
  ),
];

function refusePort(draft: Draft, key: string, service: Service, port: ServicePort): void {
  const { protocol, nodePort } = port;
  const why = remark(`${portNameOf(key, port)} has no endpoints`);
  const refuse = (address: string): string =>
    `-d ${address}/32 -p ${protocol} ${why} ${portMatch(port, port.port)} -j REJECT --reject-with icmp-port-unreachable`;
  draft.refused.push(`-A KUBE-SERVICES ${refuse(formatIp4(service.clusterIps[0]!))}`);
  for (const [address] of outsideOf(service)) {
    draft.refusedOutside.push(`-A KUBE-EXTERNAL-SERVICES ${refuse(address)}`);
  }
  if (nodePort === undefined) return;
  draft.refusedOutside.push(
    `-A KUBE-EXTERNAL-SERVICES -p ${protocol} ${why} -m addrtype --dst-type LOCAL ${portMatch(port, nodePort)} -j REJECT --reject-with icmp-port-unreachable`,
  );
}

function natText({ services, nodePorts, chains }: Draft): string[] {
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
    `-A KUBE-MARK-MASQ -j MARK --set-xmark ${MASQUERADE_MARK}`,
    ...nodePorts,
    `-A KUBE-POSTROUTING -m mark ! --mark ${MASQUERADE_MARK} -j RETURN`,
    '-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0',
    `-A KUBE-POSTROUTING ${remark('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
    ...[...chains].sort(([a], [b]) => compareNames(a, b)).flatMap(([, rules]) => rules),
    ...services,
    `-A KUBE-SERVICES ${remark('kubernetes service nodeports; NOTE: this must be the last rule in this chain')} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`,
    'COMMIT',
  ];
}

function filterText({ refused, refusedOutside }: Draft): string[] {
  const fresh = '-m conntrack --ctstate NEW';
  const portals = `${fresh} ${remark('kubernetes service portals')} -j KUBE-SERVICES`;
  const outside = `${fresh} ${remark('kubernetes externally-visible service portals')} -j KUBE-EXTERNAL-SERVICES`;
  const forwarding = remark('kubernetes forwarding rules');
  return [
    '*filter',
    ':INPUT ACCEPT [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':KUBE-EXTERNAL-SERVICES - [0:0]',
    ':KUBE-FORWARD - [0:0]',
    ':KUBE-SERVICES - [0:0]',
    `-A INPUT ${outside}`,
    `-A FORWARD ${forwarding} -j KUBE-FORWARD`,
    `-A FORWARD ${portals}`,
    `-A FORWARD ${outside}`,
    `-A OUTPUT ${portals}`,
    ...refusedOutside,
    '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    `-A KUBE-FORWARD ${forwarding} -m mark --mark ${MASQUERADE_MARK} -j ACCEPT`,
    `-A KUBE-FORWARD ${remark('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    ...refused,
    'COMMIT',
  ];
}

/** 1/n as it comes back: ten digits in, 31 bits in the kernel, eleven digits out (libxt_statistic). */
const printedProbability = (n: number): string =>
  (Math.round(Number((1 / n).toFixed(10)) * 2 ** 31) / 2 ** 31).toFixed(11);

/** RFC 4648 section 6, without padding: 32 bytes are enough for the 16 characters wanted. */
function base32(digest: Buffer): string {
  const bits = [...digest].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{5}/g) ?? [];
  return groups
    .map((group) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(group, 2)])
    .join('');
}
