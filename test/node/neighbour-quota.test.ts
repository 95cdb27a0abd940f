/**
 * "neighbour table overflow", as a kernel went through it (Linux 6.1, gc_thresh 5, 10 and 20,
 * thirty addresses at a time): what got an entry, and what made room for what.
 */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { Sysctls } from '../../src/import/sysctls.ts';
import { later } from '../../src/packet/moment.ts';
import type { NeighbourLimits } from '../../src/plan/neighbour-limits.ts';
import {
  clusterOf,
  dropsOf,
  edited,
  lab,
  originate,
  pool,
  underlay,
  watch,
} from '../behaviour/lab.ts';
import { address } from '../text/namespace.ts';

/** `gw` answers for 172.16.0.100 to .179; nobody has those from .200 on. */
function networkOf(neighbourLimits: NeighbourLimits | undefined): Cluster {
  const base = clusterOf(lab(pool('ipipMode: Never'), underlay())).plan;
  const more = Array.from({ length: 80 }, (_, i) => address(`172.16.0.${100 + i}/32`));
  const answering = edited(base, 'gw', ({ devices }) => ({
    devices: devices.map((d) =>
      d.name === 'eth0' ? { ...d, addresses: [...d.addresses, ...more] } : d,
    ),
  }));
  const plan =
    neighbourLimits === undefined
      ? answering
      : edited(answering, 'n0', () => ({ neighbourLimits }));
  return Cluster.fromPlan(plan, { neighbours: 'cold' });
}

class Network {
  readonly cluster: Cluster;

  constructor(limits: NeighbourLimits | undefined = { soft: 10, most: 20 }) {
    this.cluster = networkOf(limits);
  }

  /** n0 sends a datagram to each; how many were dropped for want of an entry. */
  send(from: number, to: number, node = 'n0'): number {
    const before = this.full;
    for (let i = from; i < to; i++) {
      originate(this.cluster, node, [
        { layer: 'ipv4', src: node === 'n0' ? '172.16.0.10' : '10.65.0.2', dst: `172.16.0.${i}` },
        { layer: 'udp', srcPort: 9, dstPort: 9 },
      ]);
    }
    return this.full - before;
  }

  get full(): number {
    return dropsOf(this.cluster)['neighbour-table-full'] ?? 0;
  }

  wait(seconds: number): void {
    this.cluster.advance(later(this.cluster.now, seconds * 1000));
  }

  /** `20 REACHABLE` */
  states(name = 'n0'): string[] {
    const counts = new Map<string, number>();
    for (const { state } of this.cluster.tables(name).neighbours) {
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    return [...counts].map(([state, count]) => `${count} ${state}`).sort();
  }
}

describe('a table of neighbours that is full', () => {
  it('takes no more, and drops what would need more', () => {
    const net = new Network();
    expect(net.send(200, 230)).toBe(10);
    expect(net.states()).toEqual(['20 INCOMPLETE']);
    net.wait(5);
    // Those nobody answered for make room at once.
    expect(net.send(230, 250)).toBe(0);
    expect(net.states()).toEqual(['20 INCOMPLETE']);
    net.wait(5);
    expect(net.send(100, 130)).toBe(10);
    expect(net.states()).toEqual(['20 REACHABLE']);
    net.wait(6);
    // Those that answered do not, while they are REACHABLE.
    expect(net.send(130, 160)).toBe(30);
    expect(net.states()).toEqual(['20 REACHABLE']);
    net.cluster.run();
  });

  it('is one for a node and its pods: a pod finds no way to its gateway', () => {
    const net = new Network();
    net.send(100, 130);
    const before = net.full;
    net.send(100, 101, 'x/w0');
    expect(net.full).toBe(before + 1);
    expect(net.states('x/w0')).toEqual([]);
    const other = net.cluster.send({ from: 'w1', to: '10.65.2.2' });
    expect(other.outcome).toBe('delivered');
  });

  it('lets STALE entries go when it must, half a minute after they answered', () => {
    const net = new Network();
    net.send(100, 130);
    net.wait(34);
    expect(net.send(130, 131)).toBe(1);
    net.wait(2);
    // All 20 go, ten at a time.
    expect(net.send(130, 160)).toBe(10);
    expect(net.states()).toEqual(['20 REACHABLE']);
  });

  it('gives no answer to who asks for its address, and cannot be kept in mind', () => {
    const net = new Network();
    net.send(100, 130);
    const wire = watch(net.cluster, 'n0:eth0');
    const ask = (sender: string): void => {
      const mac = '020000000077';
      const ip = (text: string): string => Buffer.from(text.split('.').map(Number)).toString('hex');
      const body = `0001080006040001${mac}${ip(sender)}000000000000${ip('172.16.0.10')}`;
      net.cluster.arrive(
        net.cluster.names.port('n0:eth0'),
        Buffer.from(`ffffffffffff${mac}0806${body}`, 'hex'),
      );
    };
    ask('172.16.0.77');
    expect(wire).toHaveLength(1);
    // One it knows, whose MAC has changed.
    ask('172.16.0.100');
    expect(wire).toHaveLength(3);
  });

  it('is 1,024 long where nobody says else', () => {
    const cluster = networkOf(undefined);
    const limits = new Sysctls([
      {
        text: 'net.ipv4.neigh.default.gc_thresh2 = 2048\nnet.ipv4.neigh.default.gc_thresh3 = 4096',
        listing: { whole: false },
      },
    ]).neighbourLimits();
    expect(limits).toEqual({ neighbourLimits: { soft: 2048, most: 4096 } });
    const wide = edited(cluster.plan, 'n0', ({ devices, routes }) => ({
      ...limits,
      routes: [
        ...routes,
        { ...routes[0]!, destination: { address: 0x09000000 as never, length: 8 } },
      ],
      devices,
    }));
    const narrow = edited(wide, 'n0', () => ({ neighbourLimits: {} }));
    for (const [plan, dropped] of [
      [wide, 0],
      [narrow, 1100 - 1024],
    ] as const) {
      const net = Cluster.fromPlan(plan, { neighbours: 'cold' });
      for (let i = 0; i < 1100; i++) {
        originate(net, 'n0', [
          { layer: 'ipv4', src: '172.16.0.10', dst: `9.0.${i >> 8}.${i & 255}` },
          { layer: 'udp', srcPort: 9, dstPort: 9 },
        ]);
      }
      expect(dropsOf(net)['neighbour-table-full'] ?? 0).toBe(dropped);
      net.run();
    }
  });
});
