/**
 * Tables that changed while a network was recorded. The two dumps tell what changed,
 * not when: that is found by trying. Routes, FDB entries and permanent neighbours
 * count; what a kernel learns or forgets by itself does not.
 */
import type { Cluster } from '../cluster/cluster.ts';
import {
  addRoute,
  deleteFdb,
  deleteNeighbour,
  removeRoute,
  setFdb,
  setNeighbour,
} from '../cluster/table-edit.ts';
import type { Node } from '../node/node.ts';
import type { ClusterPlan, NamespacePlan } from '../plan/plan.ts';
import { routeEntry } from '../text/ip-route.ts';

/** What went from, or came into, or was set in, one table of one namespace. */
export interface TableChange {
  readonly namespace: string;
  readonly table: 'routes' | 'neighbours' | 'fdb' | 'sysctl';
  /** `=`: set to another value. */
  readonly sign: '-' | '+' | '=';
  readonly entries: number;
  /** The only entry, where no dump shows the change. */
  readonly entry?: string;
  apply(cluster: Cluster): void;
}

export function tableChanges(before: ClusterPlan, after: ClusterPlan): TableChange[] {
  const later = new Map(after.namespaces.map((namespace) => [namespace.name, namespace]));
  return before.namespaces.flatMap((old) => {
    const now = later.get(old.name);
    return now === undefined || old.silent === true ? [] : changesOf(old, now);
  });
}

function changesOf(old: NamespacePlan, now: NamespacePlan): TableChange[] {
  const { name } = old;
  const permanent = ({ neighbours }: NamespacePlan) =>
    neighbours.filter(({ state }) => state === 'PERMANENT');
  return [
    ...change(name, 'routes', '-', missing(old.routes, now.routes, routeEntry), removeRoute),
    ...change(name, 'routes', '+', missing(now.routes, old.routes, routeEntry), addRoute),
    ...change(
      name,
      'neighbours',
      '-',
      missing(permanent(old), permanent(now), key),
      deleteNeighbour,
    ),
    ...change(name, 'neighbours', '+', missing(permanent(now), permanent(old), key), setNeighbour),
    ...change(name, 'fdb', '-', missing(old.fdb, now.fdb, key), deleteFdb),
    ...change(name, 'fdb', '+', missing(now.fdb, old.fdb, key), setFdb),
  ];
}

const key = (entry: object): string => JSON.stringify(entry);

/** What is in one list and not in the other. */
function missing<T>(from: readonly T[], other: readonly T[], name: (entry: T) => string): T[] {
  const known = new Set(other.map(name));
  return from.filter((entry) => !known.has(name(entry)));
}

function change<T>(
  namespace: string,
  table: TableChange['table'],
  sign: TableChange['sign'],
  entries: readonly T[],
  act: (node: Node, entry: T) => unknown,
): TableChange[] {
  if (entries.length === 0) return [];
  const apply = (cluster: Cluster): void => {
    const node = cluster.names.find(namespace);
    for (const entry of entries) act(node, entry);
  };
  return [{ namespace, table, sign, entries: entries.length, apply }];
}
