/** Two nodes with three pods, a, b and c, and what these send: for replays by several workers. */
import { join } from 'node:path';
import fc from 'fast-check';
import type { Cluster } from '../../src/cluster/cluster.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import type { Sources } from './parts.ts';

export const PODS = ['10.9.0.10', '10.9.1.10', '10.9.1.11'] as const;
export const NODES = ['172.20.0.11', '172.20.0.12'] as const;
export const SERVICE = '10.96.0.10';

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
export const yaml = (mode: string, more = false): string => `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.9.0.0/16, blockSize: 24, natOutgoing: ${more}, ${mode}}
${node('n1', NODES[0])}${node('n2', NODES[1])}
${pod('a', 'n1', PODS[0])}${pod('b', 'n2', PODS[1])}${pod('c', 'n2', PODS[2])}
${more ? web : ''}`;

export const MODES = [
  'vxlanMode: Always',
  'ipipMode: Always',
  'vxlanMode: CrossSubnet',
  'ipipMode: Never',
];

export interface Sent {
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

export const PLAIN: Sent = {
  from: 0,
  to: PODS[1],
  kind: 'udp',
  port: 40_000,
  size: 8,
  ttl: 64,
  df: false,
  flags: '.',
  gap: 1,
  broken: false,
  fragment: false,
};

/** Mostly plain: one frame that flows share something by makes the whole a matter for one cluster. */
const rarely = <T>(usual: T, other: T): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 300, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constant(other) },
  );

export const sent: fc.Arbitrary<Sent> = fc.record({
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

/** A pcap in `folder` of what each pod sent, by the device where it arrives. */
export function captures(cluster: Cluster, frames: readonly Sent[], folder: string): Sources {
  let now = 1_700_000_000_000;
  const files = [0, 1, 2].map((from) => ({
    at: nodeEnd(cluster, from),
    file: join(folder, `in-${from}.pcap`),
  }));
  const writers = files.map(({ file }) => new CaptureWriter(file));
  for (const p of frames) {
    now += p.gap;
    writers[p.from]!.write(Math.floor(now / 1000), (now % 1000) * 1e6, frameOf(p));
  }
  for (const writer of writers) writer.close();
  return files;
}
