/** Where tapes keep their words: cells of one size, many to an array, used again and again. */

/** Words: twice what a packet over VXLAN takes. A longer tape has an array of its own. */
const CELL = 128;
const PAGE = 256 * CELL;

export interface TapeCell {
  readonly words: Int32Array;
  /** The first word. */
  readonly at: number;
}

export class TapeMemory {
  private readonly free: TapeCell[] = [];
  private page = new Int32Array(0);
  private used = 0;

  take(length: number): TapeCell {
    if (length > CELL) return { words: new Int32Array(length), at: 0 };
    const again = this.free.pop();
    if (again !== undefined) return again;
    if (this.used === this.page.length) {
      this.page = new Int32Array(PAGE);
      this.used = 0;
    }
    const cell = { words: this.page, at: this.used };
    this.used += CELL;
    return cell;
  }

  /** Its tape will not be asked for again. */
  give(cell: TapeCell): void {
    if (cell.words.length === PAGE) this.free.push(cell);
  }
}
