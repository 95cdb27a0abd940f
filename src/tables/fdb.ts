/**
 * The forwarding database of VXLAN devices: (device, MAC) to the addresses of
 * remote VTEPs, as `bridge fdb` shows it. MACs are two integers, upper 16 and
 * lower 32 bits, so that the packet path handles no doubles.
 */
import { PairIndex } from './pair-index.ts';
import { WordMemory } from './word-memory.ts';

/** Columns of one entry, for printing and tests. */
export interface FdbEntry {
  readonly device: number;
  readonly macHigh: number;
  readonly macLow: number;
  /** Signed 32-bit address. */
  readonly destination: number;
}

/** What a device has of a table that several share: all that stands there under device 0, but for its own MAC. */
interface Share {
  readonly device: number;
  readonly common: Fdb;
  readonly ownHigh: number;
  readonly ownLow: number;
}

/** The least number of entries among which learned ones that have aged are looked for, and how often at most, ms. */
const MANY = 1024;
const PAUSE = 1000;

export class Fdb {
  private readonly index: PairIndex;
  private readonly entries: FdbEntry[] = [];
  private readonly remotes: number[][] = [];
  /** When a learned entry was last heard of, ms; infinite for one that somebody made. */
  private readonly heard: number[] = [];
  private share: Share | null = null;
  /** Ids of learned entries that have aged. */
  private readonly free: number[] = [];
  private full = MANY;
  private cleaned = Number.NEGATIVE_INFINITY;

  constructor(memory = new WordMemory()) {
    this.index = new PairIndex(memory);
  }

  /** Gives a device what it shares; entries become the table's own when they are first found. */
  lieOver(share: Share): void {
    this.share = share;
  }

  /** Adds or replaces; the id of the entry. */
  set(device: number, macHigh: number, macLow: number, destination: number): number {
    let id = this.index.get(key(device, macHigh), macLow | 0);
    if (id < 0) {
      id = this.free.pop() ?? this.entries.length;
      this.index.set(key(device, macHigh), macLow | 0, id);
    }
    this.entries[id] = { device, macHigh, macLow: macLow | 0, destination: destination | 0 };
    this.remotes[id] = [destination | 0];
    this.heard[id] = Number.POSITIVE_INFINITY;
    return id;
  }

  /** One more remote of an entry, or the first; each gets a copy of every frame. */
  append(device: number, macHigh: number, macLow: number, destination: number): void {
    const id = this.find(device, macHigh, macLow);
    if (id < 0) this.set(device, macHigh, macLow, destination);
    else this.remotes[id]!.push(destination | 0);
  }

  /**
   * vxlan_snoop: a frame from this MAC came from a remote. False where an entry that was
   * made says another one: such a frame is dropped. `ageing`: how long it counts, ms.
   */
  learn(
    device: number,
    macHigh: number,
    macLow: number,
    remote: number,
    now: number,
    ageing: number,
  ): boolean {
    const id = this.find(device, macHigh, macLow);
    if (id >= 0 && this.remotes[id]![0] !== (remote | 0) && !this.isLearned(id)) return false;
    if (id >= 0 && !this.isLearned(id)) return true;
    if (this.entries.length >= this.full && this.free.length === 0) {
      if (now - this.cleaned >= PAUSE) this.clean(device, now, ageing);
    }
    this.heard[this.set(device, macHigh, macLow, remote)] = now;
    return true;
  }

  /** vxlan_cleanup */
  private clean(device: number, now: number, ageing: number): void {
    for (const [id, entry] of this.entries.entries()) {
      if (entry.device !== device || this.isAlive(id, now, ageing)) continue;
      const address = key(device, entry.macHigh);
      if (this.index.get(address, entry.macLow) === id) this.index.delete(address, entry.macLow);
      this.free.push(id);
    }
    this.full = Math.max(MANY, 2 * (this.entries.length - this.free.length));
    this.cleaned = now;
  }

  isLearned(id: number): boolean {
    return this.heard[id] !== Number.POSITIVE_INFINITY;
  }

  /** Whether it was made, or heard of within `ageing` ms. */
  isAlive(id: number, now: number, ageing: number): boolean {
    return this.heard[id]! > now - ageing;
  }

  /** The id of the entry, or -1. Ids stay valid until what was learned has aged. */
  find(device: number, macHigh: number, macLow: number): number {
    const id = this.index.get(key(device, macHigh), macLow | 0);
    return id >= 0 || this.share === null ? id : this.take(this.share, device, macHigh, macLow);
  }

  private take(share: Share, device: number, macHigh: number, macLow: number): number {
    if (device !== share.device) return -1;
    if (macHigh === share.ownHigh && (macLow | 0) === (share.ownLow | 0)) return -1;
    const id = share.common.find(0, macHigh, macLow);
    return id < 0 ? -1 : this.set(device, macHigh, macLow, share.common.destination(id));
  }

  /** From here on all entries are the table's own. */
  private part(): void {
    const { share } = this;
    if (share === null) return;
    for (const { macHigh, macLow } of share.common) this.find(share.device, macHigh, macLow);
    this.share = null;
  }

  /** The remote at a place, from 0; the first of them where no place is told. */
  destination(id: number, place = 0): number {
    return this.remotes[id]![place]!;
  }

  /** How many remotes an entry has. */
  count(id: number): number {
    return this.remotes[id]!.length;
  }

  entry(id: number): FdbEntry {
    return this.entries[id]!;
  }

  delete(device: number, macHigh: number, macLow: number): boolean {
    this.part();
    return this.index.delete(key(device, macHigh), macLow | 0);
  }

  /** vxlan_flush: what a device that goes down has learned. */
  forget(device: number): void {
    for (const [id, entry] of this.entries.entries()) {
      if (entry.device === device && this.isLearned(id)) this.heard[id] = Number.NEGATIVE_INFINITY;
    }
  }

  get size(): number {
    this.part();
    return this.index.size;
  }

  /** The present entries, oldest first. */
  *[Symbol.iterator](): Generator<FdbEntry> {
    this.part();
    for (const [id, entry] of this.entries.entries()) {
      if (this.find(entry.device, entry.macHigh, entry.macLow) === id) yield entry;
    }
  }
}

/** A device number below 65,536 and the upper 16 bits of a MAC, in one word. */
const key = (device: number, macHigh: number): number => (device << 16) | macHigh;
