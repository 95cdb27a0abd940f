/** A cluster whose netfilter is empty: what its routes alone do. */
import '../accounts.ts';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { loadCluster } from '../../src/cluster/load.ts';
import { routesOnly } from '../../src/plan/routes-only.ts';
import { clusterOf, resource } from '../calico/policy-cases.ts';

const VXLAN = join('fixtures', 'calico-vxlan');
const pair = { from: 'kubia-d278t', to: 'client' };

describe('routes only', () => {
  it('delivers what a policy forbids', () => {
    const denied = clusterOf(
      resource('GlobalNetworkPolicy', 'p', { selector: "app == 'web'", types: ['Ingress'] }),
    );
    const open = Cluster.fromPlan(denied.plan, { netfilter: false });
    const send = { from: 'client', to: 'web', protocol: 'udp' } as const;
    expect(denied.send(send)).toMatchObject({ outcome: 'dropped', reason: 'filtered' });
    expect(open.send(send).outcome).toBe('delivered');
  });

  it('goes by the same routes, neighbours and tunnels, and sends the same bytes', () => {
    const full = loadCluster(VXLAN).send(pair);
    const bare = loadCluster(VXLAN, { netfilter: false }).send(pair);
    expect(bare.frames).toEqual(full.frames);
  });

  it('translates nothing: a pod is seen with its own address outside', () => {
    const plan = loadCluster(VXLAN).plan;
    const out = { from: 'client', to: '192.168.33.1', protocol: 'udp' } as const;
    const bare = Cluster.fromPlan(plan, { netfilter: false }).send(out);
    expect(bare.frames.at(-1)?.hex).toContain('0a02a988');
  });

  it('says so: in the tables, and in what the plan assumes', () => {
    const cluster = loadCluster(VXLAN, { netfilter: false });
    expect(cluster.exec('k8s-node1', ['iptables-save'])).not.toContain('cali-');
    expect(cluster.plan.assumptions.at(-1)).toContain('routes only');
    expect(cluster.nodes.every(({ netfilter }) => netfilter === null)).toBe(true);
  });

  it('changes nothing of the plan it was made from, and makes no table before its time', () => {
    const { plan } = loadCluster(VXLAN);
    const isLazy = (list: 'routes' | 'fdb', at: number, of: typeof plan): boolean =>
      Object.getOwnPropertyDescriptor(of.namespaces[at], list)?.get !== undefined;
    const bare = routesOnly(plan);
    for (const at of plan.namespaces.keys()) {
      expect(isLazy('routes', at, bare)).toBe(isLazy('routes', at, plan));
      expect(isLazy('fdb', at, bare)).toBe(isLazy('fdb', at, plan));
    }
    expect(plan.namespaces.some(({ netfilter }) => netfilter !== undefined)).toBe(true);
  });
});
