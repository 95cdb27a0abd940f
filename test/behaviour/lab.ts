/** Clusters of the behaviour checks, and what is asked of them: three nodes n0..n2 with a pod w0..w2 each. */
import '../accounts.ts';
import { expect } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { type Drop, dropInfo } from '../../src/drop.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import type { DissectedLayer, Ipv4Layer, Layer } from '../../src/frame/layer.ts';
import type { Node } from '../../src/node/node.ts';
import { routeSource } from '../../src/node/source.ts';
import { bytes } from '../../src/packet/arena.ts';
import type { Packet } from '../../src/packet/packet.ts';
import type { ClusterPlan, NamespacePlan } from '../../src/plan/plan.ts';
import { RouteKind } from '../../src/tables/routes.ts';
import { parseNetfilter } from '../../src/text/iptables-save.ts';
import { formatIp4 } from '../../src/wire/address.ts';

export const API = 'apiVersion: projectcalico.org/v3';

export const pool = (mode: string, more = ''): string =>
  `${API}\nkind: IPPool\nmetadata: {name: p}\nspec: {cidr: 10.65.0.0/16, blockSize: 26, ${mode}${more}}`;

export const node = (i: number, address = `172.16.0.1${i}/24`, more = ''): string =>
  `${API}\nkind: Node\nmetadata: {name: n${i}}\nspec: {bgp: {ipv4Address: ${address}}${more}}`;

export const block = (i: number, on = i): string =>
  `apiVersion: crd.projectcalico.org/v1\nkind: IPAMBlock\nmetadata: {name: b${i}}\n` +
  `spec: {cidr: 10.65.${i}.0/26, affinity: "host:n${on}"}`;

export const pod = (name: string, on: number, address: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: x}\n` +
  `spec: {nodeName: n${on}}\nstatus: {podIP: ${address}}`;

export const felix = (spec: string): string =>
  `${API}\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {${spec}}`;

/** Which Calico the cluster runs. */
export const release = (version: string): string =>
  `${API}\nkind: ClusterInformation\nmetadata: {name: default}\nspec: {calicoVersion: ${version}}`;

/** One segment with all the nodes, and a host `ext`; the gateway is `gw`. */
export const underlay = (mtu = 1500, gatewayRoutes = '[]'): string =>
  `apiVersion: podwire/v1\nkind: Underlay\nmetadata: {name: lab}\nspec:\n  segments:\n` +
  `  - name: lan\n    mtu: ${mtu}\n    members:\n` +
  [0, 1, 2]
    .map((i) => `    - {name: n${i}, interface: eth0, address: 172.16.0.1${i}/24}\n`)
    .join('') +
  `    - {name: ext, interface: eth0, address: 172.16.0.50/24}\n` +
  `    - {name: gw, interface: eth0, address: 172.16.0.1/24}\n` +
  `  routers: [{name: gw, routes: ${gatewayRoutes}}]\n` +
  `  hosts: [{name: ext, gateway: 172.16.0.1}]\n  defaultGateway: {lan: 172.16.0.1}`;

const trio = [0, 1, 2];

/** Nodes, blocks and pods; what is given comes first. */
export const lab = (...first: string[]): string =>
  [
    ...first,
    ...trio.map((i) => node(i)),
    ...trio.map((i) => block(i)),
    ...trio.map((i) => pod(`w${i}`, i, `10.65.${i}.2`)),
  ].join('\n---\n');

export const clusterOf = (...documents: string[]): Cluster =>
  Cluster.fromYaml(documents.join('\n---\n'));

/** The plan with one namespace changed. */
export function edited(
  plan: ClusterPlan,
  name: string,
  edit: (ns: NamespacePlan) => Partial<NamespacePlan>,
): ClusterPlan {
  const namespaces = plan.namespaces.map((ns) => (ns.name === name ? { ...ns, ...edit(ns) } : ns));
  expect(namespaces).not.toEqual(plan.namespaces);
  return { ...plan, namespaces };
}

/** A host endpoint of a node, `h0` of `n0`, for one interface or `*`. */
export const hostEndpoint = (interfaceName: string, i = 0): string =>
  `${API}\nkind: HostEndpoint\nmetadata: {name: h${i}, labels: {is: host}}\n` +
  `spec: {node: n${i}, interfaceName: "${interfaceName}"}`;

/** A policy of all host endpoints. */
export const hostPolicy = (name: string, spec: string): string =>
  `${API}\nkind: GlobalNetworkPolicy\nmetadata: {name: ${name}}\n` +
  `spec: {selector: is == 'host', ${spec}}`;

/** The rules of a namespace with another policy of a built-in chain of the table filter. */
export const chainPolicy = (
  { netfilter }: NamespacePlan,
  name: string,
  policy: 'ACCEPT' | 'DROP',
): Pick<NamespacePlan, 'netfilter'> => ({
  netfilter: {
    sets: netfilter!.sets,
    chains: netfilter!.chains.map((chain) =>
      chain.table === 'filter' && chain.name === name ? { ...chain, policy } : chain,
    ),
  },
});

/** The rules of a namespace with others before them in chains that both have. */
export function ruled(ns: NamespacePlan, text: string): Pick<NamespacePlan, 'netfilter'> {
  const added = parseNetfilter(text);
  const own = ns.netfilter ?? { chains: [], sets: [] };
  const key = (chain: { table: string; name: string }): string => `${chain.table} ${chain.name}`;
  const rest = new Map(added.chains.map((chain) => [key(chain), chain]));
  const chains = own.chains.map((chain) => {
    const more = rest.get(key(chain));
    rest.delete(key(chain));
    if (more === undefined) return chain;
    return { ...chain, ...more, rules: [...more.rules, ...chain.rules] };
  });
  return {
    netfilter: { chains: [...chains, ...rest.values()], sets: [...own.sets, ...added.sets] },
  };
}

/** entered + born = delivered + dropped by reason + consumed, and nothing waits. */
export function expectAccounted(cluster: Cluster): void {
  cluster.run();
  const { entered, born, delivered, dropped, consumed } = cluster.counts;
  const byReason = cluster.drops().reduce((sum, n) => sum + n, 0);
  expect([byReason, cluster.waiting()]).toEqual([dropped, 0]);
  expect(entered + born).toBe(delivered + byReason + consumed);
  expect(entered).toBeGreaterThan(0);
}

/** Drops by name; none that did not happen. */
export const dropsOf = (cluster: Cluster): Record<string, number> =>
  Object.fromEntries(
    [...cluster.drops()].flatMap((n, code) => (n > 0 ? [[dropInfo[code as Drop].name, n]] : [])),
  );

/** Every frame that a device sees from now on. */
export function watch(cluster: Cluster, port: string): Buffer[] {
  const frames: Buffer[] = [];
  captureAt(cluster, cluster.names.port(port), {
    write: (_s, _n, b, start, end) => frames.push(Buffer.from(b.subarray(start, end))),
  });
  return frames;
}

/** Layers of a frame; `raw` for a device without Ethernet. */
export const layersOf = (frame: Buffer, raw = false): readonly DissectedLayer[] =>
  dissect(frame, { linkType: raw ? 101 : 1 }).layers;

type Named<N> = Extract<DissectedLayer, { layer: N }>;

/** A layer by name, the outermost first. */
export function layer<N extends DissectedLayer['layer']>(
  layers: readonly DissectedLayer[],
  name: N,
  nth = 0,
): Named<N> {
  const found = layers.filter((one) => one.layer === name)[nth];
  expect(found, `${nth} ${name} of ${layers.map((one) => one.layer)}`).toBeDefined();
  return found as Named<N>;
}

export interface Arrival {
  readonly at: string;
  readonly layers: readonly DissectedLayer[];
}

/** What namespaces' own stacks receive while something is done. */
export function arrivals(cluster: Cluster, action: () => void): Arrival[] {
  const list: Arrival[] = [];
  cluster.witness = {
    delivered: (at: Node, p: Packet) => {
      const packet = Buffer.from(bytes.subarray(p.l3, p.tail));
      list.push({ at: at.name, layers: dissect(packet, { linkType: 101 }).layers });
    },
    dropped: () => {},
  };
  action();
  cluster.run();
  cluster.witness = null;
  return list;
}

/** The address a namespace sends from by its own tables. */
export function sourceOf(cluster: Cluster, from: string, to: string): string {
  const own = cluster.names.find(from);
  const target = cluster.names.address(to);
  const route = own.lookup(target);
  if (route < 0 || own.routes.kind(route) !== RouteKind.Unicast) return to;
  return formatIp4(routeSource(own, route, target));
}

export const originate = (cluster: Cluster, from: string, layers: Layer[]): void =>
  cluster.originate(cluster.names.find(from), buildFrame(layers));

export interface Dial {
  readonly source?: string;
  readonly sourcePort?: number;
  readonly port?: number;
}

export interface Exchange {
  /** Where the SYN came out, and as what. */
  readonly asked: Arrival | undefined;
  /** What the dialler got back. */
  readonly answered: Arrival | undefined;
}

/** A SYN, and the SYN-ACK that whoever gets it would send back. */
export function dial(cluster: Cluster, from: string, to: string, options: Dial = {}): Exchange {
  const { sourcePort = 40000, port = 8055 } = options;
  const dst = formatIp4(cluster.names.address(to));
  const src = options.source ?? sourceOf(cluster, from, dst);
  const tcp = (arrived: Arrival): boolean => arrived.layers.some((one) => one.layer === 'tcp');
  const [asked] = arrivals(cluster, () =>
    originate(cluster, from, [
      { layer: 'ipv4', src, dst, df: true },
      { layer: 'tcp', srcPort: sourcePort, dstPort: port, seq: 1, flags: 'S' },
    ]),
  ).filter(tcp);
  if (asked === undefined) return { asked, answered: undefined };
  const ip = layer(asked.layers, 'ipv4');
  const { srcPort, dstPort } = layer(asked.layers, 'tcp');
  const answered = arrivals(cluster, () =>
    originate(cluster, asked.at, [
      { layer: 'ipv4', src: ip.dst, dst: ip.src, df: true },
      { layer: 'tcp', srcPort: dstPort, dstPort: srcPort, seq: 9, ack: 2, flags: 'S.' },
    ]),
  ).find((one) => tcp(one) && layer(one.layers, 'tcp').flags === 'S.');
  if (answered === undefined) return { asked, answered };
  const back = layer(answered.layers, 'ipv4');
  const ports = layer(answered.layers, 'tcp');
  // The dialler must know the answer for its own, whatever was translated on the way.
  expect([back.src, ports.srcPort, back.dst, ports.dstPort]).toEqual([dst, port, src, sourcePort]);
  expect(layer(answered.layers, 'tcp').checksumState).not.toBe('wrong');
  return { asked, answered };
}

export const connects = (cluster: Cluster, from: string, to: string, options: Dial = {}): boolean =>
  dial(cluster, from, to, options).answered !== undefined;

/** w0 to w1 and back, hosts to each other, every host to every pod. */
export function expectMatrix(cluster: Cluster): void {
  const pairs = [
    ['w0', 'w1'],
    ['w1', 'w0'],
    ['n0', 'n1'],
    ['n1', 'n0'],
    ...trio.flatMap((i) => trio.map((j) => [`n${i}`, `w${j}`])),
  ] as [string, string][];
  const failed = pairs.filter(([from, to]) => !connects(cluster, from, to));
  expect(failed).toEqual([]);
  expectAccounted(cluster);
}

/** An echo request of a whole size. */
export const echo = (
  src: string,
  dst: string,
  size: number,
  more: Partial<Ipv4Layer> = {},
): Layer[] => [
  { layer: 'ipv4', src, dst, ...more },
  { layer: 'icmp', type: 'echo-request', id: 7, seq: 1 },
  { layer: 'payload', bytes: Buffer.alloc(size - 28, 0x61) },
];

/** Lines of a command's output. */
export const lines = (cluster: Cluster, where: string, command: string): string[] =>
  cluster
    .exec(where, command.split(' '))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
