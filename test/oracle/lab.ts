/**
 * A recorded lab as a plan: topology from scenario.json, main tables, neighbours
 * and FDB from tables.before.txt. For tests that compare podwire's frames with
 * those a real kernel sent.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  ClusterPlan,
  DevicePlan,
  FdbPlan,
  NamespacePlan,
  NeighbourPlan,
  NeighbourState,
  RoutePlan,
} from '../../src/plan/plan.ts';
import { parseIpRoute } from '../../src/text/ip-route.ts';
import { parseNetfilter } from '../../src/text/iptables-save.ts';
import {
  type Ip4,
  lastOf,
  networkOf,
  parseInterfaceAddress,
  parseIp4,
  parseMac,
} from '../../src/wire/address.ts';

export const OUT = join('..', 'shared', 'oracle', 'out');
export const present = (scenario: string): boolean =>
  existsSync(join(OUT, scenario, 'scenario.json'));

interface Interface {
  readonly mac?: string;
  readonly address?: string;
  readonly mtu: number;
  readonly peer?: readonly [string, string];
  readonly kind?: 'vxlan' | 'ipip';
  readonly vni?: number;
  readonly dstport?: number;
  readonly segment?: string;
}

interface Description {
  readonly topology: {
    readonly namespaces: Record<
      string,
      {
        readonly role?: string;
        readonly node?: string;
        readonly nodeIp?: string;
        readonly interfaces: Record<string, Interface>;
      }
    >;
    readonly segments: Record<string, readonly (readonly [string, string])[]>;
  };
  readonly pods: Record<
    string,
    { readonly ip: string; readonly mac: string; readonly node: string; readonly cali: string }
  >;
  /** What was done; an `inject` put a hand-made frame on an interface. */
  readonly events: readonly {
    readonly kind: string;
    readonly namespace?: string;
    readonly interface?: string;
    readonly frame?: string;
    readonly label?: string;
    /** IPv4 identification of a frame made by hand. */
    readonly ident?: number;
    readonly src?: string;
    readonly dstAddress?: string;
    readonly output?: unknown;
    /** Seconds since `started`. */
    readonly t?: number;
  }[];
  readonly started: number;
  readonly neighbours: string;
  readonly captures: readonly {
    readonly namespace: string;
    readonly interface: string;
    readonly file: string | null;
    readonly linktype: string;
    readonly sameAs?: string;
  }[];
}

export interface Lab {
  readonly plan: ClusterPlan;
  readonly description: Description;
  /** The capture file of an interface. */
  file(namespace: string, device: string): string | undefined;
}

export function openLab(scenario: string): Lab {
  const folder = join(OUT, scenario);
  const description = JSON.parse(
    readFileSync(join(folder, 'scenario.json'), 'utf8'),
  ) as Description;
  const tables = sections(readFileSync(join(folder, 'tables.before.txt'), 'utf8'));
  const { namespaces, segments } = description.topology;
  const plan: ClusterPlan = {
    namespaces: Object.entries(namespaces)
      .filter(([name]) => name !== 'lan')
      .map(([name, ns]) => namespacePlan(name, ns, tables)),
    segments: Object.entries(segments).map(([name, members]) => ({
      name,
      mtu: 65535,
      members: members.map(([namespace, device]) => ({ namespace, device })),
      srcDstCheck: false,
    })),
    pools: [],
    free: { identifications: [], vxlanSourcePorts: [] },
    assumptions: [],
    ignored: [],
  };
  const file = (namespace: string, device: string): string | undefined => {
    const entry = description.captures.find(
      (c) => c.namespace === namespace && c.interface === device,
    );
    const name = entry?.file ?? entry?.sameAs;
    return name === undefined || name === null ? undefined : join(folder, name);
  };
  return { plan, description, file };
}

/** `namespace/command` to the command's lines. */
function sections(text: string): Map<string, string[]> {
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

function namespacePlan(
  name: string,
  ns: Description['topology']['namespaces'][string],
  tables: Map<string, string[]>,
): NamespacePlan {
  const section = (command: string): string[] => tables.get(`${name}/${command}`) ?? [];
  const sysctl = section('sysctl (0 where not listed)').join('\n');
  const devices = Object.entries(ns.interfaces).map(([device, i], position) =>
    devicePlan(device, i, position + 2, ns.nodeIp, sysctl),
  );
  return {
    name,
    role: ns.role === 'node' || ns.role === 'pod' || ns.role === 'router' ? ns.role : 'host',
    ...(ns.node === undefined ? {} : { node: ns.node }),
    forwarding: sysctl.includes('net.ipv4.ip_forward = 1'),
    silent: ns.role !== 'node' && ns.role !== 'router',
    icmpRateLimit: milliseconds(sysctl, 'icmp_ratelimit'),
    routeErrorCost: milliseconds(sysctl, 'route\\.error_cost'),
    devices: [loopback, ...devices],
    ...netfilterOf([...section('iptables-legacy-save -c'), ...section('ipset save')]),
    routes: mainRoutes(section('ip route show table all')),
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
  name: string,
  i: Interface,
  index: number,
  nodeIp: string | undefined,
  sysctl: string,
): DevicePlan {
  const address = i.address === undefined ? undefined : parseInterfaceAddress(i.address);
  const broadcast = address && address.length < 31 ? { broadcast: lastOf(networkOf(address)) } : {};
  const kind = name === 'tunl0' ? 'ipip' : (i.kind ?? (i.peer === undefined ? 'nic' : 'veth'));
  return {
    ...loopback,
    name,
    index,
    kind,
    mtu: i.mtu,
    ...(i.mac === undefined || kind === 'ipip' ? {} : { mac: parseMac(i.mac) }),
    addresses: address === undefined ? [] : [{ ...address, ...broadcast, scope: 'global' }],
    proxyArp: sysctl.includes(`net.ipv4.conf.${name}.proxy_arp = 1`),
    rpFilter: rpFilter(sysctl, name),
    routeLocalnet: sysctl.includes(`net.ipv4.conf.${name}.route_localnet = 1`),
    ...(i.peer === undefined ? {} : { peer: { namespace: i.peer[0], device: i.peer[1] } }),
    ...(kind === 'vxlan' && nodeIp !== undefined
      ? {
          vxlan: {
            vni: i.vni ?? 0,
            port: i.dstport ?? 0,
            local: parseIp4(nodeIp),
            parent: 'enp1s0',
          },
        }
      : {}),
  };
}

/** Only where rules were loaded: the nodes of labs with connection tracking. */
function netfilterOf(lines: readonly string[]): Pick<NamespacePlan, 'netfilter'> {
  const netfilter = parseNetfilter(lines.join('\n'));
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

const mainRoutes = (lines: readonly string[]): RoutePlan[] =>
  parseIpRoute(lines.join('\n')).filter((route) => route.table === 'main');

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
