/**
 * Fragments for this namespace put together again: net/ipv4/ip_fragment.c. A queue
 * a datagram (source, destination, protocol, identification), its pieces in order
 * of offset. A piece that adds nothing is dropped; one that overlaps otherwise ends
 * the whole datagram, as in Linux since 4.19 (RFC 5722 for IPv6).
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { RouteKind } from '../tables/routes.ts';
import { putU16 } from '../wire/bytes.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { sendError } from './icmp-error.ts';
import type { Node } from './node.ts';
import { inputRoute } from './source-check.ts';

/** net.ipv4.ipfrag_time */
const TIMEOUT_MS = 30_000;
/** net.ipv4.ipfrag_high_thresh, bytes. */
const MEMORY_LIMIT = 4 * 1024 * 1024;

/** What the shortest packet takes (skb_truesize), so that many short ones are bounded too. */
const LEAST_SIZE = 768;

interface Datagram {
  readonly key: string;
  /** Sorted by offset. */
  readonly pieces: Packet[];
  /** Bytes of memory held. */
  bytes: number;
  /** Virtual milliseconds. */
  readonly deadline: number;
}

export class Reassembly {
  private readonly datagrams = new Map<string, Datagram>();
  private held = 0;
  private armed = false;

  /**
   * Takes a fragment in. When it completes its datagram: a packet with the whole,
   * header of the first piece. Otherwise null; the piece is held, or discarded.
   */
  add(node: Node, p: Packet): Packet | null {
    const size = Math.max(p.length, LEAST_SIZE);
    node.world.audit?.alone('fragments put together');
    if (this.held + size > MEMORY_LIMIT) {
      p.drop = Drop.SlotsExhausted;
      node.world.discard(node, p);
      return null;
    }
    cutOdd(p);
    const datagram = this.datagram(node, p);
    const fit = insert(datagram, p);
    if (fit !== Fit.New) {
      p.drop = Drop.FragmentOverlap;
      node.world.discard(node, p);
      if (fit === Fit.Overlap) this.end(node, datagram, Drop.FragmentOverlap);
      return null;
    }
    datagram.bytes += size;
    this.held += size;
    const total = completeLength(datagram.pieces);
    if (total < 0) return null;
    this.forget(datagram);
    return join(node, datagram.pieces, total);
  }

  private datagram(node: Node, first: Packet): Datagram {
    const key = keyOf(first.l3);
    const known = this.datagrams.get(key);
    if (known !== undefined) return known;
    const wait = node.lateness?.fragments(node, first, TIMEOUT_MS) ?? TIMEOUT_MS;
    const deadline = node.world.milliseconds() + Math.floor(wait);
    const datagram: Datagram = { key, pieces: [], bytes: 0, deadline };
    this.datagrams.set(key, datagram);
    this.arm(node, wait);
    return datagram;
  }

  /** One timer for all, where all wait as long: datagrams that were completed leave none behind. */
  private arm(node: Node, milliseconds: number): void {
    if (this.armed && node.lateness === null) return;
    this.armed = true;
    node.world.arm(milliseconds, () => {
      this.armed = false;
      const now = node.world.milliseconds();
      let next = Number.POSITIVE_INFINITY;
      // In the order they began.
      for (const datagram of this.datagrams.values()) {
        if (datagram.deadline <= now) {
          complain(node, datagram.pieces);
          this.end(node, datagram, Drop.FragmentTimeout);
        } else if (datagram.deadline < next) next = datagram.deadline;
      }
      if (next !== Number.POSITIVE_INFINITY) this.arm(node, next - now);
    });
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

/**
 * ip_expire: who sent a datagram that is not complete in time hears of it from its
 * destination, if the first piece came. Routers that only reassemble stay silent (RFC 792).
 */
function complain(node: Node, [first]: readonly Packet[]): void {
  if (first === undefined || startOf(first) !== 0) return;
  const device = node.devices[first.input];
  if (device === undefined) return;
  const from = ipv4.source(bytes, first.l3);
  const to = ipv4.destination(bytes, first.l3);
  const route = inputRoute(node, device, from, to, ipv4.tos(bytes, first.l3));
  if (route < 0 || node.routes.kind(route) !== RouteKind.Local) return;
  first.route = route;
  sendError(node, first, icmp.TIME_EXCEEDED, icmp.CODE_REASSEMBLY, 0);
}

const keyOf = (l3: number): string =>
  `${ipv4.source(bytes, l3)} ${ipv4.destination(bytes, l3)} ${ipv4.protocol(bytes, l3)} ${ipv4.identification(bytes, l3)}`;

const startOf = (p: Packet): number => ipv4.fragmentOffset(bytes, p.l3) * 8;
const dataOf = (p: Packet): number => p.tail - p.l3 - ipv4.headerLength(bytes, p.l3);

/** Only the last piece may carry other than a multiple of 8 bytes; what is over is cut. */
function cutOdd(p: Packet): void {
  if (ipv4.moreFragments(bytes, p.l3)) p.tail -= dataOf(p) & 7;
}

const Fit = { New: 0, Duplicate: 1, Overlap: 2 } as const;
type Fit = (typeof Fit)[keyof typeof Fit];

/** Puts the piece in its place, unless it is there already, or contradicts another: ip_frag_queue. */
function insert({ pieces }: Datagram, p: Packet): Fit {
  const start = startOf(p);
  const end = start + dataOf(p);
  if (end === start || end > 65535 - ipv4.HEADER_LEN) return Fit.Overlap;
  const last = pieces.at(-1);
  if (last !== undefined) {
    const reach = startOf(last) + dataOf(last);
    const more = ipv4.moreFragments(bytes, p.l3);
    // Two ends, or something beyond the end.
    if (!more && end < reach) return Fit.Overlap;
    if (!ipv4.moreFragments(bytes, last.l3) && (more ? end > reach : end !== reach)) {
      return Fit.Overlap;
    }
  }
  const after = pieces.findIndex((piece) => startOf(piece) + dataOf(piece) > start);
  const at = after < 0 ? pieces.length : after;
  const next = pieces[at];
  if (next !== undefined && startOf(next) < end) {
    return covers(pieces, at, start, end) ? Fit.Duplicate : Fit.Overlap;
  }
  pieces.splice(at, 0, p);
  return Fit.New;
}

/** Do the pieces from `at` on hold all bytes from `start` to `end`? */
function covers(pieces: readonly Packet[], at: number, start: number, end: number): boolean {
  let reach = start;
  for (let i = at; i < pieces.length && reach < end; i++) {
    const piece = pieces[i]!;
    if (startOf(piece) > reach) return false;
    reach = startOf(piece) + dataOf(piece);
  }
  return reach >= end;
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
  whole.fragMax = Math.max(...pieces.map((piece) => piece.length));
  // ip_frag_reasm: DF counts where one of the longest pieces had it.
  const df = pieces.some((p) => p.length === whole.fragMax && ipv4.dontFragment(bytes, p.l3));
  putU16(bytes, whole.l3 + ipv4.field.flagsOffset, df ? ipv4.FLAG_DF : 0);
  ipv4.fillChecksum(bytes, whole.l3);
  whole.fragSizes = pieces.map(dataOf);
  whole.input = first.input;
  whole.output = first.output;
  whole.nextHop = first.nextHop;
  whole.frameType = first.frameType;
  whole.route = first.route;
  whole.follow(first);
  for (const piece of pieces) node.world.absorb(piece);
  return whole;
}
