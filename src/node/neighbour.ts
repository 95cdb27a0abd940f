/**
 * Next hop to MAC, or wait for ARP: neigh_resolve_output and the timers of
 * net/core/neighbour.c. An entry that is known is used at once, also when stale;
 * an unknown one is asked for three times, a second apart, then fails.
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { isValid, Nud } from '../tables/neighbours.ts';
import { RouteKind } from '../tables/routes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { sendRequest } from './arp.ts';
import type { Device } from './device.ts';
import { dropped } from './drop-packet.ts';
import { sendError } from './icmp-error.ts';
import type { Node } from './node.ts';
import { End, type Next, Room } from './room.ts';
import { LIMITED_BROADCAST } from './source-check.ts';

/** net.ipv4.neigh.*: retrans_time_ms, mcast_solicit, and unres_qlen_bytes. */
const RETRANSMIT_MS = 1000;
/** base_reachable_time_ms (the kernel draws 0.5 to 1.5 of it) and delay_first_probe_time. */
export const REACHABLE_MS = 30_000;
const DELAY_PROBE_MS = 5000;
const MAX_PROBES = 3;
const QUEUE_BYTES = 212_992;

/** Notes: A the entry that answered, or the one waited for. B 1 for a broadcast. */
export function neighbour(node: Node, p: Packet): Next {
  const device = node.devices[p.output]!;
  p.noteB = 0;
  if (
    p.nextHop === LIMITED_BROADCAST ||
    (p.route >= 0 && node.routes.kind(p.route) === RouteKind.Broadcast)
  ) {
    p.noteB = 1;
    frame(p, device, 0xffff, -1);
    return Room.Transmit;
  }
  const id = resolve(node, device, p.nextHop);
  p.noteA = id;
  // "No header cache and no neighbour!" of ip_finish_output2: nobody is told.
  if (id < 0) return dropped(p, Drop.NeighbourTableFull);
  if (isValid(node.neighbours.state(id))) {
    use(node, id);
    frame(p, device, node.neighbours.macHigh(id), node.neighbours.macLow(id));
    return Room.Transmit;
  }
  park(node, id, p);
  if (node.neighbours.state(id) !== Nud.Incomplete) {
    node.neighbours.set(device.position, p.nextHop, 0, 0, Nud.Incomplete);
    probe(node, id, ipv4.source(bytes, p.l3));
  }
  return End.Parked;
}

/** __neigh_event_send: the oldest packets make room. */
function park(node: Node, id: number, p: Packet): void {
  const { neighbours } = node;
  const size = bufferSize(p);
  while (neighbours.waiting(id) + size > QUEUE_BYTES) {
    const oldest = neighbours.oldest(id);
    if (oldest === null) break;
    neighbours.unparkOldest(id, bufferSize(oldest));
    oldest.drop = Drop.NeighbourQueue;
    node.world.discard(node, oldest);
  }
  neighbours.park(id, p, size);
}

/** SKB_SMALL_HEAD_CACHE_SIZE: the least block of a socket buffer's bytes. */
const LEAST_BLOCK = 576;
/** sizeof(struct skb_shared_info), sizeof(struct sk_buff), LL_RESERVED_SPACE of Ethernet. */
const SHARED_INFO = 320;
const SK_BUFF = 256;
const RESERVED = 16;

/**
 * Bytes of memory that the kernel counts for a packet (skb->truesize of __alloc_skb): its
 * frame in a block whose size is a power of two, and what describes it.
 */
export function bufferSize(p: Packet): number {
  const frame = p.length + ethernet.HEADER_LEN + RESERVED;
  const needed = ((frame + 63) & ~63) + SHARED_INFO;
  let block = LEAST_BLOCK;
  if (needed > block) for (block = 1024; block < needed; ) block *= 2;
  return block + SK_BUFF;
}

/** Whether an entry answers, and needs no verifying at this time. */
export const isFresh = (node: Node, id: number, milliseconds: number): boolean =>
  milliseconds <= freshUntil(node, id);

/** The last millisecond at which an entry answers without being verified, if nothing happens to it. */
export function freshUntil(node: Node, id: number): number {
  const state = node.neighbours.state(id);
  if (!isValid(state) || state === Nud.Stale) return Number.NEGATIVE_INFINITY;
  if (state !== Nud.Reachable) return Number.POSITIVE_INFINITY;
  return node.neighbours.confirmedAt(id) + REACHABLE_MS;
}

/** An old entry is used at once, and verified later: neigh_event_send, neigh_timer_handler. */
function use(node: Node, id: number): void {
  if (isFresh(node, id, node.world.milliseconds())) return;
  node.neighbours.setState(id, Nud.Delay);
  node.world.audit?.alone('ARP');
  arm(node, id, DELAY_PROBE_MS);
}

/** Whether somebody answers at an address; asks for it where nobody is known to: neigh_event_send. */
export function seek(node: Node, device: Device, address: number): boolean {
  if (!device.ethernet) return true;
  const id = resolve(node, device, address);
  if (id < 0) return false;
  const state = node.neighbours.state(id);
  if (isValid(state)) return true;
  if (state !== Nud.Incomplete) {
    node.neighbours.setState(id, Nud.Incomplete);
    node.neighbours.forgetProbes(id);
    probe(node, id, 0);
  }
  return false;
}

/** The entry for an address: the node's own, else what the link had learned, else a new one; -1 without room. */
function resolve(node: Node, device: Device, address: number): number {
  const own = node.neighbours.find(device.position, address);
  if (own >= 0) return own;
  if (device.learned !== null) {
    const known = device.learned.find(0, address);
    if (known >= 0) {
      const high = device.learned.macHigh(known);
      const low = device.learned.macLow(known);
      return node.neighbours.set(device.position, address, high, low, device.learned.state(known));
    }
  }
  if (!node.neighbourQuota.admits(node.world.milliseconds())) return -1;
  return node.neighbours.set(device.position, address, 0, 0, Nud.Failed);
}

function frame(p: Packet, device: Device, toHigh: number, toLow: number): void {
  const at = p.push(ethernet.HEADER_LEN);
  const { macHigh, macLow } = device;
  ethernet.emit(bytes, at, toHigh, toLow, macHigh, macLow, ethernet.TYPE_IPV4);
}

/** One more request, and the timer for the next. `packetSource`: see arp_announce 0. */
function probe(node: Node, id: number, packetSource: number): void {
  node.neighbours.countProbe(id);
  sendRequest(node, id, packetSource);
  node.world.audit?.alone('ARP');
  arm(node, id, RETRANSMIT_MS);
}

/** neigh_add_timer */
function arm(node: Node, id: number, milliseconds: number): void {
  const { lateness } = node;
  const after = lateness === null ? milliseconds : lateness.neighbour(node, id, milliseconds);
  if (after === Number.POSITIVE_INFINITY) {
    node.neighbours.setState(id, Nud.Reachable);
    node.neighbours.confirm(id, node.world.milliseconds() + milliseconds);
  } else node.world.armNeighbour(node, id, after);
}

/** Whether the timer of an entry that waits is its last: then nobody is asked any more. */
export const isLastWait = (node: Node, id: number): boolean =>
  node.neighbours.state(id) !== Nud.Delay && node.neighbours.probes(id) >= MAX_PROBES;

/** The timer of an entry: verify what is old, ask again, or give up and end who waits. */
export function neighbourTimer(node: Node, id: number, token: number): void {
  const { neighbours } = node;
  if (!neighbours.isTimer(id, token)) return;
  const state = neighbours.state(id);
  if (state === Nud.Delay) {
    neighbours.setState(id, Nud.Probe);
    neighbours.forgetProbes(id);
    probe(node, id, 0);
    return;
  }
  if (state !== Nud.Incomplete && state !== Nud.Probe) return;
  const oldest = neighbours.oldest(id);
  if (!isLastWait(node, id)) {
    probe(node, id, oldest === null ? 0 : ipv4.source(bytes, oldest.l3));
    return;
  }
  neighbours.setState(id, Nud.Failed);
  for (let p = neighbours.unpark(id); p !== null; ) {
    const next: Packet | null = p.next;
    p.drop = Drop.NeighbourFailed;
    // arp_error_report: every packet that waited is answered.
    sendError(node, p, icmp.UNREACHABLE, icmp.CODE_HOST, 0);
    node.world.discard(node, p);
    p = next;
  }
}

/** An answer came: everybody who waited goes on, in order. */
export function release(node: Node, id: number): void {
  for (let p = node.neighbours.unpark(id); p !== null; ) {
    const next: Packet | null = p.next;
    p.next = null;
    node.world.enqueue(node, p, Room.Neighbour);
    p = next;
  }
}
