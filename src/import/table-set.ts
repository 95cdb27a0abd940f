/** What the sections of one namespace say, table by table. */
import { PodwireError } from '../errors.ts';
import type { NetfilterPlan } from '../plan/netfilter.ts';
import type {
  FdbPlan,
  NeighbourPlan,
  RoutePlan,
  RulePlan,
  WireguardSettings,
} from '../plan/plan.ts';
import { parseBridgeFdb } from '../text/fdb-reader.ts';
import { ruleEntry } from '../text/ip-rule.ts';
import { type LinkListed, parseIpLink } from '../text/link-reader.ts';
import { parseArp, parseIpNeigh } from '../text/neighbour-reader.ts';
import { parseRouteN } from '../text/route-n-reader.ts';
import { parseIpRule } from '../text/rule-reader.ts';
import { parseWgShow } from '../text/wg-reader.ts';
import { addBrief } from './brief-section.ts';
import type { Format } from './command-line.ts';
import { readNetfilter } from './netfilter-section.ts';
import type { Notes } from './notes.ts';
import { readRoutes } from './route-section.ts';
import type { Section } from './section.ts';
import { Sysctls } from './sysctls.ts';

/** The tables of one namespace as far as the dumps go. */
export interface TableSet {
  readonly name: string;
  readonly links: ReadonlyMap<string, LinkListed>;
  /** Devices whose addresses were listed, be it none. */
  readonly addressed: ReadonlySet<string>;
  readonly routes: readonly RoutePlan[];
  readonly neighbours: readonly NeighbourPlan[];
  readonly fdb: readonly FdbPlan[];
  readonly rules: readonly RulePlan[] | undefined;
  readonly wireguard: ReadonlyMap<string, WireguardSettings>;
  readonly sysctls: Sysctls;
  readonly netfilter: NetfilterPlan | undefined;
}

/** Throws ERR_CONFIG_VALUE and ERR_CONFIG_CONFLICT with file and line. */
export function readTables(name: string, sections: readonly Section[], notes: Notes): TableSet {
  const of = (format: Format): Section[] => sections.filter((s) => s.format === format);
  const addressed = new Set<string>();
  const place = ({ source, firstLine }: Section) => ({ source, firstLine });
  const routes = settle(of('route'), (s) => readRoutes(s, notes), keyOf, notes);
  const rough = settle(of('route-n'), (s) => parseRouteN(s.text, place(s)), keyOf, notes);
  const neighbours = settle(
    of('neigh'),
    (s) => parseIpNeigh(s.text, place(s), s.listing.device),
    neighbourKey,
    notes,
  );
  const arp = settle(of('arp'), (s) => parseArp(s.text, place(s)), neighbourKey, notes);
  const rules = of('rule').at(-1);
  const links = mergeLinks(of('link'), addressed);
  addBrief(name, of('brief'), links, addressed, notes);
  return {
    name,
    links,
    addressed,
    routes: withRest(routes, main(routes) ? [] : roughRoutes(name, rough, notes), routeKey),
    neighbours: withRest(neighbours, arp, neighbourKey),
    fdb: settle(of('fdb'), (s) => parseBridgeFdb(s.text, place(s), s.listing.device), keyOf, notes),
    rules: rules && readRules(rules, name, notes),
    wireguard: new Map(
      of('wg').flatMap((s) =>
        parseWgShow(s.text, place(s), s.listing.device).map(
          ({ device, settings }) => [device, settings] as const,
        ),
      ),
    ),
    sysctls: new Sysctls(of('sysctl')),
    netfilter: readNetfilter(name, of('iptables'), of('ipset'), notes),
  };
}

function readRules(section: Section, name: string, notes: Notes): RulePlan[] {
  const { text, source, firstLine } = section;
  const rules = parseIpRule(text, { source, firstLine });
  for (const rule of rules) {
    if (rule.other === undefined) continue;
    const words = ruleEntry(rule, rules).replace('\t', ' ');
    notes.assume(`${name}: packets pass by the rule ${words}: its conditions are not modelled`);
  }
  return rules;
}

/** Routes that follow from a device's addresses. */
export const connected = ({ routes }: Pick<TableSet, 'routes'>): RoutePlan[] =>
  routes.filter(
    (r) =>
      r.table === 'main' &&
      r.protocol === 'kernel' &&
      r.source !== undefined &&
      r.via === undefined,
  );

const keyOf = (entry: object): string => JSON.stringify(entry);
const neighbourKey = ({ device, address }: NeighbourPlan): string => `${device} ${address}`;
const routeKey = ({ destination: { address, length }, metric, tos, table }: RoutePlan): string =>
  `${address}/${length} ${metric} ${tos} ${table}`;

const main = (routes: readonly RoutePlan[]): boolean =>
  routes.some(({ table }) => table === 'main');

/** The entries of the better listing, and those that only the other one has. */
function withRest<T>(best: readonly T[], rest: readonly T[], key: (entry: T) => string): T[] {
  const known = new Set(best.map(key));
  return [...best, ...rest.filter((entry) => !known.has(key(entry)))];
}

/** `route -n` cannot tell that a tunnel's next hop is onlink, as Calico makes it. */
function roughRoutes(name: string, routes: readonly RoutePlan[], notes: Notes): RoutePlan[] {
  if (routes.length === 0) return [];
  notes.assume(
    `${name}: routes are from \`route -n\`, so next hops on tunl0 and vxlan.calico are taken as onlink, and a row with device * as blackhole`,
  );
  return routes.map((route) =>
    route.via !== undefined && /^(tunl0|vxlan\.calico)$/.test(route.device ?? '')
      ? { ...route, onlink: true }
      : route,
  );
}

/** Entries of all listings of a table; of two whole listings that differ, the later one's. */
function settle<T extends object>(
  sections: readonly Section[],
  read: (section: Section) => T[],
  key: (entry: T) => string,
  notes: Notes,
): T[] {
  let entries = new Map<string, T>();
  const wholes = new Map<string, { readonly section: Section; readonly text: string }>();
  for (const section of sections) {
    const list = read(section);
    const scope = String(section.listing.table ?? 'main');
    const before = wholes.get(scope);
    if (section.listing.whole) {
      const text = JSON.stringify(list);
      if (before !== undefined && before.text !== text) {
        notes.assume(
          `${section.node}: \`${section.listing.command}\` was listed twice; ${where(section)} counts, not ${where(before.section)}`,
        );
        entries = new Map();
      }
      wholes.set(scope, { section, text });
    }
    for (const entry of list) entries.set(key(entry), entry);
  }
  return [...entries.values()];
}

const where = ({ source, firstLine }: Section): string => `${source}:${firstLine}`;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** `ip link` and `ip addr` of the same device, put together. */
function mergeLinks(sections: readonly Section[], addressed: Set<string>): Map<string, LinkListed> {
  const links = new Map<string, LinkListed>();
  for (const section of sections) {
    const named = section.listing.addresses === true || / inet6? \S/.test(section.text);
    for (const link of parseIpLink(section.text, section)) {
      if (named) addressed.add(link.name);
      const before = links.get(link.name);
      links.set(link.name, before === undefined ? link : merge(before, link, named));
    }
  }
  const holders = new Map<number, LinkListed>();
  for (const link of links.values()) {
    const holder = holders.get(link.index);
    if (holder !== undefined) throw conflict(link, holder, `index ${link.index} of one device`);
    holders.set(link.index, link);
  }
  return links;
}

function merge(before: LinkListed, link: LinkListed, named: boolean): LinkListed {
  if (before.index !== link.index) throw conflict(link, before, `${link.name} with one index`);
  if (before.mac !== undefined && link.mac !== undefined && before.mac !== link.mac) {
    throw conflict(link, before, `${link.name} with one MAC`);
  }
  const merged: Writable<LinkListed> = { ...before, ...link };
  merged.addresses = named ? link.addresses : before.addresses;
  if (link.kind === undefined && before.kind !== undefined) merged.kind = before.kind;
  return merged;
}

const conflict = (link: LinkListed, before: LinkListed, expected: string): PodwireError =>
  new PodwireError(
    'ERR_CONFIG_CONFLICT',
    `expected ${expected}, found another in ${before.source}:${before.line}`,
    link,
  );
