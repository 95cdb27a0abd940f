import '../accounts.ts';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../src/cluster/cluster.ts';
import { listen } from '../../src/cluster/listen.ts';
import { loadCluster } from '../../src/cluster/load.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import { type Capture, openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { replay } from '../../src/replay/replay.ts';
import { formatMac } from '../../src/wire/address.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';

const MODES = ['ipip', 'bgp', 'vxlan'] as const;
const real = (mode: string): string => join('..', 'shared', 'captures', `calico-${mode}.pcap`);
const clusterOf = (mode: string): Cluster => loadCluster(join('fixtures', `calico-${mode}`));

interface Record {
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly bytes: Buffer;
}

function captureOf(records: readonly Record[], linkType = 1): Capture {
  const chunks: Buffer[] = [];
  const writer = new CaptureWriter((chunk) => chunks.push(Buffer.from(chunk)), { linkType });
  for (const { seconds, nanoseconds, bytes } of records) writer.write(seconds, nanoseconds, bytes);
  writer.close();
  return openCapture(Buffer.concat(chunks));
}

const recordsOf = (capture: Capture): Record[] =>
  [...capture].map(({ seconds, nanoseconds, bytes }) => ({
    seconds,
    nanoseconds,
    bytes: Buffer.from(bytes),
  }));

/** A sink that keeps what it is given. */
function keeping(): {
  records: Record[];
  write: (s: number, n: number, b: Buffer, start: number, end: number) => void;
} {
  const records: Record[] = [];
  return {
    records,
    write: (seconds, nanoseconds, b, start, end) =>
      records.push({ seconds, nanoseconds, bytes: Buffer.from(b.subarray(start, end)) }),
  };
}

/** The innermost packet of a real frame, as the pod sent it: one hop less, so TTL 64. */
function asSent(frame: Buffer): Buffer {
  const layer = dissect(frame)
    .layers.filter((l) => l.layer === 'ipv4')
    .at(-1)!;
  const packet = Buffer.from(frame.subarray(layer.offset));
  packet[ipv4.field.ttl] = 64;
  ipv4.fillChecksum(packet, 0);
  return packet;
}

const sourceOf = (packet: Buffer): string => {
  const [layer] = dissect(packet, { linkType: 101 }).layers;
  return layer?.layer === 'ipv4' ? layer.src : '';
};

const PODS = [
  { name: 'default/client', address: '10.2.169.136', node: 'k8s-node2', cali: 'calia7a3e029a7b' },
  {
    name: 'default/kubia-d278t',
    address: '10.2.36.71',
    node: 'k8s-node1',
    cali: 'calid2918f95dae',
  },
];

describe.each(MODES)('a real %s capture', (mode) => {
  if (!existsSync(real(mode))) {
    console.warn(`SKIPPED: ${real(mode)} is not here to replay`);
    it.skip('is not here', () => {});
    return;
  }
  const outer = recordsOf(openCapture(real(mode)));
  const inner = outer.map((r) => ({ ...r, bytes: asSent(r.bytes) }));
  const framed =
    (mac: string) =>
    (r: Record): Record => ({
      ...r,
      bytes: Buffer.concat([
        buildFrame([
          { layer: 'ethernet', src: mac, dst: 'ee:ee:ee:ee:ee:ee', type: 0x0800 },
        ]).subarray(0, 14),
        r.bytes,
      ]),
    });

  it('inner packets into the pods’ own interfaces give the real outer bytes', () => {
    const cluster = clusterOf(mode);
    const out = keeping();
    const inputs = PODS.map(({ name, address }) => ({
      at: `${name}:eth0`,
      capture: captureOf(
        inner.filter((r) => sourceOf(r.bytes) === address),
        101,
      ),
    }));
    const report = replay(cluster, inputs, [{ at: 'k8s-node1:enp1s0', sink: out }]);
    expect(report).toMatchObject({ injected: 10, delivered: 10, dropped: 0, waiting: 0 });
    // Packets enter here, not a TCP stack with offload: direct mode's sums stay as recorded.
    expect(out.records).toEqual(outer);
  });

  it('inner frames arriving at the nodes’ veths do the same', () => {
    const cluster = clusterOf(mode);
    const out = keeping();
    const inputs = PODS.map(({ name, address, node, cali }) => {
      const mac = formatMac(cluster.names.port(`${name}:eth0`).device.plan.mac!);
      return {
        at: `${node}:${cali}`,
        capture: captureOf(inner.filter((r) => sourceOf(r.bytes) === address).map(framed(mac))),
      };
    });
    replay(cluster, inputs, [{ at: 'k8s-node1:enp1s0', sink: out }]);
    expect(out.records).toEqual(outer);
  });

  it('outer frames into a node’s NIC deliver the inner packets to its pod, two hops on', () => {
    for (const { name, address, node } of PODS) {
      const cluster = clusterOf(mode);
      const out = keeping();
      const report = replay(
        cluster,
        [{ at: `${node}:enp1s0`, capture: openCapture(real(mode)) }],
        [{ at: `${name}:eth0`, sink: out }],
      );
      const expected = inner
        .filter((r) => sourceOf(r.bytes) !== address)
        .map((r) => {
          const bytes = Buffer.from(r.bytes);
          bytes[ipv4.field.ttl] = 62;
          ipv4.fillChecksum(bytes, 0);
          return { ...r, bytes };
        });
      const seen = out.records.map((r) => ({ ...r, bytes: r.bytes.subarray(ethernet.HEADER_LEN) }));
      expect(seen.filter((r) => sourceOf(r.bytes) !== address)).toEqual(expected);
      // What the node had sent leaves from its pod again, and ends on the device.
      expect(report).toMatchObject({ injected: 10, sentAgain: 10 - expected.length, dropped: 0 });
      expect(report.delivered).toBe(expected.length);
      expect(seen.filter((r) => sourceOf(r.bytes) === address)).toEqual(
        inner.filter((r) => sourceOf(r.bytes) === address),
      );
    }
  });
});

describe('replay', () => {
  const packet = buildFrame([
    { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136' },
    { layer: 'udp', srcPort: 1, dstPort: 2 },
  ]);

  it('merges inputs by time and keeps recorded times on every device', () => {
    const cluster = clusterOf('ipip');
    const out = keeping();
    const at = (times: number[]) =>
      captureOf(
        times.map((t) => ({ seconds: t, nanoseconds: 5000, bytes: packet })),
        101,
      );
    replay(
      cluster,
      [
        { at: 'kubia-d278t:eth0', capture: at([10, 30, 50]) },
        { at: 'kubia-d278t:eth0', capture: at([20, 40]) },
      ],
      [{ at: 'client:eth0', sink: out }],
    );
    expect(out.records.map((r) => r.seconds)).toEqual([10, 20, 30, 40, 50]);
    expect(out.records.every((r) => r.nanoseconds === 5000)).toBe(true);
  });

  it('a time before the clock counts as now', () => {
    const cluster = clusterOf('ipip');
    const out = keeping();
    const records = [20, 10, 30].map((seconds) => ({ seconds, nanoseconds: 0, bytes: packet }));
    replay(
      cluster,
      [{ at: 'kubia-d278t:eth0', capture: captureOf(records, 101) }],
      [{ at: 'client:eth0', sink: out }],
    );
    expect(out.records.map((r) => r.seconds)).toEqual([20, 20, 30]);
  });

  it('a cut capture: everything before the fault has come out, then its error', () => {
    const cluster = clusterOf('ipip');
    const out = keeping();
    const chunks: Buffer[] = [];
    const writer = new CaptureWriter((c) => chunks.push(Buffer.from(c)), { linkType: 101 });
    for (let i = 0; i < 3; i++) writer.write(i, 0, packet);
    writer.close();
    const cut = openCapture(Buffer.concat(chunks).subarray(0, -5), { name: 'cut.pcap' });
    expect(() =>
      replay(
        cluster,
        [{ at: 'kubia-d278t:eth0', capture: cut }],
        [{ at: 'client:eth0', sink: out }],
      ),
    ).toThrow(/cut\.pcap at byte/);
    expect(out.records.length).toBe(2);
  });

  it('other link types are refused by name', () => {
    const cluster = clusterOf('ipip');
    const capture = captureOf([], 113);
    expect(() => replay(cluster, [{ at: 'client:eth0', capture }])).toThrow(
      /link type: expected 1 .* found 113/,
    );
  });

  it('hostile frames end with a named drop', () => {
    const cluster = clusterOf('vxlan');
    const frames = [0, 1, 13, 14, 20, 33, 60].map((n) => Buffer.alloc(n, 0x45));
    const records = frames.map((bytes, i) => ({ seconds: i, nanoseconds: 0, bytes }));
    const report = replay(cluster, [{ at: 'k8s-node1:enp1s0', capture: captureOf(records) }]);
    expect(report.injected).toBe(7);
    expect(report.delivered + report.dropped).toBe(7);
    expect(Object.values(report.drops).reduce((a, b) => a + b, 0)).toBe(7);
  });
});

describe('a capture of one direction', () => {
  const syn = (dstPort: number): Record => ({
    seconds: 1,
    nanoseconds: 0,
    bytes: buildFrame([
      { layer: 'ipv4', src: '10.2.169.136', dst: '10.2.36.71', df: true },
      { layer: 'tcp', srcPort: 4000, dstPort, seq: 7, flags: 'S' },
    ]),
  });

  const answersTo = (answer: boolean): string[] => {
    const cluster = clusterOf('vxlan');
    listen(cluster, 'kubia-d278t', { tcp: [8080] });
    const sink = keeping();
    const report = replay(
      cluster,
      [{ at: 'client:eth0', capture: captureOf([syn(8080), syn(80)], 101) }],
      [{ at: 'client:eth0', sink }],
      { answer },
    );
    expect(report.injected).toBe(2);
    expect(cluster.answering).toBe(false);
    return sink.records
      .map(({ bytes }) => dissect(bytes).layers.at(2)!)
      .flatMap((layer) => (layer.layer === 'tcp' ? [`${layer.srcPort} ${layer.flags}`] : []))
      .filter((text) => !text.startsWith('4000'));
  };

  it('is answered where that is asked for, and only there', () => {
    expect(answersTo(true)).toEqual(['8080 S.', '80 R.']);
    expect(answersTo(false)).toEqual([]);
  });
});
