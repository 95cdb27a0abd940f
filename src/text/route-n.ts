/**
 * `route -n`: the main table through the old interface, which knows neither
 * protocols nor onlink (net/ipv4/fib_trie.c fib_route_seq_show; net-tools).
 */
import type { NamespacePlan, RoutePlan } from '../plan/plan.ts';
import { formatIp4, netmask } from '../wire/address.ts';
import { tableRoutes } from './ip-route.ts';

const TITLE =
  'Kernel IP routing table\n' +
  'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n';

/** The two title lines are there even when the table is empty. */
export function printRouteN(ns: NamespacePlan): string {
  const rows = tableRoutes(ns, 'main').filter((route) => route.type !== 'broadcast');
  return TITLE + rows.map((route) => `${row(route)}\n`).join('');
}

function row(route: RoutePlan): string {
  const rejects = route.type === 'unreachable' || route.type === 'prohibit';
  // Of a multipath route only the first next hop shows.
  const hop = route.nextHops?.[0] ?? route;
  const host = route.destination.length === 32 ? 'H' : '';
  const flags = rejects ? `!${host}` : `U${hop.via === undefined ? '' : 'G'}${host}`;
  return [
    formatIp4(route.destination.address).padEnd(15),
    (rejects ? '-' : formatIp4(hop.via ?? 0)).padEnd(15),
    formatIp4(netmask(route.destination.length)).padEnd(15),
    flags.padEnd(5),
    String(route.metric).padEnd(6),
    rejects ? '- ' : '0 ',
    '0'.padStart(7),
    // Blackhole and throw routes have no device, and are not rejected either: `*`.
    rejects ? '-' : (hop.device ?? '*'),
  ].join(' ');
}
