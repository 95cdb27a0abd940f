/**
 * `iptables-save` and `ipset save` read: tables, chains and rules in the part
 * that Calico and kube-proxy write. A match or target that is not known is
 * refused by name, since skipping it would change what the rule does.
 */
import type {
  ChainPlan,
  ConnectionState,
  IpSetPlan,
  Matches,
  NetfilterPlan,
  NetfilterRule,
  NetfilterTable,
  PortRange,
  Target,
} from '../plan/netfilter.ts';
import { tryInterfaceAddress, tryIp4, tryPrefix } from '../wire/address.ts';
import * as tcp from '../wire/tcp.ts';
import { portList, ports, type RulePlace, refuse, Words, wordsOf } from './iptables-words.ts';

const TABLES: readonly string[] = ['raw', 'mangle', 'nat', 'filter'];
const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  ipencap: 4,
  ipip: 4,
  tcp: 6,
  udp: 17,
  sctp: 132,
};
const REJECT_WITH = 'icmp-port-unreachable';
const STATES: readonly string[] = ['NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'UNTRACKED'];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Throws ERR_CONFIG_VALUE with the line. Lines that are neither are skipped. */
export function parseNetfilter(text: string, source = 'iptables-save'): NetfilterPlan {
  const chains = new Map<string, Mutable<ChainPlan> & { rules: NetfilterRule[] }>();
  const sets = new Map<
    string,
    Mutable<IpSetPlan> & { prefixes: IpSetPlan['prefixes'][number][] }
  >();
  let table: NetfilterTable | undefined;
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.replace(/^\[\d+:\d+\] /, '').trim();
    const place = { source, line: i + 1 };
    if (line.startsWith('*'))
      table = TABLES.includes(line.slice(1)) ? (line.slice(1) as NetfilterTable) : undefined;
    else if (line.startsWith(':') && table !== undefined) {
      const [name = '', policy] = line.slice(1).split(/\s+/);
      const chain: Mutable<ChainPlan> & { rules: NetfilterRule[] } = { table, name, rules: [] };
      if (policy === 'ACCEPT' || policy === 'DROP') chain.policy = policy;
      chains.set(`${table} ${name}`, chain);
    } else if (line.startsWith('-A ') && table !== undefined) {
      const words = wordsOf(line);
      const chain = chains.get(`${table} ${words[1]}`);
      if (chain === undefined) throw refuse(place, 'a chain declared before', words[1]);
      chain.rules.push({ ...parseRule(words.slice(2), place), text: line });
    } else if (line.startsWith('create ')) {
      const name = line.split(/\s+/)[1] ?? '';
      sets.set(name, { name, prefixes: [] });
    } else if (line.startsWith('add ')) {
      const [, name = '', entry = ''] = line.split(/\s+/);
      const prefix = tryPrefix(entry);
      if (prefix !== undefined) sets.get(name)?.prefixes.push(prefix);
    }
  }
  return { chains: [...chains.values()], sets: [...sets.values()] };
}

function parseRule(words: readonly string[], place: RulePlace): Omit<NetfilterRule, 'text'> {
  const matches: Mutable<Matches> = {};
  const reader = new Words(words, place);
  let target: Target = { kind: 'none' };
  let not = false;
  let last = '';
  for (let word = reader.next(); word !== undefined; word = reader.next()) {
    if (word === '!') {
      not = true;
      continue;
    }
    if (word === '-j' || word === '-g') {
      target = parseTarget(word, reader);
      break;
    }
    if (word === '-m') last = reader.value('a match after -m');
    else readMatch(word, not, last, matches, reader);
    not = false;
  }
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
      if (prefix === undefined) throw refuse(reader.place, 'a prefix', text);
      if (word === '-s') m.source = { prefix, not };
      else m.destination = { prefix, not };
      return;
    }
    case '-p': {
      const text = reader.value('a protocol');
      const number = PROTOCOLS[text] ?? Number(text);
      if (!Number.isInteger(number)) throw refuse(reader.place, 'a protocol', text);
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
        throw refuse(reader.place, 'TYPE or TYPE/CODE', text);
      m.icmp = [...(m.icmp ?? []), { type: type!, ...(code === undefined ? {} : { code }), not }];
      return;
    }
    case '--tcp-flags': {
      const mask = tcpFlags(reader);
      m.tcpFlags = { mask, set: tcpFlags(reader), not };
      return;
    }
    case '--mark': {
      const [value, mask = '0xffffffff'] = reader.value('a mark').split('/');
      m.mark = { value: Number(value) | 0, mask: Number(mask) | 0, not };
      return;
    }
    case '--ctstate': {
      const any = reader.value('states').split(',');
      const unknown = any.find((state) => !STATES.includes(state));
      if (unknown !== undefined) throw refuse(reader.place, STATES.join(', '), unknown);
      m.states = { any: any as ConnectionState[], not };
      return;
    }
    case '--match-set': {
      const set = reader.value('a set');
      const directions = reader.value('src or dst').split(',') as ('src' | 'dst')[];
      m.sets = [...(m.sets ?? []), { set, directions, not }];
      return;
    }
    case '--src-type':
    case '--dst-type': {
      const type = reader.value('LOCAL');
      if (type !== 'LOCAL') throw refuse(reader.place, 'LOCAL', type);
      m.addressTypes = [
        ...(m.addressTypes ?? []),
        { side: word === '--src-type' ? 'src' : 'dst', not },
      ];
      return;
    }
    case '--limit-iface-out':
    case '--limit-iface-in': {
      const before = m.addressTypes?.at(-1);
      if (before === undefined) throw refuse(reader.place, '--src-type before', word);
      const limit = word.endsWith('out') ? 'out' : 'in';
      m.addressTypes = [...(m.addressTypes ?? []).slice(0, -1), { ...before, limit }];
      return;
    }
    case '--mode': {
      const mode = reader.value('nth or random');
      if (mode === 'nth') m.statistic = { mode, every: 1, packet: 0 };
      else if (mode === 'random') m.statistic = { mode, probability: 1 };
      else throw refuse(reader.place, 'nth or random', mode);
      return;
    }
    case '--every':
      m.statistic = { mode: 'nth', every: reader.number('a number'), packet: 0 };
      return;
    case '--packet': {
      const every = m.statistic?.mode === 'nth' ? m.statistic.every : 1;
      m.statistic = { mode: 'nth', every, packet: reader.number('a number') };
      return;
    }
    case '--probability':
      m.statistic = { mode: 'random', probability: reader.number('a probability') };
      return;
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
      throw refuse(reader.place, `a match of ${module || 'ip'} that is modelled`, word);
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
  if (unknown !== undefined) throw refuse(reader.place, Object.keys(TCP_FLAGS).join(', '), unknown);
  return words.reduce((bits, word) => bits | TCP_FLAGS[word]!, 0);
}

function parseTarget(flag: string, reader: Words): Target {
  const name = reader.value('a target');
  switch (name) {
    case 'ACCEPT':
      return { kind: 'accept' };
    case 'DROP':
      return { kind: 'drop' };
    case 'REJECT': {
      const how = reader.next() === undefined ? REJECT_WITH : reader.value(REJECT_WITH);
      if (how !== REJECT_WITH) throw refuse(reader.place, REJECT_WITH, how);
      return { kind: 'reject' };
    }
    case 'RETURN':
      return { kind: 'return' };
    case 'CT':
      return { kind: 'notrack' };
    case 'MARK': {
      const verb = reader.value('--set-xmark');
      const [value, mask = '0xffffffff'] = reader.value('a mark').split('/');
      if (verb !== '--set-xmark') throw refuse(reader.place, '--set-xmark', verb);
      return { kind: 'mark', value: Number(value) | 0, mask: Number(mask) | 0 };
    }
    case 'MASQUERADE':
    case 'SNAT':
    case 'DNAT':
      return natTarget(name, reader);
    default:
      if (/^[A-Z]+$/.test(name) && !name.startsWith('KUBE')) {
        throw refuse(reader.place, 'a target that is modelled', name);
      }
      return { kind: flag === '-g' ? 'goto' : 'jump', chain: name };
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
      const [ip = '', port] = reader.value('an address').split(':');
      address = tryIp4(ip);
      if (port !== undefined) range = ports(new Words([port], reader.place));
    } else throw refuse(reader.place, 'an option of the target that is modelled', word);
  }
  const given = { randomFully, ...(range === undefined ? {} : { ports: range }) };
  if (name === 'MASQUERADE') return { kind: 'masquerade', ...given };
  return {
    kind: name === 'SNAT' ? 'snat' : 'dnat',
    ...given,
    ...(address === undefined ? {} : { address }),
  };
}
