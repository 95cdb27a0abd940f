/**
 * The counters of IPv4 identifications of all namespaces that were asked for, side by side: a
 * packet of a known flow goes straight to its own (tape.ts), and finds a namespace among
 * thousands cold.
 */
import { PairIndex } from '../tables/pair-index.ts';
import { mix } from './flow-hash.ts';

/** ip_idents of a machine without much memory; every namespace has as many here. */
export const BUCKETS = 2048;
const PAGE_BITS = 12;
const PAGE = 1 << PAGE_BITS;

export class IdentificationCounters {
  private readonly pages: Uint16Array[] = [];
  private used = 0;
  private owners = 0;
  /** By owner and bucket. */
  private readonly index = new PairIndex();

  /** The number of one more namespace. */
  join(): number {
    return this.owners++;
  }

  /** The counter of a bucket of an owner: at its start when it is asked for first. */
  of(owner: number, bucket: number, seed: number): number {
    const known = this.index.get(owner, bucket);
    if (known >= 0) return known;
    const counter = this.used++;
    if ((counter & (PAGE - 1)) === 0) this.pages.push(new Uint16Array(PAGE));
    this.index.set(owner, bucket, counter);
    this.move(counter, mix(seed ^ 0x1d5eed, bucket));
    return counter;
  }

  /** The next identification of a counter. Never 0, which the kernel keeps for packets that need none. */
  take(counter: number): number {
    const page = this.pages[counter >> PAGE_BITS]!;
    const at = counter & (PAGE - 1);
    const id = page[at]! || 1;
    page[at] = id + 1;
    return id;
  }
  peek(counter: number): number {
    return this.pages[counter >> PAGE_BITS]![counter & (PAGE - 1)]!;
  }

  /** Where it stands from now on. */
  move(counter: number, to: number): void {
    this.pages[counter >> PAGE_BITS]![counter & (PAGE - 1)] = to;
  }
}
