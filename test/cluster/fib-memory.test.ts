/** What the lookup tables of a cluster take together. */
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { type FibMemory, fibMemory } from '../../src/cluster/fib-memory.ts';
import { addRoute } from '../../src/cluster/table-edit.ts';

const node = (i: number): string => `---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n${i}}
spec: {bgp: {ipv4Address: 172.20.${i >> 8}.${i & 255}/16}}
---
apiVersion: v1
kind: Pod
metadata: {name: p${i}, namespace: default}
spec: {nodeName: n${i}}
status: {phase: Running}
`;

const clusterOf = (nodes: number): Cluster =>
  Cluster.fromYaml(`
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.0.0.0/8, blockSize: 26, vxlanMode: Always}
${Array.from({ length: nodes }, (_, i) => node(i + 1)).join('')}`);

const isNode = (name: string): boolean => name.startsWith('n');

describe('the memory of lookup tables', () => {
  it('counts what nodes share once: a node more costs what is its own', () => {
    const [few, more, most] = [40, 80, 160].map((nodes) => fibMemory(clusterOf(nodes), isNode));
    const own = (found?: FibMemory): number => found!.total - found!.shared;
    expect(few!.shared).toBeGreaterThan(0);
    expect(own(more) / 80).toBeCloseTo(own(few) / 40, -1);
    expect(own(most) / 160).toBeCloseTo(own(few) / 40, -1);
    // 5,000 such nodes in 8 MiB.
    expect(own(most) / 160).toBeLessThan(1600);
    // 160 copies of the shared table would be a multiple of it.
    expect(most!.shared).toBeLessThan(8 * few!.shared);
  });

  it('is that of the tables that the rules of each namespace lead to', () => {
    const cluster = clusterOf(3);
    const all = fibMemory(cluster);
    const parts = [isNode, (name: string) => !isNode(name)].map((of) => fibMemory(cluster, of));
    expect(parts[0]!.total + parts[1]!.total).toBe(all.total);
    expect(fibMemory(cluster, () => false)).toEqual({ total: 0, shared: 0 });
  });

  it('is less shared, and more, where a node goes its own way', () => {
    const cluster = clusterOf(30);
    const before = fibMemory(cluster, isNode);
    const n1 = cluster.names.find('n1');
    // One of the routes that all have alike, replaced.
    const shared = n1.plan.routes.find(({ device }) => device === 'vxlan.calico')!;
    addRoute(n1, { ...shared, metric: 7 });
    const after = fibMemory(cluster, isNode);
    expect(after.shared).toBe(before.shared);
    expect(after.total).toBeGreaterThan(before.total);
  });
});
