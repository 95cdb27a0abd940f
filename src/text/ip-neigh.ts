/** `ip neigh`: the neighbour table in iproute2's words (ip/ipneigh.c print_neigh). */
import type { NamespacePlan, NeighbourPlan } from '../plan/plan.ts';
import { formatIp4, formatMac } from '../wire/address.ts';

export interface NeighbourListing {
  /** Only this device; the listing then leaves the `dev` words out. */
  readonly device?: string | undefined;
}

/** The kernel gives a MAC only where the entry is valid (NUD_VALID). */
export const isResolved = (n: NeighbourPlan): boolean =>
  n.mac !== undefined && n.state !== 'INCOMPLETE' && n.state !== 'FAILED';

/** One entry as a message prints it, without the blank at the end. */
export const neighbourEntry = (n: NeighbourPlan): string =>
  entryWords(n, ['dev', n.device]).join(' ');

function entryWords(n: NeighbourPlan, device: readonly string[]): string[] {
  const mac = isResolved(n) && n.mac !== undefined ? ['lladdr', formatMac(n.mac)] : [];
  return [formatIp4(n.address), ...device, ...mac, n.state];
}

/**
 * `ip neigh [show] [dev D]`, in the plan's order: the kernel's is that of a hash
 * with a secret. NOARP entries are left out, as both commands leave them out.
 */
export function printIpNeigh(ns: NamespacePlan, { device }: NeighbourListing = {}): string {
  return ns.neighbours
    .filter((n) => n.state !== 'NOARP' && (device === undefined || n.device === device))
    .map((n) => `${entryWords(n, device === undefined ? ['dev', n.device] : []).join(' ')} \n`)
    .join('');
}
