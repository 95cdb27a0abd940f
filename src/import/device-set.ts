/**
 * The devices of one namespace: as listed, completed by what its other tables say
 * of them. What none says is assumed, and each assumption is told.
 */
import { HOST_VETH_MAC, nicMac, VXLAN_DEVICE, vtepMac } from '../calico/names.ts';
import type { DeviceAddress, DeviceKind, DevicePlan, RoutePlan } from '../plan/plan.ts';
import { type LinkListed, linkDevice, linkKind } from '../text/link-reader.ts';
import { contains, formatMac, formatPrefix, lastOf, type Mac } from '../wire/address.ts';
import type { Hints } from './hints.ts';
import type { Notes } from './notes.ts';
import { connected, type TableSet } from './table-set.ts';
import { tunnelOf } from './tunnel.ts';

/** On an Ethernet of 1500 bytes. */
const MTU: { readonly [K in DeviceKind]: number } = {
  loopback: 65536,
  nic: 1500,
  veth: 1500,
  vxlan: 1450,
  ipip: 1480,
  wireguard: 1440,
  bridge: 1500,
};

/** Devices by index, without the other ends of veths. */
export function devicesOf(tables: TableSet, hints: Hints, notes: Notes): DevicePlan[] {
  const devices = new Map<string, DevicePlan>();
  for (const link of [...tables.links.values()].sort((a, b) => a.index - b.index)) {
    const listed = isBridge(tables, link) ? { ...link, kind: 'bridge' } : link;
    devices.set(link.name, complete(tables, listed, notes));
  }
  for (const name of mentioned(tables)) {
    if (devices.has(name)) continue;
    const index = 1 + Math.max(0, ...[...devices.values()].map((d) => d.index));
    devices.set(name, assumeDevice(tables, name, index, notes));
  }
  return [...devices.values()].map((listed) => {
    const device = asPort(listed, devices);
    const mac = macOf(tables.name, device, hints, notes);
    const addressed = { ...device, ...(mac === undefined ? {} : { mac }) };
    return { ...addressed, ...tunnelOf(tables, addressed, devices, hints, notes) };
  });
}

/** A port of a bridge; bonds and VRFs, which have members as well, are not modelled. */
function asPort(device: DevicePlan, devices: ReadonlyMap<string, DevicePlan>): DevicePlan {
  const { master, ...alone } = device;
  return master === undefined || devices.get(master)?.kind === 'bridge' ? device : alone;
}

/** Whether others call it their master, and its flags say of no bond or VRF. */
const isBridge = ({ links }: TableSet, { name, kind, flags }: LinkListed): boolean =>
  kind === undefined &&
  !flags.includes('MASTER') &&
  [...links.values()].some(({ master }) => master === name);

/** Names of devices in the other tables; `lo` always is there. */
function mentioned({ routes, neighbours, fdb, wireguard, links }: TableSet): Set<string> {
  const names = new Set(['lo']);
  for (const { device, nextHops } of routes) {
    if (device !== undefined) names.add(device);
    for (const hop of nextHops ?? []) names.add(hop.device);
  }
  for (const { device } of neighbours) names.add(device);
  for (const { device, destination } of fdb) if (destination !== undefined) names.add(device);
  for (const name of wireguard.keys()) names.add(name);
  for (const { vxlan } of links.values()) if (vxlan?.parent !== undefined) names.add(vxlan.parent);
  return names;
}

function complete(tables: TableSet, link: LinkListed, notes: Notes): DevicePlan {
  const device = linkDevice(link);
  const addresses = [...link.addresses, ...inferred(tables, link, notes)];
  return {
    ...device,
    addresses,
    proxyArp: proxyArp(tables, device.name, notes),
    ...tables.sysctls.settings(device.name),
  };
}

function assumeDevice(tables: TableSet, name: string, index: number, notes: Notes): DevicePlan {
  const flags = name === 'lo' ? ['LOOPBACK', 'UP'] : ['UP'];
  const bare = { index, name, flags, mtu: 0, qdisc: 'noqueue', queueLength: 0, addresses: [] };
  const link: LinkListed = {
    ...bare,
    source: tables.name,
    line: 0,
    ...(name.startsWith('cali') ? { kind: 'veth' } : {}),
  };
  const kind = linkKind(link);
  const mtu = MTU[kind];
  if (name !== 'lo') {
    notes.assume(
      `${tables.name}: ${name} is in no \`ip link\`; taken as ${kind}, up, MTU ${mtu}, index ${index}`,
    );
  }
  return complete(tables, { ...link, mtu }, notes);
}

/** A cali device answers ARP for others (Felix endpoint_mgr.go), unless sysctl says otherwise. */
function proxyArp({ name, sysctls }: TableSet, device: string, notes: Notes): boolean {
  const told = sysctls.ofDevice(device, 'proxy_arp');
  if (told !== undefined) return told === '1';
  if (!device.startsWith('cali')) return false;
  notes.assume(`${name}: proxy_arp is 1 on cali devices, as Felix sets it`);
  return true;
}

/** Addresses that no listing has, as the local table and the connected routes tell them. */
function inferred(
  tables: TableSet,
  { name: device, addresses }: LinkListed,
  notes: Notes,
): DeviceAddress[] {
  if (device === 'lo') return [];
  const own = new Set(
    tables.routes.filter((r) => isOwn(r, device)).map((r) => r.destination.address),
  );
  // A route's source and a tunnel's end need not be addresses of this very device.
  if (!tables.addressed.has(device)) {
    for (const { device: on, source } of connected(tables)) {
      if (on === device && source !== undefined) own.add(source);
    }
    for (const { vxlan } of tables.links.values()) {
      if (vxlan?.parent === device && vxlan.local !== undefined) own.add(vxlan.local);
    }
  }
  for (const { address } of addresses) own.delete(address);
  return [...own].map((address) => {
    const subnet = connected(tables).find(
      (r) => r.device === device && contains(r.destination, address),
    );
    const length = subnet?.destination.length ?? 32;
    const text = formatPrefix({ address, length });
    notes.assume(
      `${tables.name}: ${device} has ${text}, from other tables, as no \`ip addr\` lists it`,
    );
    const broadcast =
      subnet === undefined || length > 30 ? {} : { broadcast: lastOf(subnet.destination) };
    return { address, length, scope: 'global', ...broadcast };
  });
}

/** The kernel makes such a route for every address. */
const isOwn = ({ type, protocol, device, destination, source }: RoutePlan, name: string): boolean =>
  type === 'local' &&
  protocol === 'kernel' &&
  device === name &&
  destination.length === 32 &&
  source === destination.address;

/** What frames need and no listing of this namespace tells. */
function macOf(
  name: string,
  { name: device, kind, mac, addresses }: DevicePlan,
  hints: Hints,
  notes: Notes,
): Mac | undefined {
  if (mac !== undefined || kind === 'loopback' || kind === 'ipip' || kind === 'wireguard')
    return mac;
  const told = addresses
    .map(({ address }) => hints.macs.get(address))
    .find((hint) => hint !== undefined);
  const say = (value: Mac, why: string): Mac => {
    notes.assume(`${name}: ${device} has MAC ${formatMac(value)}, ${why}`);
    return value;
  };
  if (told !== undefined) return say(told, 'from a neighbour table elsewhere');
  if (device.startsWith('cali')) return say(HOST_VETH_MAC, 'as Calico gives it');
  if (device === VXLAN_DEVICE)
    return say(vtepMac(name), `as Felix derives it from the node's name ${name}`);
  return say(nicMac(name, device), 'made up: no dump tells it');
}
