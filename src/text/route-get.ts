/**
 * `ip route get`: one lookup, answered in iproute2's words. A slow linear scan on
 * the plan; packets take the compiled tables instead.
 */
import { PodwireError } from '../errors.ts';
import type { RouteExceptionPlan } from '../plan/path-mtu.ts';
import type { NamespacePlan, RoutePlan } from '../plan/plan.ts';
import { ROUTED_TOS } from '../tables/route-table.ts';
import { contains, formatIp4, type Ip4, networkOf } from '../wire/address.ts';
import { keptAddresses } from './device-address.ts';
import { dsfieldName } from './dsfield.ts';
import { tableRoutes } from './ip-route.ts';
import { ruleAfter, ruleMatches, rulesOf } from './ip-rule.ts';
import type { Json } from './json.ts';
import { tableName } from './route-name.ts';

/** The kernel's errno for a route that refuses (net/ipv4/fib_semantics.c fib_props). */
const REFUSED: { readonly [type in RoutePlan['type']]?: string } = {
  blackhole: 'Invalid argument',
  unreachable: 'No route to host',
  prohibit: 'Permission denied',
};

/** What the kernel answers: the words of iproute2, or its errno. */
interface Answer {
  readonly type?: RoutePlan['type'];
  /** The route's own, not what was asked for. */
  readonly tos?: number;
  readonly via?: Ip4;
  readonly device: string;
  readonly table?: string;
  readonly source?: Ip4;
  readonly cache: readonly string[];
  readonly mtu?: number;
  readonly locked?: boolean;
  /** Seconds that what was learned still counts. */
  readonly expires?: number;
}

/**
 * Two lines, or the one that iproute2 prints when the kernel refuses. Throws
 * ERR_USAGE where a multipath route wins: which hop then serves is a secret hash.
 */
export function printRouteGet(ns: NamespacePlan, address: Ip4, mark = 0, tos = 0): string {
  const answer = ask(ns, address, mark, tos);
  if (typeof answer === 'string') return `RTNETLINK answers: ${answer}\n`;
  const { type, tos: ofRoute, via, device, table, source, cache, mtu, locked, expires } = answer;
  const words = [
    ...(type === undefined ? [] : [type]),
    formatIp4(address),
    ...(ofRoute === undefined ? [] : ['tos', dsfieldName(ofRoute)]),
    ...(via === undefined ? [] : ['via', formatIp4(via)]),
    'dev',
    device,
    ...(table === undefined ? [] : ['table', table]),
    ...(source === undefined ? [] : ['src', formatIp4(source)]),
    ...(mark === 0 ? [] : ['mark', `0x${mark.toString(16)}`]),
    'uid 0',
  ];
  const flags = cache.length === 0 ? '' : `<${cache.join()}> `;
  const age = expires === undefined ? '' : `expires ${expires}sec `;
  const size = mtu === undefined ? '' : `mtu ${locked ? 'lock ' : ''}${mtu} `;
  return `${words.join(' ')} \n    cache ${flags}${age}${size}\n`;
}

/** `ip route list cache`: the exceptions, each with the route it is one of (fib_dump_info_fnhe). */
export const printRouteCache = (ns: NamespacePlan): string =>
  (ns.exceptions ?? [])
    .map(({ destination, tos = 0 }) => {
      const [head = '', ...rest] = printRouteGet(ns, destination, 0, tos).split('\n');
      return [head.replace(/ src \S+| uid 0/g, ''), ...rest].join('\n');
    })
    .join('');

/** `ip -j route get`; `undefined` where the kernel refuses, which is said in words only. */
export function routeGetJson(ns: NamespacePlan, address: Ip4, mark = 0, tos = 0): Json | undefined {
  const answer = ask(ns, address, mark, tos);
  if (typeof answer === 'string') return undefined;
  const { type, tos: ofRoute, via, device, table, source, cache, mtu, expires } = answer;
  return [
    {
      ...(type === undefined ? {} : { type }),
      dst: formatIp4(address),
      ...(ofRoute === undefined ? {} : { tos: dsfieldName(ofRoute) }),
      ...(via === undefined ? {} : { gateway: formatIp4(via) }),
      dev: device,
      ...(table === undefined ? {} : { table }),
      ...(source === undefined ? {} : { prefsrc: formatIp4(source) }),
      ...(mark === 0 ? {} : { mark }),
      flags: [],
      uid: 0,
      cache,
      ...(expires === undefined ? {} : { expires }),
      ...(mtu === undefined ? {} : { metrics: [{ mtu }] }),
    },
  ];
}

function ask(ns: NamespacePlan, address: Ip4, mark: number, tos: number): Answer | string {
  const route = lookUp(ns, address, mark, tos);
  if (route === undefined) return 'Network is unreachable';
  const refused = REFUSED[route.type];
  if (refused !== undefined) return refused;
  if (route.nextHops !== undefined) {
    const message = `ip route get ${formatIp4(address)}: expected one next hop, found a multipath route`;
    throw new PodwireError('ERR_USAGE', message);
  }
  // Without rules of its own a namespace keeps local in main's trie, so main is what it says.
  const merged = route.table === 'local' && ns.rules === undefined;
  const source = sourceOf(ns, route, address);
  const learned =
    route.type === 'unicast'
      ? ns.exceptions?.find((one) => one.destination === address && isOf(one, route))
      : undefined;
  const via = learned?.gateway ?? route.via;
  const mtu = learned?.mtu ?? route.mtu;
  return {
    ...(route.type === 'unicast' ? {} : { type: route.type }),
    ...(route.tos === undefined ? {} : { tos: route.tos }),
    ...(via === undefined ? {} : { via }),
    device: route.type === 'local' ? 'lo' : (route.device ?? deviceOf(ns, route)),
    ...(route.table === 'main' || merged ? {} : { table: tableName(route.table) }),
    ...(source === undefined ? {} : { source }),
    cache: cacheFlags(route, learned),
    ...(mtu === undefined ? {} : { mtu }),
    ...(learned === undefined ? {} : { locked: learned.locked, expires: learned.expiresSeconds }),
  };
}

function cacheFlags({ type }: RoutePlan, learned: RouteExceptionPlan | undefined): string[] {
  if (type === 'local') return ['local'];
  if (type === 'broadcast') return ['local', 'brd'];
  return learned?.gateway === undefined ? [] : ['redirected'];
}

const isOf = (exception: RouteExceptionPlan, { table, tos }: RoutePlan): boolean =>
  exception.table === table && exception.tos === tos;

/** Rule by rule; a throw route, and one that its rule suppresses, send on to the next one. */
function lookUp(ns: NamespacePlan, address: Ip4, mark: number, tos: number): RoutePlan | undefined {
  const rules = rulesOf(ns);
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!;
    if (!ruleMatches(rule, address, mark, tos)) continue;
    const { table, suppressLength = -1 } = rule;
    if (table === undefined) {
      i = ruleAfter(rules, i) - 1;
      continue;
    }
    let best: RoutePlan | undefined;
    for (const route of tableRoutes(ns, table === 'default' ? 253 : table)) {
      // Dump order has the lowest metric of a prefix first, and before it those with a TOS.
      const longer = route.destination.length > (best?.destination.length ?? -1);
      const fits = route.tos === undefined || route.tos === (tos & ROUTED_TOS);
      if (longer && fits && contains(route.destination, address)) best = route;
    }
    if (best === undefined || best.type === 'throw') continue;
    const refuses = REFUSED[best.type] !== undefined;
    if (refuses || best.destination.length > suppressLength) return best;
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
