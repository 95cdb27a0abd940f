/**
 * IPv4 identifications of the packets a namespace makes without a TCP socket:
 * tunnel headers above all. Linux keeps 2,048 counters, chosen by a keyed hash of
 * source, destination and protocol, each starting at random and going up by one
 * a packet (ip_idents_reserve; its jumps after idle time are not modelled).
 * The start comes from the seed, or is declared: no table can tell it.
 */
import { mix } from './flow-hash.ts';

const BUCKETS = 2048;

interface Declared {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  next: number;
}

export class Identifications {
  private readonly seed: number;
  private readonly declared: Declared[] = [];
  private buckets: Uint16Array | null = null;

  constructor(seed: number) {
    this.seed = seed;
  }

  /** The identification the next packet of this triple gets; then one more each. */
  declare(source: number, destination: number, protocol: number, next: number): void {
    this.declared.push({ source: source | 0, destination: destination | 0, protocol, next });
  }

  /** Never 0, which the kernel keeps for packets that need no identification. */
  next(source: number, destination: number, protocol: number): number {
    return this.take(this.counter(source, destination, protocol));
  }

  /** Which counter packets of this triple have: its number, for `take`. */
  counter(source: number, destination: number, protocol: number): number {
    for (let i = 0; i < this.declared.length; i++) {
      const d = this.declared[i]!;
      if (d.source !== source || d.destination !== destination || d.protocol !== protocol) continue;
      return BUCKETS + i;
    }
    return mix(mix(mix(this.seed, source), destination), protocol) & (BUCKETS - 1);
  }

  /** The next identification of a counter. */
  take(counter: number): number {
    if (counter >= BUCKETS) {
      const d = this.declared[counter - BUCKETS]!;
      const declared = d.next;
      d.next = (declared + 1) & 0xffff;
      return declared;
    }
    this.buckets ??= this.start();
    const id = this.buckets[counter]! || 1;
    this.buckets[counter] = id + 1;
    return id;
  }

  /** Where a counter stands: `take` gives that, but for 0 what `zero` says. */
  peek(counter: number): number {
    if (counter >= BUCKETS) return this.declared[counter - BUCKETS]!.next;
    this.buckets ??= this.start();
    return this.buckets[counter]!;
  }

  /** A declared identification may be 0. */
  zero(counter: number): number {
    return counter >= BUCKETS ? 0 : 1;
  }

  /** Where a counter stands after identifications were taken elsewhere. */
  move(counter: number, to: number): void {
    if (counter >= BUCKETS) this.declared[counter - BUCKETS]!.next = to;
    else this.buckets![counter] = to;
  }

  private start(): Uint16Array {
    return Uint16Array.from({ length: BUCKETS }, (_, i) => mix(this.seed ^ 0x1d5eed, i) & 0xffff);
  }
}
