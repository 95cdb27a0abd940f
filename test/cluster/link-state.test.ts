import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { deleteLink, setLink } from '../../src/cluster/link-state.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { clusterOf, expectAccounted, lab, pool, underlay, watch } from '../behaviour/lab.ts';

const plan = clusterOf(lab(pool('vxlanMode: Always'), underlay())).plan;

describe('setLink', () => {
  it('ends what is known of flows', () => {
    const cluster = Cluster.fromPlan(plan);
    const inside = watch(cluster, 'w1:eth0');
    const frame = buildFrame([
      { layer: 'ipv4', src: '10.65.0.2', dst: '10.65.1.2' },
      { layer: 'udp', srcPort: 7, dstPort: 9 },
    ]);
    const send = (): number => {
      inside.length = 0;
      cluster.originate(cluster.names.find('w0'), frame);
      return inside.length;
    };
    const answer = buildFrame([
      { layer: 'ipv4', src: '10.65.1.2', dst: '10.65.0.2' },
      { layer: 'udp', srcPort: 9, dstPort: 7 },
    ]);
    expect(send()).toBe(1);
    cluster.originate(cluster.names.find('w1'), answer);
    expect([1, 2, 3].map(send)).toEqual([1, 1, 1]);
    setLink(cluster, 'n0:eth0', { up: false });
    expect(send()).toBe(0);
    setLink(cluster, 'n0:eth0', { up: true });
    expect([1, 2].map(send)).toEqual([1, 1]);
    setLink(cluster, 'n1:vxlan.calico', { up: false });
    expect(send()).toBe(0);
    expectAccounted(cluster);
  });

  it('takes the carrier of a veth from both ends when one goes down', () => {
    const cluster = Cluster.fromPlan(plan);
    const { namespace, device } = cluster.tables('x/w0').devices.find((d) => d.peer)!.peer!;
    const inside = watch(cluster, 'w0:eth0');
    setLink(cluster, `${namespace}:${device}`, { up: false });
    expect(cluster.exec('w0', ['ip', 'link', 'show', 'eth0'])).toContain('NO-CARRIER');
    expect(cluster.exec('w0', ['ip', 'route'])).toContain('linkdown');
    expect(cluster.exec('w0', ['ip', 'neigh'])).toBe('');
    expect(cluster.send({ from: 'w0', to: 'n0' }).outcome).toBe('dropped');
    expect(inside).toEqual([]);
    setLink(cluster, `${namespace}:${device}`, { up: true });
    expect(cluster.exec('w0', ['ip', 'link', 'show', 'eth0'])).not.toContain('NO-CARRIER');
    expect(cluster.exec('w0', ['ip', 'route'])).not.toContain('linkdown');
    expect(cluster.send({ from: 'w0', to: 'n0' }).outcome).toBe('delivered');
    expectAccounted(cluster);
  });

  it('deletes a veth with its other end', () => {
    const cluster = Cluster.fromPlan(plan);
    deleteLink(cluster, 'w0:eth0');
    expect(cluster.exec('n0', ['ip', 'route'])).not.toContain('10.65.0.2');
    expect(cluster.exec('w0', ['ip', 'route'])).toBe('');
    expect(cluster.exec('w0', ['ip', 'addr'])).not.toContain('10.65.0.2');
    expect(cluster.send({ from: 'n0', to: '10.65.0.2' }).outcome).toBe('dropped');
  });

  it('refuses an MTU that no device has, and a device that is not there', () => {
    const cluster = Cluster.fromPlan(plan);
    for (const mtu of [67, 65_537, 1.5, Number.NaN]) {
      expect(() => setLink(cluster, 'n0:eth0', { mtu })).toThrow('expected an MTU');
    }
    expect(() => setLink(cluster, 'n0:eth9', { up: true })).toThrow('eth9');
  });

  it('packets find what the listing says, whatever was done before', () => {
    const ports = ['n0:eth0', 'n0:vxlan.calico', 'n1:eth0', 'n1:vxlan.calico'];
    const step = fc.record({
      port: fc.constantFrom(...ports),
      change: fc.oneof(
        fc.record({ up: fc.boolean() }),
        fc.record({ carrier: fc.boolean() }),
        fc.record({ mtu: fc.integer({ min: 68, max: 9000 }) }),
      ),
    });
    const asked = ['10.65.0.2', '10.65.1.2', '10.65.2.9', '172.16.0.11', '172.16.0.255', '8.8.8.8'];
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const cluster = Cluster.fromPlan(plan);
        for (const { port, change } of steps) setLink(cluster, port, change);
        // A namespace built from what the listing says, packed anew.
        const again = Cluster.fromPlan({
          ...plan,
          namespaces: plan.namespaces.map(({ name }) => cluster.tables(name)),
        });
        for (const name of ['n0', 'n1']) {
          const [live, fresh] = [cluster.names.find(name), again.names.find(name)];
          for (const text of asked) {
            const to = cluster.names.address(text);
            const words = [live, fresh].map((node) => {
              const id = node.lookup(to);
              if (id < 0) return 'none';
              const { routes } = node;
              return [routes.kind(id), routes.gateway(id), routes.device(id), routes.source(id)];
            });
            expect([text, words[0]]).toEqual([text, words[1]]);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
