/**
 * A namespace with several VXLAN devices, as a kernel's were seen to share ports (Linux
 * 6.18): frames go to the device of their VNI on the port they came to; where that device is
 * down they are lost in silence, and the sender hears of a port that no device is up on.
 *
 *   a 10.9.1.1 ── 10.9.1.254 r 10.9.2.254 ── 10.9.2.2 b
 */
import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { setLink } from '../../src/cluster/link-state.ts';
import { listen } from '../../src/cluster/listen.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import type { Layer } from '../../src/frame/layer.ts';
import type { ClusterPlan, DevicePlan, NamespacePlan } from '../../src/plan/plan.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';
import { dropsOf, expectAccounted, watch } from '../behaviour/lab.ts';
import { address, device, fdb, lo, namespace, neighbour, route } from '../text/namespace.ts';

const TUNNELS = [
  { vni: 10, port: 4789 },
  { vni: 20, port: 4789 },
  { vni: 30, port: 8472 },
] as const;
const macOf = (vni: number, end: number): string => `02:00:00:00:${vni}:0${end}`;
const MAC = { a: '02:00:00:00:01:01', ra: '02:00:00:00:01:02', rb: '02:00:00:00:02:01' };

const connected = (dev: string, own: string) =>
  route(own.replace(/\d+$/, '0/24'), { device: dev, scope: 'link', source: parseIp4(own) });

/** `a` is end 1, `b` end 2. */
function end(name: 'a' | 'b', i: 1 | 2): NamespacePlan {
  const [own, other, peer] = [`10.9.${i}.${i}`, 3 - i, i === 1 ? 'eth0' : 'eth1'];
  const tunnel = ({ vni, port }: (typeof TUNNELS)[number], nth: number): DevicePlan =>
    device({
      name: `v${vni}`,
      index: 3 + nth,
      kind: 'vxlan',
      mtu: 1450,
      mac: parseMac(macOf(vni, i)),
      addresses: [address(`172.16.${vni}.${i}/24`)],
      vxlan: { vni, port, local: parseIp4(own), parent: 'eth0' },
    });
  return namespace({
    name,
    role: 'router',
    devices: [
      lo,
      device({
        name: 'eth0',
        index: 2,
        mac: parseMac(i === 1 ? MAC.a : '02:00:00:00:02:02'),
        addresses: [address(`${own}/24`)],
        peer: { namespace: 'r', device: peer },
      }),
      ...TUNNELS.map(tunnel),
    ],
    routes: [
      connected('eth0', own),
      route('default', { device: 'eth0', via: parseIp4(`10.9.${i}.254`) }),
      ...TUNNELS.map(({ vni }) => connected(`v${vni}`, `172.16.${vni}.${i}`)),
    ],
    neighbours: TUNNELS.map(({ vni }) =>
      neighbour(`v${vni}`, `172.16.${vni}.${other}`, macOf(vni, other), 'PERMANENT'),
    ),
    fdb: TUNNELS.map(({ vni }) => fdb(`v${vni}`, macOf(vni, other), `10.9.${other}.${other}`)),
  });
}

function plan(): ClusterPlan {
  const leg = (name: string, index: number, mac: string, own: string, namespace: string) =>
    device({
      name,
      index,
      mac: parseMac(mac),
      addresses: [address(`${own}/24`)],
      peer: { namespace, device: 'eth0' },
    });
  const r = namespace({
    name: 'r',
    role: 'router',
    devices: [
      lo,
      leg('eth0', 2, MAC.ra, '10.9.1.254', 'a'),
      leg('eth1', 3, MAC.rb, '10.9.2.254', 'b'),
    ],
    routes: [connected('eth0', '10.9.1.254'), connected('eth1', '10.9.2.254')],
  });
  return {
    namespaces: [end('a', 1), r, end('b', 2)],
    segments: [],
    pools: [],
    free: { identifications: [], vxlanSourcePorts: [] },
    assumptions: [],
    ignored: [],
  };
}

interface Told {
  readonly vni: number;
  readonly port: number;
  readonly device: number;
  readonly inner: number;
}

/** A frame for `b` as it passes the router; the outer header is the same for all inner packets. */
function onWire({ vni, port, device: at, inner }: Told): Buffer {
  const layers: Layer[] = [
    { layer: 'ethernet', src: MAC.a, dst: MAC.ra },
    { layer: 'ipv4', src: '10.9.1.1', dst: '10.9.2.2' },
    { layer: 'udp', srcPort: 50_000, dstPort: port },
    { layer: 'vxlan', vni },
    { layer: 'ethernet', src: macOf(at, 1), dst: macOf(at, 2) },
    { layer: 'ipv4', src: `172.16.${at}.1`, dst: `172.16.${at}.2` },
    { layer: 'udp', srcPort: 1000 + inner, dstPort: 2000 },
  ];
  return buildFrame(layers);
}

/** What the devices of `b` see of frames that reach the router. */
function seenBy(frames: readonly Buffer[], flowCache: boolean): string[] {
  const cluster = Cluster.fromPlan(plan(), { flowCache });
  const seen: string[] = [];
  const b = cluster.names.find('b');
  for (const device of b.devices) {
    captureAt(
      cluster,
      { node: b, device },
      {
        write: (_s, _n, bytes, from, to) =>
          seen.push(`${device.name} ${bytes.toString('hex', from, to)}`),
      },
    );
  }
  for (const frame of frames) cluster.arrive(cluster.names.port('r:eth0'), frame);
  cluster.run();
  expectAccounted(cluster);
  return seen;
}

describe('several VXLAN devices in one namespace', () => {
  it.each(TUNNELS)('VNI $vni on port $port: out and in by its own device', ({ vni, port }) => {
    const cluster = Cluster.fromPlan(plan());
    const wire = watch(cluster, 'r:eth1');
    const trace = cluster.send({ from: 'a', to: `172.16.${vni}.2` });
    expect(trace.outcome).toBe('delivered');
    const notes = trace.steps.map(({ room, note }) => `${room}: ${note}`).join('\n');
    expect(notes).toContain(`VNI ${vni}, outer 10.9.1.1:`);
    expect(notes).toContain(`ingress: in by v${vni}`);
    const outer = dissect(wire[0]!, { vxlanPorts: [port] }).layers;
    expect(outer[2]).toMatchObject({ layer: 'udp', dstPort: port });
    expect(outer[3]).toMatchObject({ layer: 'vxlan', vni });
    expectAccounted(cluster);
  });

  it('a device that is down hears nothing, and a port nobody opened is unreachable', () => {
    const cluster = Cluster.fromPlan(plan());
    setLink(cluster, 'b:v20', { up: false });
    setLink(cluster, 'b:v30', { up: false });
    listen(cluster, 'b', {});
    const wire = watch(cluster, 'a:eth0');
    expect(cluster.send({ from: 'a', to: '172.16.20.2' }).reason).toBe('vxlan-vni');
    expect(wire).toHaveLength(1);
    cluster.send({ from: 'a', to: '172.16.30.2', reply: true });
    expect(wire).toHaveLength(3);
    expect(dissect(wire[2]!).layers[2]).toMatchObject({
      layer: 'icmp',
      type: 'unreachable',
      code: 3,
    });
    expect(cluster.send({ from: 'a', to: '172.16.10.2' }).outcome).toBe('delivered');
    expect(dropsOf(cluster)).toEqual({ 'vxlan-vni': 1, 'port-closed': 1 });
  });

  it('every inner packet finds its own device, also where flows are remembered', () => {
    const told: fc.Arbitrary<Told> = fc.record({
      vni: fc.constantFrom(10, 20, 30, 40),
      port: fc.constantFrom(4789, 8472),
      device: fc.constantFrom(10, 20, 30),
      inner: fc.nat(1),
    });
    fc.assert(
      fc.property(fc.array(told, { minLength: 3, maxLength: 40 }), (drawn) => {
        const frames = drawn.map(onWire);
        const walked = seenBy(frames, false);
        const expected = drawn.filter(({ vni, port }) =>
          TUNNELS.some((tunnel) => tunnel.vni === vni && tunnel.port === port),
        );
        const inside = walked.filter((line) => line.startsWith('v'));
        expect(inside.map((line) => line.split(' ')[0])).toEqual(
          expected.map(({ vni }) => `v${vni}`),
        );
        expect(inside.map((line) => line.split(' ')[1])).toEqual(
          expected.map((t) => onWire(t).toString('hex', 50)),
        );
        expect(seenBy(frames, true)).toEqual(walked);
      }),
      { numRuns: 100 },
    );
  });

  it('as ports of bridges in a loop, by a router: the frame ends, though that takes no TTL of it', () => {
    const base = plan();
    const looped = base.namespaces.map((ns, i): NamespacePlan => {
      if (ns.name === 'r') return ns;
      const br0 = device({ name: 'br0', index: 9, kind: 'bridge', mac: parseMac(macOf(40, i)) });
      const devices = ns.devices.map((d) => (d.vxlan?.port === 4789 ? { ...d, master: 'br0' } : d));
      const all = ns.fdb.map((entry) => ({ ...entry, mac: parseMac('00:00:00:00:00:00') }));
      return { ...ns, devices: [...devices, br0], fdb: [...ns.fdb, ...all] };
    });
    const cluster = Cluster.fromPlan({ ...base, namespaces: looped }, { neighbours: 'cold' });
    const frame = `ffffffffffff02000000770188b5${'00'.repeat(46)}`;
    cluster.depart(cluster.names.port('a:br0'), Buffer.from(frame, 'hex'));
    cluster.run();
    expect(dropsOf(cluster)['bridge-loop']).toBeGreaterThan(0);
    expectAccounted(cluster);
  });
});
