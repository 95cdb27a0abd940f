/**
 * The outer headers of one flow's packets in VXLAN (tunnel-vxlan.ts writes the same,
 * a field at a time). Of their 36 bytes only the lengths, the identification and two
 * checksums differ from packet to packet: the rest is kept as words, and as sums.
 *
 *    0 | 45 | TOS | length    | identification | 0    | TTL | 17 | checksum |
 *   12 | source               | destination           |
 *   20 | source port | port   | length | checksum     |
 *   28 | flags                | VNI                   | Ethernet | IPv4 ...
 */
import { bytes, half, putWord, word } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { finish, fold, halves } from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import * as vxlan from '../wire/vxlan.ts';
import { checksumField, completeChecksum } from './l4-checksum.ts';
import type { Node } from './node.ts';

const UDP_AT = ipv4.HEADER_LEN;
const VXLAN_AT = UDP_AT + udp.HEADER_LEN;
const LENGTH = VXLAN_AT + vxlan.HEADER_LEN;

/** Where a shell's words on a tape have what is no header. */
const COUNTER = LENGTH / 4;
const HEADER_SUM = COUNTER + 1;
const PSEUDO_SUM = COUNTER + 2;
const UDP_SUM = COUNTER + 3;
const COMPLETE = COUNTER + 4;
/** How many words of a tape a shell is. */
export const SHELL_WORDS: number = COUNTER + 5;

export class VxlanShell {
  /** The headers, with zeros for what differs from packet to packet. */
  readonly headers: Int32Array;
  /** Which identifications they get: Identifications.take. */
  readonly counter: number;
  /** Of the IPv4 header, without length and identification. */
  readonly headerSum: number;
  /** Of the pseudo-header, without its length; and of all that the UDP checksum covers up to the frame, without lengths. */
  readonly pseudoSum: number;
  readonly udpSum: number;
  /** The device behind the tunnel does not finish checksums: they are written at once. */
  readonly complete: boolean;

  private constructor(headers: Int32Array, counter: number, complete: boolean) {
    this.headers = headers;
    this.counter = counter;
    this.complete = complete;
    this.headerSum = sumOf(headers, 0, UDP_AT);
    const addresses = halves(headers[shellWord.source]!) + halves(headers[shellWord.destination]!);
    this.pseudoSum = addresses + ipv4.PROTO_UDP;
    this.udpSum = this.pseudoSum + sumOf(headers, UDP_AT, LENGTH);
  }

  /** From the outer headers at `at` of a packet of the flow, that `node` made. */
  static of(at: number, node: Node): VxlanShell {
    const source = ipv4.source(bytes, at);
    const destination = ipv4.destination(bytes, at);
    const counter = node.identifications.counter(source, destination, ipv4.PROTO_UDP);
    const headers = new Int32Array(COUNTER);
    for (let i = 0; i < COUNTER; i++) headers[i] = word(at + 4 * i);
    clear(headers, ipv4.field.totalLength);
    clear(headers, ipv4.field.identification);
    clear(headers, ipv4.field.checksum);
    clear(headers, UDP_AT + udp.field.length);
    clear(headers, UDP_AT + udp.field.checksum);
    return new VxlanShell(headers, counter, false);
  }

  /** Its packets leave with finished checksums. */
  finished(): VxlanShell {
    return new VxlanShell(this.headers, this.counter, true);
  }

  /** As words on a tape. */
  words(): number[] {
    const { headers, counter, headerSum, pseudoSum, udpSum, complete } = this;
    return [...headers, counter, headerSum, pseudoSum, udpSum, complete ? 1 : 0];
  }

  /** From those. */
  static read(words: Int32Array): VxlanShell {
    return new VxlanShell(words.slice(0, COUNTER), words[COUNTER]!, words[COMPLETE] === 1);
  }
}

/** Takes a 16-bit field out of the headers. */
function clear(headers: Int32Array, field: number): void {
  const at = field >> 2;
  headers[at] = headers[at]! & ((field & 2) === 0 ? 0xffff : ~0xffff);
}

function sumOf(headers: Int32Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at += 4) sum += halves(headers[at >> 2]!);
  return sum;
}

/** What else is asked of a shell on a tape: both addresses, and VxlanShell.counter. */
export const shellWord = { source: 3, destination: 4, counter: COUNTER } as const;

/**
 * Puts the headers of the shell at `words[from]` in front of the frame at `data`, around an
 * IPv4 packet without options; `id` is their identification.
 */
export function wrapInShell(words: Int32Array, from: number, p: Packet, id: number): void {
  const frame = p.data;
  const length = p.tail - frame + LENGTH;
  const at = p.push(LENGTH);
  const headerSum = finish(words[from + HEADER_SUM]! + length + id);
  const payload = length - UDP_AT;
  putWord(at, words[from]! | length);
  putWord(at + 4, words[from + 1]! | (id << 16));
  putWord(at + 8, words[from + 2]! | headerSum);
  putWord(at + 12, words[from + shellWord.source]!);
  putWord(at + 16, words[from + shellWord.destination]!);
  putWord(at + 20, words[from + 5]!);
  const complete = words[from + COMPLETE] === 1;
  const checksum = complete
    ? wholeChecksum(words[from + UDP_SUM]!, frame, p.tail, payload)
    : // The pseudo-header's alone, which is for hardware to complete.
      fold(words[from + PSEUDO_SUM]! + payload);
  putWord(at + 24, (payload << 16) | checksum);
  putWord(at + 28, words[from + 7]!);
  putWord(at + 32, words[from + 8]!);
  p.l3 = at;
  p.partial = true;
  p.partialAt = at;
  if (!complete) return;
  if (hasChecksum(frame, p.tail)) p.partial = false;
  else completeChecksum(p);
}

/**
 * What lies behind the inner L4 header's beginning is known to be right, and need not be
 * summed: it comes to the complement of its pseudo-header (lco_csum).
 */
function wholeChecksum(udpSum: number, frame: number, end: number, payload: number): number {
  const inner = frame + ethernet.HEADER_LEN;
  // The inner IPv4 header is sound, which adds 0xffff: nothing.
  const link = halves(word(frame)) + halves(word(frame + 4)) + halves(word(frame + 8));
  const addresses = halves(word(inner + 12)) + halves(word(inner + 16));
  const rest = fold(addresses + ipv4.protocol(bytes, inner) + end - inner - ipv4.HEADER_LEN);
  const sum = udpSum + 2 * payload + link + ethernet.TYPE_IPV4 + (rest ^ 0xffff);
  return finish(sum) || 0xffff;
}

function hasChecksum(frame: number, end: number): boolean {
  const field = checksumField(frame + ethernet.HEADER_LEN, end);
  return field >= 0 && half(field) !== 0;
}
