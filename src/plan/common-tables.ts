/**
 * What the tables of many namespaces have alike. With n nodes each of them has n routes, VTEPs
 * and FDB entries, which differ in its own ones only: whoever builds tables builds the common
 * ones once, and adds to each namespace what is its own.
 */
import type { Ip4, Prefix } from '../wire/address.ts';
import type { IpSetPlan } from './netfilter.ts';
import type { FdbPlan, NamespacePlan, NeighbourPlan, RoutePlan } from './plan.ts';

/** Entries in the order of each namespace's list, and by entry the namespace that lacks it. */
export interface CommonList<T> {
  readonly entries: readonly T[];
  readonly owners: readonly string[];
}

/** The lists are the same objects in all namespaces that share them. */
export interface CommonTables {
  readonly routes: () => CommonList<RoutePlan>;
  /** The routes of `plan.routes` that are not common. */
  readonly ownRoutes: () => readonly RoutePlan[];
  readonly neighbours: CommonList<NeighbourPlan>;
  readonly ownNeighbours: () => readonly NeighbourPlan[];
  /** All of the namespace's are common. */
  readonly fdb: CommonList<FdbPlan>;
}

const tables = new WeakMap<NamespacePlan, CommonTables>();

/** Says of a plan what it shares. A copy of the plan shares nothing. */
export function shareTables(plan: NamespacePlan, common: CommonTables): void {
  tables.set(plan, common);
}

/** Undefined where every list is the namespace's own. */
export const commonTables = (plan: NamespacePlan): CommonTables | undefined => tables.get(plan);

/** The prefixes of a set: a list that many sets share but for one address, and what is added to it. */
export interface CommonSet {
  readonly all: readonly Prefix[];
  readonly lacks: Ip4;
  readonly added: readonly Prefix[];
}

const sets = new WeakMap<IpSetPlan, CommonSet>();

/** Says of a set what it shares, and gives it. A copy of the set shares nothing. */
export function shareSet(plan: IpSetPlan, common: CommonSet): IpSetPlan {
  sets.set(plan, common);
  return plan;
}

export const commonSet = (plan: IpSetPlan): CommonSet | undefined => sets.get(plan);
