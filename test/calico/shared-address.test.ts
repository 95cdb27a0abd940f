import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planCluster } from '../../src/calico/cluster-plan.ts';
import type { ClusterPlan, NamespacePlan } from '../../src/plan/plan.ts';
import { formatPrefix } from '../../src/wire/address.ts';
import { node, pod, pool } from '../documents/document.ts';

const plan = (...documents: string[]): ClusterPlan =>
  planCluster([{ text: documents.join('\n---\n'), source: 'shared.yaml' }]);

const freeIndices = (list: readonly [device: string, index: number][]): string =>
  'apiVersion: podwire/v1\nkind: FreeInputs\nmetadata: {name: f}\nspec: {ifindex: [' +
  list.map(([device, index]) => `{node: n0, device: ${device}, index: ${index}}`).join(', ') +
  ']}';

const called = (made: ClusterPlan, name: string): NamespacePlan =>
  made.namespaces.find((ns) => ns.name === name)!;

/** `ADDRESS DEVICE` of a node's routes to its pods. */
const ways = ({ routes }: NamespacePlan): string[] =>
  routes
    .filter(({ origin }) => origin === 'cni')
    .map(({ destination, device }) => `${formatPrefix(destination)} ${device}`)
    .sort();

const NODES = [node('n0', '172.16.0.10/24'), node('n1', '172.16.0.11/24')];

describe('pods of one node with one address', () => {
  it('have one route among them, by the highest index, whatever their names', () => {
    const host = fc.integer({ min: 1, max: 4 });
    const index = fc.integer({ min: 100, max: 200 });
    const pods = fc.uniqueArray(fc.tuple(host, index), { selector: ([, i]) => i, maxLength: 9 });
    const mode = fc.constantFrom('', ', vxlanMode: Always', ', ipipMode: CrossSubnet');
    fc.assert(
      fc.property(pods, mode, (list, more) => {
        const documents = [
          pool('p', `cidr: 10.65.0.0/16${more}`),
          ...NODES,
          ...list.map(([at], i) => pod(`p${i}`, 'n0', `10.65.0.${at}`)),
        ];
        const bare = plan(...documents);
        const veths = list.map((_, i) => {
          const { devices } = called(bare, `default/p${i}`);
          return devices.find(({ peer }) => peer)!.peer!.device;
        });
        const stated = freeIndices(list.map(([, own], i) => [veths[i]!, own]));
        const made = plan(...documents, stated);
        const expected = [1, 2, 3, 4].flatMap((at) => {
          const claimed = list.map(([of, own], i) => ({ of, own, i })).filter((c) => c.of === at);
          const [best] = claimed.sort((a, b) => b.own - a.own);
          return best === undefined ? [] : [`10.65.0.${at}/32 ${veths[best.i]}`];
        });
        expect(ways(called(made, 'n0'))).toEqual(expected.sort());
        expect(called(made, 'n0').standbyRoutes?.length ?? 0).toBe(list.length - expected.length);
        expect(ways(called(made, 'n1'))).toEqual([]);
        // Other nodes have the block and nothing else of it, or the address once.
        const far = called(made, 'n1').routes.map(({ destination }) => formatPrefix(destination));
        expect(new Set(far).size).toBe(far.length);
      }),
      { numRuns: 60 },
    );
  });

  it('are announced once where Felix follows pods, or the address lies in another node’s block', () => {
    const lent =
      'apiVersion: crd.projectcalico.org/v1\nkind: IPAMBlock\nmetadata: {name: b}\nspec: {cidr: 10.65.0.0/26, affinity: "host:n1"}';
    const felix =
      'apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {routeSource: WorkloadIPs}';
    for (const more of [lent, felix]) {
      const made = plan(
        pool('p', 'cidr: 10.65.0.0/16, vxlanMode: Always'),
        ...NODES,
        more,
        pod('a', 'n0', '10.65.0.9'),
        pod('b', 'n0', '10.65.0.9'),
      );
      const far = called(made, 'n1').routes.map(({ destination }) => formatPrefix(destination));
      expect(far.filter((cidr) => cidr === '10.65.0.9/32')).toHaveLength(1);
    }
  });

  it('are one allocation of their block, and no doubt about it', () => {
    const block =
      'apiVersion: crd.projectcalico.org/v1\nkind: IPAMBlock\nmetadata: {name: b}\nspec:\n' +
      '  cidr: 10.65.0.0/26\n  affinity: "host:n0"\n  allocations: [null, null, 0]\n' +
      '  attributes: [{secondary: {namespace: default, node: n0, pod: b}}]';
    const made = plan(
      pool('p', 'cidr: 10.65.0.0/16'),
      ...NODES,
      block,
      pod('a', 'n0', '10.65.0.2'),
      pod('b', 'n0', '10.65.0.2'),
    );
    expect(made.assumptions.filter((text) => text.includes('believed'))).toEqual([]);
    const facts = made.inventory!.blocks.find(({ node: on }) => on === 'n0')!;
    expect(facts.allocations).toHaveLength(1);
  });

  it('are refused where IPAM would: an address that is asked for and in use', () => {
    const asking = pod('b', 'n0').replace(
      'metadata: {',
      `metadata: {annotations: {cni.projectcalico.org/ipAddrs: '["10.65.0.2"]'}, `,
    );
    expect(() =>
      plan(pool('p', 'cidr: 10.65.0.0/16'), ...NODES, pod('a', 'n0', '10.65.0.2'), asking),
    ).toThrow(/expected an address of its own, since Pod\/default\/a has this one/);
  });
});
