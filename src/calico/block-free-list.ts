/** The addresses of a block that nobody has, in the order in which the block gives them. */
import type { Ip4, Prefix } from '../wire/address.ts';

/**
 * The lowest first in a new block. A block that has seen releases gives what was
 * released last at the end (ipam_block.go), which its `unallocated` list tells.
 * No address is special: Linux nodes use the first and the last as any other.
 */
export class FreeList {
  readonly #start: number;
  readonly #size: number;
  readonly #order: readonly number[] | undefined;
  readonly #unavailable: (address: number) => boolean;
  #next = 0;

  /** `order`: free ordinals as the block lists them; absent, all of them from 0 on. */
  constructor(
    cidr: Prefix,
    unavailable: (address: number) => boolean,
    order?: readonly number[] | undefined,
  ) {
    this.#start = cidr.address;
    this.#size = order?.length ?? 2 ** (32 - cidr.length);
    this.#order = order;
    this.#unavailable = unavailable;
  }

  /** The address that `take` would give. */
  peek(): Ip4 | undefined {
    while (this.#next < this.#size) {
      const address = (this.#start + (this.#order?.[this.#next] ?? this.#next)) | 0;
      if (!this.#unavailable(address)) return address as Ip4;
      this.#next += 1;
    }
    return undefined;
  }
}
