import '../accounts.ts';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { loadCluster } from '../../src/cluster/load.ts';
import { Drop } from '../../src/drop.ts';
import { dissect } from '../../src/frame/dissect.ts';
import { gather } from '../../src/node/gather.ts';
import { End } from '../../src/node/room.ts';
import { enter, give, inUse } from '../../src/packet/slab.ts';
import type { DevicePlan } from '../../src/plan/plan.ts';
import { completed, cut, pseudoSum } from './segment-twin.ts';

const SENDER = 'default/kubia-d278t:eth0';
const RECEIVER = 'default/client:eth0';

/** A fixture's cluster with other offloads. */
function cluster(mode: string, change: (device: DevicePlan) => Partial<DevicePlan>): Cluster {
  const { plan } = loadCluster(join('fixtures', `calico-${mode}`));
  return Cluster.fromPlan({
    ...plan,
    // A lone segment is of no connection: nobody is to filter it.
    namespaces: plan.namespaces.map(({ netfilter: _, ...n }) => ({
      ...n,
      devices: n.devices.map((d) => ({ ...d, ...change(d) })),
    })),
  });
}

interface Train {
  readonly length: number;
  readonly seq: number;
  readonly id: number;
  readonly flags: number;
  readonly optionWords: number;
  readonly fill: number;
}

/** ACK always; FIN, PSH, ECE, CWR as it comes. */
const train: fc.Arbitrary<Train> = fc.record({
  length: fc.integer({ min: 1500, max: 30_000 }),
  seq: fc.nat(0xffffffff),
  id: fc.nat(0xffff),
  flags: fc.subarray([0x01, 0x08, 0x40, 0x80]).map((f) => f.reduce((a, b) => a | b, 0x10)),
  optionWords: fc.nat(10),
  fill: fc.nat(),
});

/** The IPv4 packet of a train, its checksum left unfinished; `ttl` 64 as it leaves the pod. */
function packetOf(t: Train, ttl = 64): Buffer {
  const header = 40 + t.optionWords * 4;
  const b = Buffer.alloc(header + t.length);
  b.write('45000000000040000006', 0, 'hex');
  b.writeUInt16BE(b.length, 2);
  b.writeUInt16BE(t.id, 4);
  b[8] = ttl;
  b.write('0a0224470a02a9881f90a410', 12, 'hex');
  b.writeUInt32BE(t.seq, 24);
  b.writeUInt32BE(77, 28);
  b[32] = (5 + t.optionWords) << 4;
  b[33] = t.flags;
  b.writeUInt16BE(1004, 34);
  b.fill(1, 40, header);
  for (let i = header; i < b.length; i++) b[i] = (i * 31 + t.fill) & 0xff;
  return unfinished(b);
}

function unfinished(packet: Buffer): Buffer {
  const b = completed(packet);
  b.writeUInt16BE(pseudoSum(b, b.length - 20), 36);
  return b;
}

/** The same without DF. */
function fragmentable(packet: Buffer): Buffer {
  packet[6] = 0;
  return unfinished(packet);
}

const framed = (packet: Buffer): Buffer =>
  Buffer.concat([Buffer.from('eeeeeeeeeeee0000000000000800', 'hex'), packet]);

/** Frames seen at a device. */
function seen(c: Cluster, at: string): Buffer[] {
  const frames: Buffer[] = [];
  captureAt(c, c.names.port(at), {
    write: (_s, _n, b, start, end) => frames.push(Buffer.from(b.subarray(start, end))),
  });
  return frames;
}

function expectAccounted(c: Cluster): void {
  expect(c.waiting()).toBe(0);
  expect(c.counts.dropped).toBe(0);
  expect(inUse()).toBe(0);
}

const mtuOf = (c: Cluster, at: string): number => c.names.port(at).device.mtu;
const hex = (frames: readonly Buffer[]): string[] => frames.map((f) => f.toString('hex'));
const isTunnel = ({ kind }: DevicePlan): boolean => kind === 'vxlan' || kind === 'ipip';
/** Bytes in front of the inner packet, on the wire and on the device of the tunnel. */
const modes = [
  { mode: 'vxlan', device: 'k8s-node1:vxlan.calico', ahead: 14, wire: 64 },
  { mode: 'ipip', device: 'k8s-node1:tunl0', ahead: 0, wire: 34 },
  { mode: 'bgp', device: 'k8s-node1:enp1s0', ahead: 14, wire: 14 },
];

describe.each(modes)('a train of segments, $mode', ({ mode, device, ahead, wire }) => {
  it('is cut before a device that cannot do it, as the twin cuts it', () => {
    fc.assert(
      fc.property(train, (t) => {
        const c = cluster(mode, () => ({ checksumOffload: false }));
        const onDevice = seen(c, device);
        const onWire = seen(c, 'k8s-node1:enp1s0');
        c.depart(c.names.port(SENDER), framed(packetOf(t)));
        const expected = hex(cut(packetOf(t, 63), mtuOf(c, SENDER)));
        expect(hex(onDevice.map((f) => f.subarray(ahead)))).toEqual(expected);
        expect(hex(onWire.map((f) => f.subarray(wire)))).toEqual(expected);
        expectAccounted(c);
      }),
      { numRuns: 25 },
    );
  });

  it('is cut with its tunnel headers before a NIC that cannot do it', () => {
    fc.assert(
      fc.property(train, (t) => {
        const c = cluster(mode, (d) => ({ checksumOffload: isTunnel(d) }));
        const onDevice = seen(c, device);
        const onWire = seen(c, 'k8s-node1:enp1s0');
        c.depart(c.names.port(SENDER), framed(packetOf(t)));
        if (mode !== 'bgp') expect(onDevice.length).toBe(1);
        const expected = hex(cut(packetOf(t, 63), mtuOf(c, SENDER)));
        expect(hex(onWire.map((f) => f.subarray(wire)))).toEqual(expected);
        const outer = onWire.map((f) => dissect(f).layers);
        for (const layers of outer) {
          for (const layer of layers) {
            if ('checksumState' in layer) expect(layer.checksumState).toBe('valid');
          }
        }
        const ids = onWire.map((f) => f.readUInt16BE(18));
        expect(ids).toEqual(ids.map((_, n) => (ids[0]! + n) % 65536));
        expectAccounted(c);
      }),
      { numRuns: 25 },
    );
  });

  it('arrives as one packet where every device takes it, its checksum still unfinished', () => {
    fc.assert(
      fc.property(train, (t) => {
        const c = cluster(mode, () => ({ checksumOffload: true }));
        const got = seen(c, RECEIVER);
        c.depart(c.names.port(SENDER), framed(packetOf(t)));
        expect(hex(got.map((f) => f.subarray(14)))).toEqual(hex([packetOf(t, 62)]));
        expectAccounted(c);
      }),
      { numRuns: 25 },
    );
  });
});

describe.each(modes.filter((m) => m.mode !== 'bgp'))('segments out of a tunnel, $mode', (m) => {
  it('become the train they were cut from', () => {
    fc.assert(
      fc.property(train, (t) => {
        const c = cluster(m.mode, () => ({ checksumOffload: false, receiveOffload: true }));
        const got = seen(c, RECEIVER);
        c.depart(c.names.port(SENDER), framed(packetOf(t)));
        expect(hex(got.map((f) => f.subarray(14)))).toEqual(hex([packetOf(t, 62)]));
        expectAccounted(c);
      }),
      { numRuns: 25 },
    );
  });
});

describe('a train whose tunnel promised more than the wire takes', () => {
  /** The NIC carries `room` bytes less than what comes out of the tunnel at its full MTU. */
  const narrow = (mode: string, overhead: number, room: number): Cluster =>
    cluster(mode, ({ kind, mtu }) => ({
      checksumOffload: true,
      receiveOffload: isTunnel({ kind } as DevicePlan),
      ...(kind === 'nic' ? { mtu: mtu - room } : {}),
      ...(isTunnel({ kind } as DevicePlan) ? { mtu: 1500 - overhead } : {}),
    }));

  it('is lost whole where the outer header says DF, short last segment included', () => {
    fc.assert(
      fc.property(train, fc.integer({ min: 1, max: 400 }), (t, room) => {
        const c = narrow('ipip', 20, room);
        const onWire = seen(c, 'k8s-node1:enp1s0');
        c.depart(c.names.port(SENDER), framed(packetOf(t)));
        expect(onWire).toEqual([]);
        expect(c.drops()[Drop.PacketTooBig]).toBe(1);
        expect(c.waiting()).toBe(0);
        expect(inUse()).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  it.each([
    { mode: 'vxlan', overhead: 50 },
    { mode: 'ipip', overhead: 20 },
  ])('goes in fragments without DF, segment by segment, and arrives in order: $mode', (m) => {
    fc.assert(
      fc.property(train, fc.integer({ min: 1, max: 400 }), (t, room) => {
        const c = narrow(m.mode, m.overhead, room);
        const onWire = seen(c, 'k8s-node1:enp1s0');
        const got = seen(c, RECEIVER);
        c.depart(c.names.port(SENDER), framed(fragmentable(packetOf(t))));
        const ids = onWire.map((f) => f.readUInt16BE(18));
        expect(ids).toEqual(ids.toSorted((a, b) => ((a - b) << 16) >> 16));
        expect(new Set(ids).size).toBe(cut(packetOf(t, 63), 1500 - m.overhead).length);
        expect(hex(got.map((f) => f.subarray(14)))).toEqual(hex([fragmentable(packetOf(t, 62))]));
        expectAccounted(c);
      }),
      { numRuns: 25 },
    );
  });
});

describe('a train cut to less than its device takes', () => {
  it.each(['a pod’s', 'a node’s'])('%s', (whose) => {
    fc.assert(
      fc.property(train, fc.integer({ min: 300, max: 1400 }), (t, longest) => {
        const c = cluster('vxlan', () => ({ checksumOffload: false }));
        const onDevice = seen(c, 'k8s-node1:vxlan.calico');
        const packet = packetOf(t);
        if (whose === 'a pod’s') {
          c.depart(c.names.port(SENDER), framed(packet), 0, packet.length + 14, longest);
        } else c.originate(c.names.find('k8s-node1'), packet, 0, longest);
        const ttl = whose === 'a pod’s' ? 63 : 64;
        expect(hex(onDevice.map((f) => f.subarray(14)))).toEqual(
          hex(cut(packetOf(t, ttl), longest)),
        );
        expectAccounted(c);
      }),
      { numRuns: 15 },
    );
  });
});

describe('the outer sum of VXLAN', () => {
  const small = train.map((t) => ({ ...t, length: t.length % 1300 }));
  const onWire = (t: Train, offload: readonly DevicePlan['kind'][]): Buffer => {
    const c = cluster('vxlan', (d) => ({ checksumOffload: offload.includes(d.kind) }));
    const wire = seen(c, 'k8s-node1:enp1s0');
    // The pod's own device offloads, so that the packet starts unfinished.
    Object.assign(c.names.port(SENDER).device, { checksumOffload: true });
    c.depart(c.names.port(SENDER), framed(packetOf(t)));
    expect(wire.length).toBe(1);
    return wire[0]!;
  };
  const states = (frame: Buffer): string[] =>
    dissect(frame).layers.flatMap((l) =>
      l.layer === 'udp' || l.layer === 'tcp' ? [l.checksumState] : [],
    );

  it('is left unfinished by a NIC, over an inner one that its device finished', () => {
    fc.assert(
      fc.property(small, (t) => {
        expect(states(onWire(t, ['nic']))).toEqual(['partial', 'valid']);
      }),
      { numRuns: 20 },
    );
  });

  it('is right already for the inner one that hardware will finish, where both devices offload', () => {
    fc.assert(
      fc.property(small, (t) => {
        const frame = onWire(t, ['nic', 'vxlan']);
        expect(states(frame)[1]).toBe('partial');
        const finished = Buffer.concat([frame.subarray(0, 64), completed(frame.subarray(64))]);
        expect(states(finished)).toEqual(['valid', 'valid']);
        expect(states(onWire(t, ['vxlan']))).toEqual(['valid', 'valid']);
        expect(states(onWire(t, []))).toEqual(['valid', 'valid']);
      }),
      { numRuns: 20 },
    );
  });
});

describe('what must not be joined', () => {
  const changes = ['none', 'ttl', 'ack', 'id', 'sum', 'port', 'tos', 'swap'] as const;
  const spoil = (
    packets: readonly Buffer[],
    at: number,
    how: (typeof changes)[number],
  ): Buffer[] => {
    const list: Buffer[] = packets.map((p) => Buffer.from(p));
    const b = list[at]!;
    if (how === 'ttl') b[8] = 33;
    if (how === 'ack') b[31]! ^= 1;
    if (how === 'id') b[5]! ^= 4;
    if (how === 'port') b[21]! ^= 1;
    if (how === 'tos') b[1] = 8;
    list[at] = completed(b);
    if (how === 'sum') list[at]![36]! ^= 0x55;
    if (how === 'swap') [list[at - 1], list[at]] = [list[at]!, list[at - 1]!];
    return list;
  };

  it.each(changes)('%s: no byte of the stream is lost, added or moved', (how) => {
    fc.assert(
      fc.property(train, fc.nat(), (t, where) => {
        const c = cluster('vxlan', () => ({ checksumOffload: true, receiveOffload: true }));
        const node = c.names.find('k8s-node2');
        const mac = node.devices[node.vxlans[0]!]!.plan.mac!.toString(16).padStart(12, '0');
        const segments = cut(packetOf({ ...t, length: t.length + 3000 }, 63), 1000);
        const sent = spoil(segments, 1 + (where % (segments.length - 1)), how);
        const got = seen(c, 'k8s-node2:vxlan.calico');
        for (const packet of sent) {
          const head = Buffer.from(`${mac}0200000000010800`, 'hex');
          const f = Buffer.concat([head, packet]);
          const p = enter(f, 0, f.length)!;
          p.input = node.vxlans[0]!;
          if (gather(node, p) === End.Consumed) give(p);
        }
        c.run();
        const dataOf = (packets: readonly Buffer[]): string =>
          packets.map((p) => p.toString('hex', 20 + (p[32]! >> 4) * 4)).join('');
        const out = got.map((f) => f.subarray(14));
        expect(dataOf(out)).toBe(dataOf(sent));
        if (how === 'none') expect(out.length).toBe(1);
        else expect(out.length).toBeGreaterThan(1);
        // Whoever was spoiled goes on alone, byte for byte.
        if (how === 'sum' || how === 'port') {
          const spoiled = sent.find((p, i) => !p.equals(segments[i]!))!;
          expect(hex(out)).toContain(spoiled.toString('hex'));
        }
      }),
      { numRuns: 15 },
    );
  });
});
