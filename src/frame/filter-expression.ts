/**
 * Relations in a capture filter: `tcp[tcpflags] & tcp-syn != 0`, `ip[8] = 63`,
 * `len > 1500`. Arithmetic is of 32 bits without a sign, as BPF's.
 */
import { byteOf, type FilterNumber, type FilterTest } from './filter-test.ts';
import { type FilterWords, tryNumber } from './filter-words.ts';

type Binary = (a: number, b: number) => number;

/** From the loosest to the tightest (grammar.y of libpcap). */
const LEVELS: readonly ReadonlyMap<string, Binary>[] = [
  new Map<string, Binary>([
    ['|', (a, b) => a | b],
    ['&', (a, b) => a & b],
  ]),
  new Map<string, Binary>([
    ['<<', (a, b) => (b > 31 ? 0 : a << b)],
    ['>>', (a, b) => (b > 31 ? 0 : a >>> b)],
  ]),
  new Map<string, Binary>([
    ['+', (a, b) => a + b],
    ['-', (a, b) => a - b],
  ]),
  new Map<string, Binary>([['*', (a, b) => Math.imul(a, b)]]),
];

const COMPARED: ReadonlyMap<string, (a: number, b: number) => boolean> = new Map([
  ['=', (a, b) => a === b],
  ['==', (a, b) => a === b],
  ['!=', (a, b) => a !== b],
  ['>', (a, b) => a > b],
  ['<', (a, b) => a < b],
  ['>=', (a, b) => a >= b],
  ['<=', (a, b) => a <= b],
]);

/** Offsets and values with names (pcap-filter(7)). */
const NAMED = new Map([
  ['tcpflags', 13],
  ['tcp-fin', 0x01],
  ['tcp-syn', 0x02],
  ['tcp-rst', 0x04],
  ['tcp-push', 0x08],
  ['tcp-ack', 0x10],
  ['tcp-urg', 0x20],
  ['tcp-ece', 0x40],
  ['tcp-cwr', 0x80],
  ['icmptype', 0],
  ['icmpcode', 1],
  ['icmp-echoreply', 0],
  ['icmp-unreach', 3],
  ['icmp-redirect', 5],
  ['icmp-echo', 8],
  ['icmp-timxceed', 11],
  ['icmp-paramprob', 12],
]);

const MAX_DEPTH = 32;

/** A comparison of two expressions, where one begins here; else nothing is read. */
export function tryRelation(words: FilterWords): FilterTest | undefined {
  const mark = words.mark;
  const left = tryExpression(words);
  const sign = left === undefined ? undefined : words.takeOne(...COMPARED.keys());
  if (left === undefined || sign === undefined) {
    words.reset(mark);
    return undefined;
  }
  const compare = COMPARED.get(sign)!;
  const right = tryExpression(words) ?? words.fail('a number or PROTOCOL[OFFSET]');
  return (f) => {
    const a = left(f);
    const b = a === undefined ? undefined : right(f);
    return a !== undefined && b !== undefined && compare(a, b);
  };
}

/** `undefined` where none begins; the reader may have moved. */
function tryExpression(words: FilterWords, level = 0, depth = 0): FilterNumber | undefined {
  const signs = LEVELS[level];
  if (signs === undefined) return tryOperand(words, depth);
  let left = tryExpression(words, level + 1, depth);
  while (left !== undefined) {
    const sign = words.takeOne(...signs.keys());
    if (sign === undefined) return left;
    const right = tryExpression(words, level + 1, depth) ?? words.fail('a number');
    left = combined(left, signs.get(sign)!, right);
  }
  return undefined;
}

const combined =
  (left: FilterNumber, binary: Binary, right: FilterNumber): FilterNumber =>
  (f) => {
    const a = left(f);
    const b = a === undefined ? undefined : right(f);
    return a === undefined || b === undefined ? undefined : binary(a, b) >>> 0;
  };

function tryOperand(words: FilterWords, depth: number): FilterNumber | undefined {
  const word = depth > MAX_DEPTH ? undefined : words.next();
  if (word === undefined) return undefined;
  if (word === 'len') return (f) => f.length;
  if (word === '(') {
    const inner = tryExpression(words, 0, depth + 1);
    return inner !== undefined && words.take(')') ? inner : undefined;
  }
  if (words.take('[')) return bytes(word, words, depth);
  const value = NAMED.get(word) ?? tryNumber(word);
  return value === undefined ? undefined : () => value;
}

/** `tcp[12:2]`, of which the protocol and the bracket are read. */
function bytes(protocol: string, words: FilterWords, depth: number): FilterNumber {
  const offset = tryExpression(words, 0, depth + 1) ?? words.fail('an offset');
  const width = words.take(':') ? words.next() : '1';
  const size = width === '1' ? 1 : width === '2' ? 2 : width === '4' ? 4 : undefined;
  if (size === undefined) return words.fail('1, 2 or 4 bytes', width);
  words.expect(']');
  const known = 'ether, ip, ip6, arp, tcp, udp, sctp, icmp or igmp before [';
  return byteOf(protocol, offset, size) ?? words.fail(known, protocol);
}
