/**
 * Whose tunnel packets a node takes. Of IPIP those of all nodes, of VXLAN those of the
 * others that have a VTEP, and in both whom the user adds (felix/dataplane/linux
 * ipip_mgr.go, vxlan_mgr.go updateNeighborsAndAllowedSources).
 */
import { shareSet } from '../plan/common-tables.ts';
import type { IpSetPlan } from '../plan/netfilter.ts';
import type { Prefix } from '../wire/address.ts';
import type { Vtep } from './vteps.ts';

/** The sets of them, in the rules and in `ipset save`. */
export const IPIP_HOSTS = 'cali40all-hosts-net';
export const VXLAN_HOSTS = 'cali40all-vxlan-net';

/**
 * VXLAN's, by node. Lists are made when they are first asked for: with n nodes, each of them
 * has n entries.
 */
export function vxlanHostsOf(
  vteps: readonly Vtep[],
): (node: string, externalNodes?: readonly Prefix[]) => IpSetPlan {
  const ends = vteps.flatMap(({ name, fdb: { destination } }) =>
    destination === undefined ? [] : [{ name, prefix: { address: destination, length: 32 } }],
  );
  const all = ends.map(({ prefix }) => prefix);
  const own = new Map(ends.map(({ name, prefix }) => [name, prefix]));
  return (node, added = NOBODY) => {
    const lacks = own.get(node);
    let prefixes: readonly Prefix[] | undefined;
    const set: IpSetPlan = {
      name: VXLAN_HOSTS,
      get prefixes() {
        prefixes ??= [...added, ...all.filter((prefix) => prefix !== lacks)];
        return prefixes;
      },
    };
    return lacks === undefined ? set : shareSet(set, { all, lacks: lacks.address, added });
  };
}

const NOBODY: readonly Prefix[] = [];
