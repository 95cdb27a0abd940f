import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Drop } from '../../src/drop.ts';
import { macHigh, macLow, parseMac } from '../../src/wire/address.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import { captured } from './captured.ts';
import { decoded, holdGuarded, LONG, WORD } from './guarded.ts';

const capture = captured('captures/calico-vxlan.pcap');
/** Behind the VXLAN header of the first frame, as tcpdump -xx prints it. */
const INNER = 50;
const inner = '668c735a90996690433db3e70800';

const emitted = (to: number, from: number, type: number): Buffer => {
  const b = Buffer.alloc(16, 0xaa);
  ethernet.emit(b, 1, macHigh(to), macLow(to), macHigh(from), macLow(from), type);
  expect([b[0], b[15]]).toEqual([0xaa, 0xaa]);
  return b.subarray(1, 15);
};

describe('ethernet', () => {
  it.skipIf(capture === undefined)('reads a captured frame', () => {
    const { bytes } = capture!.frames[0]!;
    expect(ethernet.check(bytes, INNER, bytes.length)).toBe(Drop.None);
    expect(ethernet.type(bytes, INNER)).toBe(ethernet.TYPE_IPV4);
    expect(bytes.toString('hex', INNER, INNER + 14)).toBe(inner);
    expect(ethernet.destinationHigh(bytes, INNER)).toBe(0x668c);
    expect(ethernet.sourceLow(bytes, INNER)).toBe(0x433db3e7);
  });

  it('emits those bytes back', () => {
    const [to, from] = [parseMac('66:8c:73:5a:90:99'), parseMac('66:90:43:3d:b3:e7')];
    expect(emitted(to, from, 0x0800).toString('hex')).toBe(inner);
  });

  it('refuses each malformation', () => {
    expect(ethernet.check(Buffer.alloc(20), 3, 16)).toBe(Drop.EthernetShort);
    expect(ethernet.check(Buffer.alloc(20), 3, 17)).toBe(Drop.None);
  });

  it('guards every accessor with check', () => {
    holdGuarded({
      check: ethernet.check,
      accessors: [
        [ethernet.destinationHigh, ...WORD],
        [ethernet.destinationLow, ...LONG],
        [ethernet.sourceHigh, ...WORD],
        [ethernet.sourceLow, ...LONG],
        [ethernet.type, ...WORD],
        [(b, at) => Number(ethernet.isGroup(b, at)), 0, 1],
        [(b, at) => Number(ethernet.isBroadcast(b, at)), 0, 1],
      ],
      sound: `${inner}0000`,
    });
  });

  it('round-trips, and agrees with buffer-layout', () => {
    const mac = () => fc.nat(2 ** 48 - 1);
    fc.assert(
      fc.property(mac(), mac(), fc.nat(0xffff), (destination, source, type) => {
        const bytes = emitted(destination, source, type);
        expect(decoded(ethernet.field, bytes)).toEqual({ destination, source, type });
        expect(ethernet.type(bytes, 0)).toBe(type);
        expect(ethernet.isBroadcast(bytes, 0)).toBe(destination === 2 ** 48 - 1);
        expect(ethernet.isGroup(bytes, 0)).toBe(Math.floor(destination / 2 ** 40) % 2 === 1);
      }),
    );
    expect([0x8100, 0x88a8, 0x0800].map(ethernet.isTag)).toEqual([true, true, false]);
    const broadcast = emitted(2 ** 48 - 1, 0, 0x0806);
    expect(ethernet.isBroadcast(broadcast, 0) && ethernet.isGroup(broadcast, 0)).toBe(true);
  });
});
