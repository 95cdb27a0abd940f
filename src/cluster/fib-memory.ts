/** What the lookup tables of a cluster's namespaces take, those that many share counted once. */
import type { CommonRoutes } from '../tables/common-routes.ts';
import type { RouteTable } from '../tables/route-table.ts';
import type { Cluster } from './cluster.ts';

export interface FibMemory {
  /** Bytes of all lookup tables together. */
  readonly total: number;
  /** Of those, bytes of tables that several namespaces look into: each counted once. */
  readonly shared: number;
}

/**
 * The lookup tables of all namespaces, or of those that `counts`: every table that their
 * rules lead to, the local one among them. Tables are made when a packet first needs them, so
 * that this makes them all: with 5,000 nodes it takes a while.
 */
export function fibMemory(
  cluster: Cluster,
  counts: (namespace: string) => boolean = () => true,
): FibMemory {
  const own = new Set<RouteTable>();
  const shared = new Set<CommonRoutes<unknown>>();
  for (const node of cluster.nodes) {
    if (!counts(node.name)) continue;
    for (const { table } of node.rules) {
      if (table === null) continue;
      own.add(table);
      if (table.common !== null) shared.add(table.common);
    }
  }
  const sum = (parts: Iterable<{ memory(): number }>): number =>
    [...parts].reduce((bytes, part) => bytes + part.memory(), 0);
  const common = sum(shared);
  return { total: sum(own) + common, shared: common };
}
