/** Rules that namespaces share; what a rule remembers of packets is each one's own. */
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { programOf } from '../../src/node/rule-program.ts';
import { OUT, planOf } from './small-network.ts';

const RULES = `*filter
:FORWARD ACCEPT
:counts -
-A FORWARD -j counts
-A counts -m statistic --mode nth --every 2 --packet 0 -j DROP
-A counts -m recent --name seen --rcheck --hitcount 2 --rsource -j DROP
-A counts -m recent --name seen --set --rsource
COMMIT
`;

/** Which of so many packets arrive. */
function arrivals(cluster: Cluster, count: number): boolean[] {
  return Array.from({ length: count }, (_, i) => {
    const { delivered } = cluster.counts;
    cluster.send({ from: 'in', to: OUT, protocol: 'udp', sourcePort: 4000 + i });
    return cluster.counts.delivered > delivered;
  });
}

describe('rules of one list', () => {
  it('are made ready once', () => {
    const { namespaces } = planOf({ rules: RULES });
    const { chains } = namespaces.find(({ netfilter }) => netfilter !== undefined)!.netfilter!;
    expect(programOf(chains)).toBe(programOf(chains));
    expect(programOf([...chains])).not.toBe(programOf(chains));
    expect(programOf(chains)).toMatchObject({ counters: 1, lists: ['seen'], sets: [] });
  });

  it('count and remember apart in each namespace', () => {
    const plan = planOf({ rules: RULES });
    const first = Cluster.fromPlan(plan, { flowCache: false });
    // Dropped by the counter, let through and remembered, in turns; until it was seen twice.
    const expected = [false, true, false, true, false, false, false, false];
    expect(arrivals(first, 8)).toEqual(expected);
    expect(arrivals(Cluster.fromPlan(plan, { flowCache: false }), 8)).toEqual(expected);
  });
});
