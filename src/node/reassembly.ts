/**
 * Fragments for this namespace put together again: net/ipv4/ip_fragment.c. A queue
 * a datagram (source, destination, protocol, identification), its pieces in order
 * of offset; overlaps end the whole datagram, as in Linux since 4.19.
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { putU16 } from '../wire/bytes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Node } from './node.ts';

/** net.ipv4.ipfrag_time */
const TIMEOUT_MS = 30_000;
/** net.ipv4.ipfrag_high_thresh, bytes. */
const MEMORY_LIMIT = 4 * 1024 * 1024;

interface Datagram {
  readonly key: string;
  /** Sorted by offset. */
  readonly pieces: Packet[];
  bytes: number;
}

export class Reassembly {
  private readonly datagrams = new Map<string, Datagram>();
  private held = 0;

  /**
   * Takes a fragment in. When it completes its datagram: a packet with the whole,
   * header of the first piece. Otherwise null; the piece is held, or discarded.
   */
  add(node: Node, p: Packet): Packet | null {
    const datagram = this.datagram(node, keyOf(p.l3));
    if (this.held + p.length > MEMORY_LIMIT || !insert(datagram, p)) {
      p.drop = Drop.FragmentOverlap;
      node.world.discard(node, p);
      this.end(node, datagram, Drop.FragmentOverlap);
      return null;
    }
    datagram.bytes += p.length;
    this.held += p.length;
    const total = completeLength(datagram.pieces);
    if (total < 0) return null;
    this.forget(datagram);
    return join(node, datagram.pieces, total);
  }

  private datagram(node: Node, key: string): Datagram {
    const known = this.datagrams.get(key);
    if (known !== undefined) return known;
    const datagram: Datagram = { key, pieces: [], bytes: 0 };
    this.datagrams.set(key, datagram);
    node.world.arm(TIMEOUT_MS, () => {
      if (this.datagrams.get(key) === datagram) this.end(node, datagram, Drop.FragmentTimeout);
    });
    return datagram;
  }

  private forget(datagram: Datagram): void {
    this.held -= datagram.bytes;
    this.datagrams.delete(datagram.key);
  }

  private end(node: Node, datagram: Datagram, why: Drop): void {
    this.forget(datagram);
    for (const piece of datagram.pieces) {
      piece.drop = why;
      node.world.discard(node, piece);
    }
  }
}

const keyOf = (l3: number): string =>
  `${ipv4.source(bytes, l3)} ${ipv4.destination(bytes, l3)} ${ipv4.protocol(bytes, l3)} ${ipv4.identification(bytes, l3)}`;

const startOf = (p: Packet): number => ipv4.fragmentOffset(bytes, p.l3) * 8;
const dataOf = (p: Packet): number => p.tail - p.l3 - ipv4.headerLength(bytes, p.l3);

/** False where the piece overlaps another or reaches past 65,535 bytes. */
function insert(datagram: Datagram, p: Packet): boolean {
  const { pieces } = datagram;
  const start = startOf(p);
  const end = start + dataOf(p);
  if (end > 65535 - ipv4.HEADER_LEN) return false;
  const after = pieces.findIndex((piece) => startOf(piece) >= start);
  const at = after < 0 ? pieces.length : after;
  const before = pieces[at - 1];
  const next = pieces[at];
  if (before !== undefined && startOf(before) + dataOf(before) > start) return false;
  if (next !== undefined && startOf(next) < end) return false;
  pieces.splice(at, 0, p);
  return true;
}

/** Bytes of data of a complete datagram, else -1. */
function completeLength(pieces: readonly Packet[]): number {
  let expected = 0;
  for (const piece of pieces) {
    if (startOf(piece) !== expected) return -1;
    expected += dataOf(piece);
  }
  const last = pieces.at(-1);
  return last !== undefined && !ipv4.moreFragments(bytes, last.l3) ? expected : -1;
}

function join(node: Node, pieces: readonly Packet[], total: number): Packet | null {
  const first = pieces[0]!;
  const header = ipv4.headerLength(bytes, first.l3);
  const whole = node.world.create(header + total);
  if (whole === null) {
    for (const piece of pieces) {
      piece.drop = Drop.SlotsExhausted;
      node.world.discard(node, piece);
    }
    return null;
  }
  bytes.copyWithin(whole.data, first.l3, first.l3 + header);
  for (const piece of pieces) {
    const from = piece.l3 + ipv4.headerLength(bytes, piece.l3);
    bytes.copyWithin(whole.data + header + startOf(piece), from, piece.tail);
  }
  whole.l3 = whole.data;
  putU16(bytes, whole.l3 + ipv4.field.totalLength, header + total);
  // ip_frag_reasm: DF counts where the longest piece had it.
  const longest = pieces.reduce((a, b) => (b.length > a.length ? b : a));
  const df = ipv4.dontFragment(bytes, longest.l3) ? ipv4.FLAG_DF : 0;
  putU16(bytes, whole.l3 + ipv4.field.flagsOffset, df);
  ipv4.fillChecksum(bytes, whole.l3);
  whole.fragMax = Math.max(...pieces.map((piece) => piece.length));
  whole.fragSizes = pieces.map(dataOf);
  whole.input = first.input;
  whole.output = first.output;
  whole.nextHop = first.nextHop;
  whole.frameType = first.frameType;
  whole.route = first.route;
  whole.hops = first.hops;
  whole.traced = first.traced;
  for (const piece of pieces) node.world.absorb(piece);
  return whole;
}
