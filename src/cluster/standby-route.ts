/** Addresses that several pods of a node have, while devices go down and up. */
import type { DevicePlan, NamespacePlan, RoutePlan } from '../plan/plan.ts';

/**
 * The routes as Felix wants them: to a shared address by the device of the highest index among
 * those that run (felix/routetable recalculateDesiredKernelRoute).
 */
export function preferredRoutes(
  routes: readonly RoutePlan[],
  { routes: planned, standbyRoutes = [] }: NamespacePlan,
  devices: readonly DevicePlan[],
): readonly RoutePlan[] {
  if (standbyRoutes.length === 0) return routes;
  const shared = new Set(standbyRoutes.map(({ destination }) => destination.address));
  const isShared = ({ origin, destination }: RoutePlan): boolean =>
    origin === 'cni' && shared.has(destination.address);
  const indices = new Map(
    devices
      .filter(({ up, carrier = true }) => up && carrier)
      .map(({ name, index }) => [name, index]),
  );
  const indexOf = ({ device = '' }: RoutePlan): number => indices.get(device) ?? 0;
  const best = new Map<number, RoutePlan>();
  for (const route of [...routes, ...planned, ...standbyRoutes].filter(isShared)) {
    const { address } = route.destination;
    const before = best.get(address);
    if (indexOf(route) > (before === undefined ? 0 : indexOf(before))) best.set(address, route);
  }
  const others = routes.filter((route) => !isShared(route) || !best.has(route.destination.address));
  return [...others, ...best.values()];
}
