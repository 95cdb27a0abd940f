/**
 * `ip route get`: one lookup, answered in iproute2's words. A slow linear scan on
 * the plan; packets take the compiled tables instead.
 */
import { PodwireError } from '../errors.ts';
import type { NamespacePlan, RoutePlan } from '../plan/plan.ts';
import { contains, formatIp4, type Ip4, networkOf } from '../wire/address.ts';
import { keptAddresses } from './device-address.ts';
import { tableRoutes } from './ip-route.ts';
import { tableName } from './route-name.ts';

/** The kernel's errno for a route that refuses (net/ipv4/fib_semantics.c fib_props). */
const REFUSED: { readonly [type in RoutePlan['type']]?: string } = {
  blackhole: 'Invalid argument',
  unreachable: 'No route to host',
  prohibit: 'Permission denied',
};

/**
 * Two lines, or the one that iproute2 prints when the kernel refuses. Throws
 * ERR_USAGE where a multipath route wins: which hop then serves is a secret hash.
 */
export function printRouteGet(ns: NamespacePlan, address: Ip4): string {
  const route = lookUp(ns, address);
  if (route === undefined) return 'RTNETLINK answers: Network is unreachable\n';
  const refused = REFUSED[route.type];
  if (refused !== undefined) return `RTNETLINK answers: ${refused}\n`;
  if (route.nextHops !== undefined) {
    const message = `ip route get ${formatIp4(address)}: expected one next hop, found a multipath route`;
    throw new PodwireError('ERR_USAGE', message);
  }
  const type = route.type === 'unicast' ? '' : `${route.type} `;
  const via = route.via === undefined ? '' : `via ${formatIp4(route.via)} `;
  const device = route.type === 'local' ? 'lo' : (route.device ?? deviceOf(ns, route));
  // Without rules of its own a namespace keeps local in main's trie, so main is what it says.
  const merged = route.table === 'main' || route.table === 'local';
  const table = merged ? '' : `table ${tableName(route.table)} `;
  const source = sourceOf(ns, route, address);
  const src = source === undefined ? '' : `src ${formatIp4(source)} `;
  const flags =
    route.type === 'local' ? '<local> ' : route.type === 'broadcast' ? '<local,brd> ' : '';
  const mtu = route.mtu === undefined ? '' : `mtu ${route.mtu} `;
  return (
    `${type}${formatIp4(address)} ${via}dev ${device} ${table}${src}uid 0 \n` +
    `    cache ${flags}${mtu}\n`
  );
}

/** Rules 0, 32766 and 32767: local, main, default. A throw route sends on to the next table. */
function lookUp(ns: NamespacePlan, address: Ip4): RoutePlan | undefined {
  for (const table of ['local', 'main', 253] as const) {
    let best: RoutePlan | undefined;
    for (const route of tableRoutes(ns, table)) {
      // Dump order has the lowest metric of a prefix first.
      const longer = route.destination.length > (best?.destination.length ?? -1);
      if (longer && contains(route.destination, address)) best = route;
    }
    if (best !== undefined && best.type !== 'throw') return best;
  }
  return undefined;
}

/** A route without `dev` leaves where its gateway is reached. */
function deviceOf(ns: NamespacePlan, { via }: RoutePlan): string {
  const owner = ns.devices.find((device) =>
    keptAddresses(device).some((kept) => via !== undefined && contains(networkOf(kept), via)),
  );
  return owner?.name ?? 'lo';
}

const SCOPE = { global: 0, link: 253, host: 254 } as const;

/** net/ipv4/fib_semantics.c fib_info_update_nhc_saddr, net/ipv4/devinet.c inet_select_addr. */
function sourceOf(ns: NamespacePlan, route: RoutePlan, address: Ip4): Ip4 | undefined {
  if (route.source !== undefined) return route.source;
  if (route.type === 'local') return address;
  const limit = SCOPE[route.scope];
  const name = route.device ?? deviceOf(ns, route);
  const own = ns.devices.find((device) => device.name === name);
  const suitable = (own ? keptAddresses(own) : []).filter(
    (kept) => !kept.secondary && SCOPE[kept.scope] <= limit,
  );
  const { via } = route;
  const near = suitable.find((kept) => via !== undefined && contains(networkOf(kept), via));
  const chosen = near ?? suitable[0];
  if (chosen !== undefined) return chosen.address;
  return [...ns.devices]
    .sort((a, b) => a.index - b.index)
    .flatMap(keptAddresses)
    .find((kept) => !kept.secondary && kept.scope !== 'link' && SCOPE[kept.scope] <= limit)
    ?.address;
}
