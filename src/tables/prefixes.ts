import { PodwireError } from '../errors.ts';

/** What holds the routes of a FIB, in whatever form suits their number. */
export interface Prefixes {
  /** The node of a prefix, or -1; it may be without a value. Bits beyond `length` do not matter. */
  find(address: number, length: number): number;
  /** The node of a prefix, made where there is none. The caller gives it a value. */
  make(address: number, length: number): number;
  /** What stands at a node; -1 for nothing. */
  value(node: number): number;
  set(node: number, value: number): void;
  /** Takes the value of a prefix away, and what only led there. */
  drop(address: number, length: number): void;
  /** Every prefix with a value: by address, of equal ones the longer first. */
  prefixes(): Generator<PrefixNode>;
}

export interface PrefixNode {
  readonly node: number;
  readonly address: number;
  readonly length: number;
}

/** Routes as columns; all three are of the same length. */
export interface FibColumns {
  /** Signed or not; bits beyond the length do not matter. */
  readonly addresses: ArrayLike<number>;
  readonly lengths: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

const MAX_VALUE = 2 ** 30 - 1;

export const isLength = (length: number): boolean =>
  Number.isInteger(length) && length >= 0 && length <= 32;

/** Throws ERR_ADDRESS. */
export function checkRoute(length: number, value: number): void {
  if (!isLength(length)) {
    throw new PodwireError('ERR_ADDRESS', `expected a prefix length of 0 to 32, found ${length}`);
  }
  if (!Number.isInteger(value) || value < 0 || value > MAX_VALUE) {
    throw new PodwireError('ERR_ADDRESS', `expected a value of 0 to 2^30 - 1, found ${value}`);
  }
}
