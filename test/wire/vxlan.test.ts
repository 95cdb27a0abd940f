import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Drop } from '../../src/drop.ts';
import * as vxlan from '../../src/wire/vxlan.ts';
import { captured } from './captured.ts';
import { BYTE, decoded, holdGuarded } from './guarded.ts';

const capture = captured('captures/calico-vxlan.pcap');
const AT = 42;

const emitted = (vni: number): Buffer => {
  const b = Buffer.alloc(10, 0xaa);
  vxlan.emit(b, 1, vni);
  expect([b[0], b[9]]).toEqual([0xaa, 0xaa]);
  return b.subarray(1, 9);
};

describe('vxlan', () => {
  it.skipIf(capture === undefined)('reads captured headers, and emits those bytes back', () => {
    for (const { bytes } of capture!.frames) {
      expect(vxlan.check(bytes, AT, bytes.length)).toBe(Drop.None);
      expect([vxlan.flags(bytes, AT), vxlan.vni(bytes, AT)]).toEqual([0x08, 4096]);
      expect(emitted(4096).toString('hex')).toBe(bytes.toString('hex', AT, AT + 8));
    }
  });

  it.each([
    ['short', '08000000001000', Drop.VxlanShort],
    ['no VNI flag', '0000000000100000', Drop.VxlanFlags],
    // All four were dropped by Linux 6.1 and 6.12.
    ['flags 0c', '0c00000000100000', Drop.VxlanFlags],
    ['flags 48', '4800000000100000', Drop.VxlanFlags],
    ['flags 88', '8800000000100000', Drop.VxlanFlags],
    ['flags ff', 'ff00000000100000', Drop.VxlanFlags],
    ['a reserved bit', '0800000100100000', Drop.VxlanFlags],
    ['the last reserved byte', '0800000000100001', Drop.VxlanFlags],
    ['the highest VNI', '08000000ffffff00', Drop.None],
  ])('refuses each malformation: %s', (_, hex, drop) => {
    const bytes = Buffer.from(hex, 'hex');
    expect(vxlan.check(bytes, 0, bytes.length)).toBe(drop);
  });

  it('guards every accessor with check', () => {
    holdGuarded({
      check: vxlan.check,
      accessors: [
        [vxlan.flags, ...BYTE],
        [vxlan.vni, 0, 0xffffff],
      ],
      sound: '0800000000100000ffff',
    });
  });

  it('round-trips, and agrees with buffer-layout', () => {
    fc.assert(
      fc.property(fc.nat(0xffffff), (vni) => {
        const bytes = emitted(vni);
        expect(vxlan.check(bytes, 0, 8)).toBe(Drop.None);
        expect(vxlan.vni(bytes, 0)).toBe(vni);
        expect(decoded(vxlan.field, bytes)).toEqual({ flags: 8, reserved: 0, vni, reserved2: 0 });
      }),
    );
  });
});
