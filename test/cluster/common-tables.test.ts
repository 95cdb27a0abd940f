/** Nodes that share tables behave as nodes with tables of their own. */
import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { setLink } from '../../src/cluster/link-state.ts';
import { addRoute, deleteFdb, deleteNeighbour, removeRoute } from '../../src/cluster/table-edit.ts';
import type { Node } from '../../src/node/node.ts';
import { commonTables } from '../../src/plan/common-tables.ts';
import type { ClusterPlan, NamespacePlan } from '../../src/plan/plan.ts';
import { cluster as arbitraryCluster } from '../../src/testing/index.ts';

/** A copy of a plan shares nothing. */
const alone = (plan: ClusterPlan): ClusterPlan => ({
  ...plan,
  namespaces: plan.namespaces.map((namespace) => ({ ...namespace })),
});

const addresses = ({ namespaces }: ClusterPlan): number[] =>
  namespaces.flatMap(({ routes, devices }) => [
    ...routes.flatMap(({ destination: { address, length } }) => [
      address,
      address + 2 ** (32 - length) - 1,
    ]),
    ...devices.flatMap((device) => device.addresses.map(({ address }) => address)),
  ]);

/** What a node makes of an address: the route, and where it leads. */
function way(node: Node, address: number): unknown {
  const id = node.lookup(address | 0);
  if (id < 0) return undefined;
  const { routes } = node;
  return {
    route: routes.origin(id),
    kind: routes.kind(id),
    gateway: routes.gateway(id),
    device: routes.device(id),
    mtu: routes.mtu(id),
    source: routes.source(id),
    hops: routes.hops(id),
  };
}

const COMMANDS = [
  ['ip', 'route'],
  ['ip', 'neigh'],
  ['bridge', 'fdb', 'show'],
];

function expectAlike(left: Cluster, right: Cluster, asked: readonly number[]): void {
  for (const [i, node] of left.nodes.entries()) {
    const twin = right.nodes[i]!;
    for (const address of asked) expect(way(node, address)).toEqual(way(twin, address));
    for (const words of COMMANDS) {
      // The order of neighbours is that of a hash on a real node.
      const lines = [left, right].map((one) => one.exec(node.name, words).split('\n').sort());
      expect(lines[0]).toEqual(lines[1]);
    }
  }
}

const nodesOf = (plan: ClusterPlan): NamespacePlan[] =>
  plan.namespaces.filter(({ role }) => role === 'node');

/** Changes that meet what is shared; each takes the node and where in its lists. */
const CHANGES: ((cluster: Cluster, node: Node, at: number) => void)[] = [
  (_, node, at) => {
    const { routes } = node.plan;
    if (routes.length > 0) removeRoute(node, routes[at % routes.length]!);
  },
  (_, node, at) => {
    const { routes } = node.plan;
    if (routes.length > 0) addRoute(node, { ...routes[at % routes.length]!, metric: 9 });
  },
  (_, node, at) => {
    const { fdb } = node.plan;
    if (fdb.length > 0) deleteFdb(node, fdb[at % fdb.length]!);
  },
  (_, node, at) => {
    const { neighbours } = node.plan;
    if (neighbours.length > 0) deleteNeighbour(node, neighbours[at % neighbours.length]!);
  },
  (cluster, node, at) => {
    const { name } = node.devices[at % node.devices.length]!;
    setLink(cluster, `${node.name}:${name}`, { up: false });
    setLink(cluster, `${node.name}:${name}`, { up: true });
  },
];

describe('tables that nodes share', () => {
  it('are those that each would have alone, changed on the way or not', () => {
    fc.assert(
      fc.property(
        arbitraryCluster(),
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat()), { maxLength: 5 }),
        fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 6 }),
        ({ yaml }, changes, talks) => {
          const plan = planCluster([{ text: yaml, source: 'cluster.yaml' }]);
          const left = Cluster.fromPlan(plan);
          const right = Cluster.fromPlan(alone(plan));
          const asked = addresses(plan);
          expectAlike(left, right, asked);
          const names = nodesOf(plan).map(({ name }) => name);
          for (const [a, b] of talks) {
            const [from, to] = [names[a % names.length]!, names[b % names.length]!];
            const sent = [left, right].map((one) => one.send({ from, to, protocol: 'udp' }));
            expect(sent[0]!.outcome).toBe(sent[1]!.outcome);
          }
          for (const [which, at, place] of changes) {
            for (const one of [left, right]) {
              const node = one.names.find(names[at % names.length]!);
              CHANGES[which % CHANGES.length]!(one, node, place);
            }
          }
          expectAlike(left, right, asked);
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);

  it('are told of by the plan, and not by a copy of it', () => {
    const [sample] = fc.sample(arbitraryCluster(), { numRuns: 1, seed: 7 });
    const plan = planCluster([{ text: sample!.yaml, source: 'cluster.yaml' }]);
    for (const node of nodesOf(plan)) {
      expect(commonTables(node)).toBeDefined();
      expect(commonTables({ ...node })).toBeUndefined();
    }
  });
});
