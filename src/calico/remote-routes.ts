/**
 * Routes to what other nodes and routers answer for: Felix's from the datastore, and
 * BIRD's as far as BGP carried them.
 */
import type { CommonList } from '../plan/common-tables.ts';
import type { RoutePlan } from '../plan/plan.ts';
import { contains, formatPrefix, type Ip4, networkOf, type Prefix } from '../wire/address.ts';
import { type Announcement, type Spread, spread } from './bgp-distribution.ts';
import { withMeshSessions } from './bgp-mesh.ts';
import type { BgpNetwork } from './bgp-network.ts';
import type { Speaker } from './bgp-session.ts';
import type { Destination } from './destination.ts';
import { type IpPool, poolOf } from './ip-pool.ts';
import { wayTo } from './route-entry.ts';
import { birdRoute, type Remote, type Site } from './route-site.ts';
import type { ServicePrefix } from './service-advertisement.ts';
import type { Fabric } from './underlay.ts';

export interface RemoteRoutesInput {
  /** `undefined`: nobody runs BIRD. */
  readonly network: BgpNetwork | undefined;
  readonly fabric: Fabric;
  readonly pools: readonly IpPool[];
  readonly destinations: readonly Destination[];
  readonly services: readonly ServicePrefix[];
  /** In name order. */
  readonly sites: ReadonlyMap<string, Site>;
  /** VTEP addresses by node. */
  readonly vteps: ReadonlyMap<string, Ip4>;
}

/** Makes lists when somebody asks: those of 5,000 nodes together have 25 million entries. */
export interface RemoteTable {
  readonly all: () => readonly RoutePlan[];
  /** Those that are not in `common`. */
  readonly own: () => readonly RoutePlan[];
  readonly common: () => CommonList<RoutePlan>;
}

const NO_ROUTES: CommonList<RoutePlan> = { entries: [], owners: [] };

/** By name of a node, router or host, in the order they are programmed. */
export function remoteRoutes(input: RemoteRoutesInput): Map<string, RemoteTable> {
  const { network, fabric, destinations, services, sites, pools } = input;
  const tables = new Map<string, RemoteTable>();
  // What all nodes of a site have alike, a column of routes for each, is in no node's own list.
  const columns = new Map([...sites.values()].map((site) => [site, [] as Column]));
  const common = new Map<Column, CommonList<RoutePlan>>();
  const places = [...sites].map(([name, site]): Place => {
    const place = { name, site, before: [], after: [], speaker: network?.speakers.get(name) };
    const column = columns.get(site)!;
    tables.set(name, {
      all: () => tableOf(place, column, destinations),
      own: () => [...place.before, ...place.after],
      common: () => {
        const known = common.get(column) ?? withoutGaps(column, destinations);
        common.set(column, known);
        return known;
      },
    });
    return place;
  });
  const outsiders = outsideSpeakers(network, fabric, tables);
  const spreads = new Spreads(input);
  const allMesh = network?.mesh.length === sites.size;

  for (const destination of destinations) {
    const { node, encapsulation, pool, cidr } = destination;
    const address = fabric.nodes.get(node)!.own.address;
    const peer: Remote = { address, vtep: input.vteps.get(node) };
    const byBlocks = destination.known === 'CalicoIPAM';
    const carried = byBlocks ? spreads.of(destination) : undefined;
    const alike = allMesh ? carried?.throughoutMesh : undefined;
    const learning = new Map<Site, View>();
    for (const [site, column] of columns) {
      const owner = site.rules.programmer(encapsulation, pool !== undefined);
      const heeded = owner === 'felix' && destination.known === site.rules.routeSource;
      if (heeded) column.push(site.byFelix(destination, peer));
      else if (owner === 'bird' && alike) column.push(site.byBird(cidr, pool, alike));
      else {
        column.push(undefined);
        if (owner === 'bird') learning.set(site, { hops: undefined, made: undefined });
      }
    }
    if (learning.size > 0 && carried !== undefined) {
      for (const place of places) {
        const view = learning.get(place.site);
        if (view !== undefined) learn(place.before, place, view, cidr, pool, carried);
      }
    }
    outside(outsiders, cidr, carried);
  }
  if (network === undefined) return tables;

  for (const service of services) outside(outsiders, service.cidr, spreads.ofService(service));
  const isService = (cidr: Prefix): boolean =>
    services.some(({ cidr: range }) => inside(range, cidr));
  for (const { speaker, advertise } of outsiders) {
    for (const cidr of advertise) {
      const carried = spread(network, spreads.foreign(cidr, speaker));
      outside(outsiders, cidr, carried);
      // Nodes keep service ranges out of the kernel, whoever says them.
      if (isService(cidr)) continue;
      const pool = poolOf(pools, cidr);
      const views = new Map<Site, View>();
      for (const place of places) {
        const view = views.get(place.site) ?? { hops: undefined, made: undefined };
        views.set(place.site, view);
        learn(place.after, place, view, cidr, pool, carried);
      }
    }
  }
  return tables;
}

const inside = (range: Prefix, { address, length }: Prefix): boolean =>
  range.length <= length && contains(range, address);

function tableOf(
  { name, before, after }: Place,
  column: Column,
  destinations: readonly Destination[],
): RoutePlan[] {
  const table = [...before];
  for (let i = 0; i < column.length; i++) {
    const made = column[i];
    if (made !== undefined && destinations[i]!.node !== name) table.push(made);
  }
  for (const made of after) table.push(made);
  return table;
}

function withoutGaps(column: Column, destinations: readonly Destination[]): CommonList<RoutePlan> {
  const entries: RoutePlan[] = [];
  const owners: string[] = [];
  for (const [i, made] of column.entries()) {
    if (made === undefined) continue;
    entries.push(made);
    owners.push(destinations[i]!.node);
  }
  return { entries, owners };
}

/** A node with what only it has: the routes before the site's column, and those after it. */
interface Place {
  readonly name: string;
  readonly site: Site;
  readonly before: RoutePlan[];
  readonly after: RoutePlan[];
  /** Absent where nobody runs BIRD. */
  readonly speaker: Speaker | undefined;
}

/** Routes of a site in the order of the destinations; gaps where its nodes differ. */
type Column = (RoutePlan | undefined)[];

/** What nodes of one site last learned of one destination. */
interface View {
  /** Lists of next hops are shared, so identity tells whether `made` fits. */
  hops: readonly Ip4[] | undefined;
  made: RoutePlan | undefined;
}

function learn(
  table: RoutePlan[],
  { site, speaker }: Place,
  view: View,
  cidr: Prefix,
  pool: IpPool | undefined,
  carried: Spread,
): void {
  const hops = speaker && carried.hopsAt(speaker);
  if (hops === undefined) return;
  if (view.hops !== hops) {
    view.hops = hops;
    view.made = site.byBird(cidr, pool, hops);
  }
  if (view.made !== undefined) table.push(view.made);
}

interface OutsideSpeaker {
  readonly speaker: Speaker;
  readonly advertise: readonly Prefix[];
  readonly install: (cidr: Prefix, hops: readonly Ip4[]) => void;
}

function outsideSpeakers(
  network: BgpNetwork | undefined,
  { outsiders }: Fabric,
  tables: Map<string, RemoteTable>,
): OutsideSpeaker[] {
  return outsiders.flatMap(({ name, nics, routes, bgp }) => {
    const speaker = network?.speakers.get(name);
    if (speaker === undefined) return [];
    const table: RoutePlan[] = [];
    tables.set(name, { all: () => table, own: () => table, common: () => NO_ROUTES });
    const taken = new Set([
      ...nics.map(({ address }) => formatPrefix(networkOf(address))),
      ...routes.map(({ destination }) => formatPrefix(destination)),
    ]);
    const install = (cidr: Prefix, hops: readonly Ip4[]): void => {
      if (taken.has(formatPrefix(cidr))) return;
      const ways = hops.flatMap((hop) => wayTo(nics, routes, hop) ?? []);
      table.push(
        birdRoute(
          cidr,
          ways.map((way) => ({ ...way, onlink: false })),
        ),
      );
    };
    return [{ speaker, advertise: bgp?.advertise ?? [], install }];
  });
}

function outside(
  outsiders: readonly OutsideSpeaker[],
  cidr: Prefix,
  carried: Spread | undefined,
): void {
  for (const { speaker, install } of outsiders) {
    const hops = carried?.hopsAt(speaker);
    if (hops !== undefined) install(cidr, hops);
  }
}

/** Announcements as Calico's export filter treats them (bird_ipam.cfg, bird_aggr.cfg). */
class Spreads {
  readonly #input: RemoteRoutesInput;
  /** Nodes with an eBGP session: they pass on what only their kernel knows. */
  readonly #borders: readonly Speaker[];
  /** Prefixes of one node spread alike; they stand together in the list. */
  #last: { readonly key: string; readonly spread: Spread } | undefined;

  constructor(input: RemoteRoutesInput) {
    this.#input = input;
    const { network } = input;
    this.#borders = [...((network && withMeshSessions(network)) ?? network?.sessions ?? [])]
      .filter(([from, list]) => {
        return from.role === 'node' && list.some(({ to }) => to.asNumber !== from.asNumber);
      })
      .map(([from]) => from);
  }

  of(destination: Destination): Spread | undefined {
    const { network } = this.#input;
    const { node, cidr, pool, lender, encapsulation } = destination;
    if (network === undefined || pool?.disableBgpExport === true) return undefined;
    const vxlan = encapsulation === 'vxlan';
    const single = network.filtered ? formatPrefix(cidr) : '';
    const key = `${node} ${lender ?? ''} ${vxlan} ${pool === undefined} ${single}`;
    if (this.#last?.key === key) return this.#last.spread;
    const origin = network.speakers.get(node)!;
    const announcement: Announcement = {
      prefix: cidr,
      // vxlan.calico's own address comes from the kernel, and iBGP is not told of it.
      origins: destination.isVtep ? [] : [origin],
      leaves: (from) =>
        from === origin ||
        // What lies inside an own block is aggregated into it.
        (from.name !== lender && pool !== undefined),
      kernel: vxlan ? this.#borders.filter((from) => from !== origin || destination.isVtep) : [],
    };
    const made = spread(network, announcement);
    this.#last = { key, spread: made };
    return made;
  }

  ofService({ cidr, nodes }: ServicePrefix): Spread {
    const network = this.#input.network!;
    return spread(network, {
      prefix: cidr,
      origins: nodes.map((name) => network.speakers.get(name)!),
      leaves: () => true,
      kernel: [],
    });
  }

  /** A prefix from outside: nodes hand on only what lies in a pool that they export. */
  foreign(cidr: Prefix, origin: Speaker): Announcement {
    const pool = poolOf(this.#input.pools, cidr);
    const leaves = pool !== undefined && !pool.disableBgpExport;
    return { prefix: cidr, origins: [origin], leaves: () => leaves, kernel: [] };
  }
}
