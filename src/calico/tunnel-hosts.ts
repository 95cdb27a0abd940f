/**
 * Whose tunnel packets a node takes. Of IPIP those of all nodes, of VXLAN those of the
 * others that have a VTEP, and in both whom the user adds (felix/dataplane/linux
 * ipip_mgr.go, vxlan_mgr.go updateNeighborsAndAllowedSources).
 */
import type { IpSetPlan } from '../plan/netfilter.ts';
import type { Prefix } from '../wire/address.ts';
import type { Vtep } from './vteps.ts';

/** The sets of them, in the rules and in `ipset save`. */
export const IPIP_HOSTS = 'cali40all-hosts-net';
export const VXLAN_HOSTS = 'cali40all-vxlan-net';

/** VXLAN's of one node. Its list is made when it is first asked for: with n nodes, each of them has n entries. */
export function vxlanHosts(
  node: string,
  vteps: readonly Vtep[],
  externalNodes: readonly Prefix[] = [],
): IpSetPlan {
  let prefixes: readonly Prefix[] | undefined;
  return {
    name: VXLAN_HOSTS,
    get prefixes() {
      prefixes ??= [
        ...externalNodes,
        ...vteps.flatMap(({ name, fdb: { destination } }) =>
          name === node || destination === undefined ? [] : [{ address: destination, length: 32 }],
        ),
      ];
      return prefixes;
    },
  };
}
