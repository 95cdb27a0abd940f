/**
 * A hash index from a connection's tuple (two addresses, two ports, protocol) to a
 * small number. Open addressing as in pair-index.ts, with four words a key:
 *
 *   cell:  source  destination  ports (source << 16 | destination)  protocol  value + 1  unused x 3
 */
import { WordMemory } from './word-memory.ts';

/** Words of a cell, as a shift: two cells to a line of the processor's cache. */
const CELL = 3;
const VALUE = 4;
const LEAST = 8;

export class TupleIndex {
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
  get(source: number, destination: number, ports: number, protocol: number): number {
    return this.words[this.find(source, destination, ports, protocol) + VALUE]! - 1;
  }

  /** Adds or replaces. */
  set(source: number, destination: number, ports: number, protocol: number, value: number): void {
    if (this.used * 2 > this.mask) this.grow();
    const cell = this.find(source, destination, ports, protocol);
    const { words } = this;
    if (words[cell + VALUE] === 0) this.used++;
    words[cell] = source;
    words[cell + 1] = destination;
    words[cell + 2] = ports;
    words[cell + 3] = protocol;
    words[cell + VALUE] = value + 1;
  }

  /** Whether it was there. */
  delete(source: number, destination: number, ports: number, protocol: number): boolean {
    const { words, at, mask } = this;
    const found = this.find(source, destination, ports, protocol);
    if (words[found + VALUE] === 0) return false;
    let gap = (found - at) >> CELL;
    for (let slot = (gap + 1) & mask; ; slot = (slot + 1) & mask) {
      const cell = at + (slot << CELL);
      if (words[cell + VALUE] === 0) break;
      const home = this.home(words[cell]!, words[cell + 1]!, words[cell + 2]!, words[cell + 3]!);
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      words.copyWithin(at + (gap << CELL), cell, cell + VALUE + 1);
      gap = slot;
    }
    words[at + (gap << CELL) + VALUE] = 0;
    this.used--;
    return true;
  }

  private home(a: number, b: number, c: number, d: number): number {
    let mixed = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 15) ^ c, 0xc2b2ae35) ^ d;
    // A source port is the upper half of its word: a product alone would not bring it down.
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x9e3779b1);
    return (mixed ^ (mixed >>> 16)) & this.mask;
  }

  /** Where the cell of these keys begins, or the empty one where it would. */
  private find(a: number, b: number, c: number, d: number): number {
    const { words, at, mask } = this;
    for (let slot = this.home(a, b, c, d); ; slot = (slot + 1) & mask) {
      const cell = at + (slot << CELL);
      if (words[cell + VALUE] === 0) return cell;
      if (
        words[cell] === a &&
        words[cell + 1] === b &&
        words[cell + 2] === c &&
        words[cell + 3] === d
      ) {
        return cell;
      }
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
      const to = this.find(old[cell]!, old[cell + 1]!, old[cell + 2]!, old[cell + 3]!);
      for (let word = 0; word <= VALUE; word++) words[to + word] = old[cell + word]!;
    }
    this.memory.give({ words: old, at: from }, end - from);
  }
}
