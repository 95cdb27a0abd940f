/**
 * The commands a reader of Calico's documents would type on a node, run against a
 * plan. Only those that look; words are abbreviated as the real commands allow.
 */
import { found, PodwireError } from '../errors.ts';
import type { NamespacePlan } from '../plan/plan.ts';
import { tryIp4, tryPrefix } from '../wire/address.ts';
import { printArp } from './arp.ts';
import { printBridgeFdb } from './bridge-fdb.ts';
import { printIpAddr } from './ip-addr.ts';
import { listedDevices, printIpLink } from './ip-link.ts';
import { printIpNeigh } from './ip-neigh.ts';
import { printIpRoute, type RouteListing } from './ip-route.ts';
import { printIpRule } from './ip-rule.ts';
import type { PeerLookup } from './link-peer.ts';
import { printRouteGet } from './route-get.ts';
import { printRouteN } from './route-n.ts';
import { tryProtocol, tryTable } from './route-name.ts';

export interface CommandOptions {
  /** Facts about the other ends of veths, for `ip link` and `ip addr`. */
  readonly peers?: PeerLookup | undefined;
}

const SUPPORTED =
  'ip [-4] [-d] route|addr|link|neigh|rule, bridge fdb, arp -an, arp -n or route -n';

/**
 * What the command prints, with its final newline; '' for an empty table.
 * `argv[0]` is the command's name. Throws ERR_USAGE for anything unknown, and
 * ERR_NAME for a device that is not there.
 */
export function runCommand(
  ns: NamespacePlan,
  argv: readonly string[],
  options: CommandOptions = {},
): string {
  const [name, ...words] = argv;
  switch (name) {
    case 'ip':
      return runIp(ns, words, options);
    case 'bridge':
      return runBridge(ns, words);
    case 'arp':
      return runArp(ns, words);
    case 'route':
      if (words.length === 1 && words[0] === '-n') return printRouteN(ns);
      return refuse('route', 'route -n', words[0]);
    default:
      return refuse('command', SUPPORTED, name);
  }
}

function refuse(where: string, expected: string, word: string | undefined): never {
  throw new PodwireError('ERR_USAGE', `${where}: expected ${expected}, found ${found(word)}`);
}

/** The first of the names that starts with the word: `matches()` in iproute2. */
const match = (word: string, names: readonly string[]): string | undefined =>
  word === '' ? undefined : names.find((name) => name.startsWith(word));

/** ip/ip.c in its order, which decides what `ip n` or `ip ru` is. */
const OBJECTS = [
  'address',
  'addrlabel',
  'maddress',
  'route',
  'rule',
  'neighbor',
  'neighbour',
].concat(['ntable', 'ntbl', 'link', 'l2tp', 'tunnel', 'tunl', 'tuntap', 'tap', 'token']);

interface IpFlags {
  details: boolean;
  family4: boolean;
}

function runIp(ns: NamespacePlan, argv: readonly string[], options: CommandOptions): string {
  const words = [...argv];
  const flags: IpFlags = { details: false, family4: false };
  while (words[0]?.startsWith('-')) readFlag(words.shift() as string, flags);
  const word = words.shift();
  const object = match(word ?? '', OBJECTS);
  switch (object) {
    case 'route':
      return runRoute(ns, words, flags);
    case 'address':
    case 'link':
      return runLink(ns, object, words, flags, options);
    case 'neighbor':
    case 'neighbour':
      return runNeigh(ns, words);
    case 'rule':
      skipShow('ip rule', words, ['list', 'lst', 'show']);
      if (words.length > 0) refuse('ip rule', 'no more words', words[0]);
      return printIpRule();
    default:
      return refuse('ip', 'route, addr, link, neigh or rule', word);
  }
}

function readFlag(word: string, flags: IpFlags): void {
  const flag = word.startsWith('--') ? word.slice(1) : word;
  if (flag === '-4') flags.family4 = true;
  else if (flag.length > 1 && '-details'.startsWith(flag)) flags.details = true;
  // Colour is for terminals; what is printed here is plain.
  else if (!/^-c(o(l(or?)?)?)?(=(always|auto|never))?$/.test(flag)) {
    refuse('ip', 'the options -4, -d or -c', word);
  }
}

/** Drops `show` or its like; verbs that would change something are named in the error. */
function skipShow(where: string, words: string[], verbs: readonly string[]): void {
  const verb = words[0] === undefined ? undefined : match(words[0], verbs);
  if (verb === undefined) return;
  if (!['show', 'lst', 'list'].includes(verb)) refuse(where, 'show', words[0]);
  words.shift();
}

const next = (where: string, words: string[], expected: string): string =>
  words.shift() ?? refuse(where, expected, undefined);

function deviceWord(ns: NamespacePlan, where: string, words: string[]): string {
  const device = next(where, words, 'a device after dev');
  listedDevices(ns, { device });
  return device;
}

/** ip/iproute.c do_iproute */
const ROUTE_VERBS = ['list', 'show', 'lst', 'get', 'add', 'change', 'replace', 'delete', 'flush'];

function runRoute(ns: NamespacePlan, words: string[], { details }: IpFlags): string {
  if (words[0] !== undefined && match(words[0], ROUTE_VERBS) === 'get') {
    const address = tryIp4(words[1] ?? '');
    if (address === undefined) return refuse('ip route get', 'an IPv4 address', words[1]);
    if (words.length > 2) refuse('ip route get', 'only an address', words[2]);
    return printRouteGet(ns, address);
  }
  skipShow('ip route', words, ROUTE_VERBS);
  const listing: { -readonly [K in keyof RouteListing]: RouteListing[K] } = { details };
  while (words.length > 0) {
    const word = words.shift() as string;
    if (word === 'dev') {
      listing.device = deviceWord(ns, 'ip route', words);
    } else if (word === 'table') {
      const table = next('ip route', words, 'a table');
      listing.table = table === 'all' ? 'all' : tryTable(table);
      if (listing.table === undefined) refuse('ip route', 'main, local, all or a number', table);
    } else if (word === 'proto' || word === 'protocol') {
      const protocol = next('ip route', words, 'a protocol');
      listing.protocol = tryProtocol(protocol);
      if (listing.protocol === undefined) refuse('ip route', 'a known protocol', protocol);
    } else {
      listing.destination = word === 'default' ? tryPrefix('0.0.0.0/0') : tryPrefix(word);
      if (listing.destination === undefined) {
        refuse('ip route', 'get, dev, table, proto or an IPv4 prefix', word);
      }
    }
  }
  return printIpRoute(ns, listing);
}

/** ip/ipaddress.c do_ipaddr and ip/iplink.c do_iplink: `ip l s` is `set`, not `show`. */
const LINK_VERBS = {
  address: ['add', 'change', 'replace', 'delete', 'show', 'lst', 'list', 'flush', 'save'],
  link: ['add', 'set', 'change', 'replace', 'delete', 'show', 'lst', 'list'],
} as const;

function runLink(
  ns: NamespacePlan,
  object: 'address' | 'link',
  words: string[],
  { details, family4 }: IpFlags,
  { peers }: CommandOptions,
): string {
  const where = object === 'link' ? 'ip link' : 'ip addr';
  skipShow(where, words, LINK_VERBS[object]);
  let device: string | undefined;
  let up = false;
  while (words.length > 0) {
    if (words[0] === 'up') {
      up = true;
      words.shift();
      continue;
    }
    if (words[0] === 'dev') words.shift();
    if (device !== undefined) refuse(where, 'one device', words[0]);
    device = deviceWord(ns, where, words);
  }
  const listing = { device, details, up, peers };
  return object === 'link' ? printIpLink(ns, listing) : printIpAddr(ns, { ...listing, family4 });
}

/** ip/ipneigh.c do_ipneigh */
const NEIGH_VERBS = [
  'add',
  'change',
  'chg',
  'replace',
  'delete',
  'get',
  'show',
  'lst',
  'list',
  'flush',
];

function runNeigh(ns: NamespacePlan, words: string[]): string {
  skipShow('ip neigh', words, NEIGH_VERBS);
  if (words.length === 0) return printIpNeigh(ns);
  const word = words.shift();
  if (word !== 'dev') refuse('ip neigh', 'dev', word);
  const device = deviceWord(ns, 'ip neigh', words);
  if (words.length > 0) refuse('ip neigh', 'no more words', words[0]);
  return printIpNeigh(ns, { device });
}

function runBridge(ns: NamespacePlan, argv: readonly string[]): string {
  const words = [...argv];
  const object = words.shift();
  if (match(object ?? '', ['link', 'fdb']) !== 'fdb') refuse('bridge', 'fdb', object);
  skipShow('bridge fdb', words, [
    'add',
    'append',
    'replace',
    'delete',
    'get',
    'show',
    'lst',
    'list',
  ]);
  if (words.length === 0) return printBridgeFdb(ns);
  const word = words.shift();
  if (word !== 'dev') refuse('bridge fdb', 'dev', word);
  const device = deviceWord(ns, 'bridge fdb', words);
  if (words.length > 0) refuse('bridge fdb', 'no more words', words[0]);
  return printBridgeFdb(ns, { device });
}

function runArp(ns: NamespacePlan, argv: readonly string[]): string {
  const words = [...argv];
  let all = false;
  let numeric = false;
  let device: string | undefined;
  while (words.length > 0) {
    const word = words.shift() as string;
    if (word === '-i') device = deviceWord(ns, 'arp', words);
    else if (/^-(a|n|an|na)$/.test(word)) {
      all ||= word.includes('a');
      numeric ||= word.includes('n');
    } else refuse('arp', '-a, -n or -i DEVICE', word);
  }
  // Without -n the real command asks the resolver.
  if (!numeric) refuse('arp', '-n, as there is no resolver', argv[0]);
  return printArp(ns, { numeric, all, device });
}
