/**
 * The main tables of many namespaces, asked by number. What they share lies in memory once, and
 * what each has of its own side by side, so that asking another one each time costs little.
 */
import type { RoutePlan } from '../plan/plan.ts';
import { type OwnRoutes, UNKNOWN } from '../tables/own-routes.ts';
import { RouteTable } from '../tables/route-table.ts';
import type { Cluster } from './cluster.ts';
import { tableOf } from './table-edit.ts';

export class NodeFibs {
  /** Of the namespaces, in the order of their numbers. */
  readonly names: readonly string[];
  private readonly cluster: Cluster;
  private readonly tables: readonly RouteTable[];
  /** What most share; by number, the places of those that do, -1 of others. */
  private readonly own: OwnRoutes | null;
  private readonly places: Int32Array;

  /** Of all namespaces, or of those that `counts`. Changes of their routes show at once. */
  constructor(cluster: Cluster, counts: (namespace: string) => boolean = () => true) {
    this.cluster = cluster;
    const nodes = cluster.nodes.filter(({ name }) => counts(name));
    this.names = nodes.map(({ name }) => name);
    this.tables = nodes.map((node) => tableOf(node, { table: 'main' }) ?? new RouteTable());
    const own = this.tables.find((table) => table.own !== null)?.own ?? null;
    this.own = own;
    this.places = Int32Array.from(this.tables, (table) => (table.own === own ? table.place : -1));
  }

  /**
   * The number that the longest match among the main routes of the `nth` namespace has there,
   * for packets of TOS 0; -1 where none matches. Allocates nothing.
   */
  lookup(nth: number, address: number): number {
    const place = this.places[nth]!;
    if (this.own === null || place < 0) return this.tables[nth]!.find(address, 0);
    const id = this.own.find(place, address);
    return id === UNKNOWN ? this.tables[nth]!.find(address, 0) : id;
  }

  /** The route that a lookup gave. */
  route(nth: number, id: number): RoutePlan {
    return this.cluster.names.find(this.names[nth]!).routes.origin(id);
  }
}
