/**
 * The commands a reader of Calico's documents would type on a node, run against a
 * plan. Only those that look; words are abbreviated as the real commands allow.
 */
import type { Inventory, NamespacePlan } from '../plan/plan.ts';
import { printArp } from './arp.ts';
import { fdbJson, printBridgeFdb } from './bridge-fdb.ts';
import { printBridgeLink } from './bridge-link.ts';
import { runCalicoctl, type Since } from './calicoctl.ts';
import { runCat } from './cat.ts';
import { runIp } from './ip-command.ts';
import { runIpset, runIptables, runIptablesSave } from './iptables.ts';
import { printJson } from './json.ts';
import type { PeerLookup } from './link-peer.ts';
import { printRouteN } from './route-n.ts';
import { runWg } from './wg.ts';
import { deviceWord, match, refuse, skipShow } from './words.ts';

export interface CommandOptions {
  /** Facts about the other ends of veths, for `ip link` and `ip addr`. */
  readonly peers?: PeerLookup | undefined;
  /** What calicoctl knows; without it calicoctl is refused. */
  readonly inventory?: Inventory | undefined;
  /** All namespaces, for `calicoctl get workloadendpoint`. */
  readonly namespaces?: readonly NamespacePlan[] | undefined;
  /** The SINCE column of `calicoctl node status`, which no plan knows. */
  readonly since?: Since | undefined;
}

const SUPPORTED =
  'ip [-4] [-d] [-j] route|addr|link|neigh|rule, bridge fdb|link, arp -an, arp -n, route -n, ' +
  'wg show, iptables-save [-t TABLE], iptables [-t TABLE] -S, ipset save, cat /var/lib/calico/mtu ' +
  'or calicoctl get|ipam show|ipam check|node status|version';

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
      return runIp(ns, words, options.peers);
    case 'bridge':
      return runBridge(ns, words, options.peers);
    case 'arp':
      return runArp(ns, words);
    case 'route':
      if (words.length === 1 && words[0] === '-n') return printRouteN(ns);
      return refuse('route', 'route -n', words[0]);
    case 'wg':
      return runWg(ns, words);
    case 'iptables-save':
      return runIptablesSave(ns, words);
    case 'iptables':
      return runIptables(ns, words);
    case 'ipset':
      return runIpset(ns, words);
    case 'cat':
      return runCat(ns, words);
    case 'calicoctl':
      return runCalicoctl(ns, words, options);
    case 'sudo':
      return runCommand(ns, words, options);
    default:
      return refuse('command', SUPPORTED, name);
  }
}

const FDB_VERBS = ['add', 'append', 'replace', 'delete', 'get', 'show', 'lst', 'list'];

function runBridge(
  ns: NamespacePlan,
  argv: readonly string[],
  peers: PeerLookup | undefined,
): string {
  const words = [...argv];
  const flags = { json: false, pretty: false };
  while (words[0]?.startsWith('-')) {
    const word = words.shift() as string;
    if (word.length > 1 && '-json'.startsWith(word)) flags.json = true;
    else if (word.length > 1 && '-pretty'.startsWith(word)) flags.pretty = true;
    else if (!/^-c(o(l(or?)?)?)?(=\w+)?$/.test(word))
      refuse('bridge', 'the options -j, -p or -c', word);
  }
  const object = words.shift();
  const what = match(object ?? '', ['link', 'fdb']);
  if (what === 'link' && !flags.json) {
    skipShow('bridge link', words, ['set', 'show', 'lst', 'list']);
    if (words.length > 0) refuse('bridge link', 'no more words', words[0]);
    return printBridgeLink(ns, peers);
  }
  if (what !== 'fdb') refuse('bridge', 'fdb', object);
  skipShow('bridge fdb', words, FDB_VERBS);
  let device: string | undefined;
  if (words.length > 0) {
    const word = words.shift();
    if (word !== 'dev') refuse('bridge fdb', 'dev', word);
    device = deviceWord(ns, 'bridge fdb', words);
    if (words.length > 0) refuse('bridge fdb', 'no more words', words[0]);
  }
  return flags.json
    ? printJson(fdbJson(ns, { device }), flags.pretty)
    : printBridgeFdb(ns, { device });
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
