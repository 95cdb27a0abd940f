/**
 * One rule as `iptables-save` prints it: its matches and its target, in the part
 * that Calico and kube-proxy write. A match or target that is not known is refused
 * by name, since skipping it would change what the rule does.
 */
import type {
  ConnectionState,
  Matches,
  NetfilterRule,
  PortRange,
  RecentMatch,
  Target,
} from '../plan/netfilter.ts';
import { tryInterfaceAddress, tryIp4 } from '../wire/address.ts';
import * as tcp from '../wire/tcp.ts';
import {
  portList,
  ports,
  protocolNumber,
  type RulePlace,
  refuseRule,
  Words,
} from './iptables-words.ts';

const REJECT_WITH = 'icmp-port-unreachable';
const STATES: readonly string[] = [
  'NEW',
  'ESTABLISHED',
  'RELATED',
  'INVALID',
  'UNTRACKED',
  'SNAT',
  'DNAT',
];

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

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * What stands after `-A CHAIN`. `isChain` tells whether a jump's target is a chain of
 * the same table. Throws ERR_CONFIG_VALUE with the place.
 */
export function parseRule(
  words: readonly string[],
  place: RulePlace,
  isChain: (name: string) => boolean,
): Omit<NetfilterRule, 'text'> {
  const matches: Mutable<Matches> = {};
  const reader = new Words(words, place);
  let target: Target = { kind: 'none' };
  let not = false;
  let module = '';
  for (let word = reader.next(); word !== undefined; word = reader.next()) {
    if (word === '!') {
      not = true;
      continue;
    }
    if (word === '-j' || word === '-g') {
      target = parseTarget(word, reader, isChain);
      break;
    }
    if (word === '-m') {
      module = reader.value('a match after -m');
      // Printed without options where it has none.
      if (module === 'rpfilter') matches.rpfilter = { invert: false, loose: false };
      if (module === 'recent') matches.recent = RECENT;
    } else readMatch(word, not, module, matches, reader);
    not = false;
  }
  const rest = reader.next();
  if (rest !== undefined) throw refuseRule(place, 'the end of the rule', rest);
  return { matches, target };
}

function readMatch(
  word: string,
  not: boolean,
  module: string,
  m: Mutable<Matches>,
  reader: Words,
): void {
  switch (word) {
    case '-s':
    case '-d': {
      const text = reader.value('a prefix');
      const prefix = tryInterfaceAddress(text);
      if (prefix === undefined) throw refuseRule(reader.place, 'a prefix', text);
      if (word === '-s') m.source = { prefix, not };
      else m.destination = { prefix, not };
      return;
    }
    case '-p': {
      const text = reader.value('a protocol');
      if (text === 'all' || text === '0') return;
      const number = protocolNumber(text);
      if (number === undefined) throw refuseRule(reader.place, 'a protocol', text);
      m.protocol = { from: number, to: number, not };
      return;
    }
    case '-i':
      m.inDevice = { name: reader.value('a device'), not };
      return;
    case '-o':
      m.outDevice = { name: reader.value('a device'), not };
      return;
    case '--sport':
      m.sourcePort = { ...ports(reader), not };
      return;
    case '--dport':
      m.destinationPort = { ...ports(reader), not };
      return;
    case '--sports':
    case '--source-ports':
    case '--dports':
    case '--destination-ports': {
      const side = word.startsWith('--s') ? 'src' : 'dst';
      m.ports = [...(m.ports ?? []), { side, ranges: portList(reader), not }];
      return;
    }
    case '--icmp-type': {
      const text = reader.value('an ICMP type');
      const [type, code] = text.split('/').map(Number);
      if (!/^\d{1,3}(\/\d{1,3})?$/.test(text))
        throw refuseRule(reader.place, 'TYPE or TYPE/CODE', text);
      m.icmp = [...(m.icmp ?? []), { type: type!, ...(code === undefined ? {} : { code }), not }];
      return;
    }
    case '--tcp-flags': {
      const mask = tcpFlags(reader);
      m.tcpFlags = { mask, set: tcpFlags(reader), not };
      return;
    }
    case '--mark': {
      m.mark = { ...reader.mark(), not };
      return;
    }
    case '--state':
    case '--ctstate': {
      const any = reader.value('states').split(',');
      const unknown = any.find((state) => !STATES.includes(state));
      if (unknown !== undefined) throw refuseRule(reader.place, STATES.join(', '), unknown);
      m.states = { any: any as ConnectionState[], not };
      return;
    }
    case '--match-set': {
      const set = reader.value('a set');
      const text = reader.value('src or dst');
      if (!/^(src|dst)(,(src|dst)){0,2}$/.test(text)) {
        throw refuseRule(reader.place, 'src or dst', text);
      }
      const directions = text.split(',') as ('src' | 'dst')[];
      m.sets = [...(m.sets ?? []), { set, directions, not }];
      return;
    }
    case '--src-type':
    case '--dst-type': {
      const type = reader.value('LOCAL');
      if (type !== 'LOCAL') throw refuseRule(reader.place, 'LOCAL', type);
      m.addressTypes = [
        ...(m.addressTypes ?? []),
        { side: word === '--src-type' ? 'src' : 'dst', not },
      ];
      return;
    }
    case '--limit-iface-out':
    case '--limit-iface-in': {
      const before = m.addressTypes?.at(-1);
      if (before === undefined) throw refuseRule(reader.place, '--src-type before', word);
      const limit = word.endsWith('out') ? 'out' : 'in';
      m.addressTypes = [...(m.addressTypes ?? []).slice(0, -1), { ...before, limit }];
      return;
    }
    case '--mode': {
      const mode = reader.value('nth or random');
      if (mode === 'nth') m.statistic = { mode, every: 1, packet: 0 };
      else if (mode === 'random') m.statistic = { mode, probability: 1 };
      else throw refuseRule(reader.place, 'nth or random', mode);
      return;
    }
    case '--every':
      m.statistic = {
        mode: 'nth',
        every: reader.number('a number from 1', 1, 0x7fffffff),
        packet: 0,
      };
      return;
    case '--packet': {
      const every = m.statistic?.mode === 'nth' ? m.statistic.every : 1;
      const packet = reader.number(`a number below ${every}`, 0, every - 1);
      m.statistic = { mode: 'nth', every, packet };
      return;
    }
    case '--probability':
      m.statistic = { mode: 'random', probability: reader.number('0 to 1', 0, 1) };
      return;
    case '--set':
    case '--rcheck':
    case '--update':
    case '--remove': {
      const verb = word.slice(2) as RecentMatch['verb'];
      m.recent = { ...RECENT, ...m.recent, verb, not };
      return;
    }
    case '--seconds':
      m.recent = { ...RECENT, ...m.recent, seconds: reader.number('seconds', 1, 0x7fffffff) };
      return;
    case '--hitcount':
      m.recent = { ...RECENT, ...m.recent, hits: reader.number('a number from 1', 1, 255) };
      return;
    case '--reap':
      m.recent = { ...RECENT, ...m.recent, reap: true };
      return;
    case '--name':
      m.recent = { ...RECENT, ...m.recent, list: reader.value('a name') };
      return;
    case '--rsource':
    case '--rdest':
      m.recent = { ...RECENT, ...m.recent, side: word === '--rsource' ? 'src' : 'dst' };
      return;
    case '--mask': {
      const mask = reader.value(WHOLE);
      if (mask !== WHOLE) throw refuseRule(reader.place, WHOLE, mask);
      return;
    }
    case '--invert':
    case '--loose':
      m.rpfilter = { invert: false, loose: false, ...m.rpfilter, [word.slice(2)]: true };
      return;
    case '--validmark':
      m.rpfilter = { invert: false, loose: false, ...m.rpfilter };
      return;
    case '--comment':
      reader.value('a comment');
      return;
    default:
      throw refuseRule(reader.place, `a match of ${module || 'ip'} that is modelled`, word);
  }
}

const TCP_FLAGS: Readonly<Record<string, number>> = {
  FIN: tcp.FIN,
  SYN: tcp.SYN,
  RST: tcp.RST,
  PSH: tcp.PSH,
  ACK: tcp.ACK,
  URG: tcp.URG,
  ALL: 0x3f,
  NONE: 0,
};

function tcpFlags(reader: Words): number {
  const words = reader.value('TCP flags').split(',');
  const unknown = words.find((word) => !Object.hasOwn(TCP_FLAGS, word));
  if (unknown !== undefined)
    throw refuseRule(reader.place, Object.keys(TCP_FLAGS).join(', '), unknown);
  return words.reduce((bits, word) => bits | TCP_FLAGS[word]!, 0);
}

function parseTarget(flag: string, reader: Words, isChain: (name: string) => boolean): Target {
  const name = reader.value('a target');
  if (isChain(name)) return { kind: flag === '-g' ? 'goto' : 'jump', chain: name };
  switch (name) {
    case 'ACCEPT':
      return { kind: 'accept' };
    case 'DROP':
      return { kind: 'drop' };
    case 'REJECT': {
      const how = reader.next() === undefined ? REJECT_WITH : reader.value(REJECT_WITH);
      if (how !== REJECT_WITH) throw refuseRule(reader.place, REJECT_WITH, how);
      return { kind: 'reject' };
    }
    case 'RETURN':
      return { kind: 'return' };
    case 'NOTRACK':
      return { kind: 'notrack' };
    case 'CT': {
      const option = reader.value('--notrack');
      if (option !== '--notrack') throw refuseRule(reader.place, '--notrack', option);
      return { kind: 'notrack' };
    }
    case 'MARK': {
      const verb = reader.value('--set-xmark');
      if (verb !== '--set-xmark') throw refuseRule(reader.place, '--set-xmark', verb);
      return { kind: 'mark', ...reader.mark() };
    }
    case 'MASQUERADE':
    case 'SNAT':
    case 'DNAT':
      return natTarget(name, reader);
    default:
      throw refuseRule(reader.place, 'a target that is modelled or a chain declared before', name);
  }
}

function natTarget(name: 'MASQUERADE' | 'SNAT' | 'DNAT', reader: Words): Target {
  let address = undefined as ReturnType<typeof tryIp4>;
  let range: PortRange | undefined;
  let randomFully = false;
  for (let word = reader.next(); word !== undefined; word = reader.next()) {
    if (word === '--random-fully') randomFully = true;
    else if (word === '--to-ports') range = ports(reader);
    else if (word === '--to-destination' || word === '--to-source') {
      const text = reader.value('an address');
      const [ip = '', port] = text.split(':');
      address = tryIp4(ip);
      if (address === undefined && ip !== '') throw refuseRule(reader.place, 'an address', text);
      if (port !== undefined) range = ports(new Words([port], reader.place));
    } else throw refuseRule(reader.place, 'an option of the target that is modelled', word);
  }
  const given = { randomFully, ...(range === undefined ? {} : { ports: range }) };
  if (name === 'MASQUERADE') return { kind: 'masquerade', ...given };
  return {
    kind: name === 'SNAT' ? 'snat' : 'dnat',
    ...given,
    ...(address === undefined ? {} : { address }),
  };
}
