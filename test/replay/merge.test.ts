/** Replays by several workers: what is merged is what one cluster writes, or nothing is. */
import '../accounts.ts';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import type { ClusterPlan, NamespacePlan } from '../../src/plan/plan.ts';
import { capturePorts } from '../../src/replay/capture-folder.ts';
import { Entangled } from '../../src/replay/entangled.ts';
import { mergeParts } from '../../src/replay/merge.ts';
import { Recording } from '../../src/replay/recording.ts';
import { type ReplayInput, type ReplayReport, replay } from '../../src/replay/replay.ts';
import { replayShard } from '../../src/replay/replay-shard.ts';
import { parseIp4, parseMac } from '../../src/wire/address.ts';
import { address, device, lo, namespace, route } from '../text/namespace.ts';

const root = mkdtempSync(join(tmpdir(), 'podwire-parts-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const PODS = ['10.9.0.10', '10.9.1.10', '10.9.1.11'] as const;
const NODES = ['172.20.0.11', '172.20.0.12'] as const;
const SERVICE = '10.96.0.10';

const pod = (name: string, node: string, ip: string): string => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: default}
spec: {nodeName: ${node}}
status: {phase: Running, podIP: ${ip}}
`;

const node = (name: string, address: string): string => `---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: ${name}}
spec: {bgp: {ipv4Address: ${address}/24}}
`;

const web = `---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: ${SERVICE}, ports: [{name: w, protocol: UDP, port: 53}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: w, protocol: UDP, port: 5353}]
endpoints: [{addresses: [${PODS[1]}]}, {addresses: [${PODS[2]}]}]
`;

/** `more`: translation towards the world, and a service. */
const yaml = (mode: string, more = false): string => `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.9.0.0/16, blockSize: 24, natOutgoing: ${more}, ${mode}}
${node('n1', NODES[0])}${node('n2', NODES[1])}
${pod('a', 'n1', PODS[0])}${pod('b', 'n2', PODS[1])}${pod('c', 'n2', PODS[2])}
${more ? web : ''}`;

const MODES = [
  'vxlanMode: Always',
  'ipipMode: Always',
  'vxlanMode: CrossSubnet',
  'ipipMode: Never',
];

interface Sent {
  readonly from: number;
  readonly to: string;
  readonly kind: 'udp' | 'tcp' | 'ping';
  readonly port: number;
  readonly size: number;
  readonly ttl: number;
  readonly df: boolean;
  readonly flags: string;
  /** Milliseconds since the frame before. */
  readonly gap: number;
  readonly broken: boolean;
  readonly fragment: boolean;
}

/** Mostly plain: one frame that flows share something by makes the whole a matter for one cluster. */
const rarely = <T>(usual: T, other: T): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 300, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constant(other) },
  );

const sent: fc.Arbitrary<Sent> = fc.record({
  from: fc.nat(2),
  to: fc.oneof(
    { weight: 200, arbitrary: fc.constantFrom<string>(...PODS, ...NODES) },
    { weight: 1, arbitrary: fc.constantFrom(SERVICE, '203.0.113.9') },
  ),
  kind: fc.constantFrom('udp' as const, 'tcp' as const, 'ping' as const),
  port: fc.integer({ min: 40_000, max: 40_007 }),
  size: fc.constantFrom(0, 8, 700, 1300),
  ttl: rarely(64, 1),
  df: fc.boolean(),
  flags: fc.constantFrom('S', '.', '.', 'P.', 'F.'),
  gap: fc.constantFrom(0, 0, 1, 900, 31_000),
  broken: fc.oneof(
    { weight: 20, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
  fragment: rarely(false, true),
});

function frameOf(p: Sent): Buffer {
  const ports = { srcPort: p.port, dstPort: 80 };
  const l4: Layer =
    p.kind === 'ping'
      ? { layer: 'icmp', type: 'echo-request', id: p.port, seq: 1 }
      : p.kind === 'tcp'
        ? { layer: 'tcp', ...ports, flags: p.flags, seq: 1000, ack: 1000 }
        : { layer: 'udp', ...ports, ...(p.to === SERVICE ? { dstPort: 53 } : {}) };
  const frame = buildFrame([
    { layer: 'ethernet', src: '02:00:00:00:00:01', dst: 'ee:ee:ee:ee:ee:ee' },
    { layer: 'ipv4', src: PODS[p.from]!, dst: p.to, ttl: p.ttl, df: p.df, mf: p.fragment },
    l4,
    { layer: 'payload', bytes: new Uint8Array(p.size).fill(p.size) },
  ]);
  if (p.broken) frame[frame.length - 1]! ^= 0x55;
  return frame;
}

/** Where a pod's packets enter its node. */
function nodeEnd(cluster: Cluster, from: number): string {
  const port = cluster.names.port(`default/${'abc'[from]}:eth0`);
  const end = cluster.across(port)!;
  return `${end.node.name}:${end.device.name}`;
}

/** A pcap of what each pod sent, by the device where it arrives. */
function captures(cluster: Cluster, frames: readonly Sent[]): { at: string; file: string }[] {
  let now = 1_700_000_000_000;
  const files = [0, 1, 2].map((from) => ({
    at: nodeEnd(cluster, from),
    file: join(root, `in-${from}.pcap`),
  }));
  const writers = files.map(({ file }) => new CaptureWriter(file));
  for (const p of frames) {
    now += p.gap;
    writers[p.from]!.write(Math.floor(now / 1000), (now % 1000) * 1e6, frameOf(p));
  }
  for (const writer of writers) writer.close();
  return files;
}

interface Outcome {
  readonly report: ReplayReport;
  readonly files: ReadonlyMap<string, string>;
}

/** Writers of every device's capture, and what they wrote. */
class Files {
  readonly written = new Map<string, string>();
  private readonly writers: CaptureWriter[] = [];

  open(name: string): CaptureWriter {
    const sink = (chunk: Buffer): void => {
      this.written.set(name, (this.written.get(name) ?? '') + chunk.toString('hex'));
    };
    const writer = new CaptureWriter(sink, { format: 'pcapng', interfaceName: name });
    this.writers.push(writer);
    return writer;
  }

  close(): ReadonlyMap<string, string> {
    for (const writer of this.writers) writer.close();
    return this.written;
  }
}

const inputsOf = (files: readonly { at: string; file: string }[]): ReplayInput[] =>
  files.map(({ at, file }) => ({ at, capture: openCapture(file) }));

function alone(make: () => Cluster, files: readonly { at: string; file: string }[]): Outcome {
  const cluster = make();
  const out = new Files();
  const recording = new Recording(cluster);
  for (const port of capturePorts(cluster)) {
    recording.add(port, () => out.open(`${port.node.name}:${port.device.name}`));
  }
  const report = replay(cluster, inputsOf(files));
  recording.stop();
  return { report, files: out.close() };
}

function merged(
  make: () => Cluster,
  files: readonly { at: string; file: string }[],
  count: number,
): Outcome {
  const parts = Array.from({ length: count }, (_, index) => {
    const cluster = make();
    const path = join(root, `part-${index}`);
    replayShard(cluster, inputsOf(files), capturePorts(cluster), { index, count }, path);
    return path;
  });
  const cluster = make();
  const out = new Files();
  const targets = capturePorts(cluster).map(({ node: n, device }) => ({
    isEthernet: device.ethernet,
    open: () => out.open(`${n.name}:${device.name}`),
  }));
  // The order of the parts is of no consequence.
  const report = mergeParts(cluster, parts.reverse(), targets);
  return { report, files: out.close() };
}

const learning = (plan: NamespacePlan): NamespacePlan => ({
  ...plan,
  devices: plan.devices.map((one) =>
    one.vxlan === undefined ? one : { ...one, vxlan: { ...one.vxlan, learning: true } },
  ),
});

/** `sw` bridges three hosts. */
const BRIDGED: ClusterPlan = {
  namespaces: [
    namespace({
      name: 'sw',
      role: 'router',
      devices: [
        lo,
        device({ name: 'br0', index: 2, kind: 'bridge', mac: parseMac('02:00:00:00:00:09') }),
        ...[0, 1, 2].map((i) =>
          device({
            name: `p${i}`,
            index: 3 + i,
            mac: parseMac(`02:00:00:00:01:0${i}`),
            master: 'br0',
            peer: { namespace: `h${i}`, device: 'eth0' },
          }),
        ),
      ],
      routes: [],
    }),
    ...[0, 1, 2].map((i) =>
      namespace({
        name: `h${i}`,
        role: 'router',
        forwarding: false,
        devices: [
          lo,
          device({
            name: 'eth0',
            index: 2,
            mac: parseMac(`02:00:00:00:02:0${i}`),
            addresses: [address(`10.5.0.${i + 1}/24`, '10.5.0.255')],
            peer: { namespace: 'sw', device: `p${i}` },
          }),
        ],
        routes: [
          route('10.5.0.0/24', {
            device: 'eth0',
            protocol: 'kernel',
            scope: 'link',
            source: parseIp4(`10.5.0.${i + 1}`),
            origin: 'kernel',
          }),
        ],
      }),
    ),
  ],
  segments: [],
  pools: [],
  free: { identifications: [], vxlanSourcePorts: [] },
  assumptions: [],
  ignored: [],
};

interface Bridged {
  readonly from: number;
  readonly to: number;
  readonly gap: number;
  readonly port: number;
}

/** What each host sends, by the port of the bridge where it arrives. */
function bridgedCaptures(frames: readonly Bridged[]): { at: string; file: string }[] {
  const files = [0, 1, 2].map((i) => ({ at: `sw:p${i}`, file: join(root, `bridged-${i}.pcap`) }));
  const writers = files.map(({ file }) => new CaptureWriter(file));
  let now = 1_700_000_000_000;
  for (const { from, to, gap, port } of frames) {
    now += gap;
    const frame = buildFrame([
      { layer: 'ethernet', src: `02:00:00:00:02:0${from}`, dst: `02:00:00:00:02:0${to}` },
      { layer: 'ipv4', src: `10.5.0.${from + 1}`, dst: `10.5.0.${to + 1}` },
      { layer: 'udp', srcPort: 7000 + port, dstPort: 7000 + port },
    ]);
    writers[from]!.write(Math.floor(now / 1000), (now % 1000) * 1e6, frame);
  }
  for (const writer of writers) writer.close();
  return files;
}

describe('the parts of a replay', () => {
  it('come to what one cluster writes, or are refused by name', () => {
    const told = new Set<string>();
    let equal = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...MODES),
        fc.array(sent, { minLength: 2, maxLength: 40 }),
        fc.integer({ min: 2, max: 4 }),
        fc.nat(3),
        fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
        fc.boolean(),
        (mode, frames, count, seed, more, netfilter) => {
          const make = (): Cluster =>
            Cluster.fromYaml(yaml(mode, more), 'test', { seed, netfilter });
          const files = captures(make(), frames);
          const expected = alone(make, files);
          try {
            const found = merged(make, files, count);
            expect(found.report).toEqual(expected.report);
            expect([...found.files].sort()).toEqual([...expected.files].sort());
            equal++;
          } catch (error) {
            if (!(error instanceof Entangled)) throw error;
            told.add(error.what);
          }
        },
      ),
      { numRuns: 60 },
    );
    expect(equal).toBeGreaterThan(10);
    expect(told.size).toBeGreaterThan(0);
  }, 120_000);

  it.each(MODES)('%s: many flows and pings through tunnels, in four parts', (mode) => {
    const make = (): Cluster => Cluster.fromYaml(yaml(mode), 'test', { seed: 5 });
    const frames = Array.from(
      { length: 400 },
      (_, i): Sent => ({
        from: i % 3,
        to: [...PODS, ...NODES][(i * 7) % 5]!,
        kind: (['udp', 'tcp', 'ping'] as const)[(i % 7) % 3]!,
        port: 40_000 + ((i * 31) % 50),
        ...{ size: 8 + (i % 5) * 100, ttl: 64, df: i % 2 === 0, flags: '.', gap: 1 },
        ...{ broken: i % 50 === 49, fragment: false },
      }),
    );
    // A pod that sends to itself is told of a better way.
    const apart = frames.filter(({ from, to }) => to !== PODS[from]);
    const files = captures(make(), apart);
    const expected = alone(make, files);
    expect(expected.report.delivered).toBeGreaterThan(200);
    const found = merged(make, files, 4);
    expect(found).toEqual(expected);
    // The files come into being in the same order, too.
    expect([...found.files.keys()]).toEqual([...expected.files.keys()]);
  });

  it('says what the flows share', () => {
    const plain: Sent = {
      ...{ from: 0, to: PODS[1], kind: 'udp', port: 40_000, size: 8, ttl: 64, df: false },
      ...{ flags: '.', gap: 1, broken: false, fragment: false },
    };
    const make = (): Cluster => Cluster.fromYaml(yaml(MODES[3]!, true), 'test', {});
    const why = (...frames: Partial<Sent>[]): string => {
      const files = captures(
        make(),
        frames.map((more) => ({ ...plain, ...more })),
      );
      try {
        merged(make, files, 2);
      } catch (error) {
        if (error instanceof Entangled) return error.what;
        throw error;
      }
      return 'nothing';
    };
    expect(why({})).toBe('nothing');
    expect(why({ to: SERVICE })).toMatch(/^(address translation|rules that choose by chance.*)$/);
    expect(why({ to: '203.0.113.9' })).toBe('address translation');
    expect(why({ fragment: true })).toBe('fragments');
    const many = Array.from({ length: 16 }, (_, i) => ({ ttl: 1, port: 40_000 + i }));
    expect(why(...many)).toBe('the limit of ICMP errors of n1');
    const wireguard = Cluster.fromYaml(
      `${yaml('ipipMode: Never')}---\napiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {wireguardEnabled: true}\n`,
    );
    const files = captures(make(), [plain]);
    const shard = { index: 0, count: 2 };
    expect(replayShard(wireguard, inputsOf(files), [], shard, join(root, 'p')).entangled).toBe(
      'WireGuard',
    );
  });

  it('of flows that cross a bridge come to the same, or are refused for what it learned', () => {
    const told = new Set<string>();
    let equal = 0;
    const one = fc.record({
      from: fc.nat(2),
      to: fc.nat(2),
      gap: fc.constantFrom(0, 1, 400_000),
      port: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 12 }), (frames) => {
        const make = (): Cluster => Cluster.fromPlan(BRIDGED);
        const files = bridgedCaptures(frames);
        const expected = alone(make, files);
        try {
          expect(merged(make, files, 2)).toEqual(expected);
          equal++;
        } catch (error) {
          if (!(error instanceof Entangled)) throw error;
          told.add(error.what);
        }
      }),
      { numRuns: 60 },
    );
    expect(equal).toBeGreaterThan(5);
    expect([...told]).toContain('what bridges learned of sw');
  });

  it('of flows into a VXLAN device that learns are refused', () => {
    const make = (): Cluster => {
      const { plan } = Cluster.fromYaml(yaml(MODES[0]!), 'test');
      return Cluster.fromPlan({ ...plan, namespaces: plan.namespaces.map(learning) });
    };
    const frames = Array.from({ length: 16 }, (_, i): Sent => {
      const rest = { ttl: 64, df: false, flags: '.', gap: 1, broken: false, fragment: false };
      return { from: 0, to: PODS[1], kind: 'udp', port: 40_000 + i, size: 8, ...rest };
    });
    const files = captures(make(), frames);
    expect(() => merged(make, files, 2)).toThrow(/flows share what VXLAN learned of n[12]/);
  });

  it('give everything before a damage, and then its error', () => {
    const make = (): Cluster => Cluster.fromYaml(yaml(MODES[0]!), 'test', {});
    const frames = Array.from(
      { length: 20 },
      (_, i): Sent => ({
        ...{ from: 0, to: PODS[1], kind: 'udp', port: 40_000 + i, size: 8, ttl: 64, df: false },
        ...{ flags: '.', gap: 1, broken: false, fragment: false },
      }),
    );
    const [input] = captures(make(), frames);
    const whole = readFileSync(input!.file);
    writeFileSync(input!.file, whole.subarray(0, whole.length - 5));
    const of = (act: (out: Files) => void): [string, ReadonlyMap<string, string>] => {
      const out = new Files();
      let message = 'none';
      try {
        act(out);
      } catch (error) {
        message = (error as Error).message;
      }
      return [message, out.close()];
    };
    const expected = of((out) => {
      const cluster = make();
      const recording = new Recording(cluster);
      recording.add(cluster.names.port('default/b:eth0'), () => out.open('b'));
      try {
        replay(cluster, inputsOf([input!]));
      } finally {
        recording.stop();
      }
    });
    const found = of((out) => {
      const parts = [0, 1, 2].map((index) => {
        const cluster = make();
        const path = join(root, `part-${index}`);
        const ports = [cluster.names.port('default/b:eth0')];
        replayShard(cluster, inputsOf([input!]), ports, { index, count: 3 }, path);
        return path;
      });
      mergeParts(make(), parts, [{ isEthernet: true, open: () => out.open('b') }]);
    });
    expect(expected[0]).toMatch(/captured bytes/);
    expect(found).toEqual(expected);
  });

  it('are refused where one is missing, doubled, cut or something else', () => {
    const make = (): Cluster => Cluster.fromYaml(yaml(MODES[3]!), 'test', {});
    const files = captures(make(), []);
    const path = (index: number): string => join(root, `part-${index}`);
    for (const index of [0, 1]) {
      replayShard(make(), inputsOf(files), [], { index, count: 2 }, path(index));
    }
    const merge = (...parts: string[]): unknown => mergeParts(make(), parts, []);
    expect(merge(path(1), path(0))).toMatchObject({ injected: 0 });
    expect(() => merge(path(0))).toThrow(/expected 2 parts, found 1/);
    expect(() => merge(path(0), path(0))).toThrow(/expected another part/);
    expect(() => merge(path(0), files[0]!.file)).toThrow(/expected/);
    const cut = readFileSync(path(1));
    writeFileSync(path(1), cut.subarray(0, cut.length - 3));
    expect(() => merge(path(0), path(1))).toThrow(/expected the outcome of a worker/);
  });
});
