/**
 * Which port of a bridge a MAC is behind (net/bridge/br_fdb.c): own addresses, entries that
 * somebody made, and those learned from frames, which age. MACs are two integers, upper
 * 16 and lower 32 bits. Times are milliseconds of virtual time.
 */
import { PairIndex } from './pair-index.ts';

export const BridgeEntry = { Learned: 0, Static: 1, Local: 2 } as const;
export type BridgeEntry = (typeof BridgeEntry)[keyof typeof BridgeEntry];

/** Entries a namespace holds at most; the kernel has no limit. */
const MOST = 65_536;

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

  /** The entry for an address, or -1. What was learned counts for `ageing` ms. */
  find(bridge: number, high: number, low: number, now: number, ageing: number): number {
    const id = this.index.get(key(bridge, high), low | 0);
    return id >= 0 && this.isAlive(id, now, ageing) ? id : -1;
  }

  port(id: number): number {
    return this.ports[id]!;
  }

  isLocal(id: number): boolean {
    return this.kinds[id] === BridgeEntry.Local;
  }

  /** The entries of a bridge that count now, oldest first. */
  *list(bridge: number, now: number, ageing: number): Generator<BridgeFdbEntry> {
    for (const [id, port] of this.ports.entries()) {
      const word = this.keys[id]!;
      if (word >>> 16 !== bridge || !this.isAlive(id, now, ageing)) continue;
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

  private isAlive(id: number, now: number, ageing: number): boolean {
    return this.kinds[id] !== BridgeEntry.Learned || now - this.heard[id]! < ageing;
  }
}

/** A device number below 65,536 and the upper 16 bits of a MAC, in one word. */
const key = (device: number, macHigh: number): number => (device << 16) | macHigh;
