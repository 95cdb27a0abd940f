/** Errors that teach a node something come when they were recorded to, and not before. */
import '../accounts.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { type Lab, readCaptures } from '../../src/verify/lab.ts';
import { lessonOf } from '../../src/verify/lesson.ts';
import { verifyLab } from '../../src/verify/verify.ts';
import { formatMac } from '../../src/wire/address.ts';
import { clusterOf, lab, pool, underlay } from '../behaviour/lab.ts';

const POD = { src: '10.65.0.2', dst: '10.65.1.2' };
const NODES = { src: '172.16.0.10', dst: '172.16.0.11' };

const datagram = (id: number, ttl: number): Layer[] => [
  { layer: 'ipv4', ...POD, id, ttl, df: true },
  { layer: 'udp', srcPort: 5, dstPort: 9 },
  { layer: 'payload', bytes: Buffer.alloc(1300) },
];
const tunnelled = (id: number, outerId: number): Layer[] => [
  { layer: 'ipv4', ...NODES, id: outerId, ttl: 63, df: true },
  ...datagram(id, 63),
];
const VXLAN: Layer[] = [
  { layer: 'ipv4', ...NODES, id: 1 },
  { layer: 'udp', srcPort: 50000, dstPort: 4789 },
  { layer: 'vxlan', vni: 4096 },
  { layer: 'ethernet', src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' },
];

const error = (quoted: readonly Layer[], more: { type?: number; code?: number } = {}): Buffer =>
  buildFrame([
    { layer: 'ipv4', src: '172.16.0.1', dst: NODES.src, id: 77 },
    { layer: 'icmp', type: more.type ?? 3, code: more.code ?? 4, mtu: 1000 },
    { layer: 'payload', bytes: buildFrame(quoted).subarray(0, 548) },
  ]);

describe('what an error teaches', () => {
  const lesson = (packet: Buffer): string | null => lessonOf(packet, 0, packet.length, [4789]);

  it('is the same whatever the identification of the tunnel, and another for each packet', () => {
    const known = lesson(error(tunnelled(5, 100)));
    expect(known).toEqual(expect.any(String));
    expect(lesson(error(tunnelled(5, 101)))).toBe(known);
    expect(lesson(error(datagram(5, 63)))).toBe(known);
    expect(lesson(error([...VXLAN, ...datagram(5, 63)]))).toBe(known);
    expect(lesson(error(tunnelled(6, 100)))).not.toBe(known);
    expect(lesson(error(tunnelled(5, 100), { type: 5, code: 1 }))).not.toBe(known);
  });

  it('is nothing of other errors, of no error, and of what is too short', () => {
    expect(lesson(error(tunnelled(5, 1), { code: 1 }))).toBeNull();
    expect(lesson(error(tunnelled(5, 1), { type: 11, code: 0 }))).toBeNull();
    expect(lesson(buildFrame(datagram(5, 64)))).toBeNull();
    const whole = error(tunnelled(5, 1));
    for (let end = 0; end < 48; end++) expect(lessonOf(whole, 0, end, [])).toBeNull();
  });
});

describe('an error on its way', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'podwire-lesson-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const PORTS = ['x/w0:eth0', 'n0:eth0', 'ext:eth0'];
  const { plan: made } = clusterOf(lab(pool('ipipMode: Always'), underlay()));
  const namespaces = made.namespaces.map((ns) =>
    ns.role === 'pod' || ns.role === 'host' ? { ...ns, silent: true } : ns,
  );
  const plan = { ...made, namespaces };

  /**
   * A host tells the node at 2 ms that its tunnel is narrow. The pod sends at 1, 3 and 5 ms;
   * the node hears of it at 4 ms, and that is recorded at `heard`.
   */
  function recorded(heard: number): Lab {
    const cluster = Cluster.fromPlan(plan);
    const files = PORTS.map((_, i) => join(folder, `${i}.pcap`));
    const writers = files.map((file) => new CaptureWriter(file));
    const seen = PORTS.map(() => [] as { at: number; frame: Buffer }[]);
    let stamp = 0;
    for (const [i, port] of PORTS.entries()) {
      captureAt(cluster, cluster.names.port(port), {
        write: (_s, _n, b, start, end) =>
          seen[i]!.push({ at: stamp, frame: Buffer.from(b.subarray(start, end)) }),
      });
    }
    const mac = (port: string): string => formatMac(cluster.names.port(port).device.plan.mac!);
    const send = (ms: number, id: number): void => {
      stamp = ms;
      const head: Layer = { layer: 'ethernet', src: mac('x/w0:eth0'), dst: 'ee:ee:ee:ee:ee:ee' };
      cluster.depart(cluster.names.port('x/w0:eth0'), buildFrame([head, ...datagram(id, 64)]));
    };
    const told = Buffer.concat([
      buildFrame([{ layer: 'ethernet', src: mac('ext:eth0'), dst: mac('n0:eth0'), type: 0x0800 }]),
      error(tunnelled(1, 100)),
    ]);
    send(1, 1);
    send(3, 2);
    stamp = heard;
    cluster.arrive(cluster.names.port('n0:eth0'), told);
    send(5, 3);
    seen[2]!.push({ at: 2, frame: told });
    for (const [i, writer] of writers.entries()) {
      for (const { at, frame } of seen[i]!.sort((a, b) => a.at - b.at)) {
        writer.write(1000, at * 1e6, frame);
      }
      writer.close();
    }
    const captures = PORTS.map((port, i) => {
      const [namespace = '', device = ''] = port.split(':');
      return { namespace, device, file: files[i]! };
    });
    return {
      plan,
      neighbours: 'warm',
      started: 1000,
      ...readCaptures(plan, captures),
      events: [],
      secrets: [],
    };
  }

  const sums = (lab: Lab): number[] => {
    const compared = verifyLab(lab);
    const sum = (key: 'frames' | 'different' | 'missing' | 'extra'): number =>
      compared.reduce((n, one) => n + one[key], 0);
    return [sum('frames'), sum('different'), sum('missing'), sum('extra')];
  };

  it('changes nothing for what was sent before it came', () => {
    // Pod: three packets, a refusal. Node: two in the tunnel, the error. Host: the error.
    expect(sums(recorded(4))).toEqual([8, 0, 0, 0]);
  });

  it('recorded to have come before, it would have', () => {
    const [frames, , missing, extra] = sums(recorded(2.5));
    expect([frames, missing]).toEqual([8, 1]);
    expect(extra).toBeGreaterThan(0);
  });
});
