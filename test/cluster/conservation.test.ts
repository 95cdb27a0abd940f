/** No packet gets lost: what went in came out, ended by a reason, or still waits in a slot. */
import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { ClusterOptions } from '../../src/cluster/cluster-options.ts';
import { deleteLink, setLink } from '../../src/cluster/link-state.ts';
import { listen } from '../../src/cluster/listen.ts';
import type { Port } from '../../src/cluster/names.ts';
import { addRoute, removeRoute } from '../../src/cluster/table-edit.ts';
import { PodwireError } from '../../src/errors.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { later } from '../../src/packet/moment.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { give, inUse, MAX_FRAME, take } from '../../src/packet/slab.ts';
import type { ClusterPlan, DevicePlan, NamespacePlan } from '../../src/plan/plan.ts';
import { formatMac, parseMac } from '../../src/wire/address.ts';
import { clusterOf, dropsOf, felix, lab, pool, underlay } from '../behaviour/lab.ts';
import { device, lo, namespace } from '../text/namespace.ts';

const MODES: readonly (readonly string[])[] = [
  [pool('ipipMode: Always, natOutgoing: true'), underlay()],
  [pool('vxlanMode: Always'), underlay(1400)],
  [pool('ipipMode: Never'), underlay(1500, '["10.65.1.0/26 via 172.16.0.11"]')],
  [pool('ipipMode: Never'), felix('wireguardEnabled: true'), underlay()],
];

/** Three bridges in one network, joined by veths at random: rings among them. */
function bridges(cables: readonly (readonly [number, number])[]): ClusterPlan {
  const ports: DevicePlan[][] = [[], [], []];
  const nameOf = (at: number): string => `p${ports[at]!.length}`;
  for (const [a, b] of cables) {
    const here = nameOf(a);
    ports[a]!.push(device({ name: here, index: 3 + ports[a]!.length, master: 'br0' }));
    const there = nameOf(b);
    const peer = { namespace: `sw${a}`, device: here };
    ports[b]!.push(device({ name: there, index: 3 + ports[b]!.length, master: 'br0', peer }));
    const first = ports[a]!.findIndex(({ name }) => name === here);
    ports[a]![first] = { ...ports[a]![first]!, peer: { namespace: `sw${b}`, device: there } };
  }
  const namespaces = ports.map((own, at): NamespacePlan => {
    const withMacs = own.map((one, i) => ({ ...one, mac: parseMac(`02:00:00:0${at}:01:0${i}`) }));
    const mac = parseMac(`02:00:00:0${at}:00:00`);
    const br0 = device({ name: 'br0', index: 2, kind: 'bridge', mac });
    return namespace({ name: `sw${at}`, role: 'router', devices: [lo, br0, ...withMacs] });
  });
  const free = { identifications: [], vxlanSourcePorts: [] };
  return { namespaces, segments: [], pools: [], free, assumptions: [], ignored: [] };
}

const ADDRESSES = ['10.65.0.2', '10.65.1.2', '10.65.2.2', '172.16.0.10', '172.16.0.11'];
const address = fc.constantFrom(...ADDRESSES, '172.16.0.50', '172.16.0.99', '9.9.9.9', '224.0.0.5');

const packet: fc.Arbitrary<Layer[]> = fc
  .record({
    src: address,
    dst: address,
    ttl: fc.constantFrom(64, 64, 2, 1),
    df: fc.boolean(),
    size: fc.constantFrom(0, 8, 8, 1400, 1472, 4000),
    kind: fc.constantFrom('udp', 'tcp', 'echo', 'fragment'),
    id: fc.nat(3),
    offset: fc.constantFrom(0, 8, 16, 1480),
    flags: fc.constantFrom('S', '.', 'P.', 'F.', 'R'),
    port: fc.constantFrom(80, 4789, 53),
  })
  .map(({ src, dst, ttl, df, size, kind, id, offset, flags, port }): Layer[] => {
    const body: Layer = { layer: 'payload', bytes: new Uint8Array(size).fill(size) };
    const ip = { layer: 'ipv4', src, dst, ttl } as const;
    if (kind === 'fragment') {
      return [{ ...ip, protocol: 17, id, mf: size > 8, fragmentOffset: offset }, body];
    }
    const ports = { srcPort: 40_000 + id, dstPort: port };
    if (kind === 'tcp') return [{ ...ip, df }, { layer: 'tcp', ...ports, flags, seq: 7 }, body];
    if (kind === 'udp') return [{ ...ip, df }, { layer: 'udp', ...ports }, body];
    return [{ ...ip, df }, { layer: 'icmp', type: 'echo-request', id, seq: 1 }, body];
  });

type Event =
  | { readonly kind: 'send'; readonly at: number; readonly layers: Layer[] }
  | {
      readonly kind: 'frame';
      readonly at: number;
      readonly out: boolean;
      readonly layers: Layer[];
      /** Position and value of bytes that are changed, and how many are cut off or added. */
      readonly spoil: readonly (readonly [number, number])[];
      readonly length: number;
      readonly to: 'port' | 'all' | 'other';
    }
  | { readonly kind: 'again'; readonly at: number; readonly spoil: readonly [number, number] }
  | { readonly kind: 'link'; readonly at: number; readonly how: 'up' | 'down' | 'delete' | 'mtu' }
  | { readonly kind: 'route'; readonly at: number; readonly which: number }
  | { readonly kind: 'listen'; readonly at: number }
  | { readonly kind: 'wait'; readonly ms: number };

const at = fc.nat(1000);
const change = fc.tuple(fc.nat(120), fc.nat(255));
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('send'), at, layers: packet }) },
  {
    weight: 8,
    arbitrary: fc.record({
      ...{ kind: fc.constant('frame'), at, out: fc.boolean(), layers: packet },
      spoil: fc.oneof(fc.constant([]), fc.array(change, { maxLength: 3 })),
      length: fc.constantFrom(0, 0, 0, -1, -9, -30, -200, 7, 3000),
      to: fc.constantFrom('port', 'port', 'all', 'other'),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('again'), at, spoil: change }) },
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ kind: fc.constant('link'), at },
      how: fc.constantFrom('up', 'up', 'down', 'down', 'delete', 'mtu'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('route'), at, which: at }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('listen'), at }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait'),
      ms: fc.constantFrom(1, 999, 3_100, 31_000, 130_000),
    }),
  },
) as fc.Arbitrary<Event>;

/** A cluster that events happen to; whatever happens, its packets are accounted for. */
class Books {
  private readonly cluster: Cluster;
  private readonly held = inUse();
  private readonly ports: Port[];
  /** What was seen on the devices. */
  private readonly seen: Buffer[] = [];

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.ports = cluster.nodes.flatMap((node) => node.devices.map((d) => ({ node, device: d })));
    for (const port of this.ports) {
      const keep = (frame: Buffer): unknown => this.seen.length < 100 && this.seen.push(frame);
      captureAt(cluster, port, {
        write: (_s, _ns, b, from, to) => keep(Buffer.from(b.subarray(from, to))),
      });
    }
  }

  play(one: Event): void {
    try {
      this.act(one);
    } catch (error) {
      // What was deleted is not there, and a packet may be refused at the door: by name.
      expect(error).toBeInstanceOf(PodwireError);
    }
    this.expectBalance();
  }

  end(): void {
    this.cluster.run();
    this.expectBalance();
    expect(this.cluster.waiting()).toBe(0);
  }

  /** Slots in use are counted by who hands them out, and drops by the namespaces. */
  private expectBalance(): void {
    const { cluster } = this;
    const { entered, born, delivered, dropped, consumed } = cluster.counts;
    const byReason = cluster.drops().reduce((sum, n) => sum + n, 0);
    const queued = inUse() - this.held;
    expect(entered + born).toBe(delivered + byReason + consumed + queued);
    expect(byReason).toBe(dropped);
  }

  private act(one: Event): void {
    const { cluster } = this;
    const port = this.ports[('at' in one ? one.at : 0) % this.ports.length]!;
    const name = `${port.node.name}:${port.device.name}`;
    if (one.kind === 'wait') cluster.advance(later(cluster.now, one.ms));
    else if (one.kind === 'send') cluster.originate(port.node, buildFrame(one.layers));
    else if (one.kind === 'frame') this.pass(port, one.out, spoilt(port, one));
    else if (one.kind === 'again') this.passAgain(port, one);
    else if (one.kind === 'listen') listen(cluster, port.node.name, { tcp: [80] });
    else if (one.kind === 'route') this.turnRoute(port, one.which);
    else if (one.how === 'delete') deleteLink(cluster, name);
    else setLink(cluster, name, one.how === 'mtu' ? { mtu: 900 } : { up: one.how === 'up' });
  }

  /** A frame that some device saw, maybe with another byte, on any device. */
  private passAgain(port: Port, { at: which, spoil }: Event & { kind: 'again' }): void {
    if (this.seen.length === 0) return;
    const frame = Buffer.from(this.seen[which % this.seen.length]!);
    const [where, value] = spoil;
    if (value > 99) frame[where % frame.length] = value;
    this.pass(port, value % 2 === 0, frame);
  }

  private pass(port: Port, out: boolean, frame: Buffer): void {
    if (out) this.cluster.depart(port, frame);
    else this.cluster.arrive(port, frame);
  }

  /** Takes a route away, or gives it to another namespace. */
  private turnRoute({ node }: Port, which: number): void {
    const { nodes } = this.cluster;
    const other = nodes[which % nodes.length]!;
    const route = node.plan.routes[which % node.plan.routes.length];
    if (route === undefined) return;
    if (which % 3 === 0) removeRoute(node, route);
    else if (other.devices.some(({ name }) => name === route.device)) addRoute(other, route);
  }
}

/** Holds all slots but so many, of both sizes, while `act` runs. */
function scarce(free: number, act: () => void): void {
  const held: Packet[] = [];
  const hold = (length: number): void => {
    for (let p = take(length); p !== null; p = take(length)) held.push(p);
  };
  try {
    if (free !== Number.POSITIVE_INFINITY) {
      hold(1);
      hold(MAX_FRAME);
      const small = held.splice(0, free);
      for (const p of [...small, ...held.splice(-free, free)]) give(p);
    }
    act();
  } finally {
    held.forEach(give);
  }
}

const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const OTHER = 'ee:ee:ee:ee:ee:ee';

function spoilt({ device: own }: Port, one: Event & { kind: 'frame' }): Buffer {
  const { mac } = own.plan;
  const mine = mac === undefined || one.to === 'other' ? OTHER : formatMac(mac);
  const dst = one.to === 'all' ? BROADCAST : mine;
  const ethernet: Layer = { layer: 'ethernet', src: '02:00:00:00:0e:01', dst };
  const frame = buildFrame(own.ethernet ? [ethernet, ...one.layers] : one.layers);
  const length = Math.max(0, frame.length + one.length);
  const whole = Buffer.concat([frame, Buffer.alloc(Math.max(0, one.length))]).subarray(0, length);
  for (const [where, value] of one.spoil) if (where < whole.length) whole[where] = value;
  return whole;
}

const options: fc.Arbitrary<ClusterOptions> = fc.record({
  neighbours: fc.constantFrom('warm' as const, 'cold' as const),
  flowCache: fc.boolean(),
  netfilter: fc.boolean(),
});

const plans: fc.Arbitrary<ClusterPlan> = fc.oneof(
  fc.constantFrom(...MODES).map((documents) => clusterOf(lab(...documents)).plan),
  fc.array(fc.tuple(fc.nat(2), fc.nat(2)), { minLength: 1, maxLength: 4 }).map(bridges),
);

describe('packets in are packets out, dropped by a reason, or held', () => {
  it('after every event, whatever comes and whatever changes', { timeout: 300_000 }, () => {
    fc.assert(
      fc.property(
        plans,
        options,
        fc.boolean(),
        fc.constantFrom(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0, 1, 2, 5, 20),
        fc.array(event, { minLength: 1, maxLength: 40 }),
        (plan, more, answering, free, events) => {
          const cluster = Cluster.fromPlan(plan, more);
          cluster.answering = answering;
          scarce(free, () => {
            const books = new Books(cluster);
            for (const one of events) books.play(one);
            books.end();
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('copies of a flooded frame for which no slot is free are dropped by name', () => {
    const cases = [
      // Five members of a segment: three copies, and the frame itself to the last of them.
      { cluster: clusterOf(lab(pool('ipipMode: Never'), underlay())), at: 'n0:eth0', copies: 3 },
      // Two ports of a bridge, of whose own frame there is one copy.
      {
        cluster: Cluster.fromPlan(
          bridges([
            [0, 1],
            [0, 2],
          ]),
        ),
        at: 'sw0:br0',
        copies: 1,
      },
    ];
    for (const { cluster, at: name, copies } of cases) {
      const port = cluster.names.port(name);
      const to = BROADCAST.replaceAll(':', '');
      const frame = Buffer.from(`${to}0200000000ee88b5${'00'.repeat(46)}`, 'hex');
      scarce(1, () => {
        const last = take(MAX_FRAME)!;
        cluster.depart(port, frame);
        give(last);
      });
      expect(dropsOf(cluster)['slots-exhausted']).toBe(copies);
      const { entered, born, delivered, consumed } = cluster.counts;
      const byReason = cluster.drops().reduce((sum, n) => sum + n, 0);
      expect(entered + born).toBe(delivered + consumed + byReason);
    }
  });
});
