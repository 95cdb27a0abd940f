/**
 * Which port of a bridge a MAC is behind (net/bridge/br_fdb.c): own addresses, entries that
 * somebody made, and those learned from frames, which age. MACs are two integers, upper
 * 16 and lower 32 bits. Times are milliseconds of virtual time.
 */
import { PairIndex } from './pair-index.ts';

export const BridgeEntry = { Learned: 0, Static: 1, Local: 2 } as const;
export type BridgeEntry = (typeof BridgeEntry)[keyof typeof BridgeEntry];

/** Entries that count a namespace holds at most; the kernel has no limit (fdb_max_learned is 0). */
const MOST = 1 << 20;
/** The least of them among which aged ones are looked for, and how often at most, ms. */
const MANY = 1024;
const PAUSE = 1000;

/** An entry that counts, for printing. */
export interface BridgeFdbEntry {
  readonly bridge: number;
  readonly port: number;
  readonly macHigh: number;
  readonly macLow: number;
  readonly kind: BridgeEntry;
}

export class BridgeFdb {
  private readonly index = new PairIndex();
  private readonly keys: number[] = [];
  private readonly lows: number[] = [];
  private readonly ports: number[] = [];
  private readonly kinds: BridgeEntry[] = [];
  /** When the address was last a source. */
  private readonly heard: number[] = [];
  private readonly ageing: (bridge: number) => number;
  /** With so many entries those that have aged are looked for; when that was done last. */
  private full = MANY;
  private cleaned = Number.NEGATIVE_INFINITY;

  /** `ageing`: how long what a bridge learned counts, ms. */
  constructor(ageing: (bridge: number) => number) {
    this.ageing = ageing;
  }

  /** Adds or replaces. `port` is -1 for the bridge itself. */
  set(
    bridge: number,
    high: number,
    low: number,
    port: number,
    kind: BridgeEntry,
    now: number,
  ): void {
    let id = this.index.get(key(bridge, high), low | 0);
    if (id < 0) {
      if (this.ports.length >= this.full && now - this.cleaned >= PAUSE) this.clean(now);
      if (this.ports.length >= MOST) return;
      id = this.ports.length;
      this.index.set(key(bridge, high), low | 0, id);
      this.keys[id] = key(bridge, high);
      this.lows[id] = low | 0;
    }
    this.ports[id] = port;
    this.kinds[id] = kind;
    this.heard[id] = now;
  }

  /** br_fdb_update: a frame from this address came in by a port. Own addresses stay where they are. */
  learn(bridge: number, high: number, low: number, port: number, now: number): void {
    const id = this.index.get(key(bridge, high), low | 0);
    if (id < 0) this.set(bridge, high, low, port, BridgeEntry.Learned, now);
    else if (this.kinds[id] !== BridgeEntry.Local) {
      this.ports[id] = port;
      this.heard[id] = now;
    }
  }

  /** The entry for an address, or -1: good until the next change. */
  find(bridge: number, high: number, low: number, now: number): number {
    const id = this.index.get(key(bridge, high), low | 0);
    return id >= 0 && this.isAlive(id, now) ? id : -1;
  }

  port(id: number): number {
    return this.ports[id]!;
  }

  isLocal(id: number): boolean {
    return this.kinds[id] === BridgeEntry.Local;
  }

  /** The entries of a bridge that count now, oldest first. */
  *list(bridge: number, now: number): Generator<BridgeFdbEntry> {
    for (const [id, port] of this.ports.entries()) {
      const word = this.keys[id]!;
      if (word >>> 16 !== bridge || !this.isAlive(id, now)) continue;
      const macLow = this.lows[id]!;
      yield { bridge, port, macHigh: word & 0xffff, macLow, kind: this.kinds[id]! };
    }
  }

  /** br_fdb_delete_by_port: what was learned behind a port that goes down; `all`, of one that is deleted. */
  forget(port: number, all = false): void {
    for (const [id, at] of this.ports.entries()) {
      if (at !== port || !(all || this.kinds[id] === BridgeEntry.Learned)) continue;
      this.kinds[id] = BridgeEntry.Learned;
      this.heard[id] = Number.NEGATIVE_INFINITY;
    }
  }

  /** Entries held, aged ones included. */
  get size(): number {
    return this.ports.length;
  }

  /** br_fdb_cleanup: the others move up, in their order. */
  private clean(now: number): void {
    const { index, keys, lows, ports, kinds, heard } = this;
    let kept = 0;
    for (let id = 0; id < ports.length; id++) {
      if (!this.isAlive(id, now)) {
        index.delete(keys[id]!, lows[id]!);
        continue;
      }
      index.set(keys[id]!, lows[id]!, kept);
      keys[kept] = keys[id]!;
      lows[kept] = lows[id]!;
      ports[kept] = ports[id]!;
      kinds[kept] = kinds[id]!;
      heard[kept++] = heard[id]!;
    }
    for (const column of [keys, lows, ports, kinds, heard]) column.length = kept;
    this.full = Math.max(MANY, Math.min(2 * kept, MOST));
    this.cleaned = now;
  }

  private isAlive(id: number, now: number): boolean {
    if (this.kinds[id] !== BridgeEntry.Learned) return true;
    return now - this.heard[id]! < this.ageing(this.keys[id]! >>> 16);
  }
}

/** A device number below 65,536 and the upper 16 bits of a MAC, in one word. */
const key = (device: number, macHigh: number): number => (device << 16) | macHigh;
