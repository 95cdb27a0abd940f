/**
 * Connection tracking: nf_conntrack_core.c in the part that NAT and state matches
 * need. A connection has two tuples; the reply's is the inverse of the original
 * until NAT changes it. It counts once its first packet has left (confirmed).
 *
 *   original:  10.2.36.71:40000 > 192.168.34.200:9000
 *   reply:     192.168.34.200:9000 > 192.168.33.55:40000     (masqueraded)
 */
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { TupleIndex } from '../tables/tuple-index.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';

export const CtState = {
  None: 0,
  New: 1,
  Established: 2,
  Related: 4,
  Invalid: 8,
  Untracked: 16,
} as const;

/** Beside the state of a packet, what became of its connection's ends (XT_CONNTRACK_STATE_SNAT, …_DNAT). */
export const SOURCE_CHANGED = 32;
export const DESTINATION_CHANGED = 64;

export const ORIGINAL = 0;
export const REPLY = 1;

/** net.netfilter.nf_conntrack_max on an ordinary machine. */
const MAX_CONNECTIONS = 262_144;
/** nf_conntrack_*_timeout in ms: TCP established, UDP stream, all else. */
const TCP_MS = 432_000_000;
const UDP_STREAM_MS = 120_000;
const OTHER_MS = 30_000;

const SWEEP_MS = 1000;

/** Abandoned connections kept a little longer. */
const LIMBO = 64;

/** Addresses signed; ports as source << 16 | destination; echo id stands in both. */
export interface Tuple {
  source: number;
  destination: number;
  ports: number;
  protocol: number;
}

export interface Connection {
  readonly tuples: readonly [Tuple, Tuple];
  confirmed: boolean;
  replied: boolean;
  /** Bits of NAT: what was set up, and what changes anything. */
  natDone: number;
  nat: number;
  /** Ticks of the last packet. */
  last: number;
}

export const swapPorts = (ports: number): number => (ports << 16) | (ports >>> 16);

export function invert({ source, destination, ports, protocol }: Tuple): Tuple {
  return { source: destination, destination: source, ports: swapPorts(ports), protocol };
}

/** The tuple of the packet at `l3`, or false where it has none (ICMP other than echo). */
export function readTuple(l3: number, end: number, into: Tuple): boolean {
  const l4 = l3 + ipv4.headerLength(bytes, l3);
  into.source = ipv4.source(bytes, l3);
  into.destination = ipv4.destination(bytes, l3);
  into.protocol = ipv4.protocol(bytes, l3);
  into.ports = 0;
  if (into.protocol === ipv4.PROTO_TCP || into.protocol === ipv4.PROTO_UDP) {
    if (end - l4 < 4) return false;
    into.ports = (udp.sourcePort(bytes, l4) << 16) | udp.destinationPort(bytes, l4);
  } else if (into.protocol === ipv4.PROTO_ICMP) {
    if (end - l4 < icmp.HEADER_LEN) return false;
    const type = icmp.type(bytes, l4);
    if (type !== icmp.ECHO_REQUEST && type !== icmp.ECHO_REPLY) return false;
    const id = icmp.identifier(bytes, l4);
    into.ports = (id << 16) | id;
  }
  return true;
}

export class Conntrack {
  private readonly index = new TupleIndex();
  private readonly connections: (Connection | undefined)[] = [];
  private readonly free: number[] = [];
  private readonly limbo: number[] = [];
  /** Ticks of the packet that was tracked last. */
  private now = 0;
  private swept = -SWEEP_MS;
  private readonly scratch: Tuple = { source: 0, destination: 0, ports: 0, protocol: 0 };

  /** How many are confirmed. */
  get size(): number {
    return this.index.size / 2;
  }

  connection(id: number): Connection {
    return this.connections[id]!;
  }

  /** Finds or begins the packet's connection; sets `ct`, `ctDirection` and `ctState` on it. */
  track(p: Packet, now: number): void {
    const tuple = this.scratch;
    this.now = now;
    p.ct = -1;
    p.ctDirection = ORIGINAL;
    const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
    const isIcmp = ipv4.protocol(bytes, p.l3) === ipv4.PROTO_ICMP;
    if (isIcmp && p.tail - l4 >= icmp.HEADER_LEN && icmp.isError(icmp.type(bytes, l4))) {
      this.relate(p, l4 + icmp.HEADER_LEN);
      return;
    }
    if (!readTuple(p.l3, p.tail, tuple)) {
      p.ctState = CtState.Invalid;
      return;
    }
    const found = this.lookup(tuple);
    if (found >= 0) {
      const connection = this.connection(found >> 1);
      p.ct = found >> 1;
      p.ctDirection = found & 1;
      if (p.ctDirection === REPLY) connection.replied = true;
      connection.last = now;
      p.ctState = connection.replied ? CtState.Established : CtState.New;
      return;
    }
    // An answer to nothing begins no connection.
    if (isIcmp && icmp.type(bytes, l4) !== icmp.ECHO_REQUEST) {
      p.ctState = CtState.Invalid;
      return;
    }
    p.ct = this.begin({ ...tuple }, now);
    p.ctState = p.ct < 0 ? CtState.Invalid : CtState.New;
  }

  /** The first packet is leaving: from now on both tuples are known. False on a clash. */
  confirm(id: number): boolean {
    const connection = this.connection(id);
    if (connection.confirmed) return true;
    const [original, reply] = connection.tuples;
    if (this.lookup(original) >= 0 || this.lookup(reply) >= 0) return false;
    connection.confirmed = true;
    this.index.set(
      original.source,
      original.destination,
      original.ports,
      original.protocol,
      id * 2,
    );
    this.index.set(reply.source, reply.destination, reply.ports, reply.protocol, id * 2 + 1);
    return true;
  }

  /** A connection whose first packet ended before it was confirmed. */
  abandon(id: number): void {
    const connection = this.connections[id];
    if (connection === undefined || connection.confirmed || this.limbo.includes(id)) return;
    // An ICMP error about the packet may still be on its way out.
    this.limbo.push(id);
    if (this.limbo.length <= LIMBO) return;
    const freed = this.limbo.shift()!;
    this.connections[freed] = undefined;
    this.free.push(freed);
  }

  /** Whether a confirmed connection has this tuple, in either direction. */
  isUsed(tuple: Tuple): boolean {
    return this.lookup(tuple) >= 0;
  }

  /** Connections of one original source, confirmed ones: find_appropriate_src. */
  *fromSource({ source, ports, protocol }: Tuple): Generator<Connection> {
    for (const connection of this.connections) {
      const original = connection?.tuples[ORIGINAL];
      if (connection === undefined || original === undefined || !connection.confirmed) continue;
      if (this.isExpired(connection)) continue;
      if (
        original.source === source &&
        original.protocol === protocol &&
        original.ports >>> 16 === ports >>> 16
      ) {
        yield connection;
      }
    }
  }

  /** Twice the connection plus the direction, or -1; one that has expired is gone for all. */
  private lookup({ source, destination, ports, protocol }: Tuple): number {
    const found = this.index.get(source, destination, ports, protocol);
    if (found < 0 || !this.isExpired(this.connection(found >> 1))) return found;
    this.remove(found >> 1);
    return -1;
  }

  private isExpired(connection: Connection): boolean {
    const idle = (this.now - connection.last) | 0;
    return idle < 0 || idle > timeoutOf(connection);
  }

  private begin(original: Tuple, now: number): number {
    if (this.size >= MAX_CONNECTIONS) this.sweep();
    if (this.size >= MAX_CONNECTIONS) return -1;
    const id = this.free.pop() ?? this.connections.length;
    this.connections[id] = {
      tuples: [original, invert(original)],
      confirmed: false,
      replied: false,
      natDone: 0,
      nat: 0,
      last: now,
    };
    return id;
  }

  /** Makes room; a full table is looked through once a second at most. */
  private sweep(): void {
    const since = (this.now - this.swept) | 0;
    if (since >= 0 && since < SWEEP_MS) return;
    this.swept = this.now;
    for (const [id, connection] of this.connections.entries()) {
      if (connection?.confirmed && this.isExpired(connection)) this.remove(id);
    }
  }

  private remove(id: number): void {
    for (const { source, destination, ports, protocol } of this.connection(id).tuples) {
      this.index.delete(source, destination, ports, protocol);
    }
    this.connections[id] = undefined;
    this.free.push(id);
  }

  /** An ICMP error belongs to the connection of the packet it quotes. */
  private relate(p: Packet, quote: number): void {
    const tuple = this.scratch;
    p.ctState = CtState.Invalid;
    if (p.tail - quote < ipv4.HEADER_LEN + 8 || !readTuple(quote, p.tail, tuple)) return;
    const found = this.lookup(invert(tuple));
    if (found < 0) return;
    p.ct = found >> 1;
    p.ctDirection = found & 1;
    p.ctState = CtState.Related;
  }
}

function timeoutOf({ tuples, replied }: Connection): number {
  const { protocol } = tuples[ORIGINAL];
  if (protocol === ipv4.PROTO_TCP) return TCP_MS;
  return protocol === ipv4.PROTO_UDP && replied ? UDP_STREAM_MS : OTHER_MS;
}
