/** What plans name, by the numbers that tables hold. */
import type { NeighbourState, RouteType } from '../plan/plan.ts';
import { Nud } from '../tables/neighbours.ts';
import { RouteKind } from '../tables/routes.ts';

export const kindOf: { readonly [T in RouteType]: RouteKind } = {
  unicast: RouteKind.Unicast,
  local: RouteKind.Local,
  broadcast: RouteKind.Broadcast,
  blackhole: RouteKind.Blackhole,
  unreachable: RouteKind.Unreachable,
  prohibit: RouteKind.Prohibit,
  throw: RouteKind.Throw,
};

export const nudOf: { readonly [S in NeighbourState]: Nud } = {
  PERMANENT: Nud.Permanent,
  NOARP: Nud.NoArp,
  REACHABLE: Nud.Reachable,
  STALE: Nud.Stale,
  DELAY: Nud.Delay,
  PROBE: Nud.Probe,
  INCOMPLETE: Nud.Failed,
  FAILED: Nud.Failed,
};
