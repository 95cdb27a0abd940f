/**
 * A kernel polls the queue of a tunnel between any two segments; what it joined is joined
 * so again, wherever one capture of the node has it.
 */
import '../accounts.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { loadCluster } from '../../src/cluster/load.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Lateness } from '../../src/node/lateness.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { type Lab, readCaptures } from '../../src/verify/lab.ts';
import { verifyLab } from '../../src/verify/verify.ts';

const SENDER = 'default/kubia-d278t:eth0';
const RECEIVER = 'default/client:eth0';
const NODE = 'k8s-node2';
const CABLE = 'k8s-node2:calia7a3e029a7b';

/** The fixture's cluster with tunnels that join, and devices that leave cutting and sums to their hardware. */
function network(): ClusterPlan {
  const { plan } = loadCluster(join('fixtures', 'calico-vxlan'));
  return {
    ...plan,
    namespaces: plan.namespaces.map(({ netfilter: _, ...n }) => ({
      ...n,
      devices: n.devices.map((d) => ({
        ...d,
        receiveOffload: true,
        checksumOffload: d.kind !== 'vxlan' && d.kind !== 'loopback',
      })),
    })),
  };
}

/** A train of whole segments, or one that is shorter at its end. */
const train = (seq: number, length: number, mac: string): Buffer =>
  buildFrame([
    { layer: 'ethernet', src: mac, dst: 'ee:ee:ee:ee:ee:ee' },
    { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136', id: seq & 0xffff, df: true },
    { layer: 'tcp', srcPort: 8080, dstPort: 42000, seq, ack: 9, flags: '.', checksum: 'partial' },
    { layer: 'payload', bytes: Buffer.alloc(length, seq & 0xff) },
  ]);

/** On time, but for its queues. */
const polling = (decide: () => boolean): Lateness => ({
  neighbour: (_node, _id, milliseconds) => milliseconds,
  fragments: (_node, _first, milliseconds) => milliseconds,
  redirect: () => 0,
  arrival: () => 0,
  error: () => null,
  polled: decide,
});

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-trains-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PLACES = [SENDER, `${NODE}:vxlan.calico`, CABLE, RECEIVER];

/** Captures of a network whose receiving node polls as `decide` says, and how long the frames at the receiver were. */
function record(lengths: readonly number[], decide: () => boolean) {
  const cluster = Cluster.fromPlan(network());
  cluster.names.find(NODE).lateness = polling(decide);
  const files = new Map(PLACES.map((at, i) => [at, join(folder, `${i}.pcap`)]));
  const writers = PLACES.map((at) => {
    const writer = new CaptureWriter(files.get(at)!);
    captureAt(cluster, cluster.names.port(at), writer);
    return writer;
  });
  const arrived: number[] = [];
  captureAt(cluster, cluster.names.port(RECEIVER), {
    write: (_s, _n, _b, start, end) => arrived.push(end - start - 54),
  });
  const sender = cluster.names.port(SENDER);
  const mac = (sender.device.plan.mac ?? 0).toString(16).padStart(12, '0').replace(/..\B/g, '$&:');
  for (const [i, length] of lengths.entries()) {
    cluster.advance({ seconds: 1000 + i, nanoseconds: 0 });
    cluster.depart(sender, train(i * 100_000, length, mac));
  }
  for (const writer of writers) writer.close();
  return { files, arrived };
}

/** What verify has to say of the recording, without the captures of `unrecorded`. */
function rerun(files: ReadonlyMap<string, string>, unrecorded: readonly string[] = []) {
  const kept = [...files].filter(([place]) => !unrecorded.includes(place));
  const captures = kept.map(([place, file]) => {
    const [namespace = '', device = ''] = place.split(':');
    return { namespace, device, file };
  });
  const lab: Lab = {
    plan: network(),
    neighbours: 'warm',
    started: 1000,
    ...readCaptures(network(), captures),
    events: [],
    secrets: [],
  };
  const compared = verifyLab(lab);
  const sum = (key: 'different' | 'missing' | 'extra' | 'lost'): number =>
    compared.reduce((n, one) => n + one[key], 0);
  return [sum('different'), sum('missing'), sum('extra'), sum('lost')];
}

const lengths = fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 4 });

describe('trains out of a tunnel', () => {
  it('end where the recorded kernel polled', () => {
    fc.assert(
      fc.property(lengths, fc.array(fc.boolean(), { minLength: 3 }), (list, polls) => {
        let turn = 0;
        const { files } = record(list, () => polls[turn++ % polls.length]!);
        expect(rerun(files)).toEqual([0, 0, 0, 0]);
        // The cable to the pod shows it too.
        expect(rerun(files, [`${NODE}:vxlan.calico`])).toEqual([0, 0, 0, 0]);
      }),
      { numRuns: 15 },
    );
  });

  it('are whole where nobody polled, and in segments where somebody did each time', () => {
    expect(record([14_100], () => false).arrived).toEqual([14_100]);
    const { arrived, files } = record([14_100], () => true);
    expect(arrived.length).toBe(10);
    expect(rerun(files)).toEqual([0, 0, 0, 0]);
  });
});
