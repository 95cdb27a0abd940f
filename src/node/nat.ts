/**
 * Network address translation: nf_nat_core.c. Decided for the first packet of a
 * connection, once for each end; later packets and errors follow the connection.
 */
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as sctp from '../wire/sctp.ts';
import * as tcp from '../wire/tcp.ts';
import {
  type Connection,
  CtState,
  DESTINATION_CHANGED,
  ORIGINAL,
  REPLY,
  SOURCE_CHANGED,
} from './connection.ts';
import type { Conntrack } from './conntrack.ts';
import { mix } from './flow-hash.ts';
import { Manip, rewrite } from './l4-rewrite.ts';
import { hasPorts, invert, type Tuple } from './tuple.ts';

const SOURCE_BIT = 1;
const DESTINATION_BIT = 2;
const bitOf = (manip: Manip): number => (manip === Manip.Source ? SOURCE_BIT : DESTINATION_BIT);

/** IPS_SRC_NAT and IPS_DST_NAT of a connection as bits of `--ctstate`. */
export const statusOf = ({ nat }: Connection): number =>
  ((nat & SOURCE_BIT) === 0 ? 0 : SOURCE_CHANGED) |
  ((nat & DESTINATION_BIT) === 0 ? 0 : DESTINATION_CHANGED);

/** What a rule asks for; absent parts stay as they are. */
export interface NatRange {
  readonly address?: number;
  readonly from?: number;
  readonly to?: number;
  readonly randomFully: boolean;
}

/** NF_NAT_MAX_ATTEMPTS, and where halving it ends. */
const MAX_TRIES = 128;
const LEAST_TRIES = 16;
/** Connections of one source looked through for a mapping; the first nearly always serves. */
const MAX_LOOKED_AT = 1024;

/** Port class of a source port: nf_nat_l4proto_unique_tuple. */
function portRange(port: number, protocol: number): { from: number; to: number } {
  if (protocol === ipv4.PROTO_ICMP) return { from: 0, to: 65535 };
  if (port < 512) return { from: 1, to: 511 };
  return port < 1024 ? { from: 600, to: 1023 } : { from: 1024, to: 65535 };
}

export class Nat {
  private readonly conntrack: Conntrack;
  private readonly seed: number;
  private draws = 0;
  private readonly declared: (Tuple & { readonly mapped: number })[] = [];

  constructor(conntrack: Conntrack, seed: number) {
    this.conntrack = conntrack;
    this.seed = seed;
  }

  /** The port that the source of this original tuple gets where the kernel would draw one. */
  declare(original: Tuple, mapped: number): void {
    this.declared.push({ ...original, mapped });
  }

  isDone(connection: Connection, manip: Manip): boolean {
    return (connection.natDone & bitOf(manip)) !== 0;
  }

  /** Binds one end of a new connection; without a range the end stays, unless its tuple is taken. */
  setup(connection: Connection, manip: Manip, range: NatRange | undefined): void {
    if (this.isDone(connection, manip)) return;
    connection.natDone |= bitOf(manip);
    if (connection.confirmed) return;
    const now = invert(connection.tuples[REPLY]);
    const wanted = this.unique(connection, now, manip, range);
    if (
      wanted.source === now.source &&
      wanted.destination === now.destination &&
      wanted.ports === now.ports
    ) {
      return;
    }
    Object.assign(connection.tuples[REPLY], invert(wanted));
    connection.nat |= bitOf(manip);
  }

  /**
   * Changes the packet as its connection wants it at this end: nf_nat_packet. False
   * for a redirect about a translated connection, which must not get through.
   */
  apply(p: Packet, manip: Manip): boolean {
    if (p.ct < 0) return true;
    const connection = this.conntrack.connection(p.ct);
    const wanted =
      p.ctDirection === REPLY ? bitOf(manip) ^ (SOURCE_BIT | DESTINATION_BIT) : bitOf(manip);
    if (p.ctState === CtState.Related && connection.nat !== 0 && isRedirect(p)) return false;
    if ((connection.nat & wanted) === 0) return true;
    const other = connection.tuples[p.ctDirection === ORIGINAL ? REPLY : ORIGINAL];
    const target = invert(other);
    if (p.ctState === CtState.Related) {
      this.applyToError(p, manip, other, target);
      return true;
    }
    const address = manip === Manip.Source ? target.source : target.destination;
    const port = portOf(target, manip);
    rewrite(p.l3, p.tail, manip, address, port, p.partial && p.partialAt === p.l3);
    if (p.fragSizes !== null && p.fragSizes[0]! < writtenLength(p)) p.fragSizes = null;
    return true;
  }

  /** An ICMP error: its quote is changed at the other end, its own address at this one. */
  private applyToError(p: Packet, manip: Manip, other: Tuple, target: Tuple): void {
    const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
    const quote = l4 + icmp.HEADER_LEN;
    const inner = manip === Manip.Source ? Manip.Destination : Manip.Source;
    const address = inner === Manip.Source ? other.source : other.destination;
    const port = portOf(other, inner);
    rewrite(quote, p.tail, inner, address, port, false);
    icmp.emit(bytes, l4, icmp.type(bytes, l4), icmp.code(bytes, l4), restOf(l4), p.tail - l4);
    const own = manip === Manip.Source ? target.source : target.destination;
    rewrite(p.l3, p.l3 + ipv4.headerLength(bytes, p.l3), manip, own, 0, false);
  }

  private unique(
    connection: Connection,
    now: Tuple,
    manip: Manip,
    range: NatRange | undefined,
  ): Tuple {
    const tuple = { ...now };
    if (manip === Manip.Destination) {
      if (range?.address !== undefined) tuple.destination = range.address;
      // The first of a range, unless the port lies in it already.
      if (
        range?.from !== undefined &&
        hasDestinationPort(tuple) &&
        !holds(range, tuple.ports & 0xffff)
      ) {
        tuple.ports = (tuple.ports & ~0xffff) | range.from;
      }
      return tuple;
    }
    const randomFully = range?.randomFully ?? false;
    const address = range?.address ?? tuple.source;
    if (!randomFully) {
      if (address === tuple.source) {
        if (!this.isTaken(tuple)) return tuple;
      } else {
        const again = this.mappedBefore(connection.tuples[ORIGINAL], tuple, range);
        if (again !== null && !this.isTaken(again)) return again;
      }
    }
    tuple.source = address;
    if (!hasPort(tuple.protocol)) return tuple;
    if (!randomFully && holds(range, tuple.ports >>> 16) && !this.isTaken(tuple)) return tuple;
    return this.draw(connection.tuples[ORIGINAL], tuple, range);
  }

  /** What this source was last made to look like, where the range allows that: find_appropriate_src. */
  private mappedBefore(original: Tuple, tuple: Tuple, range: NatRange | undefined): Tuple | null {
    let id = this.conntrack.ofSource(original);
    for (let i = 0; id >= 0 && i < MAX_LOOKED_AT; i++) {
      const known = this.conntrack.connection(id);
      id = known.nextOfSource;
      if (this.conntrack.isExpired(known)) continue;
      const mapped = invert(known.tuples[REPLY]);
      if (mapped.source !== range?.address || !holds(range, mapped.ports >>> 16)) continue;
      return { ...tuple, source: mapped.source, ports: withSource(tuple, mapped.ports >>> 16) };
    }
    return null;
  }

  /** A free port of the same class: declared, else drawn from the seed. */
  private draw(original: Tuple, tuple: Tuple, range: NatRange | undefined): Tuple {
    const port = original.ports >>> 16;
    const declared = this.declared.find(
      (d) =>
        d.source === original.source &&
        d.destination === original.destination &&
        d.ports === original.ports &&
        d.protocol === original.protocol,
    );
    const { from, to } =
      range?.from === undefined
        ? portRange(port, tuple.protocol)
        : { from: range.from, to: range.to ?? range.from };
    const span = to - from + 1;
    const candidate = { ...tuple };
    if (declared !== undefined) {
      candidate.ports = withSource(tuple, declared.mapped);
      if (!this.isTaken(candidate)) return candidate;
    }
    // 128 in a row, then 64 elsewhere, 32, 16: nf_nat_l4proto_unique_tuple gives up after that.
    for (let tries = Math.min(span, MAX_TRIES); ; tries >>= 1) {
      const start = mix(this.seed, ++this.draws) >>> 0;
      for (let i = 0; i < tries; i++) {
        candidate.ports = withSource(tuple, from + ((start + i) % span));
        if (!this.isTaken(candidate)) return candidate;
      }
      // All are taken, this one too: the packet ends where it would be confirmed.
      if (tries >= span || tries < LEAST_TRIES) return candidate;
    }
  }

  private isTaken(tuple: Tuple): boolean {
    return this.conntrack.isUsed(invert(tuple));
  }
}

/** A port that need not change: there is no range, or it lies in it. */
const holds = (range: NatRange | undefined, port: number): boolean =>
  range?.from === undefined || (port >= range.from && port <= (range.to ?? range.from));

const withSource = ({ ports }: Tuple, port: number): number => (port << 16) | (ports & 0xffff);

/** An echo's identifier stands at one end only, whichever is changed. */
const portOf = ({ ports, protocol }: Tuple, manip: Manip): number =>
  manip === Manip.Source || protocol === ipv4.PROTO_ICMP ? ports >>> 16 : ports & 0xffff;

const hasPort = (protocol: number): boolean => hasPorts(protocol) || protocol === ipv4.PROTO_ICMP;

const hasDestinationPort = ({ protocol }: Tuple): boolean => protocol !== ipv4.PROTO_ICMP;

const isRedirect = (p: Packet): boolean =>
  icmp.type(bytes, p.l3 + ipv4.headerLength(bytes, p.l3)) === icmp.REDIRECT;

const restOf = (l4: number): number =>
  (icmp.identifier(bytes, l4) << 16) | icmp.sequence(bytes, l4);

/**
 * Bytes of the L4 header that translation makes writable (tcp_manip_pkt, sctp_manip_pkt). Where the
 * first fragment of a datagram has fewer, the next one is drawn on (skb_ensure_writable), and the
 * fragments are no longer as they came.
 */
function writtenLength(p: Packet): number {
  const protocol = ipv4.protocol(bytes, p.l3);
  const there = p.tail - p.l3 - ipv4.headerLength(bytes, p.l3);
  const whole =
    protocol === ipv4.PROTO_TCP
      ? tcp.HEADER_LEN
      : protocol === ipv4.PROTO_SCTP
        ? sctp.HEADER_LEN
        : 0;
  return there < whole ? 0 : whole;
}
