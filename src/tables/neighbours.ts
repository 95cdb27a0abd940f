/**
 * The neighbour table of a namespace (`ip neigh`): (device, address) to MAC and
 * state, with the packets that wait for an answer. An entry is its id, which stays
 * valid while the entry lives, and stands in eight words:
 *
 *   device   address   MAC, lower   MAC, upper | requests | state   bytes waiting   timer   unused x 2
 */
import { Changes } from './changes.ts';
import { PairIndex } from './pair-index.ts';
import { WordMemory } from './word-memory.ts';

/** As linux/neighbour.h has them, without the bit encoding. */
export const Nud = {
  None: 0,
  Incomplete: 1,
  Reachable: 2,
  Stale: 3,
  Delay: 4,
  Probe: 5,
  Failed: 6,
  NoArp: 7,
  Permanent: 8,
} as const;
export type Nud = (typeof Nud)[keyof typeof Nud];

/** Whether a MAC is known and may be used: NUD_VALID. */
export const isValid = (state: number): boolean => state >= Nud.Reachable && state !== Nud.Failed;

/** Words of an entry, as a shift, and where in it they stand. */
const ENTRY = 3;
const ADDRESS = 1;
const LOW = 2;
/** State in its lowest 8 bits, then requests in 8. */
const STATE = 3;
const QUEUED = 4;
const TIMER = 5;
const HIGH_SHIFT = 16;
const ASKED_SHIFT = 8;
const BYTE = 0xff;
/** Entries there is room for at first. */
const LEAST = 2;

export class Neighbours<Waiting extends { next: Waiting | null }> {
  private words: Int32Array;
  private at: number;
  private room = LEAST;
  private ids = 0;
  private readonly index: PairIndex;
  /** Null while none is known to age. */
  private confirmed: Float64Array | null = null;
  private readonly changes: Changes;
  private readonly memory: WordMemory;
  private readonly free: number[] = [];
  private readonly heads: (Waiting | null)[] = [];
  private readonly tails: (Waiting | null)[] = [];

  /** `changes` is told of each change of an entry, its age included. */
  constructor(changes: Changes = new Changes(), memory = new WordMemory()) {
    this.changes = changes;
    this.memory = memory;
    this.index = new PairIndex(memory);
    const { words, at } = memory.take(LEAST << ENTRY);
    this.words = words;
    this.at = at;
  }

  /** The id, or -1. */
  find(device: number, address: number): number {
    return this.index.get(device, address | 0);
  }

  /** Adds or replaces MAC and state; the id. Waiting packets stay queued. */
  set(device: number, address: number, high: number, low: number, state: Nud): number {
    const found = this.find(device, address);
    this.changes.note();
    const id = found < 0 ? this.open(device, address) : found;
    const entry = this.entry(id);
    const { words } = this;
    words[entry + LOW] = low;
    words[entry + STATE] = (high << HIGH_SHIFT) | state;
    words[entry + TIMER] = words[entry + TIMER]! + 1;
    if (this.confirmed !== null) this.confirmed[id] = Number.POSITIVE_INFINITY;
    return id;
  }

  private open(device: number, address: number): number {
    const id = this.free.pop() ?? this.ids++;
    if (id >= this.room) this.grow();
    const entry = this.entry(id);
    this.words[entry] = device;
    this.words[entry + ADDRESS] = address;
    this.words[entry + QUEUED] = 0;
    this.index.set(device, address | 0, id);
    return id;
  }

  /** Where its words begin. */
  private entry(id: number): number {
    return this.at + (id << ENTRY);
  }

  /** Removes an entry; the packets that waited for it, as a list. */
  delete(device: number, address: number): Waiting | null {
    const id = this.find(device, address);
    if (id < 0) return null;
    const waiting = this.unpark(id);
    this.changes.note();
    this.index.delete(device, address | 0);
    this.putState(id, Nud.None);
    this.free.push(id);
    return waiting;
  }

  device(id: number): number {
    return this.words[this.entry(id)]!;
  }

  address(id: number): number {
    return this.words[this.entry(id) + ADDRESS]!;
  }

  macHigh(id: number): number {
    return this.words[this.entry(id) + STATE]! >>> HIGH_SHIFT;
  }

  macLow(id: number): number {
    return this.words[this.entry(id) + LOW]!;
  }

  state(id: number): Nud {
    return (this.words[this.entry(id) + STATE]! & BYTE) as Nud;
  }

  setState(id: number, state: Nud): void {
    this.putState(id, state);
    this.changes.note();
  }

  private putState(id: number, state: Nud): void {
    const at = this.entry(id) + STATE;
    this.words[at] = (this.words[at]! & ~BYTE) | state;
  }

  /** When the neighbour was last heard of, ms of virtual time; never: it does not age. */
  confirm(id: number, milliseconds: number): void {
    this.confirmed ??= new Float64Array(this.room).fill(Number.POSITIVE_INFINITY);
    this.confirmed[id] = milliseconds;
    this.changes.note();
  }

  confirmedAt(id: number): number {
    return this.confirmed === null ? Number.POSITIVE_INFINITY : this.confirmed[id]!;
  }

  /** Counts one more request; how many there were, this one included. */
  countProbe(id: number): number {
    const probes = this.probes(id) + 1;
    this.putProbes(id, probes);
    return probes;
  }

  private putProbes(id: number, probes: number): void {
    const at = this.entry(id) + STATE;
    this.words[at] = (this.words[at]! & ~(BYTE << ASKED_SHIFT)) | ((probes & BYTE) << ASKED_SHIFT);
  }

  /** Queues a packet behind an unresolved entry. `size`: what it counts there, bytes. */
  park(id: number, packet: Waiting, size: number): void {
    packet.next = null;
    const tail = this.tails[id] ?? null;
    if (tail === null) this.heads[id] = packet;
    else tail.next = packet;
    this.tails[id] = packet;
    this.queue(id, size);
  }

  /** Takes the oldest waiting packet out of the queue; `size` as it came in with. */
  unparkOldest(id: number, size: number): Waiting | null {
    const head = this.heads[id] ?? null;
    if (head === null) return null;
    this.heads[id] = head.next;
    if (head.next === null) this.tails[id] = null;
    head.next = null;
    this.queue(id, -size);
    return head;
  }

  /** The packet that has waited longest, still queued. */
  oldest(id: number): Waiting | null {
    return this.heads[id] ?? null;
  }

  /** Takes all waiting packets out, as a list, oldest first. */
  unpark(id: number): Waiting | null {
    const head = this.heads[id] ?? null;
    if (head === null) return null;
    this.heads[id] = null;
    this.tails[id] = null;
    this.words[this.entry(id) + QUEUED] = 0;
    return head;
  }

  private queue(id: number, bytes: number): void {
    const at = this.entry(id) + QUEUED;
    this.words[at] = this.words[at]! + bytes;
  }

  /** A new timer replaces the one before; its token. */
  startTimer(id: number): number {
    const at = this.entry(id) + TIMER;
    const token = (this.words[at]! + 1) | 0;
    this.words[at] = token;
    return token;
  }

  /** Whether this timer still counts. */
  isTimer(id: number, token: number): boolean {
    return this.words[this.entry(id) + TIMER] === token;
  }

  forgetProbes(id: number): void {
    this.putProbes(id, 0);
  }

  /** Requests sent since the entry was last set. */
  probes(id: number): number {
    return (this.words[this.entry(id) + STATE]! >>> ASKED_SHIFT) & BYTE;
  }

  /** Bytes that wait for the entry. */
  waiting(id: number): number {
    return this.words[this.entry(id) + QUEUED]!;
  }

  get size(): number {
    return this.index.size;
  }

  /** Ids of the present entries, in the order of ids. */
  *[Symbol.iterator](): Generator<number> {
    for (let id = 0; id < this.ids; id++) {
      if (this.state(id) !== Nud.None) yield id;
    }
  }

  private grow(): void {
    const { words: old, at: from, room, confirmed } = this;
    const { words, at } = this.memory.take(room << (ENTRY + 1));
    words.set(old.subarray(from, from + (room << ENTRY)), at);
    this.words = words;
    this.at = at;
    this.room = room * 2;
    this.memory.give({ words: old, at: from }, room << ENTRY);
    if (confirmed === null) return;
    this.confirmed = new Float64Array(this.room).fill(Number.POSITIVE_INFINITY);
    this.confirmed.set(confirmed);
  }
}
