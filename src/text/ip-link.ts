/** `ip link`: a namespace's devices in iproute2's words (ip/ipaddress.c print_linkinfo). */
import { found, PodwireError } from '../errors.ts';
import type { DevicePlan, NamespacePlan } from '../plan/plan.ts';
import { altNameLines, linkAddress, linkDetails, linkFlags, linkState } from './link-kind.ts';
import { type PeerLookup, peerName, peerNamespace } from './link-peer.ts';

export interface LinkListing {
  /** Only this device; ERR_NAME where the namespace has no such device. */
  readonly device?: string | undefined;
  /** `-d` */
  readonly details?: boolean | undefined;
  /** Only devices of this kind: `type vxlan`. */
  readonly kind?: DevicePlan['kind'] | undefined;
  /** Only devices that are up. */
  readonly up?: boolean | undefined;
  /** Facts about the other ends of veths; without it `@if?` prints. */
  readonly peers?: PeerLookup | undefined;
}

/** `ip link [show]` */
export function printIpLink(ns: NamespacePlan, options: LinkListing = {}): string {
  return listedDevices(ns, options)
    .map((device) => {
      const details = options.details ? linkDetails(ns, device, true) : '';
      const address = `    ${linkAddress(device)}${peerNamespace(ns, device, options.peers)}`;
      return `${linkHead(ns, device, 'mode DEFAULT ', options.peers)}\n${address}${details}${altNameLines(device)}\n`;
    })
    .join('');
}

/** The first line of a device, which ends in a blank where there is no `qlen`. */
export function linkHead(
  ns: NamespacePlan,
  device: DevicePlan,
  mode: '' | 'mode DEFAULT ',
  peers?: PeerLookup,
): string {
  const { index, name, mtu, qdisc, master, queueLength } = device;
  const queue = queueLength === 0 ? '' : `qlen ${queueLength}`;
  return (
    `${index}: ${name}${peerName(ns, device, peers)}: ${linkFlags(device)} mtu ${mtu} ` +
    `qdisc ${qdisc} ${master === undefined ? '' : `master ${master} `}state ${linkState(device)} ${mode}group default ${queue}`
  );
}

/** Devices by index, filtered as the options ask. */
export function listedDevices(ns: NamespacePlan, { device, kind, up }: LinkListing): DevicePlan[] {
  if (device !== undefined && !ns.devices.some(({ name }) => name === device)) {
    const names = ns.devices.map(({ name }) => name).join(', ');
    const message = `${ns.name}: expected a device (${names}), found ${found(device)}`;
    throw new PodwireError('ERR_NAME', message);
  }
  return [...ns.devices]
    .sort((a, b) => a.index - b.index)
    .filter((d) => (device === undefined || d.name === device) && (!up || d.up))
    .filter((d) => kind === undefined || d.kind === kind);
}
