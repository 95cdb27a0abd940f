/**
 * The forwarding database of VXLAN devices: (device, MAC) to the address of the
 * remote VTEP, as `bridge fdb` shows it. MACs are two integers, upper 16 and
 * lower 32 bits, so that the packet path handles no doubles.
 */
import { PairIndex } from './pair-index.ts';

/** Columns of one entry, for printing and tests. */
export interface FdbEntry {
  readonly device: number;
  readonly macHigh: number;
  readonly macLow: number;
  /** Signed 32-bit address. */
  readonly destination: number;
}

export class Fdb {
  private readonly index = new PairIndex();
  private readonly entries: FdbEntry[] = [];
  private readonly destinations: number[] = [];

  /** Adds or replaces; the id of the entry. */
  set(device: number, macHigh: number, macLow: number, destination: number): number {
    let id = this.find(device, macHigh, macLow);
    if (id < 0) {
      id = this.entries.length;
      this.index.set(key(device, macHigh), macLow | 0, id);
    }
    this.entries[id] = { device, macHigh, macLow: macLow | 0, destination: destination | 0 };
    this.destinations[id] = destination | 0;
    return id;
  }

  /** The id of the entry, or -1. Ids stay valid; a removed one is not reused. */
  find(device: number, macHigh: number, macLow: number): number {
    return this.index.get(key(device, macHigh), macLow | 0);
  }

  destination(id: number): number {
    return this.destinations[id]!;
  }

  entry(id: number): FdbEntry {
    return this.entries[id]!;
  }

  delete(device: number, macHigh: number, macLow: number): boolean {
    return this.index.delete(key(device, macHigh), macLow | 0);
  }

  get size(): number {
    return this.index.size;
  }

  /** The present entries, oldest first. */
  *[Symbol.iterator](): Generator<FdbEntry> {
    for (const [id, entry] of this.entries.entries()) {
      if (this.find(entry.device, entry.macHigh, entry.macLow) === id) yield entry;
    }
  }
}

/** A device number below 65,536 and the upper 16 bits of a MAC, in one word. */
const key = (device: number, macHigh: number): number => (device << 16) | macHigh;
