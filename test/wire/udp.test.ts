import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Drop } from '../../src/drop.ts';
import * as udp from '../../src/wire/udp.ts';
import { captured } from './captured.ts';
import { decoded, holdGuarded, WORD } from './guarded.ts';

const capture = captured('captures/calico-vxlan.pcap');
const AT = 34;
const ADDRESSES = 26;

describe('udp', () => {
  it.skipIf(capture === undefined)('reads a captured header', () => {
    const { bytes } = capture!.frames[0]!;
    expect(udp.check(bytes, AT, bytes.length)).toBe(Drop.None);
    expect([udp.sourcePort(bytes, AT), udp.destinationPort(bytes, AT)]).toEqual([36628, 4789]);
    expect([udp.length(bytes, AT), udp.checksum(bytes, AT)]).toEqual([90, 0xa36b]);
  });

  it.skipIf(capture === undefined)('emits all captured headers back, checksums included', () => {
    for (const { bytes } of capture!.frames) {
      const again = Buffer.from(bytes).fill(0xaa, AT, AT + 8);
      const [from, to] = [udp.sourcePort(bytes, AT), udp.destinationPort(bytes, AT)];
      udp.emit(again, AT, from, to, udp.length(bytes, AT));
      udp.fillChecksum(again, AT, ADDRESSES);
      expect(again.toString('hex')).toBe(bytes.toString('hex'));
      expect(udp.checksumOk(bytes, AT, ADDRESSES)).toBe(true);
    }
  });

  it.each([
    ['short', '00010002000800', Drop.UdpShort],
    ['length below the header', '0001000200070000', Drop.UdpLength],
    ['length beyond the packet', '0001000200090000', Drop.UdpLength],
    ['a header alone', '0001000200080000', Drop.None],
    ['bytes beyond the length', '000100020008000000', Drop.None],
  ])('refuses each malformation: %s', (_, hex, drop) => {
    const bytes = Buffer.from(hex, 'hex');
    expect(udp.check(bytes, 0, bytes.length)).toBe(drop);
  });

  it('guards every accessor with check', () => {
    holdGuarded({
      check: udp.check,
      accessors: [
        [udp.sourcePort, ...WORD],
        [udp.destinationPort, ...WORD],
        [udp.length, 8, 0xffff],
        [udp.checksum, ...WORD],
        [(b, at) => Number(udp.checksumOk(b, at, at)), 0, 1],
      ],
      sound: '8f1412b50010a36b0800000000100000',
    });
  });

  it('round-trips, agrees with buffer-layout, and sums to something but zero', () => {
    const word = () => fc.nat(0xffff);
    fc.assert(
      fc.property(word(), word(), fc.uint8Array({ maxLength: 33 }), (from, to, drawn) => {
        const bytes = Buffer.concat([Buffer.alloc(8, 1), Buffer.alloc(8, 0xaa), drawn]);
        udp.emit(bytes, 8, from, to, 8 + drawn.length);
        expect(udp.checksumOk(bytes, 8, 0)).toBe(true);
        udp.fillChecksum(bytes, 8, 0);
        const checksum = udp.checksum(bytes, 8);
        expect(checksum).not.toBe(0);
        expect(udp.checksumOk(bytes, 8, 0)).toBe(true);
        expect(decoded(udp.field, bytes.subarray(8))).toEqual({
          sourcePort: from,
          destinationPort: to,
          length: 8 + drawn.length,
          checksum,
        });
        bytes[8]! ^= 0x40;
        expect(udp.checksumOk(bytes, 8, 0)).toBe(false);
      }),
    );
  });

  it('sends a sum of zero as ffff', () => {
    // 17 + 10 (protocol, length) + 10 (length again) + 0xffda = 0xffff.
    const bytes = Buffer.from('0000000000000000000000000000aaaaffda', 'hex');
    udp.emit(bytes, 8, 0, 0, 10);
    udp.fillChecksum(bytes, 8, 0);
    expect(udp.checksum(bytes, 8)).toBe(0xffff);
    expect(udp.checksumOk(bytes, 8, 0)).toBe(true);
  });
});
