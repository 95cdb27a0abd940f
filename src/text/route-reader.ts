/**
 * Reads what `ip route` prints, and the same words in a user's file. A word that
 * a RoutePlan has no place for is an error rather than silently lost.
 */
import { found, PodwireError } from '../errors.ts';
import type { NextHop, RoutePlan } from '../plan/plan.ts';
import { tryIp4, tryPrefix } from '../wire/address.ts';
import { tryDsfield } from './dsfield.ts';
import { wordsOf, writtenLines } from './line-reader.ts';
import { tryProtocol, tryRouteType, tryTable, tryUnsigned } from './route-name.ts';

/** Types without a next hop (net/ipv4/fib_semantics.c fib_props: those with an error). */
const ERRORS: readonly string[] = ['blackhole', 'unreachable', 'prohibit', 'throw'];

const ROUTE_WORDS = 'via, dev, tos, table, proto, scope, src, metric, onlink, mtu or nexthop';
const HOP_WORDS = 'via, dev, weight, onlink or nexthop';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A next hop before `dev` is known to be there; of a route too, as the words are the same. */
type HopDraft = { -readonly [K in 'via' | 'device' | 'onlink']?: RoutePlan[K] };

type RouteDraft = Writable<RoutePlan> & {
  readonly line: number;
  readonly hops: (HopDraft & { weight?: number })[];
};

/** One line's words, and where the reader stands among them. */
interface Cursor {
  readonly words: readonly string[];
  at: number;
  readonly fail: (expected: string, word: string | undefined) => never;
}

/**
 * Routes in the order of the text. Blank lines, blanks at line ends, CRLF and the
 * colours of `ip -c` are accepted; so is a route without `dev`, whose device then
 * follows from `via`. As in a listing, a route without `scope` is global, and one
 * without `table` is in `local` if its type is local or broadcast, else in `main`.
 * `firstLine` is where the text stands in its source. Throws
 * ERR_CONFIG_VALUE and ERR_CONFIG_SYNTAX with the line.
 */
export function parseIpRoute(text: string, source = 'ip route', firstLine = 1): RoutePlan[] {
  const drafts: RouteDraft[] = [];
  for (const { text: clean, line } of writtenLines(text, { source, firstLine })) {
    const words = wordsOf(clean);
    const cursor: Cursor = { words, at: 0, fail: failure(source, line) };
    const last = drafts.at(-1);
    if (words[0] === 'nexthop' && last !== undefined) readHops(cursor, last);
    else drafts.push(readRoute(cursor, line));
  }
  return drafts.map((draft) => finish(draft, failure(source, draft.line)));
}

const failure =
  (source: string, line: number) =>
  (expected: string, word: string | undefined): never => {
    const message = `expected ${expected}, found ${found(word)}`;
    throw new PodwireError('ERR_CONFIG_VALUE', message, { source, line });
  };

function readRoute(cursor: Cursor, line: number): RouteDraft {
  const named = tryRouteType(cursor.words[0] ?? '');
  if (named !== undefined) cursor.at++;
  const type = named ?? 'unicast';
  const word = cursor.words[cursor.at++];
  const destination = word === 'default' ? tryPrefix('0.0.0.0/0') : tryPrefix(word ?? '');
  if (destination === undefined) {
    return cursor.fail('a route type, default or an IPv4 prefix', word);
  }
  const draft: RouteDraft = {
    type,
    destination,
    table: type === 'local' || type === 'broadcast' ? 'local' : 'main',
    protocol: 'boot',
    scope: 'global',
    metric: 0,
    onlink: false,
    origin: 'admin',
    line,
    hops: [],
  };
  readWords(
    cursor,
    (word) => readHopWord(cursor, draft, word) || readRouteWord(cursor, draft, word),
  );
  readHops(cursor, draft);
  return draft;
}

/** What follows each `nexthop`. */
function readHops(cursor: Cursor, { hops }: RouteDraft): void {
  while (cursor.words[cursor.at++] === 'nexthop') {
    const hop: RouteDraft['hops'][number] = {};
    readWords(cursor, (word) => {
      if (readHopWord(cursor, hop, word)) return;
      if (word !== 'weight') cursor.fail(HOP_WORDS, word);
      hop.weight = value(cursor, '1 to 256 after weight', (t) => tryCount(t, 256));
    });
    hops.push(hop);
  }
}

/** Each word up to `nexthop`, at most once. */
function readWords(cursor: Cursor, read: (word: string) => void): void {
  const seen = new Set<string>();
  while (cursor.at < cursor.words.length && cursor.words[cursor.at] !== 'nexthop') {
    const word = cursor.words[cursor.at++] as string;
    if (seen.has(word)) cursor.fail(`${word} only once`, word);
    seen.add(word);
    read(word);
  }
}

/** False where the word is none that a route and a next hop share. */
function readHopWord(cursor: Cursor, draft: HopDraft, word: string): boolean {
  if (word === 'via') {
    draft.via = value(cursor, 'an IPv4 address after via', tryIp4);
  } else if (word === 'dev') {
    draft.device = value(cursor, 'a device name of 1 to 15 characters after dev', tryDevice);
  } else if (word === 'onlink') {
    draft.onlink = true;
  } else {
    return false;
  }
  return true;
}

function readRouteWord(cursor: Cursor, draft: RouteDraft, word: string): void {
  switch (word) {
    case 'src':
      draft.source = value(cursor, 'an IPv4 address after src', tryIp4);
      return;
    case 'table':
      draft.table = value(cursor, 'main, local, default or a number after table', tryTable);
      return;
    case 'proto':
      draft.protocol = value(cursor, 'a known protocol or a number after proto', tryProtocol);
      return;
    case 'scope':
      draft.scope = value(cursor, 'global, link or host after scope', tryScope);
      return;
    case 'metric':
      draft.metric = value(cursor, 'a number after metric', (t) => tryUnsigned(t, 2 ** 32 - 1));
      return;
    case 'tos':
    case 'dsfield': {
      const tos = value(cursor, 'a TOS such as 0x10 after tos', tryDsfield);
      if (tos !== 0) draft.tos = tos;
      return;
    }
    case 'mtu':
      draft.mtu = value(cursor, '1 to 65535 after mtu', (t) => tryCount(t, 65535));
      return;
    default:
      cursor.fail(ROUTE_WORDS, word);
  }
}

function value<T>(cursor: Cursor, expected: string, read: (t: string) => T | undefined): T {
  const word = cursor.words[cursor.at++];
  const result = word === undefined ? undefined : read(word);
  return result === undefined ? cursor.fail(expected, word) : result;
}

/** IFNAMSIZ leaves 15 characters; `/` and `:` are refused (net/core/dev.c dev_valid_name). */
const tryDevice = (text: string): string | undefined =>
  text.length < 16 && !/[/:]/.test(text) && text !== '.' && text !== '..' ? text : undefined;

const tryScope = (text: string): RoutePlan['scope'] | undefined =>
  text === 'global' || text === 'link' || text === 'host' ? text : undefined;

const tryCount = (text: string, limit: number): number | undefined =>
  tryUnsigned(text, limit) || undefined;

function finish({ hops, line: _, ...route }: RouteDraft, fail: Cursor['fail']): RoutePlan {
  const direct = route.via !== undefined || route.device !== undefined;
  const refuses = ERRORS.includes(route.type);
  if (refuses && (direct || hops.length > 0)) {
    fail(`no next hop in a ${route.type} route`, route.device ?? 'via');
  }
  if (direct && hops.length > 0) fail('either via and dev, or nexthop', 'both');
  if (!direct && hops.length === 0 && !refuses) fail('via, dev or nexthop', undefined);
  const nextHops = hops.map(({ device, weight = 1, onlink = false, via }): NextHop => {
    if (device === undefined) return fail('dev in every nexthop', undefined);
    return { ...(via === undefined ? {} : { via }), device, weight, onlink };
  });
  return {
    ...route,
    ...(nextHops.length > 0 ? { nextHops } : {}),
    origin: originOf(route),
  };
}

const POD_GATEWAY = tryIp4('169.254.1.1');

/** Who programs such a route on a Calico node: a guess from its protocol and device. */
function originOf(route: RoutePlan): RoutePlan['origin'] {
  if (route.protocol === 'kernel') return 'kernel';
  if (route.protocol === 'bird') return 'bird';
  if (route.protocol === '80' || route.device === 'vxlan.calico') return 'felix';
  const ofPod =
    route.device?.startsWith('cali') ||
    route.via === POD_GATEWAY ||
    route.destination.address === POD_GATEWAY;
  return ofPod && route.protocol === 'boot' ? 'cni' : 'admin';
}
