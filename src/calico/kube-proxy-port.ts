/**
 * The rules of one port of one service on one node, as kube-proxy's iptables mode has
 * them and iptables-save prints them (Kubernetes pkg/proxy/iptables/proxier.go):
 *
 *   KUBE-SERVICES ─► KUBE-SVC (all endpoints) or KUBE-SVL (those of this node)
 *        ├─► KUBE-FW (who may) ─► KUBE-EXT (from outside) ─► KUBE-SVC or KUBE-SVL
 *   KUBE-NODEPORTS ─────────────► KUBE-EXT
 */
import { createHash } from 'node:crypto';
import { contains, formatIp4, formatPrefix, type Ip4 } from '../wire/address.ts';
import type { KubeProxySettings } from './kube-proxy-configuration.ts';
import { type Reachable, reachable } from './service-endpoints.ts';
import {
  isExternal,
  type PortKey,
  type Service,
  type ServiceEndpoint,
  type ServicePort,
} from './service-resource.ts';

/** Lines for all ports, by the chain or the purpose they are for. */
export interface ProxyLines {
  readonly services: string[];
  readonly nodePorts: string[];
  readonly chains: Map<string, readonly string[]>;
  /** In the table filter: what has nobody to go to. */
  readonly refused: string[];
  readonly refusedOutside: string[];
  /** What no source range of a load balancer let through. */
  readonly firewall: string[];
  readonly healthPorts: string[];
}

/** The node that the rules are for. */
export interface ProxyNode {
  readonly name: string;
  /** Its label topology.kubernetes.io/zone. */
  readonly zone: string | undefined;
  /** Its addresses that kube-proxy knows. */
  readonly addresses: readonly Ip4[];
}

type Prefix = 'SVC' | 'SVL' | 'EXT' | 'FW' | 'SEP';

/** `KUBE-SVC-` and its like: what the name is made of, digested (portProtoHash). */
export const kubeChain = (prefix: Prefix, of: string): string =>
  `KUBE-${prefix}-${base32(createHash('sha256').update(of, 'utf8').digest()).slice(0, 16)}`;

/** RFC 4648 section 6, without padding: 32 bytes are enough for the 16 characters wanted. */
function base32(digest: Buffer): string {
  const bits = [...digest].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{5}/g) ?? [];
  return groups
    .map((group) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(group, 2)])
    .join('');
}

/** `namespace/name:port`, as rules' comments have it. */
const portNameOf = (key: string, { name }: PortKey): string =>
  name === '' ? key : `${key}:${name}`;

export const remark = (text: string): string => `-m comment --comment "${text}"`;

const portMatch = ({ protocol }: PortKey, port: number): string => `-m ${protocol} --dport ${port}`;

/** Everything that the lines of one port follow from. */
interface Port {
  readonly name: string;
  readonly service: Service;
  readonly port: ServicePort;
  readonly to: Reachable;
  readonly node: ProxyNode;
  readonly settings: KubeProxySettings;
  readonly lines: ProxyLines;
}

/** Adds the lines of one port of the service `key`, `namespace/name`. */
export function addPort(
  key: string,
  service: Service,
  port: ServicePort,
  known: readonly ServiceEndpoint[],
  node: ProxyNode,
  settings: KubeProxySettings,
  lines: ProxyLines,
): void {
  const to = reachable(service, port, known, node);
  const one: Port = { name: portNameOf(key, port), service, port, to, node, settings, lines };
  const internal = chainFor(one, service.internalLocal);
  if (internal === undefined) refuse(one, service.internalLocal, clusterIpOf(one), lines.refused);
  else {
    const why = remark(`${one.name} cluster IP`);
    lines.services.push(`-A KUBE-SERVICES ${matchOf(one, clusterIpOf(one), why)} -j ${internal}`);
  }
  for (const [kind, endpoints] of [
    ['SVC', to.cluster],
    ['SVL', to.local],
  ] as const) {
    if (endpoints.length === 0) continue;
    const chain = kubeChain(kind, one.name + port.protocol);
    lines.chains.set(chain, [
      ...(chain === internal ? strangers(one, chain) : []),
      ...draws(one, chain, endpoints),
    ]);
  }
  for (const endpoint of to.all) addEndpoint(one, endpoint);
  if (isExternal(service, port)) addOutside(one);
}

const clusterIpOf = ({ service }: Port): string => formatIp4(service.clusterIps[0]!);

/** The chain that traffic under a policy goes to; none where it has no endpoint. */
function chainFor({ name, port, to }: Port, local: boolean): string | undefined {
  if ((local ? to.local : to.cluster).length === 0) return undefined;
  return kubeChain(local ? 'SVL' : 'SVC', name + port.protocol);
}

const matchOf = ({ port }: Port, address: string, why: string): string =>
  `-d ${address}/32 -p ${port.protocol} ${why} ${portMatch(port, port.port)}`;

/** What does not come from a pod must come back through this node. */
function strangers(one: Port, chain: string): readonly string[] {
  const { clusterCidr, masqueradeAll } = one.settings;
  const match = matchOf(one, clusterIpOf(one), remark(`${one.name} cluster IP`));
  if (masqueradeAll) return [`-A ${chain} ${match} -j KUBE-MARK-MASQ`];
  if (clusterCidr === undefined) return [];
  return [`-A ${chain} ! -s ${formatPrefix(clusterCidr)} ${match} -j KUBE-MARK-MASQ`];
}

/** To where a client was before, if it is known, and else to one by chance. */
function draws(
  { name, port, service }: Port,
  chain: string,
  endpoints: readonly string[],
): readonly string[] {
  const chainOf = (endpoint: string): string => kubeChain('SEP', name + port.protocol + endpoint);
  const { affinity } = service;
  const known = (endpoint: string): string =>
    `-m recent --rcheck --seconds ${affinity} --reap --name ${chainOf(endpoint)} ${ANY_SOURCE}`;
  const arrow = (endpoint: string): string => remark(`${name} -> ${endpoint}`);
  return [
    ...(affinity === undefined ? [] : endpoints).map(
      (endpoint) => `-A ${chain} ${arrow(endpoint)} ${known(endpoint)} -j ${chainOf(endpoint)}`,
    ),
    ...endpoints.map((endpoint, i) => {
      const left = endpoints.length - i;
      const drawn =
        left === 1 ? '' : ` -m statistic --mode random --probability ${printedProbability(left)}`;
      return `-A ${chain} ${arrow(endpoint)}${drawn} -j ${chainOf(endpoint)}`;
    }),
  ];
}

const ANY_SOURCE = '--mask 255.255.255.255 --rsource';

/** 1/n as it comes back: ten digits in, 31 bits in the kernel, eleven digits out (libxt_statistic). */
const printedProbability = (n: number): string =>
  (Math.round(Number((1 / n).toFixed(10)) * 2 ** 31) / 2 ** 31).toFixed(11);

function addEndpoint({ name, port, service, lines }: Port, endpoint: string): void {
  const { protocol } = port;
  const chain = kubeChain('SEP', name + protocol + endpoint);
  const noted =
    service.affinity === undefined ? '' : `-m recent --set --name ${chain} ${ANY_SOURCE} `;
  lines.chains.set(chain, [
    // An endpoint that meets itself: its answer must come back through the node.
    `-A ${chain} -s ${endpoint.split(':')[0]}/32 ${remark(name)} -j KUBE-MARK-MASQ`,
    `-A ${chain} -p ${protocol} ${remark(name)} ${noted}-m ${protocol} -j DNAT --to-destination ${endpoint}`,
  ]);
}

/** Addresses and ports outside the cluster. */
function addOutside(one: Port): void {
  const { name, service, port, to, lines } = one;
  const { protocol, nodePort } = port;
  const { local, externalIps, loadBalancerIps, healthPort } = service;
  const chain = kubeChain('EXT', name + protocol);
  const served = chainFor(one, local);
  const addresses = [
    ...externalIps.map((address) => [formatIp4(address), 'external IP', chain] as const),
    ...[...new Set(loadBalancerIps)].map(
      (address) => [formatIp4(address), 'loadbalancer IP', firewallOf(one) ?? chain] as const,
    ),
  ];
  for (const [address, what, target] of addresses) {
    if (to.any) {
      const match = matchOf(one, address, remark(`${name} ${what}`));
      lines.services.push(`-A KUBE-SERVICES ${match} -j ${target}`);
    }
    if (served === undefined) refuse(one, local, address, lines.refusedOutside);
  }
  if (nodePort !== undefined) {
    const match = `-p ${protocol} ${remark(name)} ${portMatch(port, nodePort)}`;
    if (to.any) lines.nodePorts.push(`-A KUBE-NODEPORTS ${match} -j ${chain}`);
    if (served === undefined) {
      const [why, target] = refusal(one, local);
      lines.refusedOutside.push(
        `-A KUBE-EXTERNAL-SERVICES -p ${protocol} ${why} -m addrtype --dst-type LOCAL ${portMatch(port, nodePort)} ${target}`,
      );
    }
  }
  if (healthPort !== undefined) {
    // Of the service: once, however many ports it has.
    const line = `-A KUBE-NODEPORTS -p tcp ${remark(`${one.name} health check node port`)} -m tcp --dport ${healthPort} -j ACCEPT`;
    const end = `--dport ${healthPort} -j ACCEPT`;
    if (!lines.healthPorts.some((other) => other.endsWith(end))) lines.healthPorts.push(line);
  }
  if (!to.any) return;
  lines.chains.set(chain, [
    ...(local ? shortCuts(one, chain) : [masqueraded(chain, `traffic for ${name}`)]),
    ...(served === undefined ? [] : [`-A ${chain} -j ${served}`]),
  ]);
  if (loadBalancerIps.length > 0) addFirewall(one, chain);
}

const masqueraded = (chain: string, what: string, match = ''): string =>
  `-A ${chain} ${remark(`masquerade ${what} external destinations`)}${match} -j KUBE-MARK-MASQ`;

/** Under `Local` pods and the node itself still reach all endpoints, as by the ClusterIP. */
function shortCuts(one: Port, chain: string): readonly string[] {
  const { name, settings } = one;
  const everywhere = chainFor(one, false);
  if (everywhere === undefined) return [];
  const from = ' -m addrtype --src-type LOCAL';
  const { clusterCidr } = settings;
  return [
    ...(clusterCidr === undefined
      ? []
      : [
          `-A ${chain} -s ${formatPrefix(clusterCidr)} ${remark(`pod traffic for ${name} external destinations`)} -j ${everywhere}`,
        ]),
    masqueraded(chain, `LOCAL traffic for ${name}`, from),
    `-A ${chain} ${remark(`route LOCAL traffic for ${name} external destinations`)}${from} -j ${everywhere}`,
  ];
}

/** The chain that lets in the source ranges of a load balancer; without ranges none. */
const firewallOf = ({ name, port, service, to }: Port): string | undefined =>
  service.sourceRanges.length === 0 || !to.any ? undefined : kubeChain('FW', name + port.protocol);

function addFirewall(one: Port, chain: string): void {
  const firewall = firewallOf(one);
  if (firewall === undefined) return;
  const { name, service, node, lines } = one;
  const why = remark(`${name} loadbalancer IP`);
  const addresses = [...new Set(service.loadBalancerIps)].map(formatIp4);
  // A node that may ask reaches the balancer's address without leaving, from that very address.
  const near = service.sourceRanges.some((range) =>
    node.addresses.some((address) => contains(range, address)),
  );
  lines.chains.set(firewall, [
    ...service.sourceRanges.map(
      (range) => `-A ${firewall} -s ${formatPrefix(range)} ${why} -j ${chain}`,
    ),
    ...(near
      ? addresses.map((address) => `-A ${firewall} -s ${address}/32 ${why} -j ${chain}`)
      : []),
    `-A ${firewall} ${remark(`other traffic to ${name} will be dropped by KUBE-PROXY-FIREWALL`)}`,
  ]);
  const refused = remark(`${name} traffic not accepted by ${firewall}`);
  for (const address of addresses) {
    lines.firewall.push(`-A KUBE-PROXY-FIREWALL ${matchOf(one, address, refused)} -j DROP`);
  }
}

/** Refused where there is no endpoint at all; in silence where another node has one. */
function refusal({ name, to }: Port, local: boolean): readonly [string, string] {
  return local && to.any
    ? [remark(`${name} has no local endpoints`), '-j DROP']
    : [remark(`${name} has no endpoints`), '-j REJECT --reject-with icmp-port-unreachable'];
}

function refuse(one: Port, local: boolean, address: string, into: string[]): void {
  const [why, target] = refusal(one, local);
  const chain = into === one.lines.refused ? 'KUBE-SERVICES' : 'KUBE-EXTERNAL-SERVICES';
  into.push(`-A ${chain} ${matchOf(one, address, why)} ${target}`);
}
