/** What Felix tells a node of the others' VTEPs (vxlan_fdb.go). */
import type { CommonTables } from '../plan/common-tables.ts';
import type { FdbPlan, NeighbourPlan } from '../plan/plan.ts';
import { formatMac, type Mac } from '../wire/address.ts';
import type { Addressing } from './blocks.ts';
import type { CalicoNode } from './calico-node.ts';
import { VXLAN_DEVICE, vtepMac } from './names.ts';
import type { Fabric } from './underlay.ts';

export interface Vtep {
  readonly name: string;
  readonly neighbour: NeighbourPlan;
  readonly fdb: FdbPlan;
}

/** By node name. Throws ERR_CONFIG_CONFLICT where two nodes have one MAC. */
export function vtepsOf(
  nodes: readonly CalicoNode[],
  { tunnels }: Addressing,
  fabric: Fabric,
): Vtep[] {
  const owners = new Map<Mac, string>();
  return nodes.flatMap((node) => {
    const address = tunnels.vxlan.get(node.name);
    if (address === undefined) return [];
    const mac = node.vxlanMac?.value ?? vtepMac(node.name);
    const before = owners.get(mac);
    if (before !== undefined) {
      throw (node.vxlanMac?.at ?? node.at).conflict(
        `a VTEP MAC of its own, since Node/${before} has this one`,
        formatMac(mac),
      );
    }
    owners.set(mac, node.name);
    const destination = fabric.nodes.get(node.name)!.own.address;
    return [
      {
        name: node.name,
        neighbour: { device: VXLAN_DEVICE, address, mac, state: 'PERMANENT' },
        fdb: { device: VXLAN_DEVICE, mac, destination, state: 'permanent' },
      },
    ];
  });
}

export type CommonEnds = Pick<CommonTables, 'neighbours' | 'fdb'>;

/** What each node has of all VTEPs but its own. */
export function commonEnds(vteps: readonly Vtep[], fdb: readonly Vtep[]): CommonEnds {
  const names = (list: readonly Vtep[]) => list.map(({ name }) => name);
  return {
    neighbours: { entries: vteps.map(({ neighbour }) => neighbour), owners: names(vteps) },
    fdb: { entries: fdb.map((vtep) => vtep.fdb), owners: names(fdb) },
  };
}
