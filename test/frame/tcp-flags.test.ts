import { describe, expect, it } from 'vitest';
import { formatTcpFlags, tcpFlagBits } from '../../src/frame/tcp-flags.ts';

const spot = { index: 0, layer: 'tcp' };

describe('TCP flags', () => {
  it('come back for all 256 values', () => {
    for (let bits = 0; bits < 256; bits++) {
      expect(tcpFlagBits(formatTcpFlags(bits), spot)).toBe(bits);
    }
  });

  it('read as tcpdump prints them, in any order, and by name', () => {
    expect([0x02, 0x12, 0x18, 0x11, 0x14, 0xc2, 0].map(formatTcpFlags)).toEqual([
      'S',
      'S.',
      'P.',
      'F.',
      'R.',
      'SEW',
      'none',
    ]);
    expect(tcpFlagBits('.S', spot)).toBe(0x12);
    expect(tcpFlagBits({ syn: true, ack: true, fin: false }, spot)).toBe(0x12);
    expect(() => tcpFlagBits('SA', spot)).toThrow('letters of FSRP.UEW');
  });
});
