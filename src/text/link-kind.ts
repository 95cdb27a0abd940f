/**
 * What `ip link` says of each kind of device: flags, state, and the words of `-d`
 * as iproute2 5.10 prints them on the kernel of that time (Debian 11).
 */
import type { DeviceKind, DevicePlan, NamespacePlan, VxlanSettings } from '../plan/plan.ts';
import { formatIp4, formatMac } from '../wire/address.ts';
import { bridgeWords, slaveWords } from './link-bridge.ts';

/** Flags that do not depend on the device being up. */
const FLAGS: { readonly [K in DeviceKind]: readonly string[] } = {
  loopback: ['LOOPBACK'],
  nic: ['BROADCAST', 'MULTICAST'],
  veth: ['BROADCAST', 'MULTICAST'],
  vxlan: ['BROADCAST', 'MULTICAST'],
  ipip: ['NOARP'],
  wireguard: ['POINTOPOINT', 'NOARP'],
  bridge: ['BROADCAST', 'MULTICAST'],
};

/** In the order iproute2 prints them. */
export const flagWords = ({ kind, noArp, up, carrier = true }: DevicePlan): readonly string[] => [
  ...(up && !carrier ? ['NO-CARRIER'] : []),
  ...(noArp === true ? ['BROADCAST', 'NOARP'] : FLAGS[kind]),
  ...(up ? ['UP'] : []),
  ...(up && carrier ? ['LOWER_UP'] : []),
];

export const linkFlags = (device: DevicePlan): string => `<${flagWords(device).join(',')}>`;

/** Only drivers that report a carrier say UP. */
export function linkState({ kind, noArp, up, carrier = true }: DevicePlan): string {
  if (!up || !carrier) return 'DOWN';
  if (noArp === true) return 'UNKNOWN';
  return kind === 'nic' || kind === 'veth' || kind === 'bridge' ? 'UP' : 'UNKNOWN';
}

/** Type of the link layer, with its own and its broadcast address where it has any. */
export function linkLayer({ kind, mac }: DevicePlan): {
  readonly type: string;
  readonly address?: string;
  readonly broadcast?: string;
} {
  switch (kind) {
    case 'loopback':
      return {
        type: 'loopback',
        address: '00:00:00:00:00:00',
        broadcast: '00:00:00:00:00:00',
      };
    case 'ipip':
      return { type: 'ipip', address: '0.0.0.0', broadcast: '0.0.0.0' };
    case 'wireguard':
      return { type: 'none' };
    default:
      return { type: 'ether', address: formatMac(mac ?? 0), broadcast: 'ff:ff:ff:ff:ff:ff' };
  }
}

/** The `link/…` words. Without addresses iproute2 still prints the blank before them. */
export function linkAddress(device: DevicePlan): string {
  const { type, address, broadcast } = linkLayer(device);
  return `link/${type} ${address === undefined ? '' : `${address} brd ${broadcast}`}`;
}

/** The lines of further names, each with the line feed before it. */
export const altNameLines = ({ altNames = [] }: DevicePlan): string =>
  altNames.map((name) => `\n    altname ${name}`).join('');

/** RFC 8200 section 5: a link below 1280 bytes carries no IPv6, and Linux turns it off. */
export const hasIpv6 = ({ mtu }: DevicePlan): boolean => mtu >= 1280;

/**
 * `mtu` limits; tunl0 and lo set none. WireGuard's is the largest int, a multiple
 * of its padding, less 80 bytes of headers (drivers/net/wireguard/device.c wg_setup).
 */
export function mtuLimits(kind: DeviceKind): { readonly min: number; readonly max: number } {
  if (kind === 'loopback' || kind === 'ipip') return { min: 0, max: 0 };
  return kind === 'wireguard' ? { min: 0, max: 2147483552 } : { min: 68, max: 65535 };
}

/** How a device makes its own IPv6 address; `undefined` without IPv6. */
export function addressGeneration(device: DevicePlan): 'eui64' | 'none' | undefined {
  if (!hasIpv6(device)) return undefined;
  return device.kind === 'wireguard' ? 'none' : 'eui64';
}

const QUEUES = 'numtxqueues 1 numrxqueues 1 gso_max_size 65536 gso_max_segs 65535 ';

/**
 * What `-d` adds after the `link/` words, with the blank at its end; only
 * `ip link` names the address generation, `ip addr` does not.
 */
export function linkDetails(
  ns: Pick<NamespacePlan, 'devices'>,
  device: DevicePlan,
  ofLink: boolean,
): string {
  const mode = ofLink ? addressGeneration(device) : undefined;
  const generation = mode === undefined ? '' : `addrgenmode ${mode} `;
  const kind = kindWords(device);
  const slave = slaveWords(ns, device);
  const indented = [kind, slave].map((words) => (words === '' ? '' : `\n    ${words} `)).join('');
  const promiscuity = device.master === undefined ? 0 : 1;
  const { min, max } = mtuLimits(device.kind);
  return ` promiscuity ${promiscuity} minmtu ${min} maxmtu ${max} ${indented}${generation}${QUEUES}`;
}

function kindWords(device: DevicePlan): string {
  const { kind, noArp, vxlan } = device;
  if (noArp === true) return 'dummy';
  if (kind === 'bridge') return bridgeWords(device);
  if (kind === 'veth' || kind === 'wireguard') return kind;
  if (kind === 'ipip') return 'ipip any remote any local any ttl inherit nopmtudisc';
  if (kind !== 'vxlan') return '';
  if (vxlan === undefined) return 'vxlan external';
  return vxlanWords(vxlan);
}

/** ip/iplink_vxlan.c vxlan_print_opt */
function vxlanWords(vxlan: VxlanSettings): string {
  const { vni, local, parent, port, tos, ttl = 'auto', df, udpChecksum = true } = vxlan;
  const { learning = false, ageing = 300 } = vxlan;
  const tosWord = typeof tos === 'number' ? `0x${tos.toString(16)}` : tos;
  return [
    `vxlan id ${vni} local ${formatIp4(local)} dev ${parent}`,
    `srcport 0 0 dstport ${port}${learning ? '' : ' nolearning'}`,
    ...(tosWord === undefined ? [] : [`tos ${tosWord}`]),
    `ttl ${ttl}`,
    ...(df === undefined ? [] : [`df ${df}`]),
    `ageing ${ageing} ${udpChecksum ? 'udpcsum' : 'noudpcsum'} noudp6zerocsumtx noudp6zerocsumrx`,
  ].join(' ');
}
