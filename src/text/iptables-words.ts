/** The words of one rule as iptables-save prints it, and what its numbers may look like. */
import { found, PodwireError } from '../errors.ts';
import type { PortRange } from '../plan/netfilter.ts';

export interface RulePlace {
  readonly source: string;
  readonly line: number;
}

/** ERR_CONFIG_VALUE for a word of a rule. */
export const refuse = (place: RulePlace, expected: string, word: unknown): PodwireError =>
  new PodwireError('ERR_CONFIG_VALUE', `expected ${expected}, found ${found(word)}`, place);

/** Words, with quoted ones whole. */
export function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < line.length; ) {
    if (line[at] === ' ') at++;
    else if (line[at] === '"') {
      const end = line.indexOf('"', at + 1);
      const stop = end < 0 ? line.length : end;
      words.push(line.slice(at + 1, stop));
      at = stop + 1;
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
    if (word === undefined) throw refuse(this.place, expected, undefined);
    return word;
  }

  number(expected: string): number {
    const word = this.value(expected);
    const value = Number(word);
    if (!Number.isFinite(value)) throw refuse(this.place, expected, word);
    return value;
  }
}

/** A port or a range. */
export function ports(reader: Words): PortRange {
  const text = reader.value('a port');
  const [from, to = from] = text.split(/[:-]/);
  if (!/^\d+([:-]\d+)?$/.test(text)) throw refuse(reader.place, 'a port or range', text);
  return { from: Number(from), to: Number(to) };
}

/** Ports and ranges with commas between them. */
export const portList = (reader: Words): readonly PortRange[] =>
  reader
    .value('ports')
    .split(',')
    .map((text) => ports(new Words([text], reader.place)));
