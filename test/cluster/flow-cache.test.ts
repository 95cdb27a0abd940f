/** Flows that are remembered: nothing of what comes out may tell whether they were. */
import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { captureAt, type FrameSink } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { ClusterOptions } from '../../src/cluster/cluster-options.ts';
import { setLink } from '../../src/cluster/link-state.ts';
import { listen } from '../../src/cluster/listen.ts';
import type { Port } from '../../src/cluster/names.ts';
import { addRoute, removeRoute, setDevice } from '../../src/cluster/table-edit.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { FrameSeries } from '../../src/frame/series.ts';
import { TapeRecorder } from '../../src/node/tape-recorder.ts';
import type { ClusterPlan, NamespacePlan } from '../../src/plan/plan.ts';
import { formatIp4, formatMac, parseMac } from '../../src/wire/address.ts';

const pod = (name: string, node: string, ip: string): string => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: default, labels: {app: ${name}}}
spec: {nodeName: ${node}}
status: {phase: Running, podIP: ${ip}}
`;

const node = (name: string, address: string): string => `---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: ${name}}
spec: {bgp: {ipv4Address: ${address}/24}}
`;

const POD_IPS = ['10.9.0.10', '10.9.1.10', '10.9.1.11'] as const;
const SERVICE = '10.96.0.10';
const OUTSIDE = '203.0.113.9';

/** Two nodes in two subnets and one more, a service with two endpoints, a policy on pod c. */
const yaml = (mode: string, nat: boolean, offload = false): string => `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.9.0.0/16, blockSize: 24, natOutgoing: ${nat}, ${mode}}
${node('n1', '172.20.0.11')}${node('n2', '172.20.0.12')}${node('n3', '172.20.7.13')}
${pod('a', 'n1', POD_IPS[0])}${pod('b', 'n2', POD_IPS[1])}${pod('c', 'n2', POD_IPS[2])}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: ${SERVICE}, ports: [{name: w, protocol: UDP, port: 53}, {name: t, protocol: TCP, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: w, protocol: UDP, port: 5353}, {name: t, protocol: TCP, port: 8080}]
endpoints: [{addresses: [${POD_IPS[1]}]}, {addresses: [${POD_IPS[2]}]}]
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: p, namespace: default}
spec:
  selector: app == 'c'
  ingress:
  - {action: Deny, protocol: UDP, destination: {ports: [7]}}
  - {action: Allow}
---
apiVersion: podwire/v1
kind: FreeInputs
metadata: {name: lab}
spec: {checksumOffload: [${offload ? '{node: n1, device: eth0}, {node: n3, device: eth0}' : ''}]}
`;

const MODES = [
  'ipipMode: Always',
  'vxlanMode: Always',
  'vxlanMode: CrossSubnet',
  'ipipMode: Never',
];

interface Flow {
  readonly from: number;
  readonly to: string;
  readonly tcp: boolean;
  readonly port: number;
}

interface Packet extends Flow {
  readonly kind: 'packet';
  /** From the endpoint back, where the other end is a pod. */
  readonly back: boolean;
  readonly size: number;
  readonly ttl: number;
  readonly tos: number;
  readonly df: boolean;
  readonly flags: string;
  /** TCP sequence number: as it should be, or far out of the window. */
  readonly seq: number;
  readonly broken: boolean;
  /** UDP without a checksum. */
  readonly unsummed?: boolean;
  /** Bytes behind the IPv4 packet. */
  readonly padding: number;
  readonly repeat: number;
}
type Event =
  | Packet
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'route' }
  | { readonly kind: 'watch' };

const flow: fc.Arbitrary<Flow> = fc.record({
  from: fc.nat(2),
  to: fc.constantFrom(...POD_IPS, SERVICE, '172.20.0.12', '172.20.7.13', OUTSIDE),
  tcp: fc.boolean(),
  port: fc.constantFrom(7, 53, 80),
});

/** Mostly the first, now and then another: flows must repeat to be remembered. */
const mostly = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant(usual) },
    { weight: 2, arbitrary: fc.constantFrom(...others) },
  );

const packetOf = (flows: readonly Flow[]): fc.Arbitrary<Event> =>
  fc
    .record({
      flow: fc.constantFrom(...flows),
      back: mostly(false, true),
      size: fc.constantFrom(22, 22, 0, 1, 700, 1372, 1422, 1423, 1452),
      ttl: mostly(64, 2, 1),
      tos: mostly(0, 3, 0xb8),
      df: mostly(false, true),
      flags: mostly('.', 'P.', 'S', 'S.', 'F.', 'R'),
      seq: mostly(1000, 9_000_000, 4_000_000_000),
      broken: mostly(false, true),
      unsummed: mostly(false, true),
      padding: mostly(0, 6),
      repeat: fc.integer({ min: 1, max: 4 }),
    })
    .map(({ flow: f, ...more }) => ({ kind: 'packet' as const, ...f, ...more }));

const wait: fc.Arbitrary<Event> = fc.record({
  kind: fc.constant('wait' as const),
  ms: fc.constantFrom(1, 900, 5_100, 29_000, 31_000, 119_000, 125_000, 433_000_000),
});

const events: fc.Arbitrary<Event[]> = fc
  .array(flow, { minLength: 1, maxLength: 3 })
  .chain((flows) =>
    fc.array(
      fc.oneof(
        { weight: 12, arbitrary: packetOf(flows) },
        { weight: 3, arbitrary: wait },
        {
          weight: 1,
          arbitrary: fc.constantFrom({ kind: 'route' as const }, { kind: 'watch' as const }),
        },
      ),
      { minLength: 4, maxLength: 40 },
    ),
  );

/** Of the checksum in a UDP header behind Ethernet and IPv4. */
const UDP_CHECKSUM = 14 + 20 + 6;

function frameOf(p: Packet): Buffer {
  const here = POD_IPS[p.from]!;
  const ip: Layer = {
    ...{ layer: 'ipv4', ttl: p.ttl, tos: p.tos, df: p.df },
    ...(p.back ? { src: p.to, dst: here } : { src: here, dst: p.to }),
  };
  const near = 40_000 + p.from;
  const ports = p.back ? { srcPort: p.port, dstPort: near } : { srcPort: near, dstPort: p.port };
  const l4: Layer = p.tcp
    ? { layer: 'tcp', ...ports, flags: p.flags, seq: p.seq, ack: 1000 }
    : { layer: 'udp', ...ports };
  const frame = buildFrame([
    { layer: 'ethernet', src: '02:00:00:00:00:01', dst: 'ee:ee:ee:ee:ee:ee' },
    ip,
    l4,
    { layer: 'payload', bytes: new Uint8Array(p.size).fill(p.size) },
  ]);
  if (p.unsummed === true && !p.tcp) frame.writeUInt16BE(0, UDP_CHECKSUM);
  if (p.broken) frame[frame.length - 1]! ^= 0x55;
  return Buffer.concat([frame, Buffer.alloc(p.padding, 0xaa)]);
}

/** A cluster with every device captured, if it is `watched`, and what came of the events as text. */
class Stage {
  readonly cluster: Cluster;
  readonly seen: string[] = [];
  /** Frames that left a node's NIC for another node, to be sent again from outside. */
  readonly wire: { readonly at: string; readonly frame: Buffer }[] = [];
  private gone = false;
  private readonly ends: (() => void)[] = [];

  constructor(told: string | ClusterPlan, options: ClusterOptions, watched = true) {
    this.cluster =
      typeof told === 'string'
        ? Cluster.fromYaml(told, 'test', options)
        : Cluster.fromPlan(told, options);
    if (watched) this.watch();
  }

  /** From now on every device is captured; or none, if they are. */
  watch(): void {
    if (this.ends.length > 0) {
      for (const end of this.ends.splice(0)) end();
      return;
    }
    for (const node of this.cluster.nodes) {
      for (const device of node.devices) {
        const at = `${node.name}:${device.name}`;
        const write: FrameSink['write'] = (s, ns, b, from, to) => {
          this.seen.push(`${s}.${ns} ${at} ${b.toString('hex', from, to)}`);
          if (device.kind === 1) this.wire.push({ at, frame: Buffer.from(b.subarray(from, to)) });
        };
        this.ends.push(captureAt(this.cluster, { node, device }, { write }));
      }
    }
  }

  play(event: Event): void {
    const { cluster } = this;
    if (event.kind === 'wait') {
      const ns = cluster.now.nanoseconds + (event.ms % 1000) * 1e6;
      cluster.advance({
        seconds: cluster.now.seconds + Math.floor(event.ms / 1000) + Math.floor(ns / 1e9),
        nanoseconds: ns % 1e9,
      });
    } else if (event.kind === 'route') this.turnRoute();
    else if (event.kind === 'watch') this.watch();
    else {
      const other = POD_IPS.indexOf(event.to as (typeof POD_IPS)[number]);
      const back = event.back && other >= 0;
      const frame = frameOf({ ...event, back });
      const port = this.portOf(back ? other : event.from);
      for (let i = 0; i < event.repeat; i++) cluster.arrive(port, frame);
    }
  }

  /** The node's end of a pod's veth. */
  portOf(at: number): Port {
    const name = ['n1', 'n2', 'n2'][at]!;
    const address = POD_IPS[at]!;
    const found = this.cluster.nodes.find((n) => n.name === name)!;
    const route = found.plan.routes.find(
      (r) => formatIp4(r.destination.address) === address && r.destination.length === 32,
    )!;
    return this.cluster.names.port(`${name}:${route.device}`);
  }

  /** Takes the route to n2's block away on n1, or puts it back. */
  private turnRoute(): void {
    const n1 = this.cluster.nodes.find((n) => n.name === 'n1')!;
    const planned = this.cluster.plan.namespaces[n1.position]!;
    const route = planned.routes.find((r) => formatIp4(r.destination.address) === '10.9.1.0')!;
    this.gone = !this.gone;
    (this.gone ? removeRoute : addRoute)(n1, route);
  }

  get outcome(): unknown {
    const { cluster, seen } = this;
    const connections = cluster.nodes.map(({ netfilter }) => {
      const known = Array.from({ length: netfilter?.conntrack.size ?? 0 }, (_, id) =>
        netfilter!.conntrack.connection(id),
      );
      return known.map((c) => [c?.last, c?.timeout, c?.replied, c?.tcp?.state, c?.tcp?.timeout]);
    });
    const learned = cluster.nodes.map((n) => n.pathMtus.list(cluster.ticks(), n.routes));
    return { seen, counts: cluster.counts, drops: [...cluster.drops()], connections, learned };
  }
}

const pairOf = (
  text: string | ClusterPlan,
  neighbours: 'warm' | 'cold',
  options: ClusterOptions = {},
): [Stage, Stage] => [
  new Stage(text, { ...options, neighbours, flowCache: true }),
  new Stage(text, { ...options, neighbours, flowCache: false }),
];

const USUAL = {
  ...({ kind: 'packet', flags: '.', seq: 1000, size: 22, ttl: 64, tos: 0 } as const),
  ...{ df: false, broken: false, back: false, padding: 0 },
};

/** The node with its NIC as the port of a bridge, which has the addresses and routes from then on. */
function bridged(ns: NamespacePlan): NamespacePlan {
  const toBridge = <T extends { readonly device?: string }>(entry: T): T =>
    entry.device === 'eth0' ? { ...entry, device: 'br0' } : entry;
  const devices = ns.devices.flatMap((d) =>
    d.name === 'eth0'
      ? [
          { ...d, addresses: [], master: 'br0', mac: parseMac('02:00:00:00:0b:01') },
          { ...d, name: 'br0', index: 99, kind: 'bridge' as const },
        ]
      : [d],
  );
  const routes = ns.routes.map((r) => toBridge(r));
  return { ...ns, devices, routes, neighbours: ns.neighbours.map(toBridge) };
}

describe('a cluster that remembers flows', () => {
  it('does what one does that walks every packet, on every device', { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MODES),
        fc.boolean(),
        fc.boolean(),
        mostly(true, false),
        fc.constantFrom('warm' as const, 'cold' as const),
        events,
        (mode, nat, offload, netfilter, neighbours, drawn) => {
          const [quick, slow] = pairOf(yaml(mode, nat, offload), neighbours, { netfilter });
          for (const e of drawn) {
            quick.play(e);
            slow.play(e);
          }
          expect(quick.outcome).toEqual(slow.outcome);
        },
      ),
      { numRuns: 200 },
    );
  });

  it.each(MODES)('%s: shows frames to whoever begins to watch, and as long as that', (mode) => {
    const shown = [true, false].map((flowCache) => {
      const stage = new Stage(yaml(mode, false), { flowCache }, false);
      const one: Event = { ...USUAL, from: 0, to: POD_IPS[1], tcp: false, port: 53, repeat: 5 };
      const counts = [one, { kind: 'watch' } as const, one, { kind: 'watch' } as const, one].map(
        (event) => {
          stage.play(event);
          return stage.seen.length;
        },
      );
      expect(counts).toEqual([0, 0, expect.any(Number), counts[2], counts[2]]);
      expect(stage.cluster.counts.delivered).toBe(15);
      return stage.outcome;
    });
    expect((shown[0] as { seen: unknown[] }).seen.length).toBeGreaterThan(15);
    expect(shown[0]).toEqual(shown[1]);
  });

  it.each(MODES)('%s: treats what comes in from the wire alike, tunnels included', (mode) => {
    const source = new Stage(yaml(mode, false), { flowCache: false });
    for (const size of [22, 700, 1300]) {
      for (const tcp of [true, false]) {
        const base = { kind: 'packet', ttl: 64, tos: 0, df: false, flags: '.', seq: 1000 } as const;
        const more = { ...base, broken: false, back: false, padding: 0, repeat: 1 };
        source.play({ ...more, from: 0, port: 80, tcp, size, to: POD_IPS[1] });
      }
    }
    const sent = source.wire.filter(({ at }) => at.startsWith('n2:'));
    expect(sent.length).toBeGreaterThan(5);
    const [quick, slow] = pairOf(yaml(mode, false), 'warm');
    for (const stage of [quick, slow]) {
      for (let round = 0; round < 6; round++) {
        for (const { at, frame } of sent) {
          const copy = Buffer.from(frame);
          // Now and then a bit is turned: in the tunnel's headers or in the packet inside.
          if (round === 4) copy[20 + (frame.length % 60)]! ^= 1 << (frame.length % 8);
          stage.cluster.arrive(stage.cluster.names.port(at), copy);
        }
      }
    }
    expect(quick.outcome).toEqual(slow.outcome);
  });

  it('heeds what a device is told while it runs', () => {
    const [quick, slow] = pairOf(yaml('ipipMode: Never', false), 'warm');
    for (const stage of [quick, slow]) {
      const { cluster } = stage;
      const n2 = cluster.nodes.find(({ name }) => name === 'n2')!;
      const nic = n2.devices.find(({ kind }) => kind === 1)!;
      const mac = (nic.macHigh * 2 ** 32 + (nic.macLow >>> 0)).toString(16).padStart(12, '0');
      const frame = buildFrame([
        { layer: 'ethernet', src: '02:00:00:00:00:01', dst: mac.match(/../g)!.join(':') },
        // A source that n2 would answer by a pod's veth, not by this NIC.
        { layer: 'ipv4', src: POD_IPS[1], dst: POD_IPS[2] },
        { layer: 'udp', srcPort: 1, dstPort: 2 },
        { layer: 'payload', bytes: new Uint8Array(8) },
      ]);
      setDevice(n2, nic.name, { rpFilter: 0 });
      for (let i = 0; i < 5; i++) cluster.arrive({ node: n2, device: nic }, frame);
      expect(cluster.counts.delivered).toBe(5);
      setDevice(n2, nic.name, { rpFilter: 1 });
      cluster.arrive({ node: n2, device: nic }, frame);
      expect(cluster.counts).toMatchObject({ delivered: 5, dropped: 1 });
    }
    expect(quick.outcome).toEqual(slow.outcome);
  });

  it('keeps what a tunnel has learned of its way', () => {
    const [quick, slow] = pairOf(yaml('ipipMode: Always', false), 'warm');
    const one: Event = {
      ...{ kind: 'packet', from: 0, to: POD_IPS[1], tcp: false, port: 53, size: 22, ttl: 64 },
      ...{ tos: 0, df: true, flags: '.', seq: 1000, broken: false, back: false, padding: 0 },
      repeat: 4,
    };
    for (const stage of [quick, slow]) {
      stage.play(one);
      // Just over half of ten minutes, in steps that connection tracking survives.
      for (let i = 0; i < 11; i++) {
        stage.play({ kind: 'wait', ms: 28_000 });
        stage.play(one);
      }
    }
    const { nodes } = slow.cluster;
    const now = slow.cluster.ticks();
    expect(nodes.flatMap((n) => n.pathMtus.list(now, n.routes))).not.toEqual([]);
    expect(quick.outcome).toEqual(slow.outcome);
  });

  it('follows a redirect while it counts, and a tunnel as well', () => {
    const text = `${yaml('ipipMode: Always', false)}---
apiVersion: podwire/v1
kind: Underlay
metadata: {name: lab}
spec:
  segments:
  - {name: A, members: [{name: n1}, {name: n2}, {name: gw, interface: e0, address: 172.20.0.1/24}]}
  - {name: B, members: [{name: n3}, {name: gw, interface: e1, address: 172.20.7.1/24}]}
  routers: [{name: gw}]
  defaultGateway: {A: 172.20.0.1, B: 172.20.7.1}
`;
    const base = Cluster.fromYaml(text).plan;
    const accepting = (ns: NamespacePlan): NamespacePlan => {
      const redirects = { accept: true, sharedMedia: true, secure: true };
      return { ...ns, devices: ns.devices.map((d) => ({ ...d, redirects })) };
    };
    const namespaces = base.namespaces.map((ns) => (ns.name === 'n1' ? accepting(ns) : ns));
    const [quick, slow] = pairOf({ ...base, namespaces }, 'warm');
    for (const stage of [quick, slow]) {
      const { cluster } = stage;
      const nic = cluster.names.port('n1:eth0');
      const to = (port: string): string => formatMac(cluster.names.port(port).device.plan.mac!);
      const redirect = buildFrame([
        { layer: 'ethernet', src: to('gw:e0'), dst: to('n1:eth0') },
        { layer: 'ipv4', src: '172.20.0.1', dst: '172.20.0.11' },
        { layer: 'icmp', type: 'redirect', code: 1, gateway: '172.20.0.12' },
        { layer: 'ipv4', src: '172.20.0.11', dst: '172.20.7.13', protocol: 17 },
        { layer: 'payload', bytes: new Uint8Array(8) },
      ]);
      const one: Event = { ...USUAL, from: 0, to: '172.20.7.13', tcp: false, port: 53, repeat: 5 };
      /** Whether packets for n3 leave by n2. */
      const byN2 = (): boolean => {
        const before = stage.wire.length;
        stage.play(one);
        const left = stage.wire.slice(before).filter(({ at }) => at === 'n1:eth0');
        expect(left).toHaveLength(5);
        return left.every(
          ({ frame }) => frame.toString('hex', 0, 6) === to('n2:eth0').replaceAll(':', ''),
        );
      };
      expect(byN2()).toBe(false);
      cluster.arrive(nic, redirect);
      expect(byN2()).toBe(true);
      // ip_rt_gc_timeout
      for (let i = 0; i < 12; i++) stage.play({ kind: 'wait', ms: 29_000 });
      expect(byN2()).toBe(false);
    }
    expect(quick.outcome).toEqual(slow.outcome);
  });

  it('leaves it to bridges where a frame goes', () => {
    const base = Cluster.fromYaml(yaml('ipipMode: Never', false)).plan;
    // Between n1 and the others: a segment whose member bridges, so that MACs are learned on the way.
    const namespaces = base.namespaces.map((ns) => (ns.name === 'n2' ? bridged(ns) : ns));
    const [quick, slow] = pairOf({ ...base, namespaces }, 'warm');
    const one: Event = { ...USUAL, from: 0, to: POD_IPS[1], tcp: false, port: 53, repeat: 5 };
    for (const stage of [quick, slow]) {
      stage.play(one);
      stage.play({ kind: 'wait', ms: 400_000 });
      stage.play(one);
      setLink(stage.cluster, 'n2:eth0', { up: false });
      stage.play(one);
      setLink(stage.cluster, 'n2:eth0', { up: true });
      stage.play(one);
      listen(stage.cluster, 'default/b', { udp: [53] });
      stage.play(one);
      expect(stage.cluster.counts.delivered).toBeGreaterThanOrEqual(15);
    }
    expect(quick.outcome).toEqual(slow.outcome);
  });

  it('counts what stands behind a packet that departs', () => {
    const [quick, slow] = pairOf(yaml('ipipMode: Never', false), 'warm');
    for (const stage of [quick, slow]) {
      const { cluster } = stage;
      const port = cluster.names.port('default/a:eth0');
      const frame = buildFrame([
        { layer: 'ethernet', src: '02:00:00:00:00:01', dst: 'ee:ee:ee:ee:ee:ee' },
        { layer: 'ipv4', src: POD_IPS[0], dst: POD_IPS[1] },
        { layer: 'udp', srcPort: 1, dstPort: 2 },
        { layer: 'payload', bytes: new Uint8Array(8) },
      ]);
      for (let i = 0; i < 5; i++) cluster.depart(port, frame);
      expect(cluster.counts.delivered).toBe(5);
      cluster.depart(port, Buffer.concat([frame, Buffer.alloc(2000)]));
      expect(cluster.counts).toMatchObject({ delivered: 5, dropped: 1 });
    }
    expect(quick.outcome).toEqual(slow.outcome);
  });

  it('plays a flow from its third packet on, and walks again when a table changes', () => {
    const stage = new Stage(yaml('vxlanMode: Always', false), {});
    const walked: string[] = [];
    const n1 = stage.cluster.nodes.find(({ name }) => name === 'n1')!;
    const { chains } = n1.netfilter!;
    const run = chains.run.bind(chains);
    chains.run = (...args) => {
      walked.push('hook');
      return run(...args);
    };
    const one: Event = {
      ...{ kind: 'packet', from: 0, to: POD_IPS[1], tcp: false, port: 53, size: 22, ttl: 64 },
      ...{
        tos: 0,
        df: false,
        flags: '.',
        seq: 1000,
        broken: false,
        repeat: 1,
        back: false,
        padding: 0,
      },
    };
    const hooks = (): number => {
      walked.length = 0;
      stage.play(one);
      return walked.length;
    };
    expect(hooks()).toBeGreaterThan(3);
    expect(hooks()).toBeGreaterThan(3);
    expect([hooks(), hooks()]).toEqual([0, 0]);
    stage.play({ kind: 'route' });
    stage.play({ kind: 'route' });
    expect(hooks()).toBeGreaterThan(3);
    expect(hooks()).toBe(0);
  });

  it('does not record in turns the flows that are more than it has places for', () => {
    const cluster = Cluster.fromYaml(yaml('ipipMode: Never', false), 'cluster.yaml');
    const port = cluster.names.port('a:eth0');
    const recorded = vi.spyOn(TapeRecorder.prototype, 'finish');
    /** A packet of each of many flows; how many were recorded. */
    const round = (first: number, count: number): number => {
      const before = recorded.mock.calls.length;
      const layers = (srcPort: number): Layer[] => [
        { layer: 'ethernet', src: '02:00:00:00:00:01', dst: 'ee:ee:ee:ee:ee:ee' },
        { layer: 'ipv4', src: POD_IPS[0], dst: POD_IPS[1] },
        { layer: 'udp', srcPort, dstPort: 9, checksum: 0 },
      ];
      const series = new FrameSeries(layers(first), [{ layer: 2, field: 'srcPort' }]);
      for (let n = 0; n < count; n++) cluster.depart(port, series.next());
      return recorded.mock.calls.length - before;
    };
    try {
      const flows = 24_000;
      round(1000, flows);
      expect(round(1000, flows)).toBeGreaterThan(12_000);
      round(1000, flows);
      // At least 7,616 find no place, and must not push out those that are in use.
      expect(round(1000, flows)).toBeLessThan(2000);
      expect(cluster.counts.delivered).toBe(4 * flows);
      // Those have ended: in time others have their places.
      let late = 0;
      for (let n = 0; n < 40; n++) late += round(40_000, 2000);
      expect(late).toBeGreaterThan(1900);
      expect(late).toBeLessThan(2200);
    } finally {
      recorded.mockRestore();
    }
  }, 120_000);
});
