import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { AnnouncedMss } from '../../src/verify/announced-mss.ts';
import type { Lab } from '../../src/verify/lab.ts';
import { readRecording } from '../../src/verify/recording.ts';

type Ends = readonly [src: string, srcPort: number, dst: string, dstPort: number];
const AB: Ends = ['10.2.36.71', 42000, '10.2.169.136', 8080];
const BA: Ends = ['10.2.169.136', 8080, '10.2.36.71', 42000];

const frame = ([src, srcPort, dst, dstPort]: Ends, flags: string, mss?: number): Buffer =>
  buildFrame([
    { layer: 'ethernet', src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' },
    { layer: 'ipv4', src, dst },
    {
      layer: 'tcp',
      srcPort,
      dstPort,
      flags,
      options: [
        { option: 'nop' },
        { option: 'nop' },
        ...(mss === undefined ? [] : [{ option: 'mss', value: mss } as const]),
      ],
    } as Layer,
  ]);

describe('what handshakes announced', () => {
  let folder = '';
  let mss: AnnouncedMss;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'podwire-mss-'));
    const file = join(folder, 'a.pcap');
    const writer = new CaptureWriter(file);
    const frames = [frame(AB, 'S', 1410), frame(BA, 'S.', 1460), frame(BA, 'S.', 1260)];
    for (const f of [...frames, frame(AB, '.', 500), Buffer.from('too short')]) {
      writer.write(0, 0, f);
    }
    writer.close();
    mss = new AnnouncedMss({ recordings: [readRecording(file)] } as unknown as Lab);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('limits what is sent to the one who announced; the smallest counts, SYN only', () => {
    expect(mss.longest(frame(BA, '.'), 14)).toBe(1450);
    expect(mss.longest(frame(AB, '.'), 14)).toBe(1300);
  });

  it('is 0 for an unknown end and for what is not TCP', () => {
    expect(mss.longest(frame(['10.2.36.71', 1, '10.2.169.136', 2], '.'), 14)).toBe(0);
    expect(mss.longest(Buffer.alloc(60), 14)).toBe(0);
  });
});
