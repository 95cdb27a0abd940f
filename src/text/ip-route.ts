/**
 * `ip route`: a namespace's routes in iproute2's words and in the kernel's order
 * (ip/iproute.c print_route; net/ipv4/fib_trie.c fib_table_dump).
 */
import type { NamespacePlan, RoutePlan } from '../plan/plan.ts';
import {
  compareIp4,
  contains,
  formatIp4,
  formatPrefix,
  type Ip4,
  type Prefix,
} from '../wire/address.ts';
import { dsfieldName } from './dsfield.ts';
import { localRoutes } from './local-table.ts';
import { type RouteTable, tableName, tableNumber, tableOf } from './route-name.ts';

export { localRoutes } from './local-table.ts';
export { parseIpRoute } from './route-reader.ts';

export interface RouteFormat {
  /** `-d`: also the words that say what is so by default. */
  readonly details?: boolean | undefined;
  /** Name the table, where it is not `main`; so does `table all`. */
  readonly showTable?: boolean | undefined;
  /** Words that a listing leaves out because it was filtered by them. */
  readonly omit?: ReadonlySet<FilterWord> | undefined;
}

export type FilterWord = 'tos' | 'device' | 'protocol' | 'scope' | 'via' | 'source' | 'metric';

export interface RouteListing {
  /** `main` unless told otherwise. */
  readonly table?: RouteTable | 'all' | undefined;
  readonly details?: boolean | undefined;
  /** Only routes out of this device; multipath routes are then left out, as in iproute2. */
  readonly device?: string | undefined;
  /** Only routes of this protocol. */
  readonly protocol?: string | undefined;
  readonly scope?: RoutePlan['scope'] | undefined;
  readonly type?: RoutePlan['type'] | undefined;
  readonly via?: Ip4 | undefined;
  readonly source?: Ip4 | undefined;
  readonly metric?: number | undefined;
  readonly tos?: number | undefined;
  /** Only routes to exactly this prefix. */
  readonly destination?: Prefix | undefined;
  /** Only routes to prefixes inside this one. */
  readonly root?: Prefix | undefined;
  /** Only routes to prefixes that hold all of this one. */
  readonly match?: Prefix | undefined;
}

/** `default`, a bare address for a /32, else a prefix. */
export function formatDestination(destination: Prefix): string {
  if (destination.length === 0) return 'default';
  return destination.length === 32 ? formatIp4(destination.address) : formatPrefix(destination);
}

/**
 * The text of one route without the final newline, ending in the blank that
 * iproute2 prints. A multipath route has further lines, each after a tab.
 */
export function formatRoute(route: RoutePlan, options: RouteFormat = {}): string {
  const hops = (route.nextHops ?? []).map((hop) => `\n\t${words(hopWords(hop))}`);
  return words(routeWords(route, options)) + hops.join('');
}

/** The route for a message: one line, no blank at the end, the table if it is not `main`. */
export function routeEntry(route: RoutePlan): string {
  return formatRoute(route, { showTable: true }).replace(/\n\t/g, '').trimEnd();
}

const words = (list: readonly string[]): string => list.map((word) => `${word} `).join('');

function routeWords(route: RoutePlan, options: RouteFormat): string[] {
  const all = options.details === true;
  const shown = (word: FilterWord): boolean => options.omit?.has(word) !== true;
  const list: string[] = [];
  if (route.type !== 'unicast' || all) list.push(route.type);
  list.push(formatDestination(route.destination));
  if (route.tos !== undefined && shown('tos')) list.push('tos', dsfieldName(route.tos));
  if (route.via !== undefined && shown('via')) list.push('via', formatIp4(route.via));
  if (route.device !== undefined && shown('device')) list.push('dev', route.device);
  if (options.showTable && (route.table !== 'main' || all)) {
    list.push('table', tableName(route.table));
  }
  if ((route.protocol !== 'boot' || all) && shown('protocol')) {
    list.push('proto', route.protocol);
  }
  if ((route.scope !== 'global' || all) && shown('scope')) list.push('scope', route.scope);
  if (route.source !== undefined && shown('source')) list.push('src', formatIp4(route.source));
  if (route.metric !== 0 && shown('metric')) list.push('metric', String(route.metric));
  list.push(...hopFlags(route));
  if (route.mtu !== undefined) list.push('mtu', String(route.mtu));
  return list;
}

function hopWords(hop: NonNullable<RoutePlan['nextHops']>[number]): string[] {
  const via = hop.via === undefined ? [] : ['via', formatIp4(hop.via)];
  return ['nexthop', ...via, 'dev', hop.device, 'weight', String(hop.weight), ...hopFlags(hop)];
}

/** RTNH_F_ flags in the order of iproute2's print_rt_flags. */
export function hopFlags(hop: { dead?: boolean; onlink: boolean; linkdown?: boolean }): string[] {
  return [
    ...(hop.dead === true ? ['dead'] : []),
    ...(hop.onlink ? ['onlink'] : []),
    ...(hop.linkdown === true ? ['linkdown'] : []),
  ];
}

/** `ip route show [table T]`. */
export function printIpRoute(ns: NamespacePlan, options: RouteListing = {}): string {
  const format = formatOf(options);
  return listedRoutes(ns, options)
    .map((route) => `${formatRoute(route, format)}\n`)
    .join('');
}

/** How the routes of such a listing are printed. */
export function formatOf(options: RouteListing): RouteFormat {
  const omit = FILTERS.filter((word) => options[word] !== undefined);
  return {
    details: options.details,
    showTable: options.table === 'all',
    omit: new Set(omit),
  };
}

const FILTERS = ['tos', 'device', 'protocol', 'scope', 'via', 'source', 'metric'] as const;

/** The routes a listing asks for, in the kernel's order. */
export function listedRoutes(ns: NamespacePlan, options: RouteListing): RoutePlan[] {
  const { table = 'main', type, destination, root, match } = options;
  const routes = table === 'all' ? allTables(ns) : tableRoutes(ns, table);
  return routes
    .filter((r) => FILTERS.every((w) => options[w] === undefined || r[w] === options[w]))
    .filter((r) => type === undefined || r.type === type)
    .filter((r) => destination === undefined || samePrefix(r.destination, destination))
    .filter((r) => root === undefined || within(r.destination, root))
    .filter((r) => match === undefined || within(match, r.destination));
}

const within = (inner: Prefix, outer: Prefix): boolean =>
  inner.length >= outer.length && contains(outer, inner.address);

const samePrefix = (a: Prefix, b: Prefix): boolean =>
  a.address === b.address && a.length === b.length;

/** One table's routes in dump order; `local` joins the derived routes with those of the plan. */
export function tableRoutes(ns: NamespacePlan, table: RouteTable): RoutePlan[] {
  const number = tableNumber(table);
  const own = ns.routes.filter((route) => tableNumber(route.table) === number);
  if (tableOf(number) !== 'local') return dumpOrder(own);
  const derived = localRoutes(ns);
  const known = new Set(derived.map((route) => formatRoute(route)));
  return dumpOrder([...derived, ...own.filter((route) => !known.has(formatRoute(route)))]);
}

/**
 * The kernel walks 256 buckets of tables by the low byte of their number, the
 * newest of a bucket first (net/ipv4/fib_frontend.c inet_dump_fib).
 */
function allTables(ns: NamespacePlan): RoutePlan[] {
  // Every namespace starts with local and main (fib4_rules_init, fib_net_init).
  const numbers = new Set([255, 254, ...ns.routes.map((route) => tableNumber(route.table))]);
  return [...numbers]
    .reverse()
    .sort((a, b) => (a & 255) - (b & 255))
    .flatMap((number) => tableRoutes(ns, tableOf(number)));
}

/** By address, the longer prefix, the higher TOS, the lower metric; equals stay in order. */
const dumpOrder = (routes: readonly RoutePlan[]): RoutePlan[] =>
  [...routes].sort(
    (a, b) =>
      compareIp4(a.destination.address, b.destination.address) ||
      b.destination.length - a.destination.length ||
      (b.tos ?? 0) - (a.tos ?? 0) ||
      a.metric - b.metric,
  );
