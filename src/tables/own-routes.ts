/**
 * What each of many tables has beside the routes that they share (common-routes.ts), a row for
 * each in one array: who asks another node's table each time meets few lines of memory.
 *
 *   row   words of own routes | absent ones | address, mask, length and number | … | number | …
 *
 * Own routes stand longest first. Absent are those of the shared routes that a table lacks.
 */
import type { CommonRoutes } from './common-routes.ts';
import type { FibEntry } from './fib.ts';

/** No row says what the table answers: it is to be asked itself. */
export const UNKNOWN = -2;

const HEAD = 2;
const ROUTE = 3;
/** Rows begin at multiples of so many words. */
const STEP = 8;
/** Above the number of a route, its length. */
const NUMBER_BITS = 26;

export class OwnRoutes {
  private readonly common: CommonRoutes<unknown>;
  /** By table, where its row begins; the complement while that is outdated. None is at 0. */
  private rows = new Int32Array(64);
  private tables = 0;
  private cells = new Int32Array(64 * STEP);
  private used = STEP;

  constructor(common: CommonRoutes<unknown>) {
    this.common = common;
  }

  /** The number of one more table. */
  join(): number {
    if (this.tables === this.rows.length) this.rows = extended(this.rows, 2 * this.tables);
    this.rows[this.tables] = ~0;
    return this.tables++;
  }

  /** Whether a row says what a table answers. */
  knows(table: number): boolean {
    return this.rows[table]! >= 0;
  }

  /** A table has changed. */
  forget(table: number): void {
    if (this.knows(table)) this.rows[table] = ~this.rows[table]!;
  }

  /** Makes the row of a table: its routes, of equal prefixes the first, and what it lacks; few. */
  put(table: number, routes: readonly FibEntry[], absent: readonly number[]): void {
    const words = [routes.length * ROUTE, absent.length];
    for (const { address, length, value } of [...routes].sort((a, b) => b.length - a.length)) {
      const mask = length === 0 ? 0 : -1 << (32 - length);
      words.push(address, mask, (length << NUMBER_BITS) | value);
    }
    words.push(...absent);
    this.forget(table);
    const before = ~this.rows[table]!;
    const hasRoom = before > 0 && words.length <= this.room(before);
    const row = hasRoom ? before : this.take(words.length);
    this.cells.set(words, row);
    this.rows[table] = row;
  }

  /** The number of the longest match among a table's own routes and the shared ones, -1 or UNKNOWN. */
  find(table: number, address: number): number {
    const row = this.rows[table]!;
    // Numbers for the constants above: a bundle has variables for those.
    if (row < 0) return -2;
    const { cells, common } = this;
    const end = row + 2 + cells[row]!;
    let own = -1;
    for (let at = row + 2; at < end; at += 3) {
      if (((address ^ cells[at]!) & cells[at + 1]!) === 0) {
        own = cells[at + 2]!;
        break;
      }
    }
    let id = common.find(address);
    while (id >= 0 && (own === -1 || own >>> 26 < common.lengths[id]!)) {
      if (!this.lacks(end, cells[row + 1]!, id)) return id;
      id = common.next(id);
    }
    return own === -1 ? -1 : own & 0x3ffffff;
  }

  /** Of a table's row, in bytes; 0 without one. */
  memory(table: number): number {
    return this.knows(table) ? 4 * this.room(this.rows[table]!) : 0;
  }

  private lacks(first: number, count: number, id: number): boolean {
    const { cells } = this;
    for (let at = first; at < first + count; at++) if (cells[at] === id) return true;
    return false;
  }

  private room(row: number): number {
    return rounded(HEAD + this.cells[row]! + this.cells[row + 1]!);
  }

  private take(words: number): number {
    const row = this.used;
    this.used += rounded(words);
    if (this.used > this.cells.length) this.cells = extended(this.cells, 2 * this.used);
    return row;
  }
}

const rounded = (words: number): number => (words + STEP - 1) & -STEP;

function extended(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(length);
  longer.set(array);
  return longer;
}
