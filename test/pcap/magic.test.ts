import { describe, expect, it } from 'vitest';
import { openCapture } from '../../src/pcap/capture.ts';

describe('a file that is no capture', () => {
  it.each([
    ['1f8b0800', 'found a file that is gzip-compressed; decompress first'],
    ['1f8b', 'found a file that is gzip-compressed; decompress first'],
    ['28b52ffd', 'found a file that is zstd-compressed; decompress first'],
    ['fd377a585a00', 'found a file that is xz-compressed; decompress first'],
    ['efbbbfd4', 'found one that begins efbbbfd4'],
    ['0000000000', 'found one that begins 00000000'],
    ['0a0d0d', 'found one of 3 bytes'],
    ['', 'found an empty one'],
  ])('is named: %s', (hex, what) => {
    const message = `x: expected a pcap or pcapng file, ${what}`;
    expect(() => openCapture(Buffer.from(hex, 'hex'), { name: 'x' })).toThrow(
      expect.objectContaining({ code: 'ERR_CAPTURE_FORMAT', message }),
    );
  });
});
