/** What routes by BGP are worth: packets that arrive, or do not. */
import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { resource } from './bgp-cluster.ts';
import { block, node, plan, pod, pool, underlay } from './manifests.ts';
import { calicoLines, routeLines } from './route-line.ts';

const noMesh = resource('BGPConfiguration', 'default', 'nodeToNodeMeshEnabled: false');

describe('between two subnets, without encapsulation', () => {
  const lab = (...more: string[]) =>
    Cluster.fromPlan(
      plan(
        pool(),
        node('n1', '10.9.1.11/24'),
        node('n2', '10.9.2.11/24'),
        block('10.2.0.0/26', 'n1'),
        block('10.2.0.64/26', 'n2'),
        pod('a', 'n1', '10.2.0.3'),
        pod('b', 'n2', '10.2.0.67'),
        underlay(
          'segments:',
          '- {name: A, members: [{name: n1}, {name: gw, address: 10.9.1.1/24}]}',
          '- {name: B, members: [{name: n2}, {name: gw, address: 10.9.2.1/24}]}',
          'routers: [{name: gw}]',
          'defaultGateway: {A: 10.9.1.1, B: 10.9.2.1}',
        ),
        ...more,
      ),
    );
  const peers = ['10.9.1', '10.9.2'].map((net, i) =>
    resource('BGPPeer', `gw${i}`, `node: n${i + 1}, peerIP: ${net}.1, asNumber: 64512`),
  );

  it('D11: a router that knows no pod range drops the packet', () => {
    const trace = lab().send({ from: 'a', to: 'b' });
    expect([trace.outcome, trace.at, trace.reason]).toEqual(['dropped', 'gw', 'no-route']);
  });

  it('D12: peered with the nodes it delivers both ways', () => {
    const made = lab(...peers);
    expect(routeLines(made.plan, 'gw').filter((line) => line.includes('bird'))).toEqual([
      '10.2.0.0/26 via 10.9.1.11 dev eth0 proto bird',
      '10.2.0.64/26 via 10.9.2.11 dev eth1 proto bird',
    ]);
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      expect(made.send({ from, to }).outcome).toBe('delivered');
    }
  });
});

describe('B28: a host beside the nodes', () => {
  const lab = (...more: string[]) =>
    Cluster.fromPlan(
      plan(
        pool({ name: 'default', more: ['ipipMode: Never', 'disableBGPExport: true'] }),
        pool({ name: 'external', cidr: '198.19.24.0/21', more: ['blockSize: 29'] }),
        node('n1', '198.19.0.2/20'),
        block('198.19.28.208/29', 'n1'),
        block('10.2.0.0/26', 'n1'),
        pod('nginx', 'n1', '198.19.28.208'),
        pod('inside', 'n1', '10.2.0.3'),
        underlay(
          'segments:',
          '- {name: A, members: [{name: n1}, {name: host1, address: 198.19.15.254/20}, {name: gw, address: 198.19.0.9/20}]}',
          'hosts: [{name: host1}]',
          'routers: [{name: gw}]',
          // Without a default route the node would not answer its pods' ARP.
          'defaultGateway: {A: 198.19.0.9}',
        ),
        ...more,
      ),
    );

  it('reaches the external pool once it is a peer, and not the other one', () => {
    const before = lab();
    expect(before.send({ from: 'host1', to: 'nginx' }).outcome).toBe('dropped');
    const after = lab(
      resource('BGPPeer', 'bgppeer-global-host1', 'peerIP: 198.19.15.254, asNumber: 64512'),
    );
    expect(routeLines(after.plan, 'host1')).toContain(
      '198.19.28.208/29 via 198.19.0.2 dev eth0 proto bird',
    );
    expect(after.send({ from: 'host1', to: 'nginx' }).outcome).toBe('delivered');
    expect(after.send({ from: 'nginx', to: 'host1' }).outcome).toBe('delivered');
    expect(after.send({ from: 'host1', to: 'inside' }).outcome).toBe('dropped');
  });
});

describe('D6: routes of a node', () => {
  const MODES = ['ipipMode: Always', 'ipipMode: CrossSubnet', 'ipipMode: Never'];
  const VXLAN = ['vxlanMode: Always', 'vxlanMode: CrossSubnet'];

  it('are its pods, its block and one for each other node, in every mode', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 3 }),
        fc.constantFrom(...MODES, ...VXLAN),
        fc.boolean(),
        (count, pods, mode, reflected) => {
          const texts = Array.from({ length: count }, (_, i) => [
            node(
              `n${i}`,
              `10.9.${i % 2}.${i + 10}/24`,
              ...(reflected && i === 0 ? ['  routeReflectorClusterID: 244.0.0.1'] : []),
            ),
            block(`10.2.${i}.0/26`, `n${i}`),
            ...Array.from({ length: pods }, (__, j) => pod(`p${i}-${j}`, `n${i}`)),
          ]).flat();
          if (reflected) {
            texts.push(
              noMesh,
              resource('BGPPeer', 'rr', 'nodeSelector: all(), peerIP: 10.9.0.10, asNumber: 64512'),
              resource('BGPPeer', 'back', 'node: n0, peerSelector: all()'),
            );
          }
          const made = plan(pool({ more: [mode] }), ...texts);
          for (let i = 0; i < count; i++) {
            expect(calicoLines(made, `n${i}`)).toHaveLength(pods + 1 + (count - 1));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('E8: change device with the mode, one by one', () => {
    const at = (mode: string) =>
      calicoLines(
        plan(
          pool({ more: [mode] }),
          ...[1, 2, 3].flatMap((i) => [
            node(`n${i}`, `10.9.0.${i}/24`),
            block(`10.2.${i}.0/26`, `n${i}`),
          ]),
        ),
        'n1',
      );
    expect(at('vxlanMode: CrossSubnet')).toEqual([
      '10.2.2.0/26 via 10.9.0.2 dev eth0 proto 80 onlink',
      '10.2.3.0/26 via 10.9.0.3 dev eth0 proto 80 onlink',
      'blackhole 10.2.1.0/26 proto 80',
    ]);
    expect(at('ipipMode: Always')).toEqual([
      '10.2.2.0/26 via 10.9.0.2 dev tunl0 proto bird onlink',
      '10.2.3.0/26 via 10.9.0.3 dev tunl0 proto bird onlink',
      'blackhole 10.2.1.0/26 proto bird',
    ]);
  });
});
