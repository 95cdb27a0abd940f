/**
 * Whether a kernel may have been out of credit for ICMP errors. All errors share fifty and
 * a thousand more a second; what one takes is drawn: nothing, one or two (icmp_global_allow
 * of net/ipv4/icmp.c). So how many pass of a burst, no table tells, and while the credit may
 * be used up the recording does. Namespaces of one kernel share it.
 */

/** sysctl_icmp_msgs_burst, sysctl_icmp_msgs_per_sec. */
const MOST = 50;
const PER_MS = 1;
/** HZ / 50: with less gone by, nothing is added. */
const LEAST_MS = 20;
/** What one error takes at most. */
const DEAREST = 2;
/** The longest tick of a kernel, HZ=100. */
const TICK_MS = 10;
/** Of any span the kernel may not have counted so much yet. */
const OPEN_MS = LEAST_MS + TICK_MS;

export class ErrorCredit {
  /** When none may have been left, in order. */
  private readonly spent: number[] = [];

  /** `times`: milliseconds at which errors were sent that count against the limit, any order. */
  constructor(times: readonly number[]) {
    const sorted = times.toSorted((a, b) => a - b);
    // There were at most MOST before each of them; since then less came than has gone by.
    let recent = 0;
    let older = Number.POSITIVE_INFINITY;
    for (const [i, at] of sorted.entries()) {
      for (; at - sorted[recent]! > OPEN_MS; recent++) {
        older = Math.min(older, recent * DEAREST - sorted[recent]! * PER_MS);
      }
      const soon = MOST - (i - recent + 1) * DEAREST;
      const long = MOST + (at - OPEN_MS) * PER_MS - (i + 1) * DEAREST + older;
      if (Math.min(soon, long) <= 0) this.spent.push(at);
    }
  }

  /** Whether there may have been none left at some time from `at` on, for a tick. */
  mayBeSpent(at: number): boolean {
    let low = 0;
    for (let high = this.spent.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (this.spent[middle]! > at - OPEN_MS) high = middle;
      else low = middle + 1;
    }
    return low < this.spent.length && this.spent[low]! <= at + TICK_MS;
  }
}
