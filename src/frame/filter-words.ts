/** The words of a capture filter, and the values among them. */
import { found, PodwireError } from '../errors.ts';
import { type Ip4, networkOf, tryInterfaceAddress, tryIp4 } from '../wire/address.ts';

const WORD = /\s+|\\?[A-Za-z0-9][-A-Za-z0-9_.:/]*|&&|\|\||<<|>>|[<>=!]=|[()[\]&|<>=!+*:-]/y;
/** An offset and a size: `[12:2]`. */
const SIZED = /^([-\w]{1,20}):(\w{1,10})$/;
/** tcpdump has no limit of its own; a longer one is no filter. */
const MAX_LENGTH = 10_000;

/** Names of IP protocols after `proto`; a keyword stands behind a backslash there. */
const IP_PROTOCOLS = new Map([
  ['icmp', 1],
  ['igmp', 2],
  ['ipip', 4],
  ['ipencap', 4],
  ['tcp', 6],
  ['udp', 17],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['icmp6', 58],
  ['sctp', 132],
]);
const ETHER_TYPES = new Map([
  ['ip', 0x0800],
  ['arp', 0x0806],
  ['rarp', 0x8035],
  ['ip6', 0x86dd],
]);
/** Of /etc/services, those that the captures of a cluster hold. */
const SERVICES = new Map([
  ['ssh', 22],
  ['domain', 53],
  ['http', 80],
  ['ntp', 123],
  ['bgp', 179],
  ['https', 443],
]);

export class FilterWords {
  private readonly words: readonly string[];
  private at = 0;

  /** Throws ERR_USAGE for signs that no filter has. */
  constructor(expression: string) {
    this.words = split(expression);
  }

  get done(): boolean {
    return this.at >= this.words.length;
  }

  get peek(): string | undefined {
    return this.words[this.at];
  }

  /** Where the reader stands, to come back to. */
  get mark(): number {
    return this.at;
  }

  reset(mark: number): void {
    this.at = mark;
  }

  /** Passes the next word if it is one of these. */
  take(...words: readonly string[]): boolean {
    return this.takeOne(...words) !== undefined;
  }

  takeOne(...words: readonly string[]): string | undefined {
    const word = this.peek;
    if (word === undefined || !words.includes(word)) return undefined;
    this.at++;
    return word;
  }

  /** Passes two words, if they are one of `first` and then `second`. */
  takePair(first: readonly string[], second: string): boolean {
    if (!first.includes(this.peek ?? '') || this.words[this.at + 1] !== second) return false;
    this.at += 2;
    return true;
  }

  expect(word: string): void {
    if (!this.take(word)) this.fail(word);
  }

  next(): string | undefined {
    return this.words[this.at++];
  }

  value<T>(expected: string, read: (word: string) => T | undefined): T {
    const word = this.next();
    const value = word === undefined ? undefined : read(word);
    return value === undefined ? this.fail(expected, word) : value;
  }

  /** Decimal, or hexadecimal behind 0x. */
  number(): number {
    return this.value('a number', tryNumber);
  }

  port(): [number, number] {
    const port = this.value('a port from 0 to 65535', tryPort);
    return [port, port];
  }

  portRange(): [number, number] {
    return this.value('a range of ports such as 8000-8080', (word) => {
      const [low, high, more] = word.split('-').map(tryPort);
      if (low === undefined || more !== undefined) return undefined;
      if (!word.includes('-')) return [low, low];
      return high === undefined ? undefined : [Math.min(low, high), Math.max(low, high)];
    });
  }

  protocol(layer: 'ip' | 'ether'): number {
    const names = layer === 'ip' ? IP_PROTOCOLS : ETHER_TYPES;
    const limit = layer === 'ip' ? 255 : 65535;
    return this.value(`a protocol from 0 to ${limit}`, (word) => {
      const number = names.get(word.replace(/^\\/, '')) ?? tryNumber(word);
      return number !== undefined && number <= limit ? number : undefined;
    });
  }

  /** `10.2.0.0/16`, `10.2`, or `10.2.0.0 mask 255.255.0.0`. */
  network(): { readonly value: Ip4; readonly mask: number } {
    const expected = 'an IPv4 network without bits beyond its mask';
    const word = this.next() ?? this.fail(expected, undefined);
    const [digits = '', length] = word.split('/');
    const octets = digits.split('.');
    const whole = octets.concat(['0', '0', '0']).slice(0, 4).join('.');
    const value = octets.length > 4 ? undefined : tryIp4(whole);
    if (value === undefined) return this.fail(expected, word);
    if (length !== undefined) {
      const prefix = tryInterfaceAddress(`${whole}/${length}`);
      if (prefix === undefined || networkOf(prefix).address !== value) {
        return this.fail(expected, word);
      }
      return { value, mask: prefix.length === 0 ? 0 : -1 << (32 - prefix.length) };
    }
    if (!this.take('mask')) return { value, mask: -1 << (32 - 8 * octets.length) };
    const mask = this.value('a mask such as 255.255.0.0', tryIp4);
    return (value & ~mask) === 0 ? { value, mask } : this.fail(expected, word);
  }

  /** ERR_USAGE; without a word, the next one was not expected. */
  fail(expected: string, word: string | undefined = this.peek): never {
    throw new PodwireError(
      'ERR_USAGE',
      `filter: expected ${expected}, found ${word === undefined ? 'the end' : found(word)}`,
    );
  }
}

function split(expression: string): string[] {
  if (expression.length > MAX_LENGTH) {
    throw new PodwireError(
      'ERR_USAGE',
      `filter: expected at most ${MAX_LENGTH} characters, found ${expression.length}`,
    );
  }
  const words: string[] = [];
  WORD.lastIndex = 0;
  for (let at = 0; at < expression.length; at = WORD.lastIndex) {
    const [word] = WORD.exec(expression) ?? [];
    if (word === undefined) {
      const sign = found(expression.slice(at, at + 20));
      throw new PodwireError('ERR_USAGE', `filter: expected words of a filter, found ${sign}`);
    }
    if (word.trim() === '') continue;
    const [, offset, size] = SIZED.exec(word) ?? [];
    if (offset === undefined || size === undefined) words.push(word);
    else words.push(offset, ':', size);
  }
  return words;
}

/** Decimal, or hexadecimal behind 0x, of 32 bits. */
export function tryNumber(word: string): number | undefined {
  if (!/^(0x[0-9a-fA-F]{1,8}|\d{1,10})$/.test(word)) return undefined;
  const value = Number(word);
  return value <= 0xffffffff ? value : undefined;
}

function tryPort(word: string): number | undefined {
  const port = SERVICES.get(word) ?? tryNumber(word);
  return port !== undefined && port <= 65535 ? port : undefined;
}
