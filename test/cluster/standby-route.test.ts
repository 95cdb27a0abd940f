import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { deleteLink, setLink } from '../../src/cluster/link-state.ts';
import { block, clusterOf, expectAccounted, node, pod, pool } from '../behaviour/lab.ts';

/** Four pods of n0 on one address, one on its own. */
const { plan } = clusterOf(
  pool('vxlanMode: Always'),
  ...[node(0), node(1), block(0), block(1)],
  ...['a', 'b', 'c', 'd'].map((name) => pod(name, 0, '10.65.0.2')),
  pod('e', 0, '10.65.0.3'),
  pod('far', 1, '10.65.1.2'),
);
const VETHS = ['a', 'b', 'c', 'd'].map((name) => {
  const { devices } = plan.namespaces.find((ns) => ns.name === `x/${name}`)!;
  return devices.find(({ peer }) => peer)!.peer!.device;
});

const step = fc.record({
  pod: fc.integer({ min: 0, max: 3 }),
  what: fc.constantFrom('node', 'node', 'pod', 'delete'),
  up: fc.boolean(),
});

describe('a shared address', () => {
  it('is where the highest index runs, after every change', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14 }), (steps) => {
        const cluster = Cluster.fromPlan(plan);
        const others = cluster.exec('n0', ['ip', 'route']).match(/^(?!10\.65\.0\.2 ).*\n/gm)!;
        const twin = VETHS.map(
          () => ({ node: true, pod: true }) as { node: boolean; pod: boolean } | null,
        );
        for (const { pod: i, what, up } of steps) {
          const state = twin[i]!;
          if (state === null) continue;
          if (what === 'delete') deleteLink(cluster, `n0:${VETHS[i]}`);
          else {
            setLink(cluster, what === 'node' ? `n0:${VETHS[i]}` : `x/${'abcd'[i]}:eth0`, { up });
            state[what] = up;
          }
          if (what === 'delete') twin[i] = null;
          const runs = twin.map((end) => end?.node === true && end.pod).lastIndexOf(true);
          const table = cluster.exec('n0', ['ip', 'route']);
          expect(table.match(/^(?!10\.65\.0\.2 ).*\n/gm)).toEqual(others);
          const way = table.match(/^10\.65\.0\.2 .*$/gm) ?? [];
          const { outcome, at } = cluster.send({ from: 'far', to: '10.65.0.2' });
          if (runs < 0) expect(outcome).toBe('dropped');
          else {
            expect(way.map((line) => line.trim())).toEqual([
              `10.65.0.2 dev ${VETHS[runs]} scope link`,
            ]);
            expect([outcome, at]).toEqual(['delivered', `x/${'abcd'[runs]}`]);
          }
        }
        cluster.send({ from: 'far', to: 'e' });
        expectAccounted(cluster);
      }),
      { numRuns: 40 },
    );
  });
});
