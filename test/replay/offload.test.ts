/** Packets of known flows, taken many at a time: nothing but the time it takes may tell. */
import '../accounts.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { ClusterOptions } from '../../src/cluster/cluster-options.ts';
import type { Port } from '../../src/cluster/names.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { FrameSeries } from '../../src/frame/series.ts';
import { type CaptureOptions, openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter, type WriterOptions } from '../../src/pcap/writer.ts';
import { Recording } from '../../src/replay/recording.ts';
import { replay } from '../../src/replay/replay.ts';
import { formatMac } from '../../src/wire/address.ts';
import { slowSum } from '../node/small-network.ts';
import { MODES, NODES, PODS, SERVICE, yaml } from './three-pods.ts';

const OUTSIDE = '203.0.113.9';
const START = 1_700_000_000;

interface Flow {
  readonly protocol: 'udp' | 'tcp' | 'icmp';
  readonly to: string;
  readonly port: number;
  readonly ttl: number;
  readonly tos: number;
  readonly df: boolean;
  readonly unsummed: boolean;
  /** From a MAC that is not the device's own. */
  readonly foreign: boolean;
  /** From the other pod, back to this one. */
  readonly back: boolean;
}

type Fault = 'none' | 'sum' | 'header' | 'length' | 'cut' | 'fragment' | 'option' | 'unfinished';

interface Burst {
  readonly flow: number;
  readonly size: number;
  readonly count: number;
  readonly padding: number;
  readonly fault: Fault;
  /** Milliseconds from the packet before to each of these; it may be before it. */
  readonly step: number;
  readonly arp: boolean;
}

const mostly = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 16, arbitrary: fc.constant(usual) },
    { weight: 2, arbitrary: fc.constantFrom(...others) },
  );

const flow: fc.Arbitrary<Flow> = fc.record({
  protocol: mostly('udp', 'tcp', 'icmp'),
  to: fc.constantFrom(PODS[1], PODS[1], PODS[2], SERVICE, NODES[1], NODES[0], OUTSIDE),
  port: fc.constantFrom(53, 80, 4789),
  ttl: mostly(64, 255, 2, 1),
  tos: mostly(0, 1, 3, 0xb8),
  df: mostly(false, true),
  unsummed: mostly(false, true),
  foreign: mostly(false, true),
  back: mostly(false, true),
});

const burst = (flows: number): fc.Arbitrary<Burst> =>
  fc.record({
    flow: fc.nat(flows - 1),
    size: fc.constantFrom(0, 1, 18, 22, 23, 64, 700, 1372, 1400, 1422, 1423, 1452, 3000),
    count: fc.constantFrom(1, 2, 3, 12, 40),
    padding: mostly(0, 6, 60),
    fault: mostly<Fault>(
      'none',
      'sum',
      'header',
      'length',
      'cut',
      'fragment',
      'option',
      'unfinished',
    ),
    step: fc.oneof(
      { weight: 5, arbitrary: fc.constant(0.05) },
      { weight: 2, arbitrary: fc.constantFrom(0, -3, 700, 4_000, 29_500, 31_000, 121_000) },
    ),
    arp: mostly(false, true),
  });

interface Sent {
  readonly flows: readonly Flow[];
  readonly bursts: readonly Burst[];
}

const sent: fc.Arbitrary<Sent> = fc.array(flow, { minLength: 1, maxLength: 4 }).chain((flows) =>
  fc.record({
    flows: fc.constant(flows),
    bursts: fc.array(burst(flows.length), { minLength: 3, maxLength: 25 }),
  }),
);

function messageOf({ protocol, port, unsummed, back }: Flow, nth: number): Layer {
  const ports = back ? { srcPort: port, dstPort: 40_000 } : { srcPort: 40_000, dstPort: port };
  if (protocol === 'icmp') return { layer: 'icmp', type: 'echo-request', id: 7, seq: nth };
  if (protocol === 'tcp')
    return { layer: 'tcp', ...ports, flags: nth === 0 ? 'S' : '.', seq: 1000 };
  return { layer: 'udp', ...ports, ...(unsummed ? { checksum: 0 } : {}) };
}

function frameOf(f: Flow, { size, padding, fault, arp }: Burst, own: string, nth: number): Buffer {
  const eth: Layer = {
    layer: 'ethernet',
    src: f.foreign ? '02:00:00:00:00:99' : own,
    dst: 'ee:ee:ee:ee:ee:ee',
  };
  if (arp && nth === 0) {
    const asked = { senderMac: own, senderIp: PODS[0], targetMac: '00:00:00:00:00:00' };
    return buildFrame([
      { ...eth, dst: 'ff:ff:ff:ff:ff:ff' },
      { layer: 'arp', op: 'request', ...asked, targetIp: '169.254.1.1' },
    ]);
  }
  const ends = f.back ? { src: f.to, dst: PODS[0] } : { src: PODS[0], dst: f.to };
  const frame = buildFrame([
    eth,
    { layer: 'ipv4', ...ends, ttl: f.ttl, tos: f.tos, df: f.df, id: (nth * 7919) & 0xffff },
    messageOf(f, nth),
    { layer: 'payload', bytes: new Uint8Array(size).fill(nth * 3 + size) },
  ]);
  if (fault === 'sum') frame[frame.length - 1]! ^= 0x55;
  if (fault === 'header') frame[24]! ^= 1;
  if (fault === 'length') frame.writeUInt16BE(frame.readUInt16BE(16) + 4, 16);
  if (fault === 'fragment') frame[20]! |= 0x20;
  if (fault === 'option') frame[14] = 0x46;
  if (fault === 'unfinished' && f.protocol === 'udp') frame.writeUInt16BE(nth * 77, 40);
  if (fault === 'cut') return frame.subarray(0, Math.max(frame.length - 9, 12));
  return Buffer.concat([frame, Buffer.alloc(padding, 0xaa)]);
}

/** The capture, its times in steps of microseconds. */
function captureOf({ flows, bursts }: Sent, own: string, options: WriterOptions): Buffer {
  const chunks: Buffer[] = [];
  const writer = new CaptureWriter((chunk) => chunks.push(Buffer.from(chunk)), options);
  let microseconds = 0;
  for (const b of bursts) {
    for (let nth = 0; nth < b.count; nth++) {
      microseconds = Math.max(0, microseconds + Math.round((nth === 0 ? b.step : 0.01) * 1000));
      const seconds = START + Math.floor(microseconds / 1e6);
      const frame = frameOf(flows[b.flow]!, b, own, nth);
      writer.write(seconds, (microseconds % 1e6) * 1000 + (nth % 1000), frame);
    }
  }
  writer.close();
  return Buffer.concat(chunks);
}

/** A cluster and what its captured devices have seen, as files. */
class Stage {
  readonly cluster: Cluster;
  readonly files: Buffer[][] = [];
  private readonly recording: Recording;
  private readonly writers: CaptureWriter[] = [];

  constructor(
    mode: string,
    seen: readonly string[],
    options: ClusterOptions,
    format: WriterOptions,
  ) {
    this.cluster = Cluster.fromYaml(yaml(mode, true), 'test', options);
    this.recording = new Recording(this.cluster);
    for (const at of seen) {
      const chunks: Buffer[] = [];
      const writer = new CaptureWriter((chunk) => chunks.push(Buffer.from(chunk)), format);
      this.files.push(chunks);
      this.writers.push(writer);
      this.recording.add(portOf(this.cluster, at), () => writer);
    }
  }

  replay(
    at: string,
    source: Buffer | string,
    offload: boolean,
    options: CaptureOptions = {},
  ): unknown {
    const { node, device } = portOf(this.cluster, at);
    const input = { at: `${node.name}:${device.name}`, capture: openCapture(source, options) };
    try {
      return replay(this.cluster, [input], [], { offload });
    } catch (fault) {
      return String(fault);
    }
  }

  get outcome(): unknown {
    const { cluster } = this;
    this.recording.flush();
    for (const writer of this.writers) writer.flush();
    const known = cluster.nodes.map(({ netfilter }) =>
      Array.from({ length: netfilter?.conntrack.size ?? 0 }, (_, id) => {
        const c = netfilter!.conntrack.connection(id);
        return c === undefined ? null : { ...c, tcp: c.tcp?.state };
      }),
    );
    return {
      files: this.files.map((chunks) => Buffer.concat(chunks).toString('hex')),
      now: cluster.now,
      counts: { ...cluster.counts },
      drops: [...cluster.drops()],
      known,
      learned: cluster.nodes.map((n) => n.pathMtus.list(cluster.ticks(), n.routes)),
      neighbours: cluster.nodes.map((n) => cluster.tables(n.name).neighbours),
      counters: cluster.nodes.map(({ identifications }) => {
        // Those of a namespace begin at a multiple of their number.
        const first = identifications.counter(0, 0, 0) & ~2047;
        return Array.from({ length: 2048 }, (_, n) => identifications.peek(first + n)).join();
      }),
    };
  }
}

/** `veth` is the node's end of the first pod's. */
function portOf(cluster: Cluster, at: string): Port {
  return at === 'veth' ? cluster.across(cluster.names.port('a:eth0'))! : cluster.names.port(at);
}

interface Came {
  readonly reports: unknown[];
  readonly entered: number;
  readonly outcome: unknown;
}

const SEEN = [
  [],
  ['n1:eth0'],
  ['n1:eth0'],
  ['a:eth0'],
  ['n2:eth0', 'b:eth0'],
  ['veth', 'a:eth0', 'n1:eth0', 'b:eth0'],
];

describe('a replay that takes known flows together', () => {
  it('does what one does that takes each frame for itself', { timeout: 600_000 }, () => {
    const passed = vi.spyOn(Cluster.prototype, 'passed');
    let all = 0;
    fc.assert(
      fc.property(
        fc.record({
          mode: fc.constantFrom(...MODES),
          seen: fc.constantFrom(...SEEN),
          at: fc.constantFrom('a:eth0', 'veth'),
          netfilter: fc.boolean(),
          neighbours: mostly('warm' as const, 'cold' as const),
          input: fc.record({ nanosecond: fc.boolean(), bigEndian: mostly(false, true) }),
          output: fc.record({
            nanosecond: fc.boolean(),
            bigEndian: mostly(false, true),
            format: mostly('pcap' as const, 'pcapng' as const),
            snapLength: mostly(262_144, 60),
          }),
          drawn: sent,
          again: sent,
        }),
        ({ mode, seen, at, netfilter, neighbours, input, output, drawn, again }) => {
          const [quick, slow] = [true, false].map((offload) => {
            const stage = new Stage(mode, seen, { netfilter, neighbours }, output);
            const own = formatMac(stage.cluster.names.port('a:eth0').device.plan.mac!);
            const reports = [drawn, again].map((part) =>
              stage.replay(at, captureOf(part, own, input), offload),
            );
            return { reports, entered: stage.cluster.counts.entered, outcome: stage.outcome };
          }) as [Came, Came];
          all += quick.entered;
          expect(quick).toEqual(slow);
        },
      ),
      { numRuns: 100 },
    );
    const taken = passed.mock.calls.reduce((sum, [count]) => sum + count, 0);
    passed.mockRestore();
    // Else this says little.
    expect(taken / all).toBeGreaterThan(0.1);
  });

  it.each([true, false])('lets time bring what it brings: netfilter %s', (netfilter) => {
    const usual = { ttl: 64, tos: 0, df: false, unsummed: false, foreign: false, back: false };
    const flows = [{ ...usual, protocol: 'udp' as const, to: PODS[1], port: 9 }];
    // Entries of neighbours are old after 30 s, and asked for 5 s later; connections end after 30 s.
    const steps = [0, 29_000, 2_000, 7_000, 3, 31_000, 1, 4_000, 2_000, 121_000];
    const rest = { flow: 0, size: 30, count: 12, padding: 0, fault: 'none' as const, arp: false };
    const bursts = steps.map((step) => ({ ...rest, step }));
    const passed = vi.spyOn(Cluster.prototype, 'passed');
    const [quick, slow] = [true, false].map((offload) => {
      const stage = new Stage(MODES[0]!, ['n1:eth0'], { netfilter, neighbours: 'cold' }, {});
      const own = formatMac(stage.cluster.names.port('a:eth0').device.plan.mac!);
      const report = stage.replay('a:eth0', captureOf({ flows, bursts }, own, {}), offload);
      return { report, outcome: stage.outcome };
    });
    expect(passed).toHaveBeenCalled();
    passed.mockRestore();
    expect(quick).toEqual(slow);
  });

  describe('of a file longer than what is read at a time', () => {
    /** Some 3 MB: UDP of many flows, and now and then a ping. */
    function longCapture(own: string): Buffer {
      const layers = (message: Layer): Layer[] => [
        { layer: 'ethernet', src: own, dst: 'ee:ee:ee:ee:ee:ee' },
        { layer: 'ipv4', src: PODS[0], dst: PODS[1] },
        message,
        { layer: 'payload', bytes: new Uint8Array(35) },
      ];
      const udp = new FrameSeries(layers({ layer: 'udp', srcPort: 2000, dstPort: 9 }), [
        { layer: 1, field: 'id' },
        { layer: 2, field: 'srcPort', span: 50 },
      ]);
      const ping = buildFrame(layers({ layer: 'icmp', type: 'echo-request', id: 1, seq: 1 }));
      const chunks: Buffer[] = [];
      const writer = new CaptureWriter((chunk) => chunks.push(Buffer.from(chunk)));
      for (let n = 0; n < 30_000; n++) {
        const frame = n % 3001 === 3000 ? ping : udp.next();
        writer.write(START + Math.floor(n / 1000), (n % 1000) * 1e6, frame);
      }
      writer.close();
      return Buffer.concat(chunks);
    }

    /** What came of the capture, and how many packets were taken together. */
    function came(source: (own: string) => Buffer | string, offload: boolean, lenient = false) {
      const passed = vi.spyOn(Cluster.prototype, 'passed');
      const stage = new Stage('vxlanMode: Always', ['n1:eth0'], {}, {});
      const own = formatMac(stage.cluster.names.port('a:eth0').device.plan.mac!);
      const report = stage.replay('a:eth0', source(own), offload, { lenient });
      const taken = passed.mock.calls.reduce((sum, [count]) => sum + count, 0);
      passed.mockRestore();
      return { taken, rest: { report, outcome: stage.outcome } };
    }

    /** Bytes of it. */
    const LAST_RECORD = 16 + 14 + 20 + 8 + 35;

    const folder = mkdtempSync(join(tmpdir(), 'podwire-offload-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const file = (bytes: Buffer): string => {
      const path = join(folder, 'in.pcap');
      writeFileSync(path, bytes);
      return path;
    };

    it('takes records over the ends of what was read, from a file and from memory', () => {
      const slow = came(longCapture, false);
      const fromFile = came((own) => file(longCapture(own)), true);
      const fromMemory = came(longCapture, true);
      expect(slow.taken).toBe(0);
      expect(fromFile.taken).toBeGreaterThan(29_000);
      expect(fromMemory.taken).toBeGreaterThan(29_000);
      expect(fromFile.rest).toEqual(slow.rest);
      expect(fromMemory.rest).toEqual(slow.rest);
    });

    /** A word of the last record's header, changed. */
    const told = (field: number, value: number) => (b: Buffer) => {
      b.writeUInt32LE(value, b.length - LAST_RECORD + field);
      return b;
    };
    it.each([
      ['cut', (b: Buffer) => b.subarray(0, b.length - 20)],
      ['with a length that lies', told(8, 0x7fff_ffff)],
      ['with a fraction over a second', told(4, 2_000_000)],
    ])('replays what stands before the end of one %s', (_, damage) => {
      for (const lenient of [false, true]) {
        const slow = came((own) => damage(longCapture(own)), false, lenient);
        const quick = came((own) => damage(longCapture(own)), true, lenient);
        expect(quick.taken).toBeGreaterThan(29_000);
        expect(quick.rest).toEqual(slow.rest);
      }
    });
  });

  it('writes an outer UDP sum of 0 as 0xffff (RFC 768)', () => {
    const stage = () => new Stage('vxlanMode: Always', ['n1:eth0'], {}, {});
    const own = formatMac(stage().cluster.names.port('a:eth0').device.plan.mac!);
    /** What the NIC sends for datagrams of this size from a port. */
    function sent(srcPort: number, size: number, count: number, offload: boolean): Buffer[] {
      const frame = buildFrame([
        { layer: 'ethernet', src: own, dst: 'ee:ee:ee:ee:ee:ee' },
        { layer: 'ipv4', src: PODS[0], dst: PODS[1] },
        { layer: 'udp', srcPort, dstPort: 9 },
        { layer: 'payload', bytes: new Uint8Array(size) },
      ]);
      const chunks: Buffer[] = [];
      const writer = new CaptureWriter((chunk) => chunks.push(Buffer.from(chunk)));
      for (let n = 0; n < count; n++) writer.write(START + n, 0, frame);
      writer.close();
      const made = stage();
      made.replay('a:eth0', Buffer.concat(chunks), offload);
      const [file] = (made.outcome as { files: string[] }).files;
      return [...openCapture(Buffer.from(file!, 'hex'))].map(({ bytes }) => Buffer.from(bytes));
    }
    const outerSum = (frame: Buffer): number => frame.readUInt16BE(14 + 20 + 6);
    // A byte more takes one from the complement: some port has 0 at a size that fits.
    let port = 2000;
    while (outerSum(sent(port, 0, 1, false)[0]!) > 1300) port++;
    const size = outerSum(sent(port, 0, 1, false)[0]!);
    const passed = vi.spyOn(Cluster.prototype, 'passed');
    const frames = sent(port, size, 20, true);
    expect(passed).toHaveBeenCalled();
    passed.mockRestore();
    expect(frames).toHaveLength(20);
    for (const frame of frames) {
      expect(outerSum(frame)).toBe(0xffff);
      const pseudo = Buffer.from([...frame.subarray(26, 34), 0, 17, ...frame.subarray(38, 40)]);
      expect(slowSum(pseudo, frame.subarray(34))).toBe(0xffff);
    }
  });

  it('knows many flows apart, whose packets differ in length, and in the rest of their headers', () => {
    const ports = 1500;
    const frames = (own: string) => {
      const chunks: Buffer[] = [];
      const writer = new CaptureWriter((chunk) => chunks.push(Buffer.from(chunk)));
      for (let n = 0; n < 10 * ports; n++) {
        const round = Math.floor(n / ports);
        const frame = buildFrame([
          { layer: 'ethernet', src: own, dst: 'ee:ee:ee:ee:ee:ee' },
          { layer: 'ipv4', src: PODS[0], dst: PODS[1], id: n & 0xffff, tos: n % 7 === 0 ? 8 : 0 },
          { layer: 'udp', srcPort: 2000 + (n % ports), dstPort: 9 },
          { layer: 'payload', bytes: new Uint8Array((n * round) % 90).fill(n) },
        ]);
        // Every now and then a sum is wrong.
        if (n % 501 === 500) frame[n % 2 === 0 ? 24 : frame.length - 1]! ^= 0x11;
        writer.write(START, n * 1000, frame);
      }
      writer.close();
      return Buffer.concat(chunks);
    };
    const passed = vi.spyOn(Cluster.prototype, 'passed');
    const [quick, slow] = [true, false].map((offload) => {
      const stage = new Stage('vxlanMode: Always', ['n1:eth0', 'b:eth0'], {}, {});
      const own = formatMac(stage.cluster.names.port('a:eth0').device.plan.mac!);
      return { report: stage.replay('a:eth0', frames(own), offload), outcome: stage.outcome };
    });
    const taken = passed.mock.calls.reduce((sum, [count]) => sum + count, 0);
    passed.mockRestore();
    expect(taken).toBeGreaterThan(2 * ports);
    expect(quick).toEqual(slow);
  });

  it('ends with what a writer throws', () => {
    for (const offload of [true, false]) {
      const cluster = Cluster.fromYaml(yaml('vxlanMode: Always'), 'test');
      const { mac } = cluster.names.port('a:eth0').device.plan;
      const series = new FrameSeries(
        [
          { layer: 'ethernet', src: formatMac(mac!), dst: 'ee:ee:ee:ee:ee:ee' },
          { layer: 'ipv4', src: PODS[0], dst: PODS[1] },
          { layer: 'udp', srcPort: 2000, dstPort: 9 },
        ],
        [{ layer: 1, field: 'id' }],
      );
      const chunks: Buffer[] = [];
      series.write(new CaptureWriter((chunk) => chunks.push(Buffer.from(chunk))), 100_000);
      let room = 2;
      const sink = new CaptureWriter(() => {
        if (room-- === 0) throw new Error('disk full');
      });
      const capture = openCapture(Buffer.concat(chunks));
      const run = () =>
        replay(cluster, [{ at: 'a:eth0', capture }], [{ at: 'n1:eth0', sink }], { offload });
      expect(run).toThrow('disk full');
      expect(sink.count).toBeGreaterThan(0);
    }
  });
});
