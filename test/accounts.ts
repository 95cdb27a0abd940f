/**
 * Imported for its effect. After each test of a file, every cluster that took a packet has
 * accounted for it: entered or born, and delivered, dropped by a reason, consumed or still
 * waiting, in a slot that is still in use.
 */
import { afterEach, expect } from 'vitest';
import { Cluster } from '../src/cluster/cluster.ts';
import { inUse } from '../src/packet/slab.ts';

const used = new Set<Cluster>();

function watch(method: 'arrive' | 'depart' | 'originate'): void {
  const act = Cluster.prototype[method] as (...parts: unknown[]) => unknown;
  const watched = function (this: Cluster, ...parts: unknown[]): unknown {
    used.add(this);
    return act.apply(this, parts);
  };
  Object.assign(Cluster.prototype, { [method]: watched });
}

watch('arrive');
watch('depart');
watch('originate');

afterEach(() => {
  let waiting = 0;
  for (const cluster of used) {
    const byReason = cluster.drops().reduce((sum, count) => sum + count, 0);
    expect(byReason, 'drops by reason').toBe(cluster.counts.dropped);
    expect(cluster.waiting(), 'packets that wait').toBeGreaterThanOrEqual(0);
    waiting += cluster.waiting();
  }
  expect(waiting, 'packets that wait, all in slots').toBeLessThanOrEqual(inUse());
});
