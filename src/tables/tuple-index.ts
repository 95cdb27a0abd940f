/**
 * A hash index from a connection's tuple (two addresses, two ports, protocol) to a
 * small number. Open addressing as in pair-index.ts, with four words a key:
 *
 *   cell:  source  destination  ports (source << 16 | destination)  protocol  value + 1
 */
const WORDS = 5;

export class TupleIndex {
  private cells = new Int32Array(64 * WORDS);
  private mask = 63;
  private used = 0;

  get size(): number {
    return this.used;
  }

  /** The value, or -1. */
  get(source: number, destination: number, ports: number, protocol: number): number {
    return this.cells[this.find(source, destination, ports, protocol) * WORDS + 4]! - 1;
  }

  /** Adds or replaces. */
  set(source: number, destination: number, ports: number, protocol: number, value: number): void {
    if (this.used * 2 > this.mask) this.grow();
    const at = this.find(source, destination, ports, protocol) * WORDS;
    if (this.cells[at + 4] === 0) this.used++;
    this.cells[at] = source;
    this.cells[at + 1] = destination;
    this.cells[at + 2] = ports;
    this.cells[at + 3] = protocol;
    this.cells[at + 4] = value + 1;
  }

  /** Whether it was there. */
  delete(source: number, destination: number, ports: number, protocol: number): boolean {
    const { cells, mask } = this;
    let gap = this.find(source, destination, ports, protocol);
    if (cells[gap * WORDS + 4] === 0) return false;
    for (let slot = (gap + 1) & mask; cells[slot * WORDS + 4] !== 0; slot = (slot + 1) & mask) {
      const at = slot * WORDS;
      const home = this.home(cells[at]!, cells[at + 1]!, cells[at + 2]!, cells[at + 3]!);
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      cells.copyWithin(gap * WORDS, at, at + WORDS);
      gap = slot;
    }
    cells[gap * WORDS + 4] = 0;
    this.used--;
    return true;
  }

  private home(a: number, b: number, c: number, d: number): number {
    let mixed = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 15) ^ c, 0xc2b2ae35) ^ d;
    return (mixed ^ (mixed >>> 13)) & this.mask;
  }

  private find(a: number, b: number, c: number, d: number): number {
    const { cells, mask } = this;
    for (let slot = this.home(a, b, c, d); ; slot = (slot + 1) & mask) {
      const at = slot * WORDS;
      if (cells[at + 4] === 0) return slot;
      if (cells[at] === a && cells[at + 1] === b && cells[at + 2] === c && cells[at + 3] === d)
        return slot;
    }
  }

  private grow(): void {
    const old = this.cells;
    this.mask = this.mask * 2 + 1;
    this.cells = new Int32Array((this.mask + 1) * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 4] === 0) continue;
      const to = this.find(old[at]!, old[at + 1]!, old[at + 2]!, old[at + 3]!) * WORDS;
      this.cells.set(old.subarray(at, at + WORDS), to);
    }
  }
}
