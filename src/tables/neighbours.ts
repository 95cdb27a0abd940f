/**
 * The neighbour table of a namespace (`ip neigh`): (device, address) to MAC and
 * state, with the packets that wait for an answer. Columns are typed arrays, an
 * entry is its id; ids stay valid while the entry lives.
 */
import { Changes } from './changes.ts';
import { PairIndex } from './pair-index.ts';

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

export class Neighbours<Waiting extends { next: Waiting | null }> {
  private readonly changes: Changes;
  private readonly index = new PairIndex();
  private readonly free: number[] = [];
  private ids = 0;
  private devices = new Int32Array(8);
  private addresses = new Int32Array(8);
  private highs = new Uint16Array(8);
  private lows = new Int32Array(8);
  private states = new Uint8Array(8);
  private asked = new Uint8Array(8);
  private queued = new Uint32Array(8);
  private confirmed = new Float64Array(8);
  private timers = new Int32Array(8);
  private readonly heads: (Waiting | null)[] = [];
  private readonly tails: (Waiting | null)[] = [];

  /** `changes` is told of each change of an entry, its age included. */
  constructor(changes: Changes = new Changes()) {
    this.changes = changes;
  }

  /** The id, or -1. */
  find(device: number, address: number): number {
    return this.index.get(device, address | 0);
  }

  /** Adds or replaces MAC and state; the id. Waiting packets stay queued. */
  set(device: number, address: number, high: number, low: number, state: Nud): number {
    let id = this.find(device, address);
    this.changes.note();
    if (id < 0) {
      id = this.free.pop() ?? this.ids++;
      if (id >= this.states.length) this.grow();
      this.devices[id] = device;
      this.addresses[id] = address;
      this.queued[id] = 0;
      this.heads[id] = null;
      this.tails[id] = null;
      this.index.set(device, address | 0, id);
    }
    this.highs[id] = high;
    this.lows[id] = low;
    this.states[id] = state;
    this.asked[id] = 0;
    this.confirmed[id] = Number.POSITIVE_INFINITY;
    this.timers[id] = this.timers[id]! + 1;
    return id;
  }

  /** Removes an entry; the packets that waited for it, as a list. */
  delete(device: number, address: number): Waiting | null {
    const id = this.find(device, address);
    if (id < 0) return null;
    const waiting = this.unpark(id);
    this.changes.note();
    this.index.delete(device, address | 0);
    this.states[id] = Nud.None;
    this.free.push(id);
    return waiting;
  }

  device = (id: number): number => this.devices[id]!;
  address = (id: number): number => this.addresses[id]!;
  macHigh = (id: number): number => this.highs[id]!;
  macLow = (id: number): number => this.lows[id]!;
  state = (id: number): Nud => this.states[id] as Nud;

  setState(id: number, state: Nud): void {
    this.states[id] = state;
    this.changes.note();
  }

  /** When the neighbour was last heard of, ms of virtual time; never: it does not age. */
  confirm(id: number, milliseconds: number): void {
    this.confirmed[id] = milliseconds;
    this.changes.note();
  }

  confirmedAt(id: number): number {
    return this.confirmed[id]!;
  }

  /** Counts one more request; how many there were, this one included. */
  countProbe(id: number): number {
    const probes = this.asked[id]! + 1;
    this.asked[id] = probes;
    return probes;
  }

  /** Queues a packet behind an unresolved entry. `size`: what it counts there, bytes. */
  park(id: number, packet: Waiting, size: number): void {
    packet.next = null;
    const tail = this.tails[id] ?? null;
    if (tail === null) this.heads[id] = packet;
    else tail.next = packet;
    this.tails[id] = packet;
    this.queued[id] = this.queued[id]! + size;
  }

  /** Takes the oldest waiting packet out of the queue; `size` as it came in with. */
  unparkOldest(id: number, size: number): Waiting | null {
    const head = this.heads[id] ?? null;
    if (head === null) return null;
    this.heads[id] = head.next;
    if (head.next === null) this.tails[id] = null;
    head.next = null;
    this.queued[id] = this.queued[id]! - size;
    return head;
  }

  /** The packet that has waited longest, still queued. */
  oldest(id: number): Waiting | null {
    return this.heads[id] ?? null;
  }

  /** Takes all waiting packets out, as a list, oldest first. */
  unpark(id: number): Waiting | null {
    const head = this.heads[id] ?? null;
    this.heads[id] = null;
    this.tails[id] = null;
    this.queued[id] = 0;
    return head;
  }

  /** A new timer replaces the one before; its token. */
  startTimer(id: number): number {
    const token = this.timers[id]! + 1;
    this.timers[id] = token;
    return token;
  }

  /** Whether this timer still counts. */
  isTimer(id: number, token: number): boolean {
    return this.timers[id] === token;
  }

  forgetProbes(id: number): void {
    this.asked[id] = 0;
  }

  /** Requests sent since the entry was last set. */
  probes(id: number): number {
    return this.asked[id]!;
  }

  /** Bytes that wait for the entry. */
  waiting(id: number): number {
    return this.queued[id]!;
  }

  get size(): number {
    return this.index.size;
  }

  /** Ids of the present entries, in the order of ids. */
  *[Symbol.iterator](): Generator<number> {
    for (let id = 0; id < this.ids; id++) {
      if (this.states[id] !== Nud.None) yield id;
    }
  }

  private grow(): void {
    const size = this.states.length * 2;
    const wider = <T extends Int32Array | Uint32Array | Uint16Array | Uint8Array | Float64Array>(
      to: T,
      from: T,
    ): T => {
      to.set(from);
      return to;
    };
    this.devices = wider(new Int32Array(size), this.devices);
    this.addresses = wider(new Int32Array(size), this.addresses);
    this.highs = wider(new Uint16Array(size), this.highs);
    this.lows = wider(new Int32Array(size), this.lows);
    this.states = wider(new Uint8Array(size), this.states);
    this.asked = wider(new Uint8Array(size), this.asked);
    this.queued = wider(new Uint32Array(size), this.queued);
    this.timers = wider(new Int32Array(size), this.timers);
    this.confirmed = wider(new Float64Array(size), this.confirmed);
  }
}
