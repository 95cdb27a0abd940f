/**
 * The matches of a rule as `iptables-save` prints them: a reader for each word that
 * Calico and kube-proxy write.
 */
import type { ConnectionState, Matches, RecentMatch } from '../plan/netfilter.ts';
import { type InterfaceAddress, tryInterfaceAddress } from '../wire/address.ts';
import * as tcp from '../wire/tcp.ts';
import { portList, ports, protocolNumber, refuseRule, type Words } from './iptables-words.ts';

/** The matches of a rule while they are read. */
export type MatchDraft = { -readonly [K in keyof Matches]: Matches[K] };

/** A word with what stood before it. */
interface Asked {
  readonly word: string;
  /** Behind a `!`. */
  readonly not: boolean;
  /** Of the last `-m`; empty before the first. */
  readonly module: string;
}

/** Takes what stands behind its word. */
type Reader = (m: MatchDraft, words: Words, asked: Asked) => void;

const STATES: readonly string[] = [
  'NEW',
  'ESTABLISHED',
  'RELATED',
  'INVALID',
  'UNTRACKED',
  'SNAT',
  'DNAT',
];

const TCP_FLAGS: ReadonlyMap<string, number> = new Map([
  ['FIN', tcp.FIN],
  ['SYN', tcp.SYN],
  ['RST', tcp.RST],
  ['PSH', tcp.PSH],
  ['ACK', tcp.ACK],
  ['URG', tcp.URG],
  ['ALL', 0x3f],
  ['NONE', 0],
]);

/** libxt_recent's defaults. */
const RECENT: RecentMatch = {
  list: 'DEFAULT',
  verb: 'rcheck',
  side: 'src',
  seconds: 0,
  hits: 1,
  reap: false,
  not: false,
};
/** The only mask of addresses that `recent` is asked for. */
const WHOLE = '255.255.255.255';

const RPFILTER = { invert: false, loose: false } as const;

const READERS: ReadonlyMap<string, Reader> = new Map(
  Object.entries<Reader>({
    '-s'(m, words, { not }) {
      m.source = { prefix: prefix(words), not };
    },
    '-d'(m, words, { not }) {
      m.destination = { prefix: prefix(words), not };
    },
    '-p'(m, words, { not }) {
      const text = words.value('a protocol');
      if (text === 'all' || text === '0') return;
      const number = protocolNumber(text);
      if (number === undefined) throw refuseRule(words.place, 'a protocol', text);
      m.protocol = { from: number, to: number, not };
    },
    '-i'(m, words, { not }) {
      m.inDevice = { name: words.value('a device'), not };
    },
    '-o'(m, words, { not }) {
      m.outDevice = { name: words.value('a device'), not };
    },
    '--sport'(m, words, { not }) {
      m.sourcePort = { ...ports(words), not };
    },
    '--dport'(m, words, { not }) {
      m.destinationPort = { ...ports(words), not };
    },
    '--sports': multiport,
    '--source-ports': multiport,
    '--dports': multiport,
    '--destination-ports': multiport,
    '--icmp-type': icmpType,
    '--tcp-flags'(m, words, { not }) {
      const mask = tcpFlags(words);
      m.tcpFlags = { mask, set: tcpFlags(words), not };
    },
    '--mark'(m, words, { not }) {
      m.mark = { ...words.mark(), not };
    },
    '--state': states,
    '--ctstate': states,
    '--match-set': matchSet,
    '--src-type': addressType,
    '--dst-type': addressType,
    '--limit-iface-out': limitDevice,
    '--limit-iface-in': limitDevice,
    '--mode'(m, words) {
      const mode = words.value('nth or random');
      if (mode === 'nth') m.statistic = { mode, every: 1, packet: 0 };
      else if (mode === 'random') m.statistic = { mode, probability: 1 };
      else throw refuseRule(words.place, 'nth or random', mode);
    },
    '--every'(m, words) {
      const every = words.number('a number from 1', 1, 0x7fffffff);
      m.statistic = { mode: 'nth', every, packet: 0 };
    },
    '--packet'(m, words) {
      const every = m.statistic?.mode === 'nth' ? m.statistic.every : 1;
      const packet = words.number(`a number below ${every}`, 0, every - 1);
      m.statistic = { mode: 'nth', every, packet };
    },
    '--probability'(m, words) {
      m.statistic = { mode: 'random', probability: words.number('0 to 1', 0, 1) };
    },
    '--set': recentVerb,
    '--rcheck': recentVerb,
    '--update': recentVerb,
    '--remove': recentVerb,
    '--seconds'(m, words) {
      m.recent = { ...RECENT, ...m.recent, seconds: words.number('seconds', 1, 0x7fffffff) };
    },
    '--hitcount'(m, words) {
      m.recent = { ...RECENT, ...m.recent, hits: words.number('a number from 1', 1, 255) };
    },
    '--reap'(m) {
      m.recent = { ...RECENT, ...m.recent, reap: true };
    },
    '--name'(m, words) {
      m.recent = { ...RECENT, ...m.recent, list: words.value('a name') };
    },
    '--rsource'(m) {
      m.recent = { ...RECENT, ...m.recent, side: 'src' };
    },
    '--rdest'(m) {
      m.recent = { ...RECENT, ...m.recent, side: 'dst' };
    },
    '--mask'(_, words) {
      const mask = words.value(WHOLE);
      if (mask !== WHOLE) throw refuseRule(words.place, WHOLE, mask);
    },
    '--invert'(m) {
      m.rpfilter = { ...RPFILTER, ...m.rpfilter, invert: true };
    },
    '--loose'(m) {
      m.rpfilter = { ...RPFILTER, ...m.rpfilter, loose: true };
    },
    '--validmark'(m) {
      m.rpfilter = { ...RPFILTER, ...m.rpfilter };
    },
    '--comment'(_, words) {
      words.value('a comment');
    },
  }),
);

/** A match begins; some are printed without options where they have none. */
export function beginModule(m: MatchDraft, module: string): void {
  if (module === 'rpfilter') m.rpfilter = RPFILTER;
  if (module === 'recent') m.recent = RECENT;
}

/** Takes one match. Throws ERR_CONFIG_VALUE with the place for one that is not modelled. */
export function readMatch(m: MatchDraft, words: Words, asked: Asked): void {
  const read = READERS.get(asked.word);
  if (read === undefined) {
    const expected = `a match of ${asked.module || 'ip'} that is modelled`;
    throw refuseRule(words.place, expected, asked.word);
  }
  read(m, words, asked);
}

function prefix(words: Words): InterfaceAddress {
  const text = words.value('a prefix');
  const read = tryInterfaceAddress(text);
  if (read === undefined) throw refuseRule(words.place, 'a prefix', text);
  return read;
}

function multiport(m: MatchDraft, words: Words, { word, not }: Asked): void {
  const side = word.startsWith('--s') ? 'src' : 'dst';
  m.ports = [...(m.ports ?? []), { side, ranges: portList(words), not }];
}

function icmpType(m: MatchDraft, words: Words, { not }: Asked): void {
  const text = words.value('an ICMP type');
  const [type, code] = text.split('/').map(Number);
  if (!/^\d{1,3}(\/\d{1,3})?$/.test(text)) throw refuseRule(words.place, 'TYPE or TYPE/CODE', text);
  m.icmp = [...(m.icmp ?? []), { type: type!, ...(code === undefined ? {} : { code }), not }];
}

function tcpFlags(words: Words): number {
  const names = words.value('TCP flags').split(',');
  const unknown = names.find((name) => !TCP_FLAGS.has(name));
  if (unknown !== undefined)
    throw refuseRule(words.place, [...TCP_FLAGS.keys()].join(', '), unknown);
  return names.reduce((bits, name) => bits | TCP_FLAGS.get(name)!, 0);
}

function states(m: MatchDraft, words: Words, { not }: Asked): void {
  const any = words.value('states').split(',');
  const unknown = any.find((state) => !STATES.includes(state));
  if (unknown !== undefined) throw refuseRule(words.place, STATES.join(', '), unknown);
  m.states = { any: any as ConnectionState[], not };
}

function matchSet(m: MatchDraft, words: Words, { not }: Asked): void {
  const set = words.value('a set');
  const text = words.value('src or dst');
  if (!/^(src|dst)(,(src|dst)){0,2}$/.test(text)) throw refuseRule(words.place, 'src or dst', text);
  const directions = text.split(',') as ('src' | 'dst')[];
  m.sets = [...(m.sets ?? []), { set, directions, not }];
}

function addressType(m: MatchDraft, words: Words, { word, not }: Asked): void {
  const type = words.value('LOCAL');
  if (type !== 'LOCAL') throw refuseRule(words.place, 'LOCAL', type);
  m.addressTypes = [
    ...(m.addressTypes ?? []),
    { side: word === '--src-type' ? 'src' : 'dst', not },
  ];
}

/** Belongs to the `--src-type` or `--dst-type` before it. */
function limitDevice(m: MatchDraft, words: Words, { word }: Asked): void {
  const before = m.addressTypes?.at(-1);
  if (before === undefined) throw refuseRule(words.place, '--src-type before', word);
  const limit = word.endsWith('out') ? 'out' : 'in';
  m.addressTypes = [...(m.addressTypes ?? []).slice(0, -1), { ...before, limit }];
}

function recentVerb(m: MatchDraft, _: Words, { word, not }: Asked): void {
  const verb = word.slice(2) as RecentMatch['verb'];
  m.recent = { ...RECENT, ...m.recent, verb, not };
}
