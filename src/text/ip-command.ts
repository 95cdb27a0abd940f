/** The command `ip`: its options, objects and filters (ip/ip.c and the files of each object). */
import type { NamespacePlan, NeighbourPlan } from '../plan/plan.ts';
import { tryPrefix } from '../wire/address.ts';
import { briefAddr, briefLink, onelineAddr, onelineLink } from './brief.ts';
import { printIpAddr } from './ip-addr.ts';
import { printIpLink } from './ip-link.ts';
import { addressesJson, linksJson } from './ip-link-json.ts';
import { neighbourJson, printIpNeigh } from './ip-neigh.ts';
import { printIpRule, ruleJson } from './ip-rule.ts';
import { printJson } from './json.ts';
import type { PeerLookup } from './link-peer.ts';
import { runRoute } from './route-command.ts';
import { deviceWord, match, next, refuse, skipShow } from './words.ts';

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

export interface IpFlags {
  readonly details: boolean;
  readonly family4: boolean;
  readonly json: boolean;
  readonly pretty: boolean;
  readonly oneline: boolean;
  readonly brief: boolean;
}

/** Throws ERR_USAGE for words that are unknown or would change something. */
export function runIp(
  ns: NamespacePlan,
  argv: readonly string[],
  peers: PeerLookup | undefined,
): string {
  const words = [...argv];
  const flags = takeFlags(words);
  const word = words.shift();
  const object = match(word ?? '', OBJECTS);
  switch (object) {
    case 'route':
      return runRoute(ns, words, flags);
    case 'address':
    case 'link':
      return runLink(ns, object, words, flags, peers);
    case 'neighbor':
    case 'neighbour':
      return runNeigh(ns, words, flags);
    case 'rule':
      skipShow('ip rule', words, ['list', 'lst', 'show']);
      if (words.length > 0) refuse('ip rule', 'no more words', words[0]);
      return flags.json ? printJson(ruleJson(ns), flags.pretty) : printIpRule(ns);
    default:
      return refuse('ip', 'route, addr, link, neigh or rule', word);
  }
}

const FLAGS = ['details', 'json', 'pretty', 'oneline', 'brief'] as const;

/** ip/ip.c main: a single letter is not always enough, so `-br` but `-d`, `-j`, `-p`, `-o`. */
function takeFlags(words: string[]): IpFlags {
  const flags = {
    details: false,
    family4: false,
    json: false,
    pretty: false,
    oneline: false,
    brief: false,
  };
  while (words[0]?.startsWith('-')) {
    const word = words.shift() as string;
    const flag = word.startsWith('--') ? word.slice(1) : word;
    const name = FLAGS.find(
      (f) => flag.length > (f === 'brief' ? 2 : 1) && `-${f}`.startsWith(flag),
    );
    if (flag === '-4') flags.family4 = true;
    else if (name !== undefined) flags[name] = true;
    // Colour is for terminals; what is printed here is plain.
    else if (!/^-c(o(l(or?)?)?)?(=(always|auto|never))?$/.test(flag)) {
      refuse('ip', 'the options -4, -d, -j, -p, -o, -br or -c', word);
    }
  }
  return flags;
}

/** ip/ipaddress.c do_ipaddr and ip/iplink.c do_iplink: `ip l s` is `set`, not `show`. */
const LINK_VERBS = {
  address: ['add', 'change', 'replace', 'delete', 'show', 'lst', 'list', 'flush', 'save'],
  link: ['add', 'set', 'change', 'replace', 'delete', 'show', 'lst', 'list'],
} as const;

/** Kinds of devices that were made with a type; NICs and lo have none. */
const KINDS = ['veth', 'vxlan', 'ipip', 'wireguard', 'bridge'] as const;

function runLink(
  ns: NamespacePlan,
  object: 'address' | 'link',
  words: string[],
  { details, family4, json, pretty, oneline, brief }: IpFlags,
  peers: PeerLookup | undefined,
): string {
  const where = object === 'link' ? 'ip link' : 'ip addr';
  skipShow(where, words, LINK_VERBS[object]);
  let device: string | undefined;
  let kind: (typeof KINDS)[number] | undefined;
  let up = false;
  while (words.length > 0) {
    if (words[0] === 'up') {
      up = true;
      words.shift();
      continue;
    }
    if (words[0] === 'type') {
      words.shift();
      const word = next(where, words, 'a type of device');
      kind = KINDS.find((k) => k === word) ?? refuse(where, KINDS.join(', '), word);
      continue;
    }
    if (words[0] === 'dev') words.shift();
    if (device !== undefined) refuse(where, 'one device', words[0]);
    device = deviceWord(ns, where, words);
  }
  const listing = { device, kind, details, up, peers };
  if (object === 'link') {
    if (json) return printJson(linksJson(ns, listing), pretty);
    if (brief) return briefLink(ns, listing);
    return oneline ? onelineLink(ns, listing) : printIpLink(ns, listing);
  }
  const addresses = { ...listing, family4 };
  if (json) return printJson(addressesJson(ns, addresses), pretty);
  if (brief) return briefAddr(ns, addresses);
  return oneline ? onelineAddr(ns, addresses) : printIpAddr(ns, addresses);
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
].concat(['flush']);

const STATES: readonly NeighbourPlan['state'][] = [
  'PERMANENT',
  'NOARP',
  'REACHABLE',
  'STALE',
  'DELAY',
  'PROBE',
  'INCOMPLETE',
  'FAILED',
];

function runNeigh(ns: NamespacePlan, words: string[], { json, pretty }: IpFlags): string {
  const where = 'ip neigh';
  skipShow(where, words, NEIGH_VERBS);
  let device: string | undefined;
  let state: NeighbourPlan['state'] | undefined;
  let destination: ReturnType<typeof tryPrefix>;
  while (words.length > 0) {
    const word = words.shift() as string;
    if (word === 'dev') device = deviceWord(ns, where, words);
    else if (word === 'nud') {
      const name = next(where, words, 'a state after nud');
      state = STATES.find((s) => s.toLowerCase() === name) ?? refuse(where, 'a state', name);
    } else {
      const prefix = word === 'to' ? next(where, words, 'an IPv4 prefix after to') : word;
      destination = tryPrefix(prefix) ?? refuse(where, 'dev, nud or an IPv4 prefix', prefix);
    }
  }
  const listing = { device, state, destination };
  return json ? printJson(neighbourJson(ns, listing), pretty) : printIpNeigh(ns, listing);
}
