/** What one namespace's dumps tell of another's devices. */
import { HOST_VETH_MAC } from '../calico/names.ts';
import type { NodeFacts } from '../plan/plan.ts';
import type { Ip4, Mac } from '../wire/address.ts';
import type { TableSet } from './table-set.ts';

/** What the dumps of others and calicoctl tell of a namespace's devices. */
export interface Hints {
  /** MACs by address, from neighbour tables. */
  readonly macs: ReadonlyMap<Ip4, Mac>;
  /** Addresses of nodes by the MAC of their VTEP, from FDBs. */
  readonly vteps: ReadonlyMap<Mac, Ip4>;
  /** Addresses of nodes by name. */
  readonly nodes: ReadonlyMap<string, Ip4>;
}

/** What all dumps together, and calicoctl, tell of single devices. */
export function hintsOf(all: readonly TableSet[], nodes: readonly NodeFacts[]): Hints {
  const macs = new Map<Ip4, Mac>();
  const vteps = new Map<Mac, Ip4>();
  for (const { neighbours, fdb } of all) {
    for (const { address, mac } of neighbours) {
      // That one is a proxy's: it tells nothing of who has the address.
      if (mac !== undefined && mac !== HOST_VETH_MAC && mac !== 0) macs.set(address, mac);
    }
    for (const { mac, destination } of fdb) {
      if (destination !== undefined) vteps.set(mac, destination);
    }
  }
  const known = nodes.flatMap(({ name, address }): [string, Ip4][] =>
    address === undefined ? [] : [[name, address.address]],
  );
  return { macs, vteps, nodes: new Map(known) };
}
