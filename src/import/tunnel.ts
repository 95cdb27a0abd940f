/** Settings of tunnel devices that `ip -d link` or `wg show` would have listed. */
import type { DevicePlan } from '../plan/plan.ts';
import { formatIp4, type Ip4 } from '../wire/address.ts';
import type { Hints } from './hints.ts';
import type { Notes } from './notes.ts';
import { connected, type TableSet } from './table-set.ts';

/** Felix defaults (config_params.go VXLANVNI, VXLANPort). */
const VNI = 4096;
const PORT = 4789;

/** What is to be added to a device; nothing where it is whole or nobody knows. */
export function tunnelOf(
  tables: TableSet,
  device: DevicePlan,
  devices: ReadonlyMap<string, DevicePlan>,
  hints: Hints,
  notes: Notes,
): Pick<DevicePlan, 'vxlan' | 'wireguard'> {
  if (device.kind === 'wireguard') {
    const wireguard = tables.wireguard.get(device.name);
    return wireguard === undefined ? {} : { wireguard };
  }
  if (device.kind !== 'vxlan' || device.vxlan !== undefined) return {};
  const listed = tables.links.get(device.name)?.vxlan;
  const told = listed?.local ?? addressOfNode(tables.name, device, hints);
  const parent = listed?.parent ?? holder(devices, told) ?? underlay(tables);
  const local = told ?? addressOn(tables, devices, parent);
  if (parent === undefined || local === undefined) return {};
  const { vni = VNI, port = PORT } = listed ?? {};
  notes.assume(
    `${tables.name}: \`ip -d link\` of ${device.name} is not whole; taken as VNI ${vni}, UDP port ${port}, from ${formatIp4(local)} on ${parent}`,
  );
  return { vxlan: { ...listed, vni, port, local, parent } };
}

/** Where other nodes send to, or what calicoctl lists. */
const addressOfNode = (
  name: string,
  { mac }: DevicePlan,
  { vteps, nodes }: Hints,
): Ip4 | undefined => (mac === undefined ? undefined : vteps.get(mac)) ?? nodes.get(name);

const holder = (devices: ReadonlyMap<string, DevicePlan>, address: Ip4 | undefined) =>
  [...devices.values()].find(({ addresses }) => addresses.some((a) => a.address === address))?.name;

/** Without a better word Felix's first guess: the device of the default route. */
const underlay = (tables: TableSet): string | undefined =>
  tables.routes.find((r) => r.table === 'main' && r.destination.length === 0)?.device ??
  connected(tables)[0]?.device;

function addressOn(
  tables: TableSet,
  devices: ReadonlyMap<string, DevicePlan>,
  device: string | undefined,
): Ip4 | undefined {
  const own = device === undefined ? undefined : devices.get(device)?.addresses[0]?.address;
  return own ?? tables.routes.find((r) => r.device === device && r.source !== undefined)?.source;
}
