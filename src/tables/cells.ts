/**
 * Cells of lookup tables: signed numbers of 16 or 32 bits. A value from 0 on, -1 for nothing,
 * and below that the number of a block of further cells, with the sign bit set.
 */
export type Cells = Int16Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** The largest value that fits a cell of 16 bits. */
export const MAX_NARROW = 0x7fff;
/** One less than there are numbers: the last one would read as nothing. */
export const NARROW_BLOCKS = 0x7fff;
/** What a cell holds where no prefix matches. */
export const NOTHING = -1;

/** Thrown where there are more blocks than a cell can point to: another form is needed. */
export const OVERFLOW = Symbol('too many blocks for cells of 16 bits');

/** `wide`: of 32 bits. All hold nothing. */
export const makeCells = (wide: boolean, count: number): Cells =>
  (wide ? new Int32Array(count) : new Int16Array(count)).fill(NOTHING);

export const isBlock = (cell: number): boolean => cell < NOTHING;
