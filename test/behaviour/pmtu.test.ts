/** The kernel's pmtu.sh, what of it a router does: PM01 to PM10. Senders keep no exceptions yet. */
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { ClusterPlan, NamespacePlan, SegmentPlan } from '../../src/plan/plan.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';
import { address, device, lo, route } from '../text/namespace.ts';
import {
  arrivals,
  clusterOf,
  dropsOf,
  echo,
  expectAccounted,
  lab,
  layer,
  layersOf,
  originate,
  pool,
  watch,
} from './lab.ts';

interface Mtus {
  readonly aR1: number;
  readonly r1B: number;
  readonly aR2: number;
  readonly r2B: number;
}

/** A NIC: `leg` names the segment, its last byte the namespace. */
const nic = (name: string, index: number, leg: number, host: number, mtu: number) =>
  device({
    name,
    index,
    kind: 'nic',
    mac: parseMac(`02:00:00:00:0${leg}:0${host}`),
    mtu,
    addresses: [address(`10.0.${leg}.${host}/24`, `10.0.${leg}.255`)],
  });

const connected = (dev: string, leg: number, host: number) =>
  route(`10.0.${leg}.0/24`, {
    device: dev,
    protocol: 'kernel',
    scope: 'link',
    source: parseIp4(`10.0.${leg}.${host}`),
    origin: 'kernel',
  });

const by = (to: string, via: string, dev: string) => route(to, { via: parseIp4(via), device: dev });

/** Legs: 1 A to R1, 2 A to R2, 3 R1 to B, 4 R2 to B. A is .1, B .2, the routers .9. */
function diamond({ aR1, r1B, aR2, r2B }: Mtus): ClusterPlan {
  const end = (name: string, host: number, legs: [number, number], mtus: [number, number]) => ({
    name,
    role: 'host' as const,
    forwarding: false,
    devices: [lo, nic('r1', 2, legs[0], host, mtus[0]), nic('r2', 3, legs[1], host, mtus[1])],
    routes: [
      connected('r1', legs[0], host),
      connected('r2', legs[1], host),
      by('default', `10.0.${legs[0]}.9`, 'r1'),
      by(`10.0.${name === 'A' ? 4 : 2}.0/24`, `10.0.${legs[1]}.9`, 'r2'),
    ],
    neighbours: [],
    fdb: [],
  });
  const router = (name: string, legs: [number, number], mtus: [number, number]): NamespacePlan => ({
    name,
    role: 'router',
    forwarding: true,
    devices: [lo, nic('a', 2, legs[0], 9, mtus[0]), nic('b', 3, legs[1], 9, mtus[1])],
    routes: [connected('a', legs[0], 9), connected('b', legs[1], 9)],
    neighbours: [],
    fdb: [],
  });
  const segment = (name: string, mtu: number, ends: string[]): SegmentPlan => ({
    name,
    mtu,
    srcDstCheck: false,
    members: ends.map((text) => {
      const [namespace = '', dev = ''] = text.split(':');
      return { namespace, device: dev };
    }),
  });
  return {
    namespaces: [
      end('A', 1, [1, 2], [aR1, aR2]),
      end('B', 2, [3, 4], [r1B, r2B]),
      router('R1', [1, 3], [aR1, r1B]),
      router('R2', [2, 4], [aR2, r2B]),
    ],
    segments: [
      segment('a-r1', aR1, ['A:r1', 'R1:a']),
      segment('r1-b', r1B, ['R1:b', 'B:r1']),
      segment('a-r2', aR2, ['A:r2', 'R2:a']),
      segment('r2-b', r2B, ['R2:b', 'B:r2']),
    ],
    pools: [],
    free: { identifications: [], vxlanSourcePorts: [] },
    assumptions: [],
    ignored: [],
  };
}

/** What a DF ping of a size brings: where it arrives, or who says what MTU. */
function ping(cluster: Cluster, size: number, to: string): string[] {
  const from = to.startsWith('10.0.3') ? '10.0.1.1' : '10.0.2.1';
  const packet = echo(from, to, size, { df: true });
  return arrivals(cluster, () => originate(cluster, 'A', packet)).map(({ at, layers }) => {
    const { code, mtu, type } = layer(layers, 'icmp');
    return `${at} ${layer(layers, 'ipv4').src} ${type} ${code ?? 0} ${mtu ?? ''}`.trim();
  });
}

const tooBig = (router: string, mtu: number): string[] => [`A ${router} unreachable 4 ${mtu}`];

describe('path MTU', () => {
  it('PM01 each router tells the MTU of its own way on', () => {
    const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 1400, aR2: 2000, r2B: 1500 }));
    expect(ping(cluster, 1800, '10.0.3.2')).toEqual(tooBig('10.0.1.9', 1400));
    expect(ping(cluster, 1800, '10.0.4.2')).toEqual(tooBig('10.0.2.9', 1500));
    expect(ping(cluster, 1400, '10.0.3.2')).toEqual(['B 10.0.1.1 echo-request 0']);
    expect(ping(cluster, 1500, '10.0.4.2')).toEqual(['B 10.0.2.1 echo-request 0']);
    expect(dropsOf(cluster)).toEqual({ 'packet-too-big': 2 });
    expectAccounted(cluster);
  });

  it.todo('PM01 the exceptions that the sender keeps: route exceptions are not kept');
  it.todo('PM02 an exception follows the MTU of the local device: route exceptions are not kept');

  it('PM03 an MTU below the least is told all the same, and without DF fragments go through', () => {
    const cluster = Cluster.fromPlan(diamond({ aR1: 2000, r1B: 2000, aR2: 2000, r2B: 400 }));
    expect(ping(cluster, 1400, '10.0.4.2')).toEqual(tooBig('10.0.2.9', 400));
    const leg = watch(cluster, 'R2:b');
    const packet = echo('10.0.2.1', '10.0.4.2', 1400);
    const [whole] = arrivals(cluster, () => originate(cluster, 'A', packet));
    expect(whole!.at).toBe('B');
    expect(layer(whole!.layers, 'ipv4').totalLength).toBe(1400);
    // 376 = 47 * 8 bytes of data in each but the last.
    expect(leg.map((f) => layer(layersOf(f), 'ipv4').totalLength)).toEqual([396, 396, 396, 272]);
    expectAccounted(cluster);
  });

  it.todo('PM03 lock 552 and no DF at the sender: route exceptions are not kept');
  it.todo('PM04 the exception after the local MTU fell and rose: route exceptions are not kept');
  it.todo(
    'PM05 exceptions in a table chosen by DSCP: rules by TOS and exceptions are not modelled',
  );

  it('PM06 a narrow leg under VXLAN without DF: outer fragments, and the inner packet whole', () => {
    const plan = clusterOf(lab(pool('vxlanMode: Always'))).plan;
    const narrow = {
      ...plan,
      namespaces: plan.namespaces.map((ns) =>
        ns.name !== 'n0'
          ? ns
          : {
              ...ns,
              devices: ns.devices.map((d) => (d.name === 'eth0' ? { ...d, mtu: 1400 } : d)),
            },
      ),
    };
    const cluster = Cluster.fromPlan(narrow);
    const outside = watch(cluster, 'n0:eth0');
    const inside = watch(cluster, 'w1:eth0');
    const trace = cluster.send({ from: 'w0', to: 'w1', size: 1450, dontFragment: true });
    expect(trace.outcome).toBe('delivered');
    // 1450 + 50 in pieces of 1376 = 172 * 8 bytes.
    const pieces = outside.map((frame) => layer(layersOf(frame), 'ipv4'));
    expect(pieces.map(({ totalLength, mf }) => [totalLength, mf])).toEqual([
      [1396, true],
      [124, false],
    ]);
    expect(layer(layersOf(inside[0]!), 'ipv4')).toMatchObject({
      totalLength: 1450,
      df: true,
      ttl: 62,
    });
    expectAccounted(cluster);
  });

  it.todo('PM06 exception 3950 with df set: Calico’s device has df unset, exceptions are not kept');
  it.todo('PM07 VXLAN on a bridge: bridges are not modelled');

  it('PM08 IPIP counts its 20 bytes off the MTU of the way out', () => {
    const plan = clusterOf(lab(pool('ipipMode: Always'))).plan;
    const wide = {
      ...plan,
      segments: plan.segments.map((segment) => ({ ...segment, mtu: 5000 })),
      namespaces: plan.namespaces.map((ns) => ({
        ...ns,
        devices: ns.devices.map((d) => {
          if (d.kind === 'loopback') return d;
          if (d.name === 'eth0' && ns.name === 'n0') return { ...d, mtu: 4000 };
          return { ...d, mtu: 5000 };
        }),
      })),
    };
    const cluster = Cluster.fromPlan(wide);
    const seen = (size: number) =>
      arrivals(cluster, () =>
        originate(cluster, 'w0', echo('10.65.0.2', '10.65.1.2', size, { df: true })),
      ).map(({ at, layers }) => [at, layer(layers, 'icmp').mtu]);
    expect(seen(4500)).toEqual([['x/w0', 3980]]);
    expect(seen(3980)).toEqual([['x/w1', undefined]]);
    expect(dropsOf(cluster)).toEqual({ 'packet-too-big': 1 });
    expectAccounted(cluster);
  });

  it.todo('PM08 exception 3980 when a router further on is narrow: exceptions are not kept');
  it.todo('PM09 exceptions listed and flushed: route exceptions are not kept');
  it.todo('PM10 no leftover of exceptions: route exceptions are not kept');
});
