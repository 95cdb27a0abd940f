/** `ip addr`: devices with their addresses in iproute2's words (ip/ipaddress.c print_addrinfo). */
import type { DevicePlan, NamespacePlan } from '../plan/plan.ts';
import { formatIp4, formatPrefix, linkLocal } from '../wire/address.ts';
import { type KeptAddress, keptAddresses } from './device-address.ts';
import { type LinkListing, linkHead, listedDevices } from './ip-link.ts';
import { altNameLines, hasIpv6, linkAddress, linkDetails } from './link-kind.ts';
import { peerNamespace } from './link-peer.ts';

export interface AddrListing extends LinkListing {
  /** `-4`: only devices with an IPv4 address, without their `link/` and `inet6` lines. */
  readonly family4?: boolean | undefined;
}

const LIFETIME = '       valid_lft forever preferred_lft forever';

/** `ip addr [show]` */
export function printIpAddr(ns: NamespacePlan, options: AddrListing = {}): string {
  const { family4, details, peers } = options;
  return listedDevices(ns, options)
    .filter((device) => !family4 || keptAddresses(device).length > 0)
    .map((device) => {
      // With -4 the namespace of the other end follows the head directly, as in iproute2.
      const address = family4 && !details ? '' : `\n    ${linkAddress(device)}`;
      const link = address + peerNamespace(ns, device, peers);
      const more = details ? linkDetails(ns, device, false) : '';
      return [
        `${linkHead(ns, device, '', peers)}${link}${more}${altNameLines(device)}\n`,
        ...addressLines(device, family4).map(([inet, lifetime]) => `    ${inet}\n${lifetime}\n`),
      ].join('');
    })
    .join('');
}

/** The two lines of each address, the first without its indent. */
export function addressLines(
  device: DevicePlan,
  family4: boolean | undefined,
): (readonly [string, string])[] {
  const six = family4 ? undefined : inet6(device);
  const lines = keptAddresses(device).map((kept) => inet(device, kept));
  return [...lines, ...(six === undefined ? [] : [six])].map((line) => [line, LIFETIME]);
}

function inet(
  device: DevicePlan,
  { broadcast, scope, secondary, ...address }: KeptAddress,
): string {
  const brd = broadcast === undefined ? '' : ` brd ${formatIp4(broadcast)}`;
  const flag = secondary ? ' secondary' : '';
  return `inet ${formatPrefix(address)}${brd} scope ${scope}${flag} ${device.name}`;
}

/** What IPv6 gives a device by itself: `::1` on lo, else the link-local address of the MAC. */
function inet6(device: DevicePlan): string | undefined {
  if (!device.up || !hasIpv6(device)) return undefined;
  if (device.kind === 'loopback') return 'inet6 ::1/128 scope host ';
  return device.mac === undefined ? undefined : `inet6 ${linkLocal(device.mac)}/64 scope link `;
}
