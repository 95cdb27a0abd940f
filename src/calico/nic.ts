/** A NIC on the underlay, and the network that NICs make up. */
import type { SegmentPlan } from '../plan/plan.ts';
import { contains, type InterfaceAddress, type Ip4, type Mac, networkOf } from '../wire/address.ts';
import type { Outsider } from './underlay-resource.ts';

export interface Nic {
  readonly device: string;
  readonly mac: Mac;
  readonly mtu: number;
  readonly address: InterfaceAddress;
  /** Absent: it is up. */
  readonly up?: boolean;
  /** Default gateway of nodes on this segment. */
  readonly gateway: Ip4 | undefined;
}

/** Segments with their members' NICs, by namespace name. */
export interface Network {
  readonly segments: readonly SegmentPlan[];
  readonly of: ReadonlyMap<string, readonly Nic[]>;
  readonly outsiders: readonly Outsider[];
}

/** The NIC whose network holds an address; the longest network wins. */
export function nicTowards(nics: readonly Nic[], address: Ip4): Nic | undefined {
  let best: Nic | undefined;
  for (const nic of nics) {
    if (nic.up === false || !contains(networkOf(nic.address), address)) continue;
    if (best === undefined || nic.address.length > best.address.length) best = nic;
  }
  return best;
}
