/** The words of one rule as iptables-save prints it, and what its numbers may look like. */
import { found, PodwireError } from '../errors.ts';
import type { PortRange } from '../plan/netfilter.ts';

/** Where a rule stands, for messages. */
export interface RulePlace {
  readonly source: string;
  readonly line: number;
}

/** ERR_CONFIG_VALUE at a rule. */
export const refuseRule = (place: RulePlace, expected: string, word: unknown): PodwireError =>
  new PodwireError('ERR_CONFIG_VALUE', `expected ${expected}, found ${found(word)}`, place);

/** Words, with quoted ones whole; in quotes a backslash keeps the next sign as it is. */
export function ruleWords(line: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < line.length; ) {
    if (line[at] === ' ') at++;
    else if (line[at] === '"') {
      let end = at + 1;
      while (end < line.length && line[end] !== '"') end += line[end] === '\\' ? 2 : 1;
      words.push(line.slice(at + 1, end).replace(/\\(.)/g, '$1'));
      at = end + 1;
    } else {
      const end = line.indexOf(' ', at);
      const stop = end < 0 ? line.length : end;
      words.push(line.slice(at, stop));
      at = stop;
    }
  }
  return words;
}

/** The words of a rule, taken one after another. */
export class Words {
  private at = 0;
  private readonly words: readonly string[];
  readonly place: RulePlace;

  constructor(words: readonly string[], place: RulePlace) {
    this.words = words;
    this.place = place;
  }

  next(): string | undefined {
    return this.words[this.at++];
  }

  value(expected: string): string {
    const word = this.next();
    if (word === undefined) throw refuseRule(this.place, expected, undefined);
    return word;
  }

  number(expected: string, from: number, to: number): number {
    const word = this.value(expected);
    const value = /^\d{1,10}(\.\d{1,20})?$/.test(word) ? Number(word) : Number.NaN;
    if (!(value >= from && value <= to)) throw refuseRule(this.place, expected, word);
    return value;
  }

  /** `0x4000/0x4000`, either part decimal too; without a mask all bits count. */
  mark(): { readonly value: number; readonly mask: number } {
    const text = this.value('a mark');
    if (!/^(0x[0-9a-f]{1,8}|\d{1,10})(\/(0x[0-9a-f]{1,8}|\d{1,10}))?$/i.test(text)) {
      throw refuseRule(this.place, 'a mark as 0x4000/0x4000', text);
    }
    const [value, mask = '0xffffffff'] = text.split('/');
    return { value: Number(value) | 0, mask: Number(mask) | 0 };
  }
}

/** A port or a range. */
export function ports(reader: Words): PortRange {
  const text = reader.value('a port');
  const [from, to = from] = text.split(/[:-]/).map(Number);
  const known = /^\d{1,5}([:-]\d{1,5})?$/.test(text) && from! <= to! && to! <= 65535;
  if (!known) throw refuseRule(reader.place, 'a port or range', text);
  return { from: from!, to: to! };
}

/** Ports and ranges with commas between them. */
export const portList = (reader: Words): readonly PortRange[] =>
  reader
    .value('ports')
    .split(',')
    .map((text) => ports(new Words([text], reader.place)));

/** Names that iptables prints for protocols, where /etc/protocols is Debian's. */
const PROTOCOLS: readonly (readonly [string, number])[] = [
  ['icmp', 1],
  ['ipencap', 4],
  ['tcp', 6],
  ['udp', 17],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['ipv6-icmp', 58],
  ['ospf', 89],
  ['vrrp', 112],
  ['sctp', 132],
  ['udplite', 136],
];

/** `undefined` for what is none. */
export function protocolNumber(text: string): number | undefined {
  if (text === 'ipip') return 4;
  const known = PROTOCOLS.find(([name]) => name === text)?.[1];
  const number = known ?? (/^\d{1,3}$/.test(text) ? Number(text) : Number.NaN);
  return number <= 255 ? number : undefined;
}

export const protocolName = (number: number): string =>
  PROTOCOLS.find(([, known]) => known === number)?.[0] ?? `${number}`;
