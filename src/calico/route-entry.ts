/** One route, with the kernel's defaults for what is not said. */
import type { RoutePlan } from '../plan/plan.ts';
import { contains, type Ip4, type Prefix } from '../wire/address.ts';
import { type Nic, nicTowards } from './nic.ts';

export const route = (
  given: Partial<RoutePlan> & Pick<RoutePlan, 'origin'>,
  destination: Prefix,
): RoutePlan => ({
  type: 'unicast',
  destination,
  table: 'main',
  protocol: 'boot',
  scope: 'global',
  metric: 0,
  onlink: false,
  ...given,
});

/** The way to a next hop: the neighbour itself, or the gateway before it. */
export interface Way {
  readonly via: Ip4;
  readonly device: string;
}

interface Gateway {
  readonly destination: Prefix;
  readonly via: Ip4;
}

/**
 * BIRD resolves a BGP next hop in its own table: a neighbour on the wire, else the
 * gateway on the way there, else nothing, and the route is installed as unreachable.
 */
export function wayTo(
  nics: readonly Nic[],
  gateways: readonly Gateway[],
  hop: Ip4,
): Way | undefined {
  const nic = nicTowards(nics, hop);
  if (nic !== undefined) return { via: hop, device: nic.device };
  let best: Gateway | undefined;
  for (const gateway of gateways) {
    if (!contains(gateway.destination, hop)) continue;
    if (best === undefined || gateway.destination.length > best.destination.length) best = gateway;
  }
  const out = best && nicTowards(nics, best.via);
  return best && out && { via: best.via, device: out.device };
}
