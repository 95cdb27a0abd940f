/**
 * A packet as the kernel's sk_buff keeps it: offsets into a slot of the arena.
 *
 *   head           data                                    tail         end
 *    |   headroom   | header | header | payload . . . . . . |  tailroom  |
 *                    ^ l3: the IPv4 header the walk is working on
 *
 * Encapsulation moves `data` back and writes the new header; decapsulation moves
 * it forward. Nothing is copied inside the cluster.
 */
import { Drop } from '../drop.ts';
import { HEADROOM, slotSize, slotStart } from './arena.ts';

/** For whom the Ethernet frame was: PACKET_HOST and its kin of linux/if_packet.h. */
export const FrameType = { Host: 0, Broadcast: 1, Multicast: 2, OtherHost: 3 } as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export class Packet {
  readonly slot: number;
  readonly head: number;
  readonly end: number;
  data = 0;
  tail = 0;
  /** Arena offset of the IPv4 header in work; -1 before one is known. */
  l3 = -1;
  /** Position in the node's device list: where it came in; -1 for a packet born here. */
  input = -1;
  /** Where it goes out; -1 before a route is known. */
  output = -1;
  /** Route that won, as an index into the node's route table. */
  route = -1;
  /** Next hop, signed 32-bit address. */
  nextHop = 0;
  frameType: FrameType = FrameType.Host;
  /** An L4 checksum still is the pseudo-header sum: CHECKSUM_PARTIAL. */
  partial = false;
  /** While `partial`: offset of the IPv4 header whose message that is, maybe inside a tunnel. */
  partialAt = 0;
  /** Bytes of TCP data a segment of this packet will have (gso_size); 0 for one that is no train of them. */
  segment = 0;
  /** While `segment`: offset of the first byte of TCP data. */
  segmentFrom = 0;
  /** While `segment`: what the identification of one segment is above that of the one before, 0 or 1. */
  segmentStep = 1;
  /** Tunnels entered and not left. */
  wraps = 0;
  /** Device of the last encapsulation, against a tunnel routed into itself. */
  tunnel = -1;
  /** Tunnels it is in, also those of namespaces it has left. */
  depth = 0;
  /** Links crossed since the last router, that of a tunnel not counted. */
  hops = 0;
  /** Bridges crossed since the last router. */
  bridges = 0;
  /** The same of the frame inside the tunnel. */
  carried = 0;
  /** Of what a bridge takes itself: the port it came in by; -1 otherwise. */
  port = -1;
  /** Position of the last namespace in the cluster's list. */
  at = 0;
  drop: Drop = Drop.None;
  /** What the last room found, for the trace; meaning per room. */
  noteA = 0;
  noteB = 0;
  noteC = 0;
  /** skb->mark, which rules and routing rules read; survives encapsulation, not a link. */
  mark = 0;
  /** Connection of node/conntrack.ts with its serial number, the direction (0 original, 1 reply) and state; -1 none. */
  ct = -1;
  ctSerial = 0;
  ctDirection = 0;
  ctState = 0;
  /** The zone that a rule of the raw table gave it for tracking, 0 for none. */
  ctZone = 0;
  /** The output hook has seen this packet. */
  localOut = false;
  /** Its socket heeds the MTU of the device alone, and no learned one (IP_PMTUDISC_PROBE). */
  probes = false;
  /** Longest fragment this packet was put together from; 0 for one that came whole. */
  fragMax = 0;
  /** Bytes of data of those fragments, in order. */
  fragSizes: readonly number[] | null = null;
  /** Offset from `l3` of the slot of a record-route option that this node fills. */
  recordRoute = 0;
  /** A timestamp option was met. */
  recordTime = false;
  /** Options were written into, and the header checksum not yet. */
  optionsChanged = false;
  /** The router's way out is the way in, and the sender could go directly. */
  redirect = false;
  /** ICMP that was sent about this packet: type * 256 + code + 1; 0 for none. */
  answer = 0;
  /** To whom, a signed address. */
  answerTo = 0;
  /** Recorded by the trace when not 0. */
  traced = 0;
  /** The next in whatever list holds this packet. */
  next: Packet | null = null;

  constructor(slot: number) {
    this.slot = slot;
    this.head = slotStart(slot);
    this.end = this.head + slotSize(slot);
  }

  /** As new, with `length` bytes of data after the usual headroom. */
  reset(length: number): void {
    this.data = this.head + HEADROOM;
    this.tail = this.data + length;
    this.l3 = -1;
    this.input = -1;
    this.output = -1;
    this.route = -1;
    this.nextHop = 0;
    this.frameType = FrameType.Host;
    this.partial = false;
    this.segment = 0;
    this.wraps = 0;
    this.tunnel = -1;
    this.depth = 0;
    this.hops = 0;
    this.bridges = 0;
    this.carried = 0;
    this.port = -1;
    this.at = 0;
    this.drop = Drop.None;
    this.noteA = 0;
    this.noteB = 0;
    this.noteC = 0;
    this.mark = 0;
    this.forgetFlow();
    this.recordRoute = 0;
    this.recordTime = false;
    this.optionsChanged = false;
    this.redirect = false;
    this.answer = 0;
    this.answerTo = 0;
    this.traced = 0;
    this.next = null;
  }

  /** Has gone the way of a packet that it is made from. */
  follow(p: Packet): void {
    this.depth = p.depth;
    this.hops = p.hops;
    this.bridges = p.bridges;
    this.carried = p.carried;
    this.traced = p.traced;
  }

  /** What does not pass into a tunnel or onto a link: skb_scrub_packet. */
  forgetFlow(): void {
    this.ct = -1;
    this.ctDirection = 0;
    this.ctState = 0;
    this.ctZone = 0;
    this.localOut = false;
    this.probes = false;
    this.fragMax = 0;
    this.fragSizes = null;
  }

  /** Moves `data` back over `length` bytes of headroom. The caller has asked `room`. */
  push(length: number): number {
    this.data -= length;
    if (this.data < this.head) throw new RangeError('packet headroom exhausted');
    return this.data;
  }

  pull(length: number): void {
    this.data += length;
  }

  /** Cuts everything beyond `length` bytes after `data`. */
  trim(length: number): void {
    this.tail = this.data + length;
  }

  get length(): number {
    return this.tail - this.data;
  }

  /** Bytes of headroom left. */
  get headroom(): number {
    return this.data - this.head;
  }
}
