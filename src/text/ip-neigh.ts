/** `ip neigh`: the neighbour table in iproute2's words (ip/ipneigh.c print_neigh). */
import type { NamespacePlan, NeighbourPlan } from '../plan/plan.ts';
import { contains, formatIp4, formatMac, type Prefix } from '../wire/address.ts';
import type { Json } from './json.ts';

export interface NeighbourListing {
  /** Only this device; the listing then leaves the `dev` words out. */
  readonly device?: string | undefined;
  /** Only entries in this state. */
  readonly state?: NeighbourPlan['state'] | undefined;
  /** Only addresses inside this prefix. */
  readonly destination?: Prefix | undefined;
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
export function printIpNeigh(ns: NamespacePlan, listing: NeighbourListing = {}): string {
  const named = listing.device === undefined;
  return listedNeighbours(ns, listing)
    .map((n) => `${entryWords(n, named ? ['dev', n.device] : []).join(' ')} \n`)
    .join('');
}

function listedNeighbours(ns: NamespacePlan, listing: NeighbourListing): NeighbourPlan[] {
  const { device, state, destination } = listing;
  return ns.neighbours
    .filter((n) => (state === undefined ? n.state !== 'NOARP' : n.state === state))
    .filter((n) => device === undefined || n.device === device)
    .filter((n) => destination === undefined || contains(destination, n.address));
}

/** `ip -j neigh` */
export const neighbourJson = (ns: NamespacePlan, listing: NeighbourListing = {}): Json =>
  listedNeighbours(ns, listing).map((n) => ({
    dst: formatIp4(n.address),
    ...(listing.device === undefined ? { dev: n.device } : {}),
    ...(isResolved(n) && n.mac !== undefined ? { lladdr: formatMac(n.mac) } : {}),
    state: [n.state],
  }));
