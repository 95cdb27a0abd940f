/**
 * What `ip link` and `ip addr` printed of a recorded namespace. The topology says what is
 * joined to what; of MTUs, states, addresses and tunnels the kernel's own word counts.
 */
import type { DevicePlan } from '../plan/plan.ts';
import type { TextPlace } from '../text/line-reader.ts';
import { type LinkListed, linkDevice, parseIpLink } from '../text/link-reader.ts';

/** A command's lines, and where they stand. */
export interface Listing {
  readonly text: string;
  readonly place: TextPlace;
}

/** `ip -4 addr`, `ip -d link show`, `ip a`, … */
export const listsDevices = (command: string): boolean =>
  /^ip( -\S+)* (l|link|a|addr|address)( (show|list|ls))?$/.test(command);

/** Devices by name; each listing adds what the ones before lack. Throws ERR_CONFIG_VALUE with the line. */
export function listedDevices(listings: readonly Listing[]): Map<string, LinkListed> {
  const found = new Map<string, LinkListed>();
  for (const { text, place } of listings) {
    for (const link of parseIpLink(text, place)) {
      const known = found.get(link.name);
      found.set(link.name, known === undefined ? link : joined(known, link));
    }
  }
  return found;
}

/** Only `ip addr` lists addresses, only `-d` the settings of a tunnel. */
const joined = (a: LinkListed, b: LinkListed): LinkListed => ({
  ...b,
  ...a,
  addresses: a.addresses.length > 0 ? a.addresses : b.addresses,
});

/** A device of the topology, as its kernel listed it. */
export function asListed(device: DevicePlan, listed: LinkListed | undefined): DevicePlan {
  if (listed === undefined) return device;
  const { mac, mtu, up, addresses } = linkDevice(listed);
  const vxlan = device.vxlan && { ...device.vxlan, ...listed.vxlan };
  return {
    ...device,
    mtu,
    up,
    ...(mac === undefined || device.mac === undefined ? {} : { mac }),
    ...(addresses.length > 0 ? { addresses } : {}),
    ...(vxlan === undefined ? {} : { vxlan }),
  };
}

/** Devices that need no other end and that a topology leaves out: dummies, which hold addresses. */
export function unnamedDevices(
  listed: ReadonlyMap<string, LinkListed>,
  named: readonly DevicePlan[],
): DevicePlan[] {
  return [...listed.values()]
    .filter(({ name }) => named.every((device) => device.name !== name))
    .map(linkDevice)
    .filter(({ up, noArp }) => up && noArp === true)
    .map((device, i) => ({ ...device, index: named.length + 1 + i }));
}
