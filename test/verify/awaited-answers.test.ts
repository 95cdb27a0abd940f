/** When a packet was sent that its device shows only once ARP was answered. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Moment } from '../../src/packet/moment.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { AwaitedAnswers } from '../../src/verify/awaited-answers.ts';
import { readRecording } from '../../src/verify/recording.ts';
import { parseMac } from '../../src/wire/address.ts';

const OWN = { mac: '02:00:00:00:00:01', ip: '10.1.0.1' };
const OTHER = { mac: '02:00:00:00:00:02', ip: '10.1.0.2' };

const request = buildFrame([
  { layer: 'ethernet', src: OWN.mac, dst: 'ff:ff:ff:ff:ff:ff' },
  {
    layer: 'arp',
    op: 'request',
    senderMac: OWN.mac,
    senderIp: OWN.ip,
    targetMac: '00:00:00:00:00:00',
    targetIp: OTHER.ip,
  },
]);
const reply = buildFrame([
  { layer: 'ethernet', src: OTHER.mac, dst: OWN.mac },
  {
    layer: 'arp',
    op: 'reply',
    senderMac: OTHER.mac,
    senderIp: OTHER.ip,
    targetMac: OWN.mac,
    targetIp: OWN.ip,
  },
]);

const moment = (microseconds: number): Moment => ({
  seconds: 5 + Math.floor(microseconds / 1e6),
  nanoseconds: (microseconds % 1e6) * 1000,
});

describe('a packet behind an ARP answer', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'podwire-awaited-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Microseconds at which a packet was sent that left at `left`, with these frames in the capture. */
  function sent(frames: readonly (readonly [number, Buffer])[], left: number, to = OTHER): number {
    const file = join(folder, 'device.pcap');
    const writer = new CaptureWriter(file);
    for (const [at, frame] of frames) {
      const { seconds, nanoseconds } = moment(at);
      writer.write(seconds, nanoseconds, frame);
    }
    writer.close();
    const answers = new AwaitedAnswers(readRecording(file), parseMac(OWN.mac));
    const { seconds, nanoseconds } = answers.sentAt(parseMac(to.mac), moment(left));
    return (seconds - 5) * 1e6 + nanoseconds / 1000;
  }

  it('was sent when the question was', () => {
    const talk = [
      [1000, request],
      [1020, reply],
    ] as const;
    expect(sent(talk, 1025)).toBe(1000);
    // What goes elsewhere, or later, or went before, did not wait.
    expect(sent(talk, 1025, OWN)).toBe(1025);
    expect(sent(talk, 9000)).toBe(9000);
    expect(sent(talk, 1010)).toBe(1010);
    expect(sent([[1020, reply]], 1025)).toBe(1025);
  });

  it('may have waited since the question was first asked, but not since an older one', () => {
    const again = [
      [1000, request],
      [1_041_000, request],
      [1_041_020, reply],
    ] as const;
    expect(sent(again, 1_041_030)).toBe(1000);
    const other = [
      [1000, request],
      [6_000_000, request],
      [6_000_020, reply],
    ] as const;
    expect(sent(other, 6_000_030)).toBe(6_000_000);
  });
});
