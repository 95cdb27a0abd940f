/** From the topology and the printed tables of a recorded network to namespaces. */

import { Sysctls } from '../import/sysctls.ts';
import type { DevicePlan, NamespacePlan, Role, WireguardSettings } from '../plan/plan.ts';
import { parseBridgeFdb } from '../text/fdb-reader.ts';
import { parseIpRoute } from '../text/ip-route.ts';
import { printIpRule } from '../text/ip-rule.ts';
import { parseNetfilter } from '../text/iptables-save.ts';
import { parseIpNeigh } from '../text/neighbour-reader.ts';
import { parseIpRule } from '../text/rule-reader.ts';
import {
  type InterfaceAddress,
  type Ip4,
  lastOf,
  type Mac,
  networkOf,
  parseIp4,
} from '../wire/address.ts';
import {
  asListed,
  type Listing,
  listedDevices,
  listsDevices,
  unnamedDevices,
} from './listed-devices.ts';

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
  /** The bridge that it is a port of. */
  readonly master?: string;
  readonly vni: number;
  /** UDP port of a VXLAN device. */
  readonly port: number;
  readonly peer?: { readonly namespace: string; readonly device: string };
  readonly wireguard?: WireguardSettings;
}

/** `source` names the file of the tables in errors. */
export function planNamespace(
  name: string,
  entry: TopologyEntry,
  tables: ReadonlyMap<string, string[]>,
  source: string,
): NamespacePlan {
  const section = (command: string): string[] => tables.get(`${name}/${command}`) ?? [];
  const settings = section('sysctl (0 where not listed)').join('\n');
  const sysctls = new Sysctls([{ text: settings, listing: { whole: true } }]);
  // Lines are counted from the head of a listing.
  const listing = (command: string): Listing => ({
    text: section(command).join('\n'),
    place: { source: `${source}, ${name}, ${command}` },
  });
  const [neigh, fdb] = [listing('ip neigh'), listing('bridge fdb show')];
  const silent = entry.role !== 'node' && entry.role !== 'router';
  const rules = [...section('iptables-legacy-save -c'), ...section('ipset save')];
  const commands = [...tables.keys()]
    .filter((key) => key.startsWith(`${name}/`))
    .map((key) => key.slice(name.length + 1));
  const listed = listedDevices(commands.filter(listsDevices).map(listing));
  const devices = [
    loopback,
    ...entry.interfaces.map((i, position) => devicePlan(i, position + 2, entry, sysctls)),
  ].map((device) => asListed(device, listed.get(device.name)));
  return {
    name,
    role: entry.role,
    ...(entry.node === undefined ? {} : { node: entry.node }),
    forwarding: sysctls.get('net.ipv4.ip_forward') === '1',
    silent,
    ...sysctls.limits(),
    ...sysctls.neighbourLimits(),
    ...sysctls.conntrack(),
    devices: [...devices, ...unnamedDevices(listed, devices)],
    ...(silent ? {} : netfilterOf(rules, source)),
    // The local table follows from the addresses.
    routes: parseIpRoute(section('ip route show table all').join('\n'), source).filter(
      (route) => route.table !== 'local',
    ),
    ...rulesOf(listing('ip rule')),
    neighbours: parseIpNeigh(neigh.text, neigh.place),
    fdb: parseBridgeFdb(fdb.text, fdb.place).filter(
      ({ destination, master }) => destination !== undefined || master !== undefined,
    ),
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
  sysctls: Sysctls,
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
    ...(i.mac === undefined || kind === 'ipip' || kind === 'wireguard' ? {} : { mac: i.mac }),
    addresses: address === undefined ? [] : [{ ...address, ...broadcast, scope: 'global' }],
    proxyArp: sysctls.ofDevice(name, 'proxy_arp') === '1',
    ...sysctls.settings(name),
    // Felix switches transmit checksums off on its VXLAN device (calico/felix ChecksumOffloadBroken).
    // WireGuard's own always takes them on (device.c WG_NETDEV_FEATURES), and nobody turns that off.
    checksumOffload: kind === 'wireguard' || (offload && kind !== 'vxlan'),
    receiveOffload: offload,
    ...(i.peer === undefined ? {} : { peer: i.peer }),
    ...(i.master === undefined ? {} : { master: i.master }),
    ...(kind === 'vxlan' && nodeIp !== undefined
      ? { vxlan: { vni: i.vni, port: i.port, local: nodeIp, parent: '' } }
      : {}),
    ...(i.wireguard === undefined ? {} : { wireguard: i.wireguard }),
  };
}

function kindOf({ name, kind, peer }: TopologyInterface): DevicePlan['kind'] {
  if (name === 'tunl0' || kind === 'ipip') return 'ipip';
  if (kind === 'vxlan' || kind === 'wireguard' || kind === 'bridge') return kind;
  return peer === undefined ? 'nic' : 'veth';
}

/** The kernel's own three are what a namespace without a listing has. */
function rulesOf({ text, place }: Listing): Pick<NamespacePlan, 'rules'> {
  const rules = parseIpRule(text, place);
  return rules.length === 0 || printIpRule({ rules }) === printIpRule() ? {} : { rules };
}

/** Only where rules were loaded is anything tracked. */
function netfilterOf(lines: readonly string[], source: string): Pick<NamespacePlan, 'netfilter'> {
  const netfilter = parseNetfilter(lines.join('\n'), source);
  return netfilter.chains.length === 0 ? {} : { netfilter };
}
