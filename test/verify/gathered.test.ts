/** Segments a device joined, recorded as one packet and made one by one. */
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import type { MadeFrame } from '../../src/verify/compare.ts';
import { gatherAsRecorded } from '../../src/verify/gathered.ts';

interface Facts {
  readonly id: number;
  readonly seq: number;
  readonly data: Buffer;
  readonly srcPort?: number;
  readonly flags?: string;
  readonly checksum?: 'partial';
}

const packet = ({ id, seq, data, srcPort = 8080, flags = '.', ...rest }: Facts): Buffer =>
  buildFrame([
    { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136', id, df: true },
    { layer: 'tcp', srcPort, dstPort: 42000, seq, ack: 9, flags, ...rest },
    { layer: 'payload', bytes: data },
  ]);

const made = (bytes: Buffer): MadeFrame => ({
  bytes,
  at: 0,
  decision: 'received',
  packet: 0,
  order: 0,
  outgoing: false,
});
const data = Buffer.from(Array.from({ length: 250 }, (_, i) => i));
const segments = [0, 100, 200].map((at, i) =>
  packet({
    id: 7 + i,
    seq: 1000 + at,
    data: data.subarray(at, at + 100),
    flags: at === 200 ? 'P.' : '.',
  }),
);
const other = packet({ id: 90, seq: 5, data, srcPort: 1 });

/** What the kernel has of the first `length` bytes: its sum is the pseudo-header's alone. */
const whole = (length: number, flags = '.'): Buffer =>
  packet({ id: 7, seq: 1000, data: data.subarray(0, length), flags, checksum: 'partial' });

const gathered = (recorded: readonly Buffer[], sent: readonly Buffer[]): Buffer[] =>
  gatherAsRecorded(recorded.map(made), sent.map(made)).map(({ bytes }) => bytes);

describe('segments that one recorded packet holds', () => {
  const [a, b, c] = segments as [Buffer, Buffer, Buffer];

  it('become that packet, whatever came between them', () => {
    expect(gathered([whole(250, 'P.')], [a, other, b, c])).toEqual([whole(250, 'P.'), other]);
    expect(dissect(whole(250, 'P.'), { linkType: 101 }).layers[1]).toMatchObject({
      checksumState: 'partial',
    });
  });

  it('join as far as the recording goes', () => {
    expect(gathered([whole(200), c], [a, b, c])).toEqual([whole(200), c]);
  });

  it('stay by themselves where they were recorded so', () => {
    expect(gathered([a, b, c], [a, b, c])).toEqual([a, b, c]);
  });

  it('are not what comes behind a packet sent again, which is shorter', () => {
    const long = packet({ id: 6, seq: 1000, data: data.subarray(0, 200), checksum: 'partial' });
    expect(gathered([long, a, b], [long, a, b])).toEqual([long, a, b]);
  });

  it('stay by themselves where no number of them is as long', () => {
    expect(gathered([whole(150)], [a, b, c])).toEqual([a, b, c]);
    expect(gathered([whole(250)], [a, c])).toEqual([a, c]);
  });

  it('need not be IPv4 at all', () => {
    const short = Buffer.alloc(3);
    expect(gathered([short, Buffer.alloc(80)], [short, a])).toEqual([short, a]);
  });
});
