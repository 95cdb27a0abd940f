/** What counts as sent in a recorded network, and what its nodes only passed on. */
import '../accounts.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCluster } from '../../src/cluster/load.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { labInputs } from '../../src/verify/inputs.ts';
import { type Lab, type LabEvent, readCaptures } from '../../src/verify/lab.ts';

const WIRES: Layer = { layer: 'ethernet', src: '52:54:00:b2:72:8d', dst: '52:54:00:85:ff:19' };
const BACK: Layer = { layer: 'ethernet', src: '52:54:00:85:ff:19', dst: '52:54:00:b2:72:8d' };

/** A datagram for a host of the nodes' subnet, from there or masqueraded. */
const datagram = (src: string, srcPort: number, text: string): Layer[] => [
  { layer: 'ipv4', src, dst: '192.168.33.1', id: 0x4101 },
  { layer: 'udp', srcPort, dstPort: 9000 },
  { layer: 'payload', bytes: Buffer.from(text) },
];

/** As the other node's tunnel would send it. */
const tunnelled = (inner: readonly Layer[]): Buffer =>
  buildFrame([WIRES, { layer: 'ipv4', src: '192.168.33.57', dst: '192.168.33.55' }, ...inner]);

describe('what a node put on its wire', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'podwire-inputs-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** How many inputs a recording has where node1's NIC saw `seen` after `event` on node2's wire. */
  function inputs(seen: Buffer, event: Buffer): number {
    const cluster = loadCluster('fixtures/calico-ipip');
    const file = join(folder, 'node1.pcap');
    const writer = new CaptureWriter(file);
    writer.write(1, 0, seen);
    writer.close();
    const frame = { namespace: 'k8s-node2', device: 'enp1s0', bytes: event };
    const events: LabEvent[] = [{ kind: 'inject', label: 'by hand', at: 0, frame }];
    const lab = {
      plan: cluster.plan,
      ...readCaptures(cluster.plan, [{ namespace: 'k8s-node1', device: 'enp1s0', file }]),
      events,
      started: 0,
      secrets: [],
      neighbours: 'warm',
    } satisfies Lab;
    return labInputs(lab, cluster).length;
  }

  it('is its own if nothing else explains it', () => {
    const own = buildFrame([BACK, ...datagram('192.168.33.55', 40000, 'a question')]);
    const other = tunnelled(datagram('10.2.36.71', 40000, 'something else'));
    expect(inputs(own, other)).toBe(2);
  });

  it('is not what came out of a tunnel packet made by hand, masqueraded', () => {
    const masqueraded = buildFrame([BACK, ...datagram('192.168.33.55', 61234, 'a question')]);
    const event = tunnelled(datagram('10.2.36.71', 40000, 'a question'));
    expect(inputs(masqueraded, event)).toBe(1);
  });

  it('is an error of its own socket, but not one of a rule about what went elsewhere', () => {
    const refused = (dst: string): Buffer =>
      buildFrame([
        BACK,
        { layer: 'ipv4', src: '192.168.33.55', dst: '192.168.33.1' },
        { layer: 'icmp', type: 'unreachable', code: 3 },
        { layer: 'ipv4', src: '192.168.33.1', dst },
        { layer: 'udp', srcPort: 9000, dstPort: 53 },
      ]);
    const other = tunnelled(datagram('10.2.36.71', 40000, 'something else'));
    expect(inputs(refused('192.168.33.55'), other)).toBe(2);
    expect(inputs(refused('10.96.0.10'), other)).toBe(1);
  });

  it('is not what looks the same, but went to another pod', () => {
    // Resets without identification and numbers all look alike.
    const reset = (src: string, dst: string): Layer[] => [
      { layer: 'ipv4', src, dst, id: 0, df: true },
      { layer: 'tcp', srcPort: 81, dstPort: 40000, flags: 'R', seq: 0, ack: 0, window: 0 },
    ];
    const own = buildFrame([BACK, ...reset('192.168.33.55', '192.168.33.1')]);
    expect(inputs(own, tunnelled(reset('10.2.169.136', '10.2.36.71')))).toBe(2);
    expect(inputs(own, tunnelled(reset('10.2.169.136', '192.168.33.1')))).toBe(1);
  });
});
