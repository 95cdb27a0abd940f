/**
 * One list of the match `recent`: which addresses were seen, and when (xt_recent.c). It
 * holds so many and no more: the one not seen for longest makes room.
 */

/** The module's own limits, ip_list_tot and ip_pkt_list_tot. */
const MAX_ADDRESSES = 100;
const MAX_STAMPS = 20;

export class RecentTable {
  /** In the order in which they were last seen. */
  private readonly seen = new Map<number, number[]>();

  has(address: number): boolean {
    return this.seen.has(address);
  }

  /** Seen now; `now` is in ms and may wrap at 32 bits. */
  set(address: number, now: number): void {
    const stamps = this.seen.get(address) ?? [];
    if (stamps.length === MAX_STAMPS) stamps.shift();
    stamps.push(now);
    this.seen.delete(address);
    if (this.seen.size >= MAX_ADDRESSES) this.seen.delete(this.seen.keys().next().value!);
    this.seen.set(address, stamps);
  }

  /** Was it there? */
  remove(address: number): boolean {
    return this.seen.delete(address);
  }

  /** Was it seen so often, in so many ms? With 0 ms at any time. */
  check(address: number, now: number, ms: number, hits: number): boolean {
    const stamps = this.seen.get(address);
    if (stamps === undefined) return false;
    let counted = 0;
    for (let i = 0; i < stamps.length; i++) {
      if (ms > 0 && ((now - stamps[i]!) | 0) > ms) continue;
      if (++counted >= hits) return true;
    }
    return false;
  }

  /** The address not seen for longest goes if that is longer ago than `ms` (recent_entry_reap). */
  reap(now: number, ms: number): void {
    for (const [address, stamps] of this.seen) {
      if (((now - stamps.at(-1)!) | 0) > ms) this.seen.delete(address);
      return;
    }
  }
}
