/**
 * What is to happen: packets that may go on now, first in first out, and timers
 * in the order of virtual time.
 */
import type { Node } from '../node/node.ts';
import type { Room } from '../node/room.ts';
import { isBefore, type Moment } from '../packet/moment.ts';
import type { Packet } from '../packet/packet.ts';

/** A ring of (node, packet, room); it grows when full and never shrinks. */
export class Fifo {
  private nodes: (Node | null)[] = new Array<Node | null>(64).fill(null);
  private packets: (Packet | null)[] = new Array<Packet | null>(64).fill(null);
  private rooms = new Uint8Array(64);
  private first = 0;
  private count = 0;
  node!: Node;
  packet!: Packet;
  room!: Room;

  get length(): number {
    return this.count;
  }

  push(node: Node, packet: Packet, room: Room): void {
    if (this.count === this.rooms.length) this.grow();
    this.put((this.first + this.count++) & (this.rooms.length - 1), node, packet, room);
  }

  /** Before all others. */
  unshift(node: Node, packet: Packet, room: Room): void {
    if (this.count === this.rooms.length) this.grow();
    this.first = (this.first - 1) & (this.rooms.length - 1);
    this.count++;
    this.put(this.first, node, packet, room);
  }

  /** Puts the oldest into `node`, `packet` and `room`; false when empty. */
  shift(): boolean {
    if (this.count === 0) return false;
    const at = this.first;
    this.first = (at + 1) & (this.rooms.length - 1);
    this.count--;
    this.node = this.nodes[at]!;
    this.packet = this.packets[at]!;
    this.room = this.rooms[at] as Room;
    this.packets[at] = null;
    return true;
  }

  private put(at: number, node: Node, packet: Packet, room: Room): void {
    this.nodes[at] = node;
    this.packets[at] = packet;
    this.rooms[at] = room;
  }

  private grow(): void {
    const size = this.rooms.length;
    const nodes = new Array<Node | null>(size * 2).fill(null);
    const packets = new Array<Packet | null>(size * 2).fill(null);
    const rooms = new Uint8Array(size * 2);
    for (let i = 0; i < this.count; i++) {
      const at = (this.first + i) & (size - 1);
      nodes[i] = this.nodes[at]!;
      packets[i] = this.packets[at]!;
      rooms[i] = this.rooms[at]!;
    }
    this.nodes = nodes;
    this.packets = packets;
    this.rooms = rooms;
    this.first = 0;
  }
}

export interface Timer {
  readonly when: Moment;
  /** Equal times fire in the order they were armed. */
  readonly order: number;
  fire(): void;
}

/** A binary heap, earliest timer on top. */
export class Timers {
  private readonly heap: Timer[] = [];
  /** How many were ever armed. */
  armed = 0;

  add(when: Moment, fire: () => void): void {
    const heap = this.heap;
    let at = heap.length;
    heap.push({ when, order: this.armed++, fire });
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!precedes(heap[at]!, heap[parent]!)) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  get first(): Timer | undefined {
    return this.heap[0];
  }

  shift(): Timer | undefined {
    const heap = this.heap;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return top;
    heap[0] = last;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && precedes(heap[child]!, heap[least]!)) least = child;
      }
      if (least === at) return top;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

const precedes = (a: Timer, b: Timer): boolean =>
  isBefore(a.when, b.when) || (!isBefore(b.when, a.when) && a.order < b.order);
