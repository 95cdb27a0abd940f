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
import type { ConntrackSettings } from '../plan/conntrack.ts';
import { TupleIndex } from '../tables/tuple-index.ts';
import { WordMemory } from '../tables/word-memory.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as sctp from '../wire/sctp.ts';
import { type Connection, CtState, ORIGINAL, REPLY } from './connection.ts';
import { type ConntrackTimeouts, conntrackTimeouts, unanswered } from './conntrack-timeouts.ts';
import { isL4Sound } from './l4-sound.ts';
import { Heed, TcpFlow } from './tcp-tracking.ts';
import { asks, classOf, invert, invertInPlace, readTuple, type Tuple } from './tuple.ts';

/** net.netfilter.nf_conntrack_max on an ordinary machine. */
const MAX_CONNECTIONS = 262_144;
/** How long UDP must go both ways to be a stream (stream_ts of nf_conntrack_udp_packet). */
const STREAM_AFTER_MS = 2000;
/** Entries looked at for each new one: gc_worker, at the pace of what comes in. */
const GC_STEP = 4;
/** How many are looked at for one to end early when the table is full (NF_CT_EVICTION_RANGE). */
const EVICTION_RANGE = 8;
/** Connections that have ended, kept while an ICMP error about them may still be on its way. */
const LIMBO = 64;
/** Of the packet at hand. */
const scratch: Tuple = { source: 0, destination: 0, ports: 0, protocol: 0, zone: 0 };

export class Conntrack {
  private readonly index: TupleIndex;
  /** By original source, its port and protocol: the connection that was confirmed last. */
  private readonly sources: TupleIndex;
  private readonly connections: (Connection | undefined)[] = [];
  private readonly free: number[] = [];
  private readonly limbo: number[] = [];
  private readonly max: number;
  private readonly timeouts: ConntrackTimeouts;
  private confirmed = 0;
  private serials = 0;
  private spared = 0;
  /** Ticks of the packet that was tracked last. */
  private now = 0;
  private swept = 0;

  constructor(settings: ConntrackSettings = {}, memory = new WordMemory()) {
    const { max = MAX_CONNECTIONS, timeouts } = settings;
    this.index = new TupleIndex(memory);
    this.sources = new TupleIndex(memory);
    this.max = max === 0 ? Infinity : max;
    this.timeouts = conntrackTimeouts(timeouts);
  }

  /** How many are confirmed, expired ones among them. */
  get size(): number {
    return this.confirmed;
  }

  /** Whether the connection of a packet that was held back is still remembered. */
  remembers(p: Packet): boolean {
    return p.ct >= 0 && this.connections[p.ct]?.serial === p.ctSerial;
  }

  connection(id: number): Connection {
    return this.connections[id]!;
  }

  /**
   * `track` for the next packet, sound in itself, of a connection that is alive. Like
   * `track` it sets `ct` and its kin, -1 for a packet that does not fit (tcp_in_window);
   * such a one has changed nothing.
   */
  resume(p: Packet, now: number, id: number, direction: number): void {
    this.now = now;
    p.ct = -1;
    p.ctDirection = ORIGINAL;
    p.ctState = CtState.Invalid;
    this.follow(p, p.l3 + ipv4.headerLength(bytes, p.l3), id * 2 + direction);
  }

  /** What a packet does to a known connection that is not TCP's. */
  touch(connection: Connection, now: number): void {
    this.now = now;
    connection.last = now;
    if (!connection.isUdp || !connection.replied) return;
    connection.assured ||= ((now - connection.began) | 0) > STREAM_AFTER_MS;
    if (connection.assured) connection.timeout = this.timeouts.udpStream;
  }

  /** At least so long, in ms, the next packet of such a connection keeps it alive. */
  patience({ timeout }: Connection): number {
    return Math.min(timeout, this.timeouts.udpStream);
  }

  /**
   * Finds or begins the packet's connection; sets `ct`, `ctDirection` and `ctState` on it.
   * `received`: it came from outside, so that its checksum counts. False where the table
   * is full, which ends the packet.
   */
  track(p: Packet, now: number, received: boolean): boolean {
    const tuple = scratch;
    tuple.zone = p.ctZone;
    this.now = now;
    p.ct = -1;
    p.ctDirection = ORIGINAL;
    p.ctState = CtState.Invalid;
    if (!isL4Sound(p, received)) return true;
    const l4 = p.l3 + ipv4.headerLength(bytes, p.l3);
    const isIcmp = ipv4.protocol(bytes, p.l3) === ipv4.PROTO_ICMP;
    if (isIcmp && icmp.isError(icmp.type(bytes, l4))) {
      this.relate(p, l4 + icmp.HEADER_LEN);
      return true;
    }
    if (!readTuple(p.l3, p.tail, tuple)) return true;
    const found = this.lookup(tuple);
    if (found >= 0 && this.follow(p, l4, found)) return true;
    // An answer to nothing begins no connection.
    if (isIcmp && !asks(icmp.type(bytes, l4))) return true;
    // Of SCTP the beginning is judged, not the states that follow.
    if (tuple.protocol === ipv4.PROTO_SCTP && !sctp.mayBegin(bytes, l4, p.tail)) return true;
    return this.begin(p, l4, tuple);
  }

  /** The next packet of a known connection. False: the connection has ended, this may begin another. */
  private follow(p: Packet, l4: number, found: number): boolean {
    const id = found >> 1;
    const direction = found & 1;
    const connection = this.connection(id);
    const { tcp } = connection;
    if (tcp !== null) {
      const heed = tcp.heed(l4, p.tail, direction, connection.replied);
      if (heed === Heed.Invalid) return true;
      if (heed === Heed.Shorten) {
        this.shorten(connection);
        return true;
      }
      if (heed === Heed.Kill || heed === Heed.Again) this.retire(id);
      if (heed === Heed.Again) return false;
      if (heed === Heed.Accept) {
        connection.last = this.now;
        connection.timeout = tcp.timeout;
      }
    } else {
      this.touch(connection, this.now);
    }
    if (direction === REPLY) connection.replied = true;
    p.ct = id;
    p.ctSerial = connection.serial;
    p.ctDirection = direction;
    p.ctState = connection.replied ? CtState.Established : CtState.New;
    return true;
  }

  private shorten(connection: Connection): void {
    const left = connection.timeout - ((this.now - connection.last) | 0);
    const { unacknowledged } = this.timeouts;
    if (left <= unacknowledged) return;
    connection.last = this.now;
    connection.timeout = unacknowledged;
  }

  /** The first packet is leaving: from now on both tuples are known. False on a clash. */
  confirm(id: number): boolean {
    const connection = this.connection(id);
    if (connection.confirmed) return true;
    const [original, reply] = connection.tuples;
    if (this.lookup(original) >= 0 || this.lookup(reply) >= 0) return false;
    connection.confirmed = true;
    this.confirmed++;
    this.set(original, id * 2);
    this.set(reply, id * 2 + 1);
    this.linkSource(id, connection);
    return true;
  }

  /** A connection whose first packet ended before it was confirmed. */
  abandon(id: number): void {
    const connection = this.connections[id];
    if (connection === undefined || connection.confirmed || connection.gone) return;
    this.leave(id, connection);
  }

  /** Whether a confirmed connection has this tuple, in either direction. */
  isUsed(tuple: Tuple): boolean {
    return this.lookup(tuple) >= 0;
  }

  /** The connection of a tuple's source that was confirmed last, or -1; `nextOfSource` leads on. */
  ofSource(tuple: Tuple): number {
    return this.sources.get(tuple.source, 0, tuple.ports >>> 16, classOf(tuple));
  }

  /** Whether it has expired, though nobody has looked yet. */
  isExpired({ last, timeout }: Connection): boolean {
    const idle = (this.now - last) | 0;
    return idle < 0 || idle > timeout;
  }

  /** Twice the connection plus the direction, or -1; one that has expired is gone for all. */
  private lookup(tuple: Tuple): number {
    const { source, destination, ports } = tuple;
    const found = this.index.get(source, destination, ports, classOf(tuple));
    if (found < 0 || !this.isExpired(this.connection(found >> 1))) return found;
    this.retire(found >> 1);
    return -1;
  }

  private begin(p: Packet, l4: number, tuple: Tuple): boolean {
    const { protocol } = tuple;
    this.collect();
    if (this.confirmed >= this.max && !this.evict()) return false;
    const isTcp = protocol === ipv4.PROTO_TCP;
    const tcp = isTcp ? TcpFlow.begin(l4, p.tail, this.timeouts) : null;
    if (isTcp && tcp === null) return true;
    // The first segment counts as any other.
    tcp?.heed(l4, p.tail, ORIGINAL, false);
    const original = { ...tuple };
    const id = this.free.pop() ?? this.connections.length;
    this.connections[id] = {
      gone: false,
      replied: false,
      last: this.now,
      timeout: tcp?.timeout ?? unanswered(this.timeouts, protocol),
      tcp,
      isUdp: protocol === ipv4.PROTO_UDP,
      assured: false,
      confirmed: false,
      tuples: [original, invert(original)],
      serial: ++this.serials,
      natDone: 0,
      nat: 0,
      began: this.now,
      masquerade: -1,
      nextOfSource: -1,
      previousOfSource: -1,
    };
    p.ct = id;
    p.ctSerial = this.serials;
    p.ctState = CtState.New;
    return true;
  }

  /** A device went down: connections under its address have lost it (nf_nat_masquerade.c device_cmp). */
  forgetMasqueraded(device: number): void {
    for (const [id, connection] of this.connections.entries()) {
      if (connection?.masquerade === device) this.retire(id);
    }
  }

  /** A few more entries looked through, so that what has expired does not pile up. */
  private collect(): void {
    for (let i = 0; i < GC_STEP; i++) {
      if (++this.swept >= this.connections.length) this.swept = 0;
      const connection = this.connections[this.swept];
      if (connection?.confirmed && this.isExpired(connection)) this.retire(this.swept);
    }
  }

  /** early_drop: one that was never seen to work makes room, if one is found soon. */
  private evict(): boolean {
    for (let i = 0; i < EVICTION_RANGE; i++) {
      if (++this.spared >= this.connections.length) this.spared = 0;
      const connection = this.connections[this.spared];
      if (connection === undefined || !connection.confirmed || connection.gone) continue;
      if (connection.assured || connection.tcp?.assured === true) continue;
      this.retire(this.spared);
      return true;
    }
    return false;
  }

  /** Nobody finds it any more; a packet of it may be on its way. */
  private retire(id: number): void {
    const connection = this.connection(id);
    if (!connection.confirmed || connection.gone) return;
    this.confirmed--;
    for (const tuple of connection.tuples) {
      this.index.delete(tuple.source, tuple.destination, tuple.ports, classOf(tuple));
    }
    this.unlinkSource(connection);
    this.leave(id, connection);
  }

  private leave(id: number, connection: Connection): void {
    connection.gone = true;
    this.limbo.push(id);
    if (this.limbo.length <= LIMBO) return;
    const freed = this.limbo.shift()!;
    this.connections[freed] = undefined;
    this.free.push(freed);
  }

  private set(tuple: Tuple, value: number): void {
    this.index.set(tuple.source, tuple.destination, tuple.ports, classOf(tuple), value);
  }

  private linkSource(id: number, connection: Connection): void {
    const original = connection.tuples[ORIGINAL];
    const head = this.ofSource(original);
    connection.nextOfSource = head;
    connection.previousOfSource = -1;
    if (head >= 0) this.connection(head).previousOfSource = id;
    this.sources.set(original.source, 0, original.ports >>> 16, classOf(original), id);
  }

  private unlinkSource({ tuples, nextOfSource, previousOfSource }: Connection): void {
    const original = tuples[ORIGINAL];
    const { source, ports } = original;
    if (nextOfSource >= 0) this.connection(nextOfSource).previousOfSource = previousOfSource;
    if (previousOfSource >= 0) this.connection(previousOfSource).nextOfSource = nextOfSource;
    else if (nextOfSource < 0) this.sources.delete(source, 0, ports >>> 16, classOf(original));
    else this.sources.set(source, 0, ports >>> 16, classOf(original), nextOfSource);
  }

  /** An ICMP error belongs to the connection of the packet it quotes: nf_conntrack_inet_error. */
  private relate(p: Packet, quote: number): void {
    const tuple = scratch;
    if (p.tail - quote < ipv4.HEADER_LEN || ipv4.fragmentOffset(bytes, quote) !== 0) return;
    if (!readTuple(quote, p.tail, tuple)) return;
    invertInPlace(tuple);
    const found = this.lookup(tuple);
    if (found < 0) return;
    const { tuples, serial } = this.connection(found >> 1);
    const { destination } = tuples[found & 1]!;
    // It must go to whom the quoted packet came from, as this side knows him.
    if (destination !== ipv4.destination(bytes, p.l3)) return;
    p.ct = found >> 1;
    p.ctSerial = serial;
    p.ctDirection = found & 1;
    p.ctState = CtState.Related;
  }
}
