/** A cluster without netfilter: what its routes, neighbours and tunnels do on their own. */
import type { ClusterPlan, NamespacePlan } from './plan.ts';

/** What a plan without netfilter says of itself. */
const ASSUMED = 'routes only: nothing is filtered, translated or tracked';

/** The same cluster with no rules, no NAT and no connection tracking in any namespace. */
export const routesOnly = (plan: ClusterPlan): ClusterPlan => ({
  ...plan,
  namespaces: plan.namespaces.map(withoutNetfilter),
  assumptions: [...plan.assumptions, ASSUMED],
});

/** Tables that are made when they are first asked for stay so. */
function withoutNetfilter(namespace: NamespacePlan): NamespacePlan {
  if (namespace.netfilter === undefined) return namespace;
  const { netfilter: _, ...others } = Object.getOwnPropertyDescriptors(namespace);
  return Object.defineProperties({}, others) as NamespacePlan;
}
