import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  icmpRest,
  icmpRestFields,
  icmpTypeName,
  icmpTypeNumber,
} from '../../src/frame/icmp-message.ts';

const spot = { index: 0, layer: 'icmp' };

describe('the second word of an ICMP header', () => {
  it('comes back from the fields of any type, code and value', () => {
    const type = fc.oneof(fc.constantFrom(0, 3, 5, 8, 11, 12), fc.nat(255));
    const rest = fc.oneof(fc.nat(0xffff), fc.nat(0xffffffff), fc.constant(0x14000000));
    fc.assert(
      fc.property(type, fc.nat(15), rest, (number, code, word) => {
        const fields = icmpRestFields(number, code, word | 0);
        const layer = { layer: 'icmp', type: icmpTypeName(number), ...fields } as const;
        expect(icmpRest(layer, spot)).toBe(word);
        expect(icmpTypeNumber(layer, spot)).toBe(number);
      }),
    );
  });

  it('is named after its use', () => {
    expect(icmpRestFields(8, 0, 0x00010002)).toEqual({ id: 1, seq: 2 });
    expect(icmpRestFields(3, 4, 1450)).toEqual({ mtu: 1450 });
    expect(icmpRestFields(5, 1, 0x0a000001)).toEqual({ gateway: '10.0.0.1' });
    expect(icmpRestFields(12, 0, 0x14000000)).toEqual({ pointer: 20 });
    expect(icmpRestFields(11, 0, 0)).toEqual({ rest: 0 });
    expect(() => icmpTypeNumber({ layer: 'icmp', type: 'ping' as never }, spot)).toThrow('"ping"');
  });
});
