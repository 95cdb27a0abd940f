/**
 * What the scripts of some labs changed half-way. The recordings hold the tables
 * of before and after only, so each change is repeated here at its phase.
 */
import type { Cluster } from '../../src/cluster/cluster.ts';
import { Nud } from '../../src/tables/neighbours.ts';
import { RouteKind } from '../../src/tables/routes.ts';
import type { Lab } from '../../src/verify/lab.ts';
import type { LabEdit } from '../../src/verify/verify.ts';
import { parseIp4, parsePrefix } from '../../src/wire/address.ts';

const withoutDefault = (cluster: Cluster): void => {
  cluster.names.find('node1').rules[1]!.table!.remove(0, 0);
};

/** `ip route add TYPE PREFIX`: the route's origin is only for printing. */
function addRoute(cluster: Cluster, prefix: string, kind: RouteKind): void {
  const node = cluster.names.find('node1');
  const { address, length } = parsePrefix(prefix);
  const origin = node.routes.origin(0);
  const id = node.routes.add({ kind, length, gateway: 0, device: -1, mtu: 0, source: 0 }, origin);
  node.rules[1]!.table!.insert(address, length, id);
}

const rpFilter = (node: string, device: string, value: number) => (cluster: Cluster) => {
  Object.assign(cluster.names.port(`${node}:${device}`).device, { rpFilter: value });
};

/** Made just before the `nth` event whose label begins so. */
const edit =
  (event: string, apply: (cluster: Cluster) => void, nth = 1) =>
  (lab: Lab): LabEdit => {
    const at = lab.events.filter(({ label }) => label.startsWith(event))[nth - 1]?.at;
    if (at === undefined) throw new Error(`no event ${event} in the lab`);
    return { at, apply };
  };

const blackhole = [
  edit('10 no default route', withoutDefault),
  edit('11 an unreachable', (cluster) => {
    addRoute(cluster, '10.2.97.0/26', RouteKind.Unreachable);
    addRoute(cluster, '10.2.98.0/26', RouteKind.Prohibit);
  }),
];

export const edits: Readonly<Record<string, readonly ((lab: Lab) => LabEdit)[]>> = {
  '09-blackhole-direct': blackhole,
  '09-blackhole-ipip': blackhole,
  '09-blackhole-vxlan': blackhole,
  '12-arp': [
    edit('8 refresh', (cluster) => {
      const node = cluster.names.find('node1');
      const id = node.neighbours.find(1, parseIp4('192.168.33.57'));
      node.neighbours.setState(id, Nud.Delay);
      // The ping comes 0.16 s later; delay_first_probe_time was 1 s there.
      cluster.armNeighbour(node, id, 1160);
    }),
    edit('9 no default route', withoutDefault),
  ],
  '15-rpf': [
    edit('3 neither', rpFilter('node1', 'calid2918f95dae', 0)),
    edit('rp_filter=1 inner', rpFilter('node2', 'tunl0', 1)),
    edit('rp_filter=2 inner', rpFilter('node2', 'tunl0', 2)),
  ],
  '17-vxlan-decap': [
    edit('egress: no forwarding', (cluster) => {
      const { fdb } = cluster.names.find('node1');
      for (const { device, macHigh, macLow } of [...fdb]) fdb.delete(device, macHigh, macLow);
    }),
    edit(
      'ping',
      (cluster) => {
        const node = cluster.names.find('node1');
        node.neighbours.delete(node.vxlans[0]!, parseIp4('10.2.169.137'));
      },
      2,
    ),
  ],
};
