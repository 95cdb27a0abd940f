/** The main tables of many nodes beside the nodes' own lookups. */
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { NodeFibs } from '../../src/cluster/node-fibs.ts';
import { addRoute, removeRoute } from '../../src/cluster/table-edit.ts';
import type { RoutePlan } from '../../src/plan/plan.ts';

const NODES = 30;

const clusterOf = (mode: string): Cluster =>
  Cluster.fromYaml(`
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.0.0.0/8, blockSize: 26, ${mode}}
${Array.from(
  { length: NODES },
  (_, i) => `---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n${i}}
spec: {bgp: {ipv4Address: 172.20.0.${i + 1}/16}}
---
apiVersion: v1
kind: Pod
metadata: {name: p${i}, namespace: default}
spec: {nodeName: n${i}}
status: {phase: Running}
`,
).join('')}`);

const isNode = (name: string): boolean => /^n\d+$/.test(name);

/** The longest of the routes as they are planned now, by looking at all. */
function scanned(routes: readonly RoutePlan[], address: number): RoutePlan | undefined {
  return routes
    .filter(
      ({ table, destination: { address: prefix, length } }) =>
        table === 'main' && (length === 0 || (prefix ^ address) >>> (32 - length) === 0),
    )
    .sort((a, b) => b.destination.length - a.destination.length || a.metric - b.metric)[0];
}

function compare(cluster: Cluster, fibs: NodeFibs): void {
  const found = (nth: number, address: number): RoutePlan | undefined => {
    const id = fibs.lookup(nth, address);
    return id < 0 ? undefined : fibs.route(nth, id);
  };
  for (const [nth, name] of fibs.names.entries()) {
    const { routes } = cluster.names.find(name).plan;
    const asked = routes.flatMap(({ destination: { address } }) => [address, address + 1]);
    for (const address of [...asked, 0, 0x01020304, -1]) {
      expect(found(nth, address)).toEqual(scanned(routes, address));
    }
  }
}

describe('the lookup tables of many nodes', () => {
  it.each(['vxlanMode: Always', 'ipipMode: Always', 'ipipMode: Never'])(
    'answer as a scan of the planned routes does: %s',
    (mode) => {
      const cluster = clusterOf(mode);
      const fibs = new NodeFibs(cluster, isNode);
      expect(fibs.names).toHaveLength(NODES);
      compare(cluster, fibs);
    },
  );

  it('show changes at once, those of shared routes too', () => {
    const cluster = clusterOf('vxlanMode: Always');
    const fibs = new NodeFibs(cluster, isNode);
    compare(cluster, fibs);
    const nodes = ['n1', 'n2', 'n3'].map((name) => cluster.names.find(name));
    const shared = nodes[0]!.plan.routes.find(({ device }) => device === 'vxlan.calico')!;
    const { address } = shared.destination;
    // One that no other node has; one more of a prefix that all have; one of all's that goes.
    addRoute(nodes[0]!, { ...shared, destination: { address, length: 28 } });
    addRoute(nodes[1]!, { ...shared, metric: 7 });
    removeRoute(nodes[2]!, shared);
    compare(cluster, fibs);
    removeRoute(nodes[0]!, { ...shared, destination: { address, length: 28 } });
    compare(cluster, fibs);
  });

  it('take namespaces without a table as well', () => {
    const cluster = clusterOf('vxlanMode: Always');
    const fibs = new NodeFibs(cluster);
    expect(fibs.names).toEqual(cluster.nodes.map(({ name }) => name));
    for (const nth of fibs.names.keys()) {
      const id = fibs.lookup(nth, 0x01020304);
      if (id >= 0) expect(fibs.route(nth, id).destination.length).toBe(0);
    }
  });
});
