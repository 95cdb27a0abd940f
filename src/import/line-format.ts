/**
 * Which command printed a line, from its look. A line that looks like one is then
 * read strictly; what looks like none is text around the dumps.
 */

import { isCalicoctlTitle, isNodeStatus } from '../text/calicoctl-reader.ts';
import { wordsOf } from '../text/line-reader.ts';
import { isLinkHead } from '../text/link-reader.ts';
import { isArpTitle, isNeighbourState } from '../text/neighbour-reader.ts';
import { isRouteTitle } from '../text/route-n-reader.ts';
import { tryInterfaceAddress, tryIp4, tryMac } from '../wire/address.ts';
import type { Format } from './command-line.ts';

const ROUTE_WORDS = new Set(['via', 'dev', 'proto', 'scope', 'src', 'metric', 'onlink', 'table']);
const ROUTE_TYPES = new Set([
  'unicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'local',
  'broadcast',
  'multicast',
  'anycast',
]);
const FDB_WORDS = new Set(['dev', 'dst', 'self', 'master', 'vlan', 'via', 'port']);
const WG_FACTS =
  /^(interface|peer|public key|private key|listening port|fwmark|preshared key|endpoint|allowed ips|latest handshake|transfer|persistent keepalive): /;
/** Words that an indented line of `ip -d -s link` starts with. */
const LINK_MORE =
  /^(link\/|inet6? |valid_lft |altname |alias |vxlan |veth\b|ipip |wireguard\b|bridge\b|bond |dummy\b|vlan |tun |RX:|TX:|\d)/;

/** A line tells what it is within so many characters. */
const LOOK = 512;
/** Lines that a resource goes on with: indented, a key, an element, a separator or a bracket. */
const YAML_MORE = /^(\s|[-_A-Za-z0-9."']{1,100}:( |$)|- |---|\.\.\.|#|[}\]])/;

/**
 * `open` is the format of the lines just before, if any, and `next` the line after.
 * `ipv6` lines are known and not used.
 */
export function formatOf(
  text: string,
  open: Format | undefined,
  next = '',
): Format | 'ipv6' | undefined {
  const head = text.slice(0, LOOK);
  if (open === 'yaml' && YAML_MORE.test(head)) return 'yaml';
  const trimmed = head.trimStart();
  if (trimmed !== head && open === 'link' && LINK_MORE.test(trimmed)) return 'link';
  // Of a multipath route the first line may be the destination alone.
  if (next.slice(0, LOOK).trimStart().startsWith('nexthop ') && tryDestination(trimmed))
    return 'route';
  if (text.startsWith('apiVersion:')) return 'yaml';
  if (isLinkHead(trimmed)) return 'link';
  if (/^\d{1,10}:\s{0,4}(not |from )/.test(trimmed)) return 'rule';
  if (/^interface: \S{1,15}$/.test(trimmed)) return 'wg';
  if (open === 'wg' && WG_FACTS.test(`${trimmed} `)) return 'wg';
  if (/^net\.ipv[46]\.\S{1,80} = /.test(trimmed)) return 'sysctl';
  if (isNodeStatus(trimmed)) return 'status';
  if (isCalicoctlTitle(trimmed)) return 'calicoctl';
  if (isArpTitle(trimmed)) return 'arp';
  if (isRouteTitle(trimmed)) return 'route-n';
  return (
    byWords(trimmed, open) ?? (open === 'calicoctl' && isRow(trimmed) ? 'calicoctl' : undefined)
  );
}

const tryDestination = (text: string): boolean =>
  text.trimEnd() === 'default' || tryInterfaceAddress(text.trimEnd()) !== undefined;

const isHop = (word = ''): boolean => word === '*' || word === '-' || tryIp4(word) !== undefined;

const isRow = (text: string): boolean => / {2}/.test(text);

function byWords(text: string, open: Format | undefined): Format | 'ipv6' | undefined {
  const words = wordsOf(text);
  const [first = '', second = ''] = words;
  if (first === 'nexthop' && open === 'route') return 'route';
  if (tryMac(first) !== undefined && FDB_WORDS.has(second)) return 'fdb';
  if (second.startsWith('(') && words[2] === 'at')
    return tryIp4(second.slice(1, -1)) === undefined ? undefined : 'arp';
  const typed = ROUTE_TYPES.has(first);
  const destination = typed ? second : first;
  const six = destination.includes(':');
  if (!six && destination !== 'default' && tryInterfaceAddress(destination) === undefined) {
    return undefined;
  }
  const rest = words.slice(typed ? 2 : 1);
  if (six)
    return rest.some((word) => ROUTE_WORDS.has(word) || word === 'lladdr') ? 'ipv6' : undefined;
  if (typed) return 'route';
  if (isNeighbourState(rest.at(-1) ?? '') || rest.includes('lladdr')) return 'neigh';
  if (rest[0] === 'ether' || rest[0] === '(incomplete)') return 'arp';
  if (rest.length >= 7 && isHop(rest[0]) && tryIp4(rest[1] ?? '') !== undefined) return 'route-n';
  if (!ROUTE_WORDS.has(rest[0] ?? '')) return undefined;
  // `default via fe80::1 dev eth0` is the other family's.
  return rest.includes('pref') || (rest[0] === 'via' && rest[1]?.includes(':')) ? 'ipv6' : 'route';
}
