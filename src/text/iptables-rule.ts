/**
 * One rule as `iptables-save` prints it: its matches and its target, in the part
 * that Calico and kube-proxy write. A match or target that is not known is refused
 * by name, since skipping it would change what the rule does.
 */
import type { NetfilterRule, PortRange, Target } from '../plan/netfilter.ts';
import { tryIp4 } from '../wire/address.ts';
import * as icmp from '../wire/icmp.ts';
import { beginModule, type MatchDraft, readMatch } from './iptables-match.ts';
import { ports, type RulePlace, refuseRule, Words } from './iptables-words.ts';

/** `--reject-with` of ipt_REJECT, the names and their short forms: codes of ICMP "unreachable". */
const ANSWERS: ReadonlyMap<string, number | 'tcp-reset'> = new Map<string, number | 'tcp-reset'>([
  ['icmp-net-unreachable', icmp.CODE_NET],
  ['net-unreach', icmp.CODE_NET],
  ['icmp-host-unreachable', icmp.CODE_HOST],
  ['host-unreach', icmp.CODE_HOST],
  ['icmp-proto-unreachable', icmp.CODE_PROTOCOL],
  ['proto-unreach', icmp.CODE_PROTOCOL],
  ['icmp-port-unreachable', icmp.CODE_PORT],
  ['port-unreach', icmp.CODE_PORT],
  ['icmp-net-prohibited', icmp.CODE_NET_PROHIBITED],
  ['net-prohib', icmp.CODE_NET_PROHIBITED],
  ['icmp-host-prohibited', icmp.CODE_HOST_PROHIBITED],
  ['host-prohib', icmp.CODE_HOST_PROHIBITED],
  ['icmp-admin-prohibited', icmp.CODE_FILTERED],
  ['admin-prohib', icmp.CODE_FILTERED],
  ['tcp-reset', 'tcp-reset'],
  ['tcp-rst', 'tcp-reset'],
]);

/**
 * What stands after `-A CHAIN`. `isChain` tells whether a jump's target is a chain of
 * the same table. Throws ERR_CONFIG_VALUE with the place.
 */
export function parseRule(
  words: readonly string[],
  place: RulePlace,
  isChain: (name: string) => boolean,
): Omit<NetfilterRule, 'text'> {
  const matches: MatchDraft = {};
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
      beginModule(matches, module);
    } else readMatch(matches, reader, { word, not, module });
    not = false;
  }
  const rest = reader.next();
  if (rest !== undefined) throw refuseRule(place, 'the end of the rule', rest);
  return { matches, target };
}

function parseTarget(flag: string, reader: Words, isChain: (name: string) => boolean): Target {
  const name = reader.value('a target');
  if (isChain(name)) return { kind: flag === '-g' ? 'goto' : 'jump', chain: name };
  switch (name) {
    case 'ACCEPT':
      return { kind: 'accept' };
    case 'DROP':
      return { kind: 'drop' };
    case 'REJECT':
      return { kind: 'reject', code: answerOf(reader) };
    case 'RETURN':
      return { kind: 'return' };
    case 'NOTRACK':
      return { kind: 'notrack' };
    case 'CT': {
      const option = reader.value('--notrack or --zone');
      if (option === '--notrack') return { kind: 'notrack' };
      if (option !== '--zone') throw refuseRule(reader.place, '--notrack or --zone', option);
      return { kind: 'zone', zone: reader.number('a zone', 0, 65_535) };
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

function answerOf(reader: Words): number | 'tcp-reset' {
  const option = reader.next();
  if (option === undefined) return icmp.CODE_PORT;
  if (option !== '--reject-with') throw refuseRule(reader.place, '--reject-with', option);
  const how = reader.value('how to reject');
  const answer = ANSWERS.get(how);
  if (answer === undefined) throw refuseRule(reader.place, [...ANSWERS.keys()].join(', '), how);
  return answer;
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
