import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import {
  FILE_HEADER_LEN,
  fileField,
  Lengths,
  MAX_RECORD,
  putFileHeader,
  RECORD_HEADER_LEN,
  readFileHeader,
  recordField,
} from '../../src/pcap/pcap.ts';
import { Maker } from './samples.ts';

const le = new Maker();
const be = new Maker(true);
const read = (b: Buffer) => readFileHeader(new DataView(b.buffer, b.byteOffset), 0, 'x.pcap');
const refusal = (b: Buffer): PodwireError => {
  try {
    read(b);
  } catch (fault) {
    expect(fault).toBeInstanceOf(PodwireError);
    expect((fault as PodwireError).code).toBe('ERR_CAPTURE_FORMAT');
    return fault as PodwireError;
  }
  throw new Error(`${b.toString('hex')} was read`);
};

describe('the file header', () => {
  it('has the sizes of the format', () => {
    expect([FILE_HEADER_LEN, RECORD_HEADER_LEN, MAX_RECORD]).toEqual([24, 16, 262144]);
  });

  it.each([
    ['microseconds', 0xa1b2c3d4, false, false],
    ['nanoseconds', 0xa1b23c4d, true, false],
    ['modified', 0xa1b2cd34, false, true],
  ])('reads the %s magic in both byte orders', (_, magic, nanosecond, modified) => {
    for (const maker of [le, be]) {
      expect(read(maker.header({ magic, snapLength: 65535, link: 101 }))).toEqual({
        linkType: 101,
        fcsLength: 0,
        snapLength: 65535,
        nanosecond,
        bigEndian: maker.bigEndian,
        modified,
        lengths: Lengths.CapturedFirst,
      });
    }
  });

  it('is tcpdump’s own, byte for byte', () => {
    // The first 24 bytes of any file that `tcpdump -i enp1s0 -w` writes on a little-endian machine.
    const tcpdump = Buffer.from('d4c3b2a1020004000000000000000000000004000100000', 'hex');
    const ours = Buffer.alloc(FILE_HEADER_LEN, 0xff);
    putFileHeader(ours, 0, {
      linkType: 1,
      fcsLength: 0,
      snapLength: 262144,
      nanosecond: false,
      bigEndian: false,
    });
    expect(ours.subarray(0, tcpdump.length)).toEqual(tcpdump);
    expect(ours[23]).toBe(0);
  });

  it('agrees with buffer-layout on a big-endian header', () => {
    const b = be.header({ magic: 0xa1b23c4d, snapLength: 96, link: 276 });
    const decoded = fileField.structure.decode(b);
    expect(decoded).toMatchObject({ magic: 0xa1b23c4d, versionMajor: 2, versionMinor: 4 });
    expect(read(b)).toMatchObject({ snapLength: decoded['snapLength'], linkType: decoded['link'] });
    const record = be.record(Buffer.alloc(3), { seconds: 7, fraction: 8, original: 9 });
    expect(recordField.structure.decode(record)).toEqual({
      seconds: 7,
      fraction: 8,
      capturedLength: 3,
      originalLength: 9,
    });
  });

  it('keeps every link type but the one that nobody reads', () => {
    for (const link of [0, 1, 12, 14, 101, 113, 127, 228, 276, 40000, 65534]) {
      expect(read(le.header({ link })).linkType).toBe(link);
    }
    expect(refusal(le.header({ link: 65535 })).message).toBe(
      'x.pcap: expected a link type below 65535, found 65535',
    );
  });

  it('separates the length of the frame check sequence from the link type', () => {
    expect(read(le.header({ link: 0x24000001 }))).toMatchObject({ linkType: 1, fcsLength: 4 });
    expect(read(le.header({ link: 0x20000001 }))).toMatchObject({ linkType: 1, fcsLength: 0 });
    for (const fcsLength of [0, 4, 16, 30]) {
      const b = Buffer.alloc(24);
      const header = { linkType: 1, fcsLength, snapLength: 1, nanosecond: true, bigEndian: true };
      putFileHeader(b, 0, header);
      expect(read(b)).toMatchObject(header);
    }
  });

  // libpcap 1.10 and the table of its sf-pcap.c.
  it.each([
    [2, 4, Lengths.CapturedFirst],
    [2, 3, Lengths.SmallerIsCaptured],
    [2, 2, Lengths.OriginalFirst],
    [2, 0, Lengths.OriginalFirst],
    [543, 0, Lengths.OriginalFirst],
  ])('knows the length order of version %i.%i', (major, minor, lengths) => {
    expect(read(le.header({ major, minor })).lengths).toBe(lengths);
  });

  it.each([
    [1, 0],
    [2, 5],
    [3, 0],
    [543, 1],
    [65535, 65535],
  ])('refuses version %i.%i', (major, minor) => {
    expect(refusal(le.header({ major, minor })).message).toBe(
      `x.pcap: expected pcap version 2.4 or an older 2.x, found ${major}.${minor}`,
    );
  });
});
