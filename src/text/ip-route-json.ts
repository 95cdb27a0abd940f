/** `ip -j route`: routes as iproute2's JSON has them (ip/iproute.c print_route). */
import type { NamespacePlan, RoutePlan } from '../plan/plan.ts';
import { formatIp4 } from '../wire/address.ts';
import { dsfieldName } from './dsfield.ts';
import {
  formatDestination,
  formatOf,
  hopFlags,
  listedRoutes,
  type RouteFormat,
  type RouteListing,
} from './ip-route.ts';
import type { Json } from './json.ts';
import { tableName } from './route-name.ts';

/** `ip -j route show` */
export function routesJson(ns: NamespacePlan, options: RouteListing = {}): Json {
  const format = formatOf(options);
  return listedRoutes(ns, options).map((route) => routeJson(route, format));
}

function routeJson(route: RoutePlan, { details, showTable, omit }: RouteFormat): Json {
  const all = details === true;
  const shown = (word: Parameters<NonNullable<RouteFormat['omit']>['has']>[0]): boolean =>
    omit?.has(word) !== true;
  return {
    ...(route.type !== 'unicast' || all ? { type: route.type } : {}),
    dst: formatDestination(route.destination),
    ...(route.tos !== undefined && shown('tos') ? { tos: dsfieldName(route.tos) } : {}),
    ...(route.via !== undefined && shown('via') ? { gateway: formatIp4(route.via) } : {}),
    ...(route.device !== undefined && shown('device') ? { dev: route.device } : {}),
    ...(showTable && (route.table !== 'main' || all) ? { table: tableName(route.table) } : {}),
    ...((route.protocol !== 'boot' || all) && shown('protocol')
      ? { protocol: route.protocol }
      : {}),
    ...((route.scope !== 'global' || all) && shown('scope') ? { scope: route.scope } : {}),
    ...(route.source !== undefined && shown('source') ? { prefsrc: formatIp4(route.source) } : {}),
    ...(route.metric !== 0 && shown('metric') ? { metric: route.metric } : {}),
    flags: hopFlags(route),
    ...(route.mtu === undefined ? {} : { metrics: [{ mtu: route.mtu }] }),
    ...(route.nextHops === undefined
      ? {}
      : {
          nexthops: route.nextHops.map((hop) => ({
            ...(hop.via === undefined ? {} : { gateway: formatIp4(hop.via) }),
            dev: hop.device,
            weight: hop.weight,
            flags: hopFlags(hop),
          })),
        }),
  };
}
