import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { ToldMtus } from '../../src/verify/told-mtu.ts';

const A = '10.2.36.71';
const B = '10.2.169.136';
const HEAD = { layer: 'ethernet', src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' } as const;
const NONE = Number.POSITIVE_INFINITY;

const segment = (src: string, dst: string): Layer[] => [
  { layer: 'ipv4', src, dst, df: true },
  { layer: 'tcp', srcPort: 42000, dstPort: 8080, flags: '.' },
];
const datagram: Layer[] = [
  { layer: 'ipv4', src: A, dst: B, df: true },
  { layer: 'udp', srcPort: 1, dstPort: 2 },
];
const tooBig = (mtu: number, quoted: Layer[], to = A): Buffer =>
  buildFrame([
    HEAD,
    { layer: 'ipv4', src: '192.168.33.55', dst: to },
    { layer: 'icmp', type: 'unreachable', code: 4, mtu },
    ...quoted.map((layer) => ({ ...layer, quoted: true })),
  ]);

describe('the path MTUs that a sender was told', () => {
  let folder = '';
  let told: ToldMtus;
  const longest = (src: string, dst: string, seconds: number): number =>
    told.longest(buildFrame([HEAD, ...segment(src, dst)]), 14, { seconds, nanoseconds: 0 });

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'podwire-told-'));
    const file = join(folder, 'a.pcap');
    const writer = new CaptureWriter(file);
    writer.write(1, 0, tooBig(1300, datagram));
    writer.write(2, 0, tooBig(1387, segment(A, B)));
    // Somebody else's error, passing by.
    writer.write(3, 0, tooBig(1200, segment(B, A)));
    writer.write(4, 0, tooBig(100, segment(A, B)));
    writer.write(5, 0, Buffer.from('too short'));
    writer.close();
    told = new ToldMtus(file, true);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('count from then on, for that destination, and never below what Linux heeds', () => {
    expect([1.5, 2, 3, 5].map((at) => longest(A, B, at))).toEqual([NONE, NONE, 1387, 552]);
  });

  it('are the length of segments, but of one that was refused, which had been cut before', () => {
    const sized = (id: number, size: number): Buffer => {
      const [ip, ...rest] = segment(A, B);
      const body: Layer = { layer: 'payload', bytes: new Uint8Array(size - 40) };
      return buildFrame([HEAD, { ...ip, id } as Layer, ...rest, body]);
    };
    const segments = (id: number, size: number, seconds = 3): number =>
      told.segments(sized(id, size), 14, { seconds, nanoseconds: 0 }, 1490);
    // The first refusal quotes identification 0.
    expect([segments(7, 1490), segments(0, 1490), segments(0, 4000)]).toEqual([1387, 1490, 1387]);
    expect(segments(7, 1490, 1)).toBe(1490);
  });

  it('are none for other paths, and for what is no packet', () => {
    expect(longest(B, A, 9)).toBe(NONE);
    expect(told.longest(Buffer.alloc(60), 14, { seconds: 9, nanoseconds: 0 })).toBe(NONE);
  });
});
