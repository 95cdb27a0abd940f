/**
 * How many neighbours the namespaces of one kernel may know together: neigh_alloc and
 * neigh_forced_gc of net/core/neighbour.c. Where one too many is asked for, those that are
 * of no use make room; where there is none, "neighbour table overflow". What somebody
 * entered for good (PERMANENT) does not count.
 */
import type { Packet } from '../packet/packet.ts';
import type { NeighbourLimits } from '../plan/neighbour-limits.ts';
import { type Neighbours, Nud } from '../tables/neighbours.ts';
import { REACHABLE_MS } from './neighbour.ts';

const SOFT = 512;
const MOST = 1024;
/** An entry that changed within this time stays; above gc_thresh2 it is looked so often. */
const RECENT_MS = 5000;

export class NeighbourQuota {
  private readonly tables: Neighbours<Packet>[] = [];
  private readonly soft: number;
  private readonly most: number;
  private flushed = Number.NEGATIVE_INFINITY;

  constructor({ soft = SOFT, most = MOST }: NeighbourLimits = {}) {
    this.soft = soft;
    this.most = most;
  }

  /** One more namespace of this kernel. */
  join(table: Neighbours<Packet>): void {
    this.tables.push(table);
  }

  /** Whether there is room for a new entry; what can go is let go first, if need be. */
  admits(now: number): boolean {
    if (this.held < this.soft) return true;
    const entries = this.counted();
    const due = entries >= this.soft && now - this.flushed > RECENT_MS;
    if (entries < this.most && !due) return true;
    this.flushed = now;
    return this.reclaim(entries - this.soft, now) > 0 || entries < this.most;
  }

  /** All there are, PERMANENT ones among them. */
  private get held(): number {
    let held = 0;
    for (const { size } of this.tables) held += size;
    return held;
  }

  private counted(): number {
    let count = 0;
    for (const table of this.tables) {
      for (const id of table) if (table.state(id) !== Nud.Permanent) count++;
    }
    return count;
  }

  /** Lets go at most so many (but one at least); how many went. */
  private reclaim(most: number, now: number): number {
    let gone = 0;
    for (const table of this.tables) {
      for (const id of table) {
        if (!isIdle(table, id, now)) continue;
        table.delete(table.device(id), table.address(id));
        if (++gone >= most) return gone;
      }
    }
    return gone;
  }
}

/** No timer runs for it, and it has been so for a while. */
function isIdle(table: Neighbours<Packet>, id: number, now: number): boolean {
  const state = table.state(id);
  if (state === Nud.Failed) return table.oldest(id) === null;
  if (state !== Nud.Stale && state !== Nud.Reachable) return false;
  const age = now - table.confirmedAt(id);
  // One that was there from the start has no age: REACHABLE as long as it is used, or stale for long.
  if (age === Number.NEGATIVE_INFINITY) return state === Nud.Stale;
  return age > RECENT_MS + (state === Nud.Stale ? 0 : REACHABLE_MS);
}
