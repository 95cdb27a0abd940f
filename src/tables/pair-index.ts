/**
 * A hash index from two 32-bit keys to a small number: the key of a neighbour is
 * (device, address), that of an FDB entry (device and upper MAC, lower MAC).
 * Open addressing with linear probing; a removal closes the gap by moving later
 * entries back, so there are no tombstones.
 *
 *   cell:   keyA   keyB   value + 1 (0: empty)   unused
 */
import { WordMemory } from './word-memory.ts';

/** Words of a cell, as a shift: four cells to a line of the processor's cache. */
const CELL = 2;
const VALUE = 2;
const LEAST = 4;

export class PairIndex {
  private words: Int32Array;
  private at: number;
  private mask = LEAST - 1;
  private used = 0;
  private readonly memory: WordMemory;

  constructor(memory = new WordMemory()) {
    this.memory = memory;
    const { words, at } = memory.take(LEAST << CELL);
    this.words = words;
    this.at = at;
  }

  get size(): number {
    return this.used;
  }

  /** The value, or -1. */
  get(a: number, b: number): number {
    return this.words[this.find(a, b) + VALUE]! - 1;
  }

  /** Adds or replaces. */
  set(a: number, b: number, value: number): void {
    if (this.used * 2 > this.mask) this.grow();
    const cell = this.find(a, b);
    const { words } = this;
    if (words[cell + VALUE] === 0) {
      words[cell] = a;
      words[cell + 1] = b;
      this.used++;
    }
    words[cell + VALUE] = value + 1;
  }

  /** Whether it was there. */
  delete(a: number, b: number): boolean {
    const { words, at, mask } = this;
    const found = this.find(a, b);
    if (words[found + VALUE] === 0) return false;
    let gap = (found - at) >> CELL;
    for (let slot = (gap + 1) & mask; ; slot = (slot + 1) & mask) {
      const cell = at + (slot << CELL);
      if (words[cell + VALUE] === 0) break;
      const home = this.home(words[cell]!, words[cell + 1]!);
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      words.copyWithin(at + (gap << CELL), cell, cell + VALUE + 1);
      gap = slot;
    }
    words[at + (gap << CELL) + VALUE] = 0;
    this.used--;
    return true;
  }

  private home(a: number, b: number): number {
    const mixed = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
    return (mixed ^ (mixed >>> 15)) & this.mask;
  }

  /** Where the cell of these keys begins, or the empty one where it would. */
  private find(a: number, b: number): number {
    const { words, at, mask } = this;
    for (let slot = this.home(a, b); ; slot = (slot + 1) & mask) {
      const cell = at + (slot << CELL);
      if (words[cell + VALUE] === 0 || (words[cell] === a && words[cell + 1] === b)) return cell;
    }
  }

  private grow(): void {
    const { words: old, at: from, mask } = this;
    const end = from + ((mask + 1) << CELL);
    const { words, at } = this.memory.take((end - from) * 2);
    this.words = words;
    this.at = at;
    this.mask = mask * 2 + 1;
    for (let cell = from; cell < end; cell += 1 << CELL) {
      if (old[cell + VALUE] === 0) continue;
      const to = this.find(old[cell]!, old[cell + 1]!);
      for (let word = 0; word <= VALUE; word++) words[to + word] = old[cell + word]!;
    }
    this.memory.give({ words: old, at: from }, end - from);
  }
}
