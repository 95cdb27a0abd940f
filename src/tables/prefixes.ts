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
