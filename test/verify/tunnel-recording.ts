/** A network with offload, recorded in the emulation: a receiving node that polls as it is told to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import { loadCluster } from '../../src/cluster/load.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Lateness } from '../../src/node/lateness.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import type { ClusterPlan } from '../../src/plan/plan.ts';
import { type Lab, readCaptures } from '../../src/verify/lab.ts';
import { verifyLab } from '../../src/verify/verify.ts';

export const SENDER = 'default/kubia-d278t:eth0';
const RECEIVER = 'default/client:eth0';
/** The nodes of the sender and of the receiver. */
export const SENDING_NODE = 'k8s-node1';
export const NODE = 'k8s-node2';
const CABLE = 'k8s-node2:calia7a3e029a7b';

/** The fixture's cluster with tunnels that join, and devices that leave cutting and sums to their hardware. */
function network(): ClusterPlan {
  const { plan } = loadCluster(join('fixtures', 'calico-vxlan'));
  return {
    ...plan,
    namespaces: plan.namespaces.map(({ netfilter: _, ...n }) => ({
      ...n,
      silent: n.role === 'pod',
      devices: n.devices.map((d) => ({
        ...d,
        receiveOffload: true,
        checksumOffload: d.kind !== 'vxlan' && d.kind !== 'loopback',
      })),
    })),
  };
}

/** Bytes of data that a tunnel takes at once. */
export const SEGMENT = 1410;

/** A packet of whole segments, and then maybe one that is shorter. */
const train = (seq: number, id: number, length: number, mac: string): Buffer =>
  buildFrame([
    { layer: 'ethernet', src: mac, dst: 'ee:ee:ee:ee:ee:ee' },
    { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136', id, df: true },
    { layer: 'tcp', srcPort: 8080, dstPort: 42000, seq, ack: 9, flags: '.', checksum: 'partial' },
    { layer: 'payload', bytes: Buffer.alloc(length, seq & 0xff) },
  ]);

/** On time, but for its queues. */
const polling = (decide: () => boolean, until = 0): Lateness => ({
  neighbour: (_node, _id, milliseconds) => milliseconds,
  fragments: (_node, _first, milliseconds) => milliseconds,
  redirect: () => 0,
  arrival: () => 0,
  error: () => null,
  polled: decide,
  waits: (train) => train.tail - train.l3 < until,
});

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-trains-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PLACES = [SENDER, `${SENDING_NODE}:vxlan.calico`, `${NODE}:vxlan.calico`, CABLE, RECEIVER];

/** Captures of a network whose receiving node polls as `decide` says, and how long the frames at the receiver were. */
export function record(lengths: readonly number[], decide: () => boolean, until = 0) {
  const cluster = Cluster.fromPlan(network());
  cluster.names.find(NODE).lateness = polling(decide, until);
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
  let [seq, id] = [0, 0];
  for (const [i, length] of lengths.entries()) {
    cluster.advance({ seconds: 1000, nanoseconds: i * 50_000 });
    cluster.depart(sender, train(seq, id, length, mac));
    seq += length;
    id += Math.ceil(length / SEGMENT);
  }
  cluster.run();
  for (const writer of writers) writer.close();
  return { files, arrived };
}

/** What verify has to say of the recording, without the captures of `unrecorded`. */
export function rerun(files: ReadonlyMap<string, string>, unrecorded: readonly string[] = []) {
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
