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

export class VxlanShell {
  private readonly words: Int32Array = new Int32Array(LENGTH / 4);
  private readonly node: Node;
  private readonly source: number;
  private readonly destination: number;
  private readonly counter: number;
  /** Of the IPv4 header, without length and identification. */
  private readonly headerSum: number;
  /** Of the pseudo-header, without its length; and of all that the UDP checksum covers up to the frame, without lengths. */
  private readonly pseudoSum: number;
  private readonly udpSum: number;
  /** The device behind the tunnel does not finish checksums: they are written at once. */
  private complete = false;

  /** From the outer headers of a packet of the flow, at `at`. */
  constructor(at: number, node: Node) {
    const source = ipv4.source(bytes, at);
    const destination = ipv4.destination(bytes, at);
    this.node = node;
    this.source = source;
    this.destination = destination;
    this.counter = node.identifications.counter(source, destination, ipv4.PROTO_UDP);
    for (let i = 0; i < this.words.length; i++) this.words[i] = word(at + 4 * i);
    this.clear(ipv4.field.totalLength);
    this.clear(ipv4.field.identification);
    this.clear(ipv4.field.checksum);
    this.clear(UDP_AT + udp.field.length);
    this.clear(UDP_AT + udp.field.checksum);
    this.headerSum = this.sum(0, UDP_AT);
    this.pseudoSum = halves(source) + halves(destination) + ipv4.PROTO_UDP;
    this.udpSum = this.pseudoSum + this.sum(UDP_AT, LENGTH);
  }

  /** Its packets leave with finished checksums. */
  finishSums(): void {
    this.complete = true;
  }

  /** Puts the headers in front of the frame at `data`, around an IPv4 packet without options. */
  wrap(p: Packet): void {
    const { words } = this;
    const frame = p.data;
    const length = p.tail - frame + LENGTH;
    const at = p.push(LENGTH);
    const { node } = this;
    const id = node.identifications.take(this.counter);
    node.world.audit?.identified(node, this.source, this.destination, ipv4.PROTO_UDP, id);
    const headerSum = finish(this.headerSum + length + id);
    const payload = length - UDP_AT;
    putWord(at, words[0]! | length);
    putWord(at + 4, words[1]! | (id << 16));
    putWord(at + 8, words[2]! | headerSum);
    putWord(at + 12, words[3]!);
    putWord(at + 16, words[4]!);
    putWord(at + 20, words[5]!);
    putWord(at + 24, (payload << 16) | this.udpChecksum(frame, p.tail, payload));
    putWord(at + 28, words[7]!);
    putWord(at + 32, words[8]!);
    p.l3 = at;
    p.partial = true;
    p.partialAt = at;
    if (!this.complete) return;
    if (hasChecksum(frame, p.tail)) p.partial = false;
    else completeChecksum(p);
  }

  /**
   * The pseudo-header's alone, which is for hardware to complete; or the whole. What lies
   * behind the inner L4 header's beginning is known to be right, and need not be summed
   * for that: it comes to the complement of its pseudo-header (lco_csum).
   */
  private udpChecksum(frame: number, end: number, payload: number): number {
    if (!this.complete) return fold(this.pseudoSum + payload);
    const inner = frame + ethernet.HEADER_LEN;
    // The inner IPv4 header is sound, which adds 0xffff: nothing.
    const link = halves(word(frame)) + halves(word(frame + 4)) + halves(word(frame + 8));
    const addresses = halves(word(inner + 12)) + halves(word(inner + 16));
    const rest = fold(addresses + ipv4.protocol(bytes, inner) + end - inner - ipv4.HEADER_LEN);
    const sum = this.udpSum + 2 * payload + link + ethernet.TYPE_IPV4 + (rest ^ 0xffff);
    return finish(sum) || 0xffff;
  }

  /** Takes a 16-bit field out of the words. */
  private clear(field: number): void {
    const at = field >> 2;
    this.words[at] = this.words[at]! & ((field & 2) === 0 ? 0xffff : ~0xffff);
  }

  private sum(from: number, to: number): number {
    let sum = 0;
    for (let at = from; at < to; at += 4) sum += halves(this.words[at >> 2]!);
    return sum;
  }
}

function hasChecksum(frame: number, end: number): boolean {
  const field = checksumField(frame + ethernet.HEADER_LEN, end);
  return field >= 0 && half(field) !== 0;
}
