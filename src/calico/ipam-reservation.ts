/** IPReservation: addresses that automatic assignment passes over. */
import { contains, lastOf, type Prefix } from '../wire/address.ts';
import type { Field } from './field.ts';

/** The IPv4 part of `spec.reservedCIDRs`; a bare address stands for itself. */
export const readIpReservation = (resource: Field): Prefix[] =>
  resource
    .entry('spec')
    .entry('reservedCIDRs')
    .items()
    .filter((at) => !at.text('an IP prefix').includes(':'))
    .map((at) => (at.text().includes('/') ? at.prefix() : { address: at.ip4(), length: 32 }));

/** Reserved ranges, ready to be asked. */
export class Reservations {
  /** By address, none inside another. */
  readonly #ranges: readonly Prefix[];

  constructor(prefixes: readonly Prefix[]) {
    const ranges: Prefix[] = [];
    const sorted = [...prefixes].sort(
      (a, b) => (a.address >>> 0) - (b.address >>> 0) || a.length - b.length,
    );
    for (const range of sorted) {
      const before = ranges.at(-1);
      if (before === undefined || !contains(before, range.address)) ranges.push(range);
    }
    this.#ranges = ranges;
  }

  /** The reservation around an address. */
  around(address: number): Prefix | undefined {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ranges[middle]!.address >>> 0 <= address >>> 0) low = middle + 1;
      else high = middle;
    }
    const range = this.#ranges[low - 1];
    return range !== undefined && lastOf(range) >>> 0 >= address >>> 0 ? range : undefined;
  }
}
