/** The same inputs and seed give the same bytes: in fresh processes, and after other work in one. */
import '../accounts.ts';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { CaptureFolder } from '../../src/replay/capture-folder.ts';
import { keyLogOf, Recording } from '../../src/replay/recording.ts';
import { replay } from '../../src/replay/replay.ts';
import { felix, lab, pool, underlay } from '../behaviour/lab.ts';
import { compileProgram } from '../cli/program.ts';

const program = compileProgram();

const OUTSIDE = '172.16.0.50';
const SERVICE = '10.96.0.9';
const service = [
  `apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: x}\n` +
    `spec: {clusterIP: ${SERVICE}, ports: [{port: 53, protocol: UDP}]}`,
  'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n' +
    'metadata: {name: s-1, namespace: x, labels: {kubernetes.io/service-name: s}}\n' +
    'ports: [{port: 53, protocol: UDP}]\nendpoints: [{addresses: [10.65.1.2]}, {addresses: [10.65.2.2]}]',
];
const pools = (mode: string): string => pool(mode, ', natOutgoing: true');

/** By mode: its resources, where its packets go, and whether anything there is drawn by the seed. */
const MODES: readonly [mode: string, resources: string[], to: string, isDrawn: boolean][] = [
  ['direct', [pool('ipipMode: Never')], '10.65.1.2', false],
  ['IPIP', [pool('ipipMode: Always')], '10.65.1.2', true],
  ['VXLAN', [pool('vxlanMode: Always')], '10.65.1.2', true],
  ['VXLAN across subnets', [pool('vxlanMode: CrossSubnet')], '10.65.1.2', false],
  ['IPIP across subnets', [pool('ipipMode: CrossSubnet')], '10.65.1.2', false],
  ['WireGuard', [pool('vxlanMode: Always'), felix('wireguardEnabled: true')], '10.65.1.2', true],
  ['natOutgoing, random-fully', [pools('vxlanMode: Always')], OUTSIDE, true],
  ['services', [pools('ipipMode: Always'), ...service], SERVICE, true],
];

/** 40 flows of three packets each, a millisecond apart. */
function writeInput(file: string, to: string): void {
  const writer = new CaptureWriter(file, { linkType: 101 });
  for (let i = 0; i < 120; i++) {
    const frame = buildFrame([
      { layer: 'ipv4', src: '10.65.0.2', dst: to, id: i },
      { layer: 'udp', srcPort: 4000 + (i % 40), dstPort: 53 },
      { layer: 'payload', bytes: Buffer.alloc(i) },
    ]);
    writer.write(1_700_000_000, i * 1_000_000, frame);
  }
  writer.close();
}

/** Every capture of a folder by name, as a digest. */
const digests = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
      ]),
  );

interface Work {
  readonly yaml: string;
  readonly input: string;
}

function prepared(index: number): Work {
  const [, resources, to] = MODES[index]!;
  const [yaml, input] = ['yaml', 'pcap'].map((end) => join(program.folder, `${index}.${end}`));
  writeFileSync(yaml!, lab(...resources, underlay()));
  writeInput(input!, to);
  return { yaml: yaml!, input: input! };
}

let runs = 0;
const fresh = (): string => join(program.folder, `run-${runs++}`);

function inProcess({ yaml, input }: Work, seed: number): Record<string, string> {
  const cluster = Cluster.fromYaml(readFileSync(yaml, 'utf8'), yaml, { seed });
  const folder = fresh();
  const captures = new CaptureFolder(cluster, folder);
  const recording = new Recording(cluster, keyLogOf(cluster));
  captures.record(recording);
  replay(cluster, [{ at: 'w0:eth0', capture: openCapture(input) }], []);
  recording.stop();
  captures.close();
  return digests(folder);
}

function byItself({ yaml, input }: Work, seed: number): Record<string, string> {
  const folder = fresh();
  const inject = `w0:eth0=${input}`;
  const args = ['replay', yaml, '--inject', inject, '--capture-all', folder, '--seed', `${seed}`];
  const { status, stderr } = program.podwire(args);
  expect([status, stderr]).toEqual([0, '']);
  return digests(folder);
}

describe('the same inputs and seed give the same bytes', () => {
  it.each(MODES.map(([mode], i) => [mode, i] as const))('%s', (_, index) => {
    const work = prepared(index);
    const first = byItself(work, 7);
    expect(Object.keys(first).length).toBeGreaterThan(2);
    expect(byItself(work, 7)).toEqual(first);
    // Other clusters before, of every mode, and this one with another seed.
    for (const other of MODES.keys()) inProcess(prepared(other), 3);
    const another = inProcess(work, 8);
    expect(inProcess(work, 7)).toEqual(first);
    expect(Object.keys(another)).toContain('x_w0.eth0.pcapng');
    // What the pod sends is given; what a kernel draws differs.
    expect(another['x_w0.eth0.pcapng']).toBe(first['x_w0.eth0.pcapng']);
    expect(another['n0.eth0.pcapng'] === first['n0.eth0.pcapng']).toBe(!MODES[index]![3]);
  });
});
