/**
 * `bridge fdb`: which frames a device takes or where a VXLAN device sends them
 * (bridge/fdb.c print_fdb; net/core/rtnetlink.c ndo_dflt_fdb_dump).
 */
import type { DevicePlan, FdbPlan, NamespacePlan } from '../plan/plan.ts';
import { formatIp4, formatMac, type Mac } from '../wire/address.ts';
import type { Json } from './json.ts';
import { hasIpv6 } from './link-kind.ts';

export interface FdbListing {
  /** Only this device; the listing then leaves the `dev` words out. */
  readonly device?: string | undefined;
  /** False for a kernel without IPv6, whose devices join no IPv6 groups. */
  readonly ipv6?: boolean | undefined;
}

/** One entry as `bridge fdb show` prints it, without a blank at the end. */
export const fdbEntry = (f: FdbPlan): string => entryText(f, `dev ${f.device} `).trimEnd();

function entryText(f: FdbPlan, device: string): string {
  const destination = f.destination === undefined ? '' : `dst ${formatIp4(f.destination)} `;
  // A learned entry has no word for its state, and its line ends in a blank.
  const state = f.state === 'reachable' ? '' : f.state;
  const table = f.master === undefined ? 'self' : `master ${f.master}`;
  return `${formatMac(f.mac)} ${device}${destination}${table} ${state}`;
}

/**
 * `bridge fdb [show]`: devices by index, each Ethernet device's multicast
 * addresses first. VXLAN entries keep the plan's order: the kernel's is that of a
 * hash with a secret.
 */
export function printBridgeFdb(ns: NamespacePlan, options: FdbListing = {}): string {
  const named = options.device === undefined;
  return listedFdb(ns, options)
    .map((f) => `${entryText(f, named ? `dev ${f.device} ` : '')}\n`)
    .join('');
}

/** `bridge -j fdb` */
export const fdbJson = (ns: NamespacePlan, options: FdbListing = {}): Json =>
  listedFdb(ns, options).map((f) => ({
    mac: formatMac(f.mac),
    ...(options.device === undefined ? { ifname: f.device } : {}),
    ...(f.destination === undefined ? {} : { dst: formatIp4(f.destination) }),
    flags: f.master === undefined ? ['self'] : [],
    ...(f.master === undefined ? {} : { master: f.master }),
    state: f.state === 'reachable' ? '' : f.state,
  }));

function listedFdb(ns: NamespacePlan, { device, ipv6 = true }: FdbListing): FdbPlan[] {
  return [...ns.devices]
    .sort((a, b) => a.index - b.index)
    .filter(({ name }) => device === undefined || name === device)
    .flatMap((d) => {
      const listed = ns.fdb.filter((f) => f.device === d.name);
      const bridged = listed.filter((f) => f.master !== undefined);
      const own = listed.filter((f) => f.master === undefined);
      return [...ownAddress(ns, d), ...bridged, ...groups(d, ipv6), ...own];
    });
}

/** A port's own MAC, and a bridge's where no port has it: br_fdb_add_local. */
function ownAddress(
  { devices }: NamespacePlan,
  { name, kind, mac, master }: DevicePlan,
): FdbPlan[] {
  if (mac === undefined) return [];
  if (master !== undefined) return [{ device: name, mac, master, state: 'permanent' }];
  const has = devices.some((port) => port.master === name && port.mac === mac);
  if (kind !== 'bridge' || has) return [];
  return [{ device: name, mac, master: name, state: 'permanent' }];
}

/** All IPv6 nodes, joined when the device is made; all IPv4 hosts, when it comes up. */
const ALL_NODES = 0x333300000001 as Mac;
const ALL_HOSTS = 0x01005e000001 as Mac;
/** All snoopers (RFC 4286), joined by a bridge that comes up. */
const SNOOPERS: readonly Mac[] = [0x01005e00006a as Mac, 0x33330000006a as Mac];

/** A VXLAN device answers with its own table and does not list its groups. */
function groups(device: DevicePlan, ipv6: boolean): FdbPlan[] {
  if (device.kind !== 'nic' && device.kind !== 'veth' && device.kind !== 'bridge') return [];
  const macs: Mac[] = [];
  const six = ipv6 && hasIpv6(device);
  if (six) macs.push(ALL_NODES);
  if (device.kind === 'bridge' && device.up) macs.push(...SNOOPERS);
  if (device.up) macs.push(ALL_HOSTS);
  if (six && device.up && device.mac !== undefined) {
    // RFC 4291 section 2.7.1 and RFC 2464 section 7: the solicited-node group.
    macs.push((0x3333ff000000 + (device.mac % 2 ** 24)) as Mac);
  }
  return macs.map((mac) => ({ device: device.name, mac, state: 'permanent' }));
}
