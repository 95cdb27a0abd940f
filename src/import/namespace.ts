/** One dumped namespace as a plan, before its veths have their other ends. */
import { podRoutes } from '../calico/routes.ts';
import type { DevicePlan, FdbPlan, NamespacePlan, Role, RoutePlan } from '../plan/plan.ts';
import { localRoutes } from '../text/ip-route.ts';
import { printIpRule, ruleEntry, rulesOf } from '../text/ip-rule.ts';
import { type Ip4, parseIp4 } from '../wire/address.ts';
import { devicesOf } from './device-set.ts';
import type { Hints } from './hints.ts';
import type { Notes } from './notes.ts';
import type { TableSet } from './table-set.ts';

/** The next hop of every Calico pod. */
export const POD_GATEWAY: Ip4 = parseIp4('169.254.1.1');

/** `nodes` are names that calicoctl lists as nodes. */
export function namespaceOf(
  tables: TableSet,
  hints: Hints,
  nodes: ReadonlySet<string>,
  notes: Notes,
): NamespacePlan {
  const devices = devicesOf(tables, hints, notes);
  const role = roleOf(tables, devices, nodes);
  const draft: NamespacePlan = {
    name: tables.name,
    role,
    forwarding: forwarding(tables, role, notes),
    devices,
    routes: [],
    neighbours: tables.neighbours.filter(({ mac }) => mac !== 0),
    fdb: tables.fdb.filter((entry) => isForwarding(entry, devices)),
    ...ownRules(tables, notes),
    ...tables.sysctls.limits(),
    ...tables.sysctls.neighbourLimits(),
    ...tables.sysctls.conntrack(),
    ...(tables.netfilter === undefined ? {} : { netfilter: tables.netfilter }),
  };
  return { ...draft, routes: ownRoutes(tables, draft, notes) };
}

/**
 * The kernel's own three rules are what a plan without rules has. A listing that lacks
 * one has more likely lost the line than the rule.
 */
function ownRules({ name, rules }: TableSet, notes: Notes): Pick<NamespacePlan, 'rules'> {
  if (rules === undefined) return {};
  const lost = rulesOf({}).filter(({ table }) => !rules.some((rule) => rule.table === table));
  for (const rule of lost) {
    notes.assume(
      `${name}: there is the kernel’s rule "${ruleEntry(rule, rules).replace('\t', ' ')}", as \`ip rule\` lacks it`,
    );
  }
  const all = [...rules, ...lost];
  return printIpRule({ rules: all }) === printIpRule() ? {} : { rules: all };
}

/** The local table follows from the addresses; only what does not is kept of it. */
function ownRoutes({ name, routes }: TableSet, draft: NamespacePlan, notes: Notes): RoutePlan[] {
  const eth0 = draft.devices.find(isPodEnd)?.name;
  if (draft.role === 'pod' && eth0 !== undefined && !routes.some(({ table }) => table === 'main')) {
    notes.assume(`${name}: routes are Calico's two of every pod, as no \`ip route\` lists any`);
    return podRoutes(eth0);
  }
  const key = ({ type, destination, device }: RoutePlan): string =>
    `${type} ${destination.address}/${destination.length} ${device}`;
  const derived = new Set(localRoutes(draft).map(key));
  return routes.filter((route) => route.table !== 'local' || !derived.has(key(route)));
}

/** Calico gives a pod's end of a veth its address as a /32. */
const isPodEnd = ({ kind, name, addresses }: DevicePlan): boolean =>
  kind === 'veth' &&
  !name.startsWith('cali') &&
  addresses.length > 0 &&
  addresses.every(({ length }) => length === 32);

/** Multicast groups that a device has joined are not for packets to another host. */
function isForwarding(entry: FdbPlan, devices: readonly DevicePlan[]): boolean {
  const device = devices.find(({ name }) => name === entry.device);
  // A port's own address follows from the device.
  if (entry.master !== undefined)
    return device?.master === entry.master && entry.mac !== device.mac;
  return entry.destination !== undefined && device?.kind === 'vxlan';
}

function roleOf(
  { name, routes, sysctls }: TableSet,
  devices: readonly DevicePlan[],
  nodes: ReadonlySet<string>,
): Role {
  if (nodes.has(name)) return 'node';
  if (
    routes.some(
      ({ via, destination }) => via === POD_GATEWAY || destination.address === POD_GATEWAY,
    )
  ) {
    return 'pod';
  }
  const calico = ({ name: device, up }: DevicePlan): boolean =>
    device.startsWith('cali') || (up && /^(vxlan\.calico|tunl0|wireguard\.cali)$/.test(device));
  if (devices.some(calico)) return 'node';
  if (devices.some(isPodEnd)) return 'pod';
  const cabled = devices.filter(
    ({ kind, addresses, up }) => up && kind !== 'loopback' && addresses.length > 0,
  );
  const forwards = sysctls.get('net.ipv4.ip_forward');
  return forwards === '1' || (forwards === undefined && cabled.length > 1) ? 'router' : 'host';
}

function forwarding({ name, sysctls }: TableSet, role: Role, notes: Notes): boolean {
  const told = sysctls.get('net.ipv4.ip_forward');
  if (told !== undefined) return told === '1';
  if (role !== 'node' && role !== 'router') return false;
  notes.assume(
    `${name}: ip_forward is 1, as on every ${role === 'node' ? 'Calico node' : 'router'}`,
  );
  return true;
}
