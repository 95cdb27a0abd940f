/**
 * Segments that come out of a tunnel one behind the other, put together into one
 * long packet: gro_cells, tcp_gro_receive and tcp_gro_complete. Everything out of
 * such a tunnel queues behind what arrived before (the cell); what can be joined
 * while it queues is. The long packet has the first one's headers, FIN and PSH of
 * the last one, and a checksum left unfinished.
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { i32, putU16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import { isUnfinished, leaveChecksum } from './l4-checksum.ts';
import type { Node } from './node.ts';
import { End, type Next, Room } from './room.ts';

/** Trains open at a time; the kernel has eight for each of eight hash buckets. */
const MAX_TRAINS = 8;
/** How long a train waits for what is known to join it. */
const LATEST_POLL_MS = 2;
/** Longest IPv4 packet. */
const MAX_LENGTH = 65535;
/** Flags that must not differ along a train. */
const STEADY = ~(tcp.CWR | tcp.FIN | tcp.PSH) & 0xff;
/** Flags after which nothing joins. */
const FINAL = tcp.URG | tcp.PSH | tcp.RST | tcp.SYN | tcp.FIN;

/** The trains of one namespace that still take segments, oldest first. */
export class Gathering {
  private readonly trains = new Array<Packet | null>(MAX_TRAINS).fill(null);
  /** Those whose poll waits for more. */
  private readonly waiting = new Set<Packet>();

  /** The train of the flow that the packet at `l3` is of. */
  find(p: Packet, l3: number): Packet | null {
    for (const train of this.trains) {
      if (train !== null && train.input === p.input && sameFlow(train.l3, l3)) return train;
    }
    return null;
  }

  open(train: Packet): void {
    const free = this.trains.indexOf(null);
    if (free < 0) this.trains.copyWithin(0, 1);
    this.trains[free < 0 ? MAX_TRAINS - 1 : free] = train;
  }

  /** Nothing joins any more; the packet itself is on its way. */
  close(train: Packet): void {
    const at = this.trains.indexOf(train);
    if (at < 0) return;
    this.trains.copyWithin(at, at + 1);
    this.trains[MAX_TRAINS - 1] = null;
  }

  /** Whether the poll of a train is put off: while more may join it, and not for long. */
  wait(node: Node, train: Packet): boolean {
    if (!this.trains.includes(train)) return false;
    this.waiting.add(train);
    node.world.arm(LATEST_POLL_MS, () => {
      if (!this.waiting.has(train)) return;
      this.close(train);
      this.resume(node, train);
    });
    return true;
  }

  /** A train that waits is polled now. */
  resume(node: Node, train: Packet): void {
    if (this.waiting.delete(train)) node.world.enqueue(node, train, Room.Poll);
  }
}

/** The packet joins the one before it, or queues, maybe as the first of a train. */
export function gather(node: Node, p: Packet): Next {
  const l3 = p.data + (node.devices[p.input]!.ethernet ? ethernet.HEADER_LEN : 0);
  const { gathering } = node;
  if (!isStream(p, l3)) return queue(node, p);
  const l4 = l3 + ipv4.HEADER_LEN;
  const from = l4 + tcp.headerLength(bytes, l4);
  const length = p.tail - from;
  const train = gathering.find(p, l3);
  const final = (tcp.flags(bytes, l4) & FINAL) !== 0;
  const late = train !== null && node.lateness?.polled(train, l3) === true;
  if (train !== null && !late && follows(train, p, l3, length)) {
    join(train, from, p.tail);
    train.traced ||= p.traced;
    if (final) bytes[train.l3 + ipv4.HEADER_LEN + tcp.field.flags]! |= tcp.flags(bytes, l4);
    const ends = final || length < train.segment;
    if (ends) gathering.close(train);
    if (ends || node.lateness?.waits(train) !== true) gathering.resume(node, train);
    return End.Consumed;
  }
  if (train !== null) {
    gathering.close(train);
    gathering.resume(node, train);
  }
  if (final || length === 0 || p.segment > 0 || !isSound(p, l3)) return queue(node, p);
  return start(node, p, l3, from) ? End.Consumed : queue(node, p);
}

/** Notes: A bytes of data put together, or 0. */
export function poll(node: Node, p: Packet): Next {
  p.noteA = 0;
  // Only a train knows its header already.
  if (p.l3 < 0) return Room.Ingress;
  if (node.lateness?.waits(p) === true && node.gathering.wait(node, p)) return End.Parked;
  node.gathering.close(p);
  const gathered = p.tail - p.segmentFrom;
  if (gathered === p.segment) p.segment = 0;
  else {
    p.noteA = gathered;
    putU16(bytes, p.l3 + ipv4.field.totalLength, p.tail - p.l3);
    ipv4.fillChecksum(bytes, p.l3);
    leaveChecksum(p);
  }
  p.l3 = -1;
  return Room.Ingress;
}

function queue(node: Node, p: Packet): Next {
  node.world.enqueue(node, p, Room.Poll);
  return End.Parked;
}

/** TCP over IPv4 without options or fragments, and nothing behind it. */
function isStream(p: Packet, l3: number): boolean {
  if (ipv4.check(bytes, l3, p.tail) !== Drop.None || !ipv4.checksumOk(bytes, l3)) return false;
  return (
    ipv4.headerLength(bytes, l3) === ipv4.HEADER_LEN &&
    ipv4.totalLength(bytes, l3) === p.tail - l3 &&
    ipv4.protocol(bytes, l3) === ipv4.PROTO_TCP &&
    !ipv4.isFragment(bytes, l3) &&
    tcp.check(bytes, l3 + ipv4.HEADER_LEN, p.tail) === Drop.None
  );
}

function isSound(p: Packet, l3: number): boolean {
  if (p.partial && isUnfinished(l3, p.tail)) return true;
  const l4 = l3 + ipv4.HEADER_LEN;
  return tcp.checksumOk(bytes, l4, p.tail - l4, l3 + ipv4.field.source);
}

const sameFlow = (a: number, b: number): boolean =>
  ipv4.source(bytes, a) === ipv4.source(bytes, b) &&
  ipv4.destination(bytes, a) === ipv4.destination(bytes, b) &&
  i32(bytes, a + ipv4.HEADER_LEN) === i32(bytes, b + ipv4.HEADER_LEN);

/** Whether the packet at `l3` is what comes next in a train, and alike in all a segment shares. */
function follows(train: Packet, p: Packet, l3: number, length: number): boolean {
  const first = train.l3;
  const a = first + ipv4.HEADER_LEN;
  const b = l3 + ipv4.HEADER_LEN;
  const gathered = train.tail - train.segmentFrom;
  const flags = tcp.flags(bytes, b);
  return (
    p.segment === 0 &&
    length > 0 &&
    length <= train.segment &&
    train.tail - first + length <= MAX_LENGTH &&
    (flags & tcp.CWR) === 0 &&
    ((flags ^ tcp.flags(bytes, a)) & STEADY) === 0 &&
    tcp.headerLength(bytes, a) === tcp.headerLength(bytes, b) &&
    tcp.acknowledgement(bytes, a) === tcp.acknowledgement(bytes, b) &&
    ((tcp.sequence(bytes, a) + gathered) | 0) === tcp.sequence(bytes, b) &&
    same(a + tcp.HEADER_LEN, b + tcp.HEADER_LEN, train.segmentFrom - a - tcp.HEADER_LEN) &&
    // Up to the inner IPv4 header: the same neighbours, by the same frame type.
    same(train.data, p.data, first - train.data) &&
    ipv4.tos(bytes, first) === ipv4.tos(bytes, l3) &&
    ipv4.ttl(bytes, first) === ipv4.ttl(bytes, l3) &&
    ipv4.dontFragment(bytes, first) === ipv4.dontFragment(bytes, l3) &&
    countsOn(train, l3, gathered) &&
    isSound(p, l3)
  );
}

/** Identifications go up by one, or, with DF, all are the same: the second packet decides. */
function countsOn(train: Packet, l3: number, gathered: number): boolean {
  const nth = Math.ceil(gathered / train.segment);
  const ahead = (ipv4.identification(bytes, l3) - ipv4.identification(bytes, train.l3)) & 0xffff;
  if (nth === 1 && ahead === 0 && ipv4.dontFragment(bytes, l3)) train.segmentStep = 0;
  return ahead === ((nth * train.segmentStep) & 0xffff);
}

function same(a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

function join(train: Packet, from: number, end: number): void {
  bytes.copyWithin(train.tail, from, end);
  train.tail += end - from;
}

/** A first segment moves to a slot with room for those after it; false where none is free. */
function start(node: Node, p: Packet, l3: number, from: number): boolean {
  const train = node.world.create(l3 - p.data + MAX_LENGTH);
  if (train === null) return false;
  bytes.copyWithin(train.data, p.data, p.tail);
  const moved = train.data - p.data;
  train.tail = p.tail + moved;
  train.l3 = l3 + moved;
  train.input = p.input;
  train.mark = p.mark;
  train.follow(p);
  train.frameType = p.frameType;
  train.wraps = p.wraps;
  train.partial = p.partial;
  train.partialAt = p.partialAt + moved;
  train.segment = p.tail - from;
  train.segmentFrom = from + moved;
  train.segmentStep = 1;
  node.gathering.open(train);
  node.world.enqueue(node, train, Room.Poll);
  return true;
}
