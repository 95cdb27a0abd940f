/** The long lists of a node's plan, made on demand. */
import type { NamespacePlan } from '../plan/plan.ts';

type Lists = Pick<NamespacePlan, 'routes' | 'neighbours' | 'fdb'>;

/**
 * A namespace whose lists are made when they are first asked for, and kept then. With
 * n nodes each of them has n entries, and hardly anybody asks for more than a few.
 */
export function withLists(
  first: Omit<NamespacePlan, keyof Lists>,
  make: { readonly [K in keyof Lists]: () => Lists[K] },
  last: Partial<NamespacePlan>,
): NamespacePlan {
  let routes: Lists['routes'] | undefined;
  let neighbours: Lists['neighbours'] | undefined;
  let fdb: Lists['fdb'] | undefined;
  return {
    ...first,
    get routes() {
      routes ??= make.routes();
      return routes;
    },
    get neighbours() {
      neighbours ??= make.neighbours();
      return neighbours;
    },
    get fdb() {
      fdb ??= make.fdb();
      return fdb;
    },
    ...last,
  };
}
