/** `ip route`: what it lists and what it asks (ip/iproute.c do_iproute). */
import type { NamespacePlan, RoutePlan } from '../plan/plan.ts';
import { ROUTED_TOS } from '../tables/route-table.ts';
import { type Prefix, tryIp4, tryPrefix } from '../wire/address.ts';
import { tryDsfield } from './dsfield.ts';
import type { IpFlags } from './ip-command.ts';
import { printIpRoute, type RouteListing } from './ip-route.ts';
import { routesJson } from './ip-route-json.ts';
import { printJson } from './json.ts';
import { printRouteCache, printRouteGet, routeGetJson } from './route-get.ts';
import { tryProtocol, tryRouteType, tryTable, tryUnsigned } from './route-name.ts';
import { deviceWord, match, next, refuse, skipShow } from './words.ts';

const VERBS = ['list', 'show', 'lst', 'get', 'add', 'change', 'replace', 'delete', 'flush'];

const where = 'ip route';

type Draft = { -readonly [K in keyof RouteListing]: RouteListing[K] };

/** `words` are those after `route`. */
export function runRoute(ns: NamespacePlan, words: string[], flags: IpFlags): string {
  if (words[0] !== undefined && match(words[0], VERBS) === 'get') {
    return runGet(ns, words.slice(1), flags);
  }
  skipShow(where, words, VERBS);
  if (words[0] === 'cache' && words.length === 1 && !flags.json) return printRouteCache(ns);
  const listing: Draft = { details: flags.details };
  while (words.length > 0) readFilter(ns, listing, words);
  if (flags.json) return printJson(routesJson(ns, listing), flags.pretty);
  const text = printIpRoute(ns, listing);
  return flags.oneline ? text.replace(/\n\t/g, '\\\t') : text;
}

const SCOPES: readonly RoutePlan['scope'][] = ['global', 'link', 'host'];

function readFilter(ns: NamespacePlan, listing: Draft, words: string[]): void {
  const word = words.shift() as string;
  const value = <T>(expected: string, read: (text: string) => T | undefined): T => {
    const text = next(where, words, expected);
    return read(text) ?? refuse(where, expected, text);
  };
  switch (word) {
    case 'dev':
      listing.device = deviceWord(ns, where, words);
      return;
    case 'table':
      listing.table = value('main, local, all or a number', (t) =>
        t === 'all' ? 'all' : tryTable(t),
      );
      return;
    case 'proto':
    case 'protocol':
      listing.protocol = value('a known protocol', tryProtocol);
      return;
    case 'scope':
      listing.scope = value('global, link or host', (t) => SCOPES.find((s) => s === t));
      return;
    case 'type':
      listing.type = value('a type of route', tryRouteType);
      return;
    case 'via':
      listing.via = value('an IPv4 address', tryIp4);
      return;
    case 'src':
      listing.source = value('an IPv4 address', tryIp4);
      return;
    case 'tos':
    case 'dsfield':
      listing.tos = value('a TOS such as 0x10', tryDsfield);
      return;
    case 'metric':
      listing.metric = value('a number', (t) => tryUnsigned(t, 2 ** 32 - 1));
      return;
    case 'root':
    case 'match':
      listing[word] = value('an IPv4 prefix', destination);
      return;
    case 'to':
    case 'exact':
      listing.destination = value('an IPv4 prefix', destination);
      return;
    default:
      listing.destination =
        destination(word) ?? refuse(where, 'get, dev, table, proto or an IPv4 prefix', word);
  }
}

const destination = (text: string): Prefix | undefined =>
  tryPrefix(text === 'default' ? '0.0.0.0/0' : text);

function runGet(ns: NamespacePlan, argv: readonly string[], { json, pretty }: IpFlags): string {
  const words = argv[0] === 'to' ? argv.slice(1) : argv;
  const address = tryIp4(words[0] ?? '');
  if (address === undefined) return refuse(`${where} get`, 'an IPv4 address', words[0]);
  const { mark, tos } = readAsked(words.slice(1));
  const answer = json ? routeGetJson(ns, address, mark, tos) : undefined;
  return answer === undefined ? printRouteGet(ns, address, mark, tos) : printJson(answer, pretty);
}

/** What is to be asked besides an address: `mark 0x1`, `tos 0x10`. */
function readAsked(words: string[]): { readonly mark: number; readonly tos: number } {
  const asked = { mark: 0, tos: 0 };
  while (words.length > 0) {
    const word = words.shift();
    const text = words.shift() ?? '';
    if (word === 'mark') {
      const isNumber = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text);
      asked.mark = isNumber ? Number(text) : Number.NaN;
      if (!(asked.mark < 2 ** 32)) refuse(`${where} get`, 'a mark of 32 bits', text);
    } else if (word === 'tos' || word === 'dsfield') {
      // inet_rtm_getroute asks for these bits only.
      asked.tos = (tryDsfield(text) ?? refuse(`${where} get`, 'a TOS', text)) & ROUTED_TOS;
    } else refuse(`${where} get`, 'only an address, mark or tos', word);
  }
  return asked;
}
