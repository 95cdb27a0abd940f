import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Drop } from '../../src/drop.ts';
import { formatIp4, formatMac, joinMac, macHigh, macLow } from '../../src/wire/address.ts';
import * as arp from '../../src/wire/arp.ts';
import { captured } from './captured.ts';
import { decoded, holdGuarded, LONG, WORD } from './guarded.ts';

const capture = captured('oracle/out/12-arp/a1.eth0.pcap');
const frames = capture?.frames.filter(({ bytes }) => bytes.readUInt16BE(12) === 0x0806) ?? [];

const emitted = (op: number, from: number, fromIp: number, to: number, toIp: number): Buffer => {
  const b = Buffer.alloc(30, 0xaa);
  arp.emit(b, 1, op, macHigh(from), macLow(from), fromIp, macHigh(to), macLow(to), toIp);
  expect([b[0], b[29]]).toEqual([0xaa, 0xaa]);
  return b.subarray(1, 29);
};

describe('arp', () => {
  it.skipIf(capture === undefined)('reads the answer for 169.254.1.1', () => {
    const answer = frames.find(
      ({ bytes }) =>
        arp.operation(bytes, 14) === arp.REPLY &&
        formatIp4(arp.senderIp(bytes, 14)) === '169.254.1.1',
    )!.bytes;
    expect(arp.check(answer, 14, answer.length)).toBe(Drop.None);
    const sender = joinMac(arp.senderMacHigh(answer, 14), arp.senderMacLow(answer, 14));
    expect(formatMac(sender)).toBe('ee:ee:ee:ee:ee:ee');
    expect(formatIp4(arp.targetIp(answer, 14))).toBe('10.2.36.71');
  });

  it.skipIf(capture === undefined)('emits captured messages back', () => {
    expect(frames.length).toBeGreaterThan(5);
    for (const { bytes: b } of frames) {
      if (arp.check(b, 14, b.length) !== Drop.None) continue;
      const again = emitted(
        arp.operation(b, 14),
        joinMac(arp.senderMacHigh(b, 14), arp.senderMacLow(b, 14)),
        arp.senderIp(b, 14),
        joinMac(arp.targetMacHigh(b, 14), arp.targetMacLow(b, 14)),
        arp.targetIp(b, 14),
      );
      expect(again.toString('hex')).toBe(b.toString('hex', 14, 42));
    }
  });

  it('refuses each malformation', () => {
    const sound = emitted(1, 1, 2, 3, 4);
    expect(arp.check(sound, 0, 28)).toBe(Drop.None);
    expect(arp.check(sound, 0, 27)).toBe(Drop.ArpShort);
    for (const at of [0, 1, 2, 3, 4, 5]) {
      const damaged = Buffer.from(sound);
      damaged[at]! ^= 1;
      expect(arp.check(damaged, 0, 28)).toBe(Drop.ArpFormat);
    }
  });

  it('takes the hardware types of Ethernet and IEEE 802, and no other', () => {
    const message = emitted(1, 1, 2, 3, 4);
    const taken = Array.from({ length: 65_536 }, (_, type) => type).filter((type) => {
      message.writeUInt16BE(type, arp.field.hardwareType);
      return arp.check(message, 0, 28) === Drop.None;
    });
    expect(taken).toEqual([1, 6]);
  });

  it('guards every accessor with check', () => {
    holdGuarded({
      check: arp.check,
      accessors: [
        [arp.hardwareType, ...WORD],
        [arp.operation, ...WORD],
        [arp.senderMacHigh, ...WORD],
        [arp.senderMacLow, ...LONG],
        [arp.senderIp, ...LONG],
        [arp.targetMacHigh, ...WORD],
        [arp.targetMacLow, ...LONG],
        [arp.targetIp, ...LONG],
      ],
      sound: emitted(1, 0xeeeeeeeeeeee, -1, 0, 0x0a022447).toString('hex'),
    });
  });

  it('round-trips, and agrees with buffer-layout', () => {
    const mac = () => fc.nat(2 ** 48 - 1);
    const ip = () => fc.nat(0xffffffff);
    fc.assert(
      fc.property(fc.nat(0xffff), mac(), ip(), mac(), ip(), (operation, from, fromIp, to, toIp) => {
        const bytes = emitted(operation, from, fromIp | 0, to, toIp | 0);
        expect(decoded(arp.field, bytes)).toEqual({
          hardwareType: 1,
          protocolType: 0x0800,
          hardwareLength: 6,
          protocolLength: 4,
          operation,
          senderMac: from,
          senderIp: fromIp,
          targetMac: to,
          targetIp: toIp,
        });
        expect(arp.check(bytes, 0, 28)).toBe(Drop.None);
        expect(arp.senderIp(bytes, 0)).toBe(fromIp | 0);
        expect(arp.targetIp(bytes, 0)).toBe(toIp | 0);
        expect(joinMac(arp.targetMacHigh(bytes, 0), arp.targetMacLow(bytes, 0))).toBe(to);
      }),
    );
  });
});
