/** `ip addr`: devices with their addresses in iproute2's words (ip/ipaddress.c print_addrinfo). */
import type { DevicePlan, NamespacePlan } from '../plan/plan.ts';
import { formatIp4, formatPrefix, linkLocal } from '../wire/address.ts';
import { type KeptAddress, keptAddresses } from './device-address.ts';
import { type LinkListing, linkHead, listedDevices } from './ip-link.ts';
import { hasIpv6, linkAddress, linkDetails } from './link-kind.ts';
import { peerNamespace } from './link-peer.ts';

export interface AddrListing extends LinkListing {
  /** `-4`: only devices with an IPv4 address, without their `link/` and `inet6` lines. */
  readonly family4?: boolean | undefined;
}

const LIFETIME = '       valid_lft forever preferred_lft forever\n';

/** `ip addr [show]` */
export function printIpAddr(ns: NamespacePlan, options: AddrListing = {}): string {
  const { family4, details, peers } = options;
  return listedDevices(ns, options)
    .filter((device) => !family4 || keptAddresses(device).length > 0)
    .map((device) => {
      // With -4 the namespace of the other end follows the head directly, as in iproute2.
      const address = family4 && !details ? '' : `\n    ${linkAddress(device)}`;
      const link = address + peerNamespace(ns, device, peers);
      const more = details ? linkDetails(device, false) : '';
      return [
        `${linkHead(ns, device, '', peers)}${link}${more}\n`,
        ...keptAddresses(device).map((kept) => inet(device, kept)),
        family4 ? '' : inet6(device),
      ].join('');
    })
    .join('');
}

function inet(
  device: DevicePlan,
  { broadcast, scope, secondary, ...address }: KeptAddress,
): string {
  const brd = broadcast === undefined ? '' : ` brd ${formatIp4(broadcast)}`;
  const flag = secondary ? ' secondary' : '';
  return `    inet ${formatPrefix(address)}${brd} scope ${scope}${flag} ${device.name}\n${LIFETIME}`;
}

/** What IPv6 gives a device by itself: `::1` on lo, else the link-local address of the MAC. */
function inet6(device: DevicePlan): string {
  if (!device.up || !hasIpv6(device)) return '';
  if (device.kind === 'loopback') return `    inet6 ::1/128 scope host \n${LIFETIME}`;
  if (device.mac === undefined) return '';
  return `    inet6 ${linkLocal(device.mac)}/64 scope link \n${LIFETIME}`;
}
