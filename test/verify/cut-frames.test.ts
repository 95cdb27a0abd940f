import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import type { DevicePlan } from '../../src/plan/plan.ts';
import type { MadeFrame } from '../../src/verify/compare.ts';
import { completeCut, type KeptFrame, refuseCut } from '../../src/verify/cut-frames.ts';
import { readRecording } from '../../src/verify/recording.ts';

const bytes = (length: number, last = 7): Buffer => {
  const frame = Buffer.alloc(length, 1);
  frame[length - 1] = last;
  return frame;
};
const made = (frame: Buffer): MadeFrame => ({
  bytes: frame,
  at: 0,
  decision: 'received',
  packet: 0,
  order: 0,
  outgoing: false,
});
const kept = (frame: Buffer, originalLength = frame.length): KeptFrame => ({
  bytes: frame,
  at: 3,
  originalLength,
});

describe('a capture with cut frames', () => {
  let folder = '';
  let file = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'podwire-cut-'));
    file = join(folder, 'a.pcap');
    const writer = new CaptureWriter(file);
    writer.write(0, 0, bytes(100));
    writer.write(0, 0, bytes(1258));
    writer.close();
    // The second frame says that it was longer.
    const capture = readFileSync(file);
    capture.writeUInt32LE(1442, 24 + 16 + 100 + 12);
    writeFileSync(file, capture);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const refusal = (kind: string, mtu: number) => () =>
    refuseCut(file, readRecording(file)[1]!, 2, { kind, mtu } as unknown as DevicePlan);

  it('is taken where a tunnel’s device had less room than what came out of it', () => {
    expect(refusal('vxlan', 1230)).not.toThrow();
  });

  it('is refused by the first one anywhere else', () => {
    const words = /frame 2 cut to 1258 of 1442 bytes/;
    expect(refusal('vxlan', 1258)).toThrow(words);
    expect(refusal('nic', 1230)).toThrow(words);
    expect(() => refuseCut(file, readRecording(file)[1]!, 2, undefined)).toThrow(words);
  });
});

describe('what was kept of a frame', () => {
  it('stands for the made frame of that length that begins so, each once', () => {
    const start = bytes(50, 1);
    const completed = completeCut(
      [kept(start, 80), kept(start, 80), kept(start, 90)],
      [made(bytes(80)), made(bytes(79))],
    );
    expect(completed.map((one) => one.bytes)).toEqual([bytes(80), start, start]);
    expect(completed[0]?.at).toBe(3);
  });

  it('stays where nothing made begins so, and whole frames stay as they are', () => {
    const frames = [kept(bytes(50, 2), 80), kept(bytes(80))];
    const completed = completeCut(frames, [made(bytes(80)), made(bytes(80, 9))]);
    expect(completed).toEqual(frames);
  });
});
