/**
 * The counters of IPv4 identifications of all namespaces, side by side: a packet of a known
 * flow goes straight to its own (tape.ts), and finds a namespace among thousands cold.
 */
import { mix } from './flow-hash.ts';

/** ip_idents of a machine without much memory; every namespace has as many here. */
export const BUCKETS = 2048;
const PAGE_BITS = 17;
const PAGE = 1 << PAGE_BITS;

export class IdentificationCounters {
  private readonly pages: Uint16Array[] = [];
  private used = 0;

  /** Counters for one more namespace, at their start; the number of the first. */
  open(seed: number): number {
    const first = this.used;
    if ((first & (PAGE - 1)) === 0) this.pages.push(new Uint16Array(PAGE));
    const page = this.pages[first >> PAGE_BITS]!;
    const at = first & (PAGE - 1);
    for (let i = 0; i < BUCKETS; i++) page[at + i] = mix(seed ^ 0x1d5eed, i);
    this.used = first + BUCKETS;
    return first;
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
