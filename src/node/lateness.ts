import type { Packet } from '../packet/packet.ts';
import type { Node } from './node.ts';

/**
 * When a kernel's timers fire and its limits end, where that is known: a timer waits for
 * the next slot of its level of the wheel (calc_index of kernel/time/timer.c), so it is
 * late by up to an eighth, and limits count ticks. No table tells the one or the other,
 * nor how long a frame is on its way. Without it a node is on time, to the millisecond,
 * and links take none.
 */
export interface Lateness {
  /**
   * Milliseconds until the timer of an entry fires that was armed for so many; infinity for
   * one that was to verify the entry, and finds it confirmed.
   */
  neighbour(node: Node, id: number, milliseconds: number): number;
  /** Milliseconds until the fragments of a datagram, of which this is the first to come, are given up. */
  fragments(node: Node, first: Packet, milliseconds: number): number;
  /** Milliseconds by which the time is another to the limit of redirects, for this packet. */
  redirect(node: Node, p: Packet): number;
  /** Milliseconds that a frame was on the link which takes it to device `p.input`; 0 where that is not known. */
  arrival(node: Node, p: Packet): number;
}
