/** Bridges, as a kernel's were seen to treat the same frames (Linux 6.18, packet sockets on every port). */
import '../accounts.ts';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { deleteLink, setLink } from '../../src/cluster/link-state.ts';
import { later } from '../../src/packet/moment.ts';
import type { NamespacePlan } from '../../src/plan/plan.ts';
import { parseMac } from '../../src/wire/address.ts';
import { dropsOf, expectAccounted, watch } from '../behaviour/lab.ts';
import { hostMac, macOf, PORTS, switchedHosts } from './switched-hosts.ts';

const BROADCAST = 'ff:ff:ff:ff:ff:ff';

const cold = (more: Partial<NamespacePlan> = {}): Cluster =>
  Cluster.fromPlan(switchedHosts(more), { neighbours: 'cold' });

/** Of a protocol nobody has: who gets it does not answer. */
const frame = (src: string, dst: string): Buffer =>
  Buffer.from(`${dst}${src}88b5`.replaceAll(':', '') + '00'.repeat(46), 'hex');

/** Where a frame that comes in by a port goes out, and whether the bridge itself sees it. */
function seen(cluster: Cluster, port: number, src: string, dst: string): string {
  const told: string[] = [];
  const taps = [...PORTS, 'br0'].map((name) => {
    const end = cluster.names.port(`sw:${name}`);
    const isBridge = name === 'br0';
    const outgoing = {
      see: (_: unknown, __: unknown, ___: unknown, out: boolean) => {
        if (out !== isBridge) told.push(name);
      },
    };
    end.device.tap = outgoing;
    return end.device;
  });
  cluster.arrive(cluster.names.port(`sw:p${port}`), frame(src, dst));
  for (const one of taps) one.tap = null;
  return told.sort().join(' ');
}

const fdb = (cluster: Cluster): string[] =>
  cluster
    .exec('sw', ['bridge', 'fdb', 'show'])
    .split('\n')
    .filter((line) => line.includes('master'));

describe('a bridge', () => {
  it('floods what it does not know, sends what it knows to one port, and takes its own', () => {
    const cluster = cold();
    expect(seen(cluster, 0, hostMac(0), hostMac(1))).toBe('p1 p2');
    expect(seen(cluster, 1, hostMac(1), hostMac(0))).toBe('p0');
    expect(seen(cluster, 0, hostMac(0), hostMac(1))).toBe('p1');
    expect(seen(cluster, 0, hostMac(0), BROADCAST)).toBe('br0 p1 p2');
    expect(seen(cluster, 2, hostMac(2), '01:00:5e:01:02:03')).toBe('br0 p0 p1');
    // Its own MAC, and those of its ports.
    expect(seen(cluster, 1, hostMac(1), macOf(0))).toBe('br0');
    expect(seen(cluster, 1, hostMac(1), macOf(1))).toBe('br0');
    expect(seen(cluster, 1, hostMac(1), macOf(2))).toBe('br0');
    // Behind the port it came from.
    expect(seen(cluster, 0, '02:00:00:00:02:00', hostMac(0))).toBe('');
    // A group, or nobody, is no source; STP is for all bridges, LLDP for the port.
    expect(seen(cluster, 0, '03:00:00:00:00:01', BROADCAST)).toBe('');
    expect(seen(cluster, 0, '00:00:00:00:00:00', BROADCAST)).toBe('');
    expect(seen(cluster, 0, hostMac(0), '01:80:c2:00:00:00')).toBe('br0 p1 p2');
    expect(seen(cluster, 0, hostMac(0), '01:80:c2:00:00:0e')).toBe('');
    cluster.run();
    expect(dropsOf(cluster)).toMatchObject({ 'bridge-nowhere': 1, 'mac-source': 2 });
    expectAccounted(cluster);
  });

  it('lists what it learned, which moves and ages after 300 s', () => {
    const cluster = cold();
    const own = PORTS.map((name, i) => `${macOf(i)} dev ${name} master br0 permanent`);
    expect(fdb(cluster)).toEqual(own);
    seen(cluster, 0, hostMac(0), BROADCAST);
    expect(fdb(cluster)).toContain(`${hostMac(0)} dev p0 master br0 `);
    seen(cluster, 2, hostMac(0), BROADCAST);
    expect(fdb(cluster)).toContain(`${hostMac(0)} dev p2 master br0 `);
    cluster.advance(later(cluster.now, 299_999));
    expect(seen(cluster, 1, hostMac(1), hostMac(0))).toBe('p2');
    cluster.advance(later(cluster.now, 1));
    expect(seen(cluster, 1, hostMac(1), hostMac(0))).toBe('p0 p2');
    expect(fdb(cluster).filter((line) => line.startsWith(hostMac(0)))).toEqual([]);
    // An own address as source teaches nothing.
    seen(cluster, 1, macOf(2), BROADCAST);
    expect(fdb(cluster)).toContain(own[2]);
    expect(seen(cluster, 0, hostMac(0), macOf(2))).toBe('br0');
    cluster.run();
    expectAccounted(cluster);
  });

  it('keeps what somebody entered: static ones forward, permanent ones are its own', () => {
    const entry = (mac: string, state: 'static' | 'permanent') =>
      ({ device: 'p1', master: 'br0', mac: parseMac(mac), state }) as const;
    const cluster = cold({
      fdb: [entry('02:00:00:00:00:55', 'static'), entry('02:00:00:00:00:57', 'permanent')],
    });
    cluster.advance(later(cluster.now, 400_000));
    expect(seen(cluster, 0, hostMac(0), '02:00:00:00:00:55')).toBe('p1');
    expect(seen(cluster, 0, hostMac(0), '02:00:00:00:00:57')).toBe('br0');
    expect(fdb(cluster)).toContain('02:00:00:00:00:55 dev p1 master br0 static');
    seen(cluster, 2, '02:00:00:00:00:55', BROADCAST);
    expect(fdb(cluster)).toContain('02:00:00:00:00:55 dev p2 master br0 static');
    cluster.run();
    expectAccounted(cluster);
  });

  it('forgets what it learned behind a port that goes down, and all of one that is deleted', () => {
    const cluster = cold({
      fdb: [{ device: 'p1', master: 'br0', mac: parseMac('02:00:00:00:00:55'), state: 'static' }],
    });
    const own = PORTS.map((name, i) => `${macOf(i)} dev ${name} master br0 permanent`);
    const entered = '02:00:00:00:00:55 dev p1 master br0 static';
    const learned = [0, 1].map((i) => `${hostMac(i)} dev p${i} master br0 `);
    const lists = (...lines: string[]): void => expect(fdb(cluster).sort()).toEqual(lines.sort());
    const hear = (...ports: number[]): void => {
      for (const i of ports) seen(cluster, i, hostMac(i), BROADCAST);
    };
    hear(0, 1);
    lists(...own, entered, ...learned);
    setLink(cluster, 'sw:p0', { up: false });
    lists(...own, entered, learned[1]!);
    // A cable that is pulled does as much, and so does the bridge for all its ports.
    setLink(cluster, 'sw:p0', { up: true });
    hear(0);
    setLink(cluster, 'h0:eth0', { up: false });
    lists(...own, entered, learned[1]!);
    setLink(cluster, 'h0:eth0', { up: true });
    hear(0);
    setLink(cluster, 'sw:br0', { up: false });
    lists(...own, entered);
    setLink(cluster, 'sw:br0', { up: true });
    expect(seen(cluster, 2, hostMac(2), hostMac(1))).toBe('p0 p1');
    hear(0, 1);
    deleteLink(cluster, 'sw:p1');
    lists(own[0]!, own[2]!, learned[0]!, `${hostMac(2)} dev p2 master br0 `);
    expect(seen(cluster, 0, hostMac(0), '02:00:00:00:00:55')).toBe('p2');
    expect(seen(cluster, 0, hostMac(0), macOf(1))).toBe('p2');
    cluster.run();
    expectAccounted(cluster);
  });

  it('carries ARP and packets between its hosts, to itself, and says how', () => {
    const cluster = cold();
    const sent = watch(cluster, 'h2:eth0');
    for (const to of ['10.5.0.2', '10.5.0.100']) {
      const trace = cluster.send({ from: 'h0', to });
      expect(trace.outcome).toBe('delivered');
    }
    // h2 heard the two questions, and nothing else.
    expect(sent).toHaveLength(2);
    const trace = cluster.send({ from: 'h0', to: '10.5.0.2' });
    expect(trace.steps.find(({ room }) => room === 'bridge-in')?.note).toBe('known behind p1');
    expect(cluster.send({ from: 'sw', to: '10.5.0.3' }).outcome).toBe('delivered');
    cluster.run();
    expectAccounted(cluster);
  });

  it('in a loop ends', () => {
    const base = switchedHosts();
    const looped = base.namespaces.map((ns) => {
      if (ns.name !== 'sw') return ns;
      const devices = ns.devices.map((d) => {
        if (d.name === 'p1') return { ...d, peer: { namespace: 'sw', device: 'p2' } };
        return d.name === 'p2' ? { ...d, peer: { namespace: 'sw', device: 'p1' } } : d;
      });
      return { ...ns, devices };
    });
    const namespaces = looped.filter(({ name }) => name === 'sw' || name === 'h0');
    const cluster = Cluster.fromPlan({ ...base, namespaces }, { neighbours: 'cold' });
    seen(cluster, 0, hostMac(0), BROADCAST);
    cluster.run();
    expect(dropsOf(cluster)['bridge-loop']).toBeGreaterThan(0);
    expectAccounted(cluster);
  });
});
