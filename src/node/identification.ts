/**
 * IPv4 identifications of the packets a namespace makes without a TCP socket:
 * tunnel headers above all. Linux keeps 2,048 counters, chosen by a keyed hash of
 * source, destination and protocol, each starting at random and going up by one
 * a packet (ip_idents_reserve; its jumps after idle time are not modelled).
 * The start comes from the seed, or is declared: no table can tell it.
 */
import { mix } from './flow-hash.ts';
import { BUCKETS, IdentificationCounters } from './identification-counters.ts';

interface Declared {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  next: number;
}

export class Identifications {
  private readonly seed: number;
  private readonly declared: Declared[] = [];
  readonly counters: IdentificationCounters;
  /** Its number there; -1 before it needs any. */
  private owner = -1;

  /** `counters` of its cluster. */
  constructor(seed: number, counters: IdentificationCounters = new IdentificationCounters()) {
    this.seed = seed;
    this.counters = counters;
  }

  /** The identification the next packet of this triple gets; then one more each. */
  declare(source: number, destination: number, protocol: number, next: number): void {
    this.declared.push({ source: source | 0, destination: destination | 0, protocol, next });
  }

  /** Of the next packet of this triple. */
  next(source: number, destination: number, protocol: number): number {
    return this.take(this.counter(source, destination, protocol));
  }

  /** Which counter packets of this triple have: among all of the cluster, or below 0 one that was declared. */
  counter(source: number, destination: number, protocol: number): number {
    for (let i = 0; i < this.declared.length; i++) {
      const d = this.declared[i]!;
      if (d.source !== source || d.destination !== destination || d.protocol !== protocol) continue;
      return -1 - i;
    }
    if (this.owner < 0) this.owner = this.counters.join();
    const bucket = mix(mix(mix(this.seed, source), destination), protocol) & (BUCKETS - 1);
    return this.counters.of(this.owner, bucket, this.seed);
  }

  /** The next identification of a counter. */
  take(counter: number): number {
    if (counter >= 0) return this.counters.take(counter);
    const d = this.declared[-1 - counter]!;
    const declared = d.next;
    d.next = (declared + 1) & 0xffff;
    return declared;
  }

  /** Where a counter stands: `take` gives that, but for 0 what `zero` says. */
  peek(counter: number): number {
    return counter >= 0 ? this.counters.peek(counter) : this.declared[-1 - counter]!.next;
  }

  /** A declared identification may be 0. */
  zero(counter: number): number {
    return counter >= 0 ? 1 : 0;
  }

  /** Where a counter stands after identifications were taken elsewhere. */
  move(counter: number, to: number): void {
    if (counter >= 0) this.counters.move(counter, to);
    else this.declared[-1 - counter]!.next = to;
  }
}
