/**
 * What `ip link` says of each kind of device: flags, state, and the words of `-d`
 * as iproute2 5.10 prints them on the kernel of that time (Debian 11).
 */
import type { DeviceKind, DevicePlan } from '../plan/plan.ts';
import { formatIp4, formatMac } from '../wire/address.ts';

/** Flags that do not depend on the device being up. */
const FLAGS: { readonly [K in DeviceKind]: readonly string[] } = {
  loopback: ['LOOPBACK'],
  nic: ['BROADCAST', 'MULTICAST'],
  veth: ['BROADCAST', 'MULTICAST'],
  vxlan: ['BROADCAST', 'MULTICAST'],
  ipip: ['NOARP'],
  wireguard: ['POINTOPOINT', 'NOARP'],
};

export const linkFlags = ({ kind, up }: DevicePlan): string =>
  `<${[...FLAGS[kind], ...(up ? ['UP', 'LOWER_UP'] : [])].join(',')}>`;

/** Only drivers that report a carrier say UP. */
export function linkState({ kind, up }: DevicePlan): string {
  if (!up) return 'DOWN';
  return kind === 'nic' || kind === 'veth' ? 'UP' : 'UNKNOWN';
}

/** The `link/…` words: type, address and broadcast address. */
export function linkAddress({ kind, mac }: DevicePlan): string {
  if (kind === 'loopback') return 'link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00';
  if (kind === 'ipip') return 'link/ipip 0.0.0.0 brd 0.0.0.0';
  return `link/ether ${formatMac(mac ?? 0)} brd ff:ff:ff:ff:ff:ff`;
}

/** RFC 8200 section 5: a link below 1280 bytes carries no IPv6, and Linux turns it off. */
export const hasIpv6 = ({ mtu }: DevicePlan): boolean => mtu >= 1280;

/** `mtu` limits; tunl0 and lo set none. */
const limits = (kind: DeviceKind): string =>
  kind === 'loopback' || kind === 'ipip' ? 'minmtu 0 maxmtu 0' : 'minmtu 68 maxmtu 65535';

const QUEUES = 'numtxqueues 1 numrxqueues 1 gso_max_size 65536 gso_max_segs 65535 ';

/**
 * What `-d` adds after the `link/` words, with the blank at its end; only
 * `ip link` names the address generation, `ip addr` does not.
 */
export function linkDetails(device: DevicePlan, ofLink: boolean): string {
  const generation = ofLink && hasIpv6(device) ? 'addrgenmode eui64 ' : '';
  const kind = kindWords(device);
  const indented = kind === '' ? '' : `\n    ${kind} `;
  return ` promiscuity 0 ${limits(device.kind)} ${indented}${generation}${QUEUES}`;
}

function kindWords({ kind, vxlan }: DevicePlan): string {
  if (kind === 'veth') return 'veth';
  if (kind === 'ipip') return 'ipip any remote any local any ttl inherit nopmtudisc';
  if (kind !== 'vxlan') return '';
  if (vxlan === undefined) return 'vxlan external';
  return (
    `vxlan id ${vxlan.vni} local ${formatIp4(vxlan.local)} dev ${vxlan.parent} ` +
    `srcport 0 0 dstport ${vxlan.port} nolearning ttl auto ageing 300 ` +
    'udpcsum noudp6zerocsumtx noudp6zerocsumrx'
  );
}
