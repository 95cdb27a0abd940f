import type { Packet } from '../packet/packet.ts';
import type { Node } from './node.ts';

/**
 * When a kernel's timers fire, its limits end and its queues are polled, where that is
 * known: a timer waits for the next slot of its level of the wheel (calc_index of
 * kernel/time/timer.c), so it is late by up to an eighth, limits count ticks, and a softirq
 * may run between any two packets. No table tells any of it, nor how long a frame is on its
 * way. Without it a node is on time, to the millisecond, polls when nothing more comes, and
 * links take no time.
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
  /** Whether the queue of a tunnel (gro_cells) was polled between a train in it and the packet at `l3`. */
  polled(train: Packet, l3: number): boolean;
  /** Whether that queue was not polled before more joined this train. */
  waits(train: Packet): boolean;
  /**
   * Whether an error about this packet passes the limit of all errors together, whose use a
   * kernel draws at random; null where that is not known, and the limit counts each as one.
   */
  error(node: Node, p: Packet, type: number): boolean | null;
}
