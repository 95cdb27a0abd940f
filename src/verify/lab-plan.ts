/** From the topology and the printed tables of a recorded network to namespaces. */
import type {
  DevicePlan,
  FdbPlan,
  NamespacePlan,
  NeighbourPlan,
  NeighbourState,
  Role,
} from '../plan/plan.ts';
import { parseIpRoute } from '../text/ip-route.ts';
import { parseNetfilter } from '../text/iptables-save.ts';
import {
  type InterfaceAddress,
  type Ip4,
  lastOf,
  type Mac,
  networkOf,
  parseIp4,
  parseMac,
} from '../wire/address.ts';

/** `namespace/command` to the command's lines. */
export function namespaceTables(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let namespace = '';
  let lines: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('##### namespace ')) namespace = line.slice(16).trim();
    else if (line.startsWith('# Generated') || line.startsWith('# Completed')) continue;
    else if (line.startsWith('# ')) {
      lines = [];
      found.set(`${namespace}/${line.slice(2).trim()}`, lines);
    } else if (line.trim() !== '') lines.push(line);
  }
  return found;
}

/** A namespace of the topology. */
export interface TopologyEntry {
  readonly role: Role;
  readonly node?: string;
  readonly nodeIp?: Ip4;
  /** Checksums and segmentation were left to the devices. */
  readonly offload: boolean;
  readonly interfaces: readonly TopologyInterface[];
}

export interface TopologyInterface {
  readonly name: string;
  readonly mtu: number;
  readonly mac?: Mac;
  readonly address?: InterfaceAddress;
  readonly kind?: string;
  readonly vni: number;
  /** UDP port of a VXLAN device. */
  readonly port: number;
  readonly peer?: { readonly namespace: string; readonly device: string };
}

/** `source` names the file of the tables in errors. */
export function planNamespace(
  name: string,
  entry: TopologyEntry,
  tables: ReadonlyMap<string, string[]>,
  source: string,
): NamespacePlan {
  const section = (command: string): string[] => tables.get(`${name}/${command}`) ?? [];
  const sysctl = section('sysctl (0 where not listed)').join('\n');
  const silent = entry.role !== 'node' && entry.role !== 'router';
  const rules = [...section('iptables-legacy-save -c'), ...section('ipset save')];
  return {
    name,
    role: entry.role,
    ...(entry.node === undefined ? {} : { node: entry.node }),
    forwarding: sysctl.includes('net.ipv4.ip_forward = 1'),
    silent,
    icmpRateLimit: milliseconds(sysctl, 'icmp_ratelimit'),
    routeErrorCost: milliseconds(sysctl, 'route\\.error_cost'),
    devices: [
      loopback,
      ...entry.interfaces.map((i, position) => devicePlan(i, position + 2, entry, sysctl)),
    ],
    ...(silent ? {} : netfilterOf(rules, source)),
    routes: parseIpRoute(section('ip route show table all').join('\n'), source).filter(
      (route) => route.table === 'main',
    ),
    neighbours: section('ip neigh').flatMap(neighbourPlan),
    fdb: section('bridge fdb show').flatMap(fdbPlan),
  };
}

const loopback: DevicePlan = {
  name: 'lo',
  index: 1,
  kind: 'loopback',
  mtu: 65536,
  up: true,
  addresses: [{ address: parseIp4('127.0.0.1'), length: 8, scope: 'host' }],
  proxyArp: false,
  queueLength: 1000,
  qdisc: 'noqueue',
  checksumOffload: false,
};

function devicePlan(
  i: TopologyInterface,
  index: number,
  { nodeIp, offload }: TopologyEntry,
  sysctl: string,
): DevicePlan {
  const { name, address } = i;
  const broadcast = address && address.length < 31 ? { broadcast: lastOf(networkOf(address)) } : {};
  const kind = kindOf(i);
  return {
    ...loopback,
    name,
    index,
    kind,
    mtu: i.mtu,
    ...(i.mac === undefined || kind === 'ipip' ? {} : { mac: i.mac }),
    addresses: address === undefined ? [] : [{ ...address, ...broadcast, scope: 'global' }],
    proxyArp: sysctl.includes(`net.ipv4.conf.${name}.proxy_arp = 1`),
    rpFilter: rpFilter(sysctl, name),
    // Felix switches transmit checksums off on its VXLAN device (calico/felix ChecksumOffloadBroken).
    checksumOffload: offload && kind !== 'vxlan',
    receiveOffload: offload,
    routeLocalnet: sysctl.includes(`net.ipv4.conf.${name}.route_localnet = 1`),
    ...(i.peer === undefined ? {} : { peer: i.peer }),
    ...(kind === 'vxlan' && nodeIp !== undefined
      ? { vxlan: { vni: i.vni, port: i.port, local: nodeIp, parent: '' } }
      : {}),
  };
}

function kindOf({ name, kind, peer }: TopologyInterface): DevicePlan['kind'] {
  if (name === 'tunl0' || kind === 'ipip') return 'ipip';
  if (kind === 'vxlan') return 'vxlan';
  return peer === undefined ? 'nic' : 'veth';
}

/** Only where rules were loaded is anything tracked. */
function netfilterOf(lines: readonly string[], source: string): Pick<NamespacePlan, 'netfilter'> {
  const netfilter = parseNetfilter(lines.join('\n'), source);
  return netfilter.chains.length === 0 ? {} : { netfilter };
}

/** The larger of `all` and the device's own counts. */
function rpFilter(sysctl: string, device: string): 0 | 1 | 2 {
  const of = (name: string): number =>
    Number(
      new RegExp(
        `^net\\.ipv4\\.conf\\.${name.replaceAll('.', '[./]')}\\.rp_filter = (\\d)`,
        'm',
      ).exec(sysctl)?.[1] ?? 0,
    );
  return Math.max(of('all'), of(device)) as 0 | 1 | 2;
}

const milliseconds = (sysctl: string, name: string): number =>
  Number(new RegExp(`^net\\.ipv4\\.${name} = (\\d+)`, 'm').exec(sysctl)?.[1] ?? 0);

function neighbourPlan(line: string): NeighbourPlan[] {
  const match = /^(\S+) dev (\S+) (?:lladdr (\S+) )?(?:proxy )?(\w+)\s*$/.exec(line);
  if (match === null) return [];
  const [, address, device, mac, state] = match;
  return [
    {
      device: device!,
      address: parseIp4(address!),
      ...(mac === undefined ? {} : { mac: parseMac(mac) }),
      state: state as NeighbourState,
    },
  ];
}

function fdbPlan(line: string): FdbPlan[] {
  const match = /^(\S+) dev (\S+) dst (\S+) self permanent/.exec(line);
  if (match === null) return [];
  const [, mac, device, destination] = match;
  return [
    {
      device: device!,
      mac: parseMac(mac!),
      destination: parseIp4(destination!) as Ip4,
      state: 'permanent',
    },
  ];
}
