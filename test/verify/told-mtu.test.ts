import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { readRecording } from '../../src/verify/recording.ts';
import { ToldMtus } from '../../src/verify/told-mtu.ts';

const A = '10.2.36.71';
const B = '10.2.169.136';
const HEAD = { layer: 'ethernet', src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' } as const;
const NONE = Number.POSITIVE_INFINITY;

const segment = (src: string, dst: string, id = 0): Layer[] => [
  { layer: 'ipv4', src, dst, df: true, id },
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
    told.segments(
      buildFrame([HEAD, ...segment(src, dst, 9)]),
      14,
      { seconds, nanoseconds: 0 },
      NONE,
    );

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'podwire-told-'));
    const file = join(folder, 'a.pcap');
    const writer = new CaptureWriter(file);
    writer.write(1, 0, tooBig(1300, datagram));
    writer.write(2, 0, tooBig(1387, segment(A, B)));
    // Somebody else's error, passing by.
    writer.write(3, 0, tooBig(1200, segment(B, A)));
    writer.write(4, 0, tooBig(100, segment(A, B)));
    writer.write(6, 0, tooBig(1387, segment(A, B, 1)));
    writer.write(7, 0, tooBig(1000, segment(A, B, 2)));
    writer.write(8, 0, tooBig(552, segment(A, B, 3)));
    writer.write(8, 0, Buffer.from('too short'));
    writer.close();
    told = new ToldMtus(readRecording(file), true);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('count from then on, for that destination, and never below what Linux heeds', () => {
    expect([1.5, 2, 3, 5].map((at) => longest(A, B, at))).toEqual([NONE, NONE, 1387, 552]);
  });

  it('do not count for what was refused, which had been cut before', () => {
    const segments = (id: number, seconds: number): number =>
      told.segments(
        buildFrame([HEAD, ...segment(A, B, id)]),
        14,
        { seconds, nanoseconds: 0 },
        1490,
      );
    expect([segments(7, 1), segments(7, 3), segments(7, 9)]).toEqual([1490, 1387, 552]);
    // Identification 1 was refused at 6 s, once more for 1387; 2 for what is less.
    expect([segments(1, 3), segments(1, 9)]).toEqual([1490, 1490]);
    expect([segments(2, 3), segments(2, 9)]).toEqual([1387, 1387]);
  });

  it('do not count for a packet that had as many segments as without them', () => {
    const data: Layer = { layer: 'payload', bytes: Buffer.alloc(7240) };
    const long = buildFrame([HEAD, ...segment(A, B, 9), data]);
    const cut = (count: number, seconds = 5.5): number =>
      told.segments(long, 14, { seconds, nanoseconds: 0 }, 1488, count);
    // Five of 1448 bytes, six of 1347, fifteen of 512.
    expect([cut(0), cut(15), cut(5), cut(6)]).toEqual([552, 552, 1488, 1387]);
    expect([cut(7), cut(6, 2.5)]).toEqual([552, 1387]);
  });

  it('are none for other paths, and for what is no packet', () => {
    expect(longest(B, A, 9)).toBe(NONE);
    expect(told.segments(Buffer.alloc(60), 14, { seconds: 9, nanoseconds: 0 }, NONE)).toBe(NONE);
  });
});
