/**
 * A hash index from two 32-bit keys to a small number: the key of a neighbour is
 * (device, address), that of an FDB entry (device and upper MAC, lower MAC).
 * Open addressing over typed columns with linear probing; a removal closes the
 * gap by moving later entries back, so there are no tombstones.
 *
 *   cell:   keyA   keyB   value + 1 (0: empty)
 */
export class PairIndex {
  private keysA: Int32Array;
  private keysB: Int32Array;
  private cells: Int32Array;
  private mask: number;
  private used = 0;

  constructor(capacity = 8) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(capacity, 8)));
    this.keysA = new Int32Array(size);
    this.keysB = new Int32Array(size);
    this.cells = new Int32Array(size);
    this.mask = size - 1;
  }

  get size(): number {
    return this.used;
  }

  /** The value, or -1. */
  get(a: number, b: number): number {
    const at = this.find(a, b);
    return this.cells[at]! - 1;
  }

  /** Adds or replaces. */
  set(a: number, b: number, value: number): void {
    if (this.used * 2 > this.mask) this.grow();
    const at = this.find(a, b);
    if (this.cells[at] === 0) {
      this.keysA[at] = a;
      this.keysB[at] = b;
      this.used++;
    }
    this.cells[at] = value + 1;
  }

  /** Whether it was there. */
  delete(a: number, b: number): boolean {
    let gap = this.find(a, b);
    if (this.cells[gap] === 0) return false;
    for (let at = (gap + 1) & this.mask; this.cells[at] !== 0; at = (at + 1) & this.mask) {
      const home = this.home(this.keysA[at]!, this.keysB[at]!);
      if (((at - home) & this.mask) < ((at - gap) & this.mask)) continue;
      this.keysA[gap] = this.keysA[at]!;
      this.keysB[gap] = this.keysB[at]!;
      this.cells[gap] = this.cells[at]!;
      gap = at;
    }
    this.cells[gap] = 0;
    this.used--;
    return true;
  }

  private home(a: number, b: number): number {
    const mixed = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
    return (mixed ^ (mixed >>> 15)) & this.mask;
  }

  private find(a: number, b: number): number {
    let at = this.home(a, b);
    while (this.cells[at] !== 0 && (this.keysA[at] !== a || this.keysB[at] !== b)) {
      at = (at + 1) & this.mask;
    }
    return at;
  }

  private grow(): void {
    const { keysA, keysB, cells } = this;
    const size = cells.length * 2;
    this.keysA = new Int32Array(size);
    this.keysB = new Int32Array(size);
    this.cells = new Int32Array(size);
    this.mask = size - 1;
    for (let at = 0; at < cells.length; at++) {
      if (cells[at] === 0) continue;
      const to = this.find(keysA[at]!, keysB[at]!);
      this.keysA[to] = keysA[at]!;
      this.keysB[to] = keysB[at]!;
      this.cells[to] = cells[at]!;
    }
  }
}
