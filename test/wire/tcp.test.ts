import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Drop } from '../../src/drop.ts';
import * as tcp from '../../src/wire/tcp.ts';
import { captured } from './captured.ts';
import { BYTE, decoded, holdGuarded, LONG, WORD } from './guarded.ts';

const capture = captured('captures/calico-ipip.pcap');
const AT = 54;
const ADDRESSES = 46;
/** Ports to urgent pointer of the SYN in calico-ipip.pcap, from `tcpdump -x`. */
const syn = 'a9a21f90a07be69300000000a002ffffe4510000';

describe('tcp', () => {
  it.skipIf(capture === undefined)('reads a captured header', () => {
    const { bytes } = capture!.frames[1]!;
    expect(tcp.check(bytes, AT, bytes.length)).toBe(Drop.None);
    expect([tcp.sourcePort(bytes, AT), tcp.destinationPort(bytes, AT)]).toEqual([8080, 43426]);
    expect(tcp.sequence(bytes, AT) >>> 0).toBe(1744418411);
    expect(tcp.acknowledgement(bytes, AT) >>> 0).toBe(2692474516);
    expect(tcp.headerLength(bytes, AT)).toBe(40);
    expect(tcp.flags(bytes, AT)).toBe(tcp.SYN | tcp.ACK);
    expect([tcp.window(bytes, AT), tcp.urgent(bytes, AT)]).toEqual([65535, 0]);
  });

  it.skipIf(capture === undefined)('emits all captured headers back, checksums included', () => {
    for (const { bytes } of capture!.frames) {
      const again = Buffer.from(bytes).fill(0xaa, AT, AT + 20);
      tcp.emit(
        again,
        AT,
        tcp.sourcePort(bytes, AT),
        tcp.destinationPort(bytes, AT),
        tcp.sequence(bytes, AT),
        tcp.acknowledgement(bytes, AT),
        tcp.headerLength(bytes, AT) - 20,
        tcp.flags(bytes, AT),
        tcp.window(bytes, AT),
      );
      tcp.fillChecksum(again, AT, bytes.length - AT, ADDRESSES);
      expect(again.toString('hex')).toBe(bytes.toString('hex'));
      expect(tcp.checksumOk(bytes, AT, bytes.length - AT, ADDRESSES)).toBe(true);
    }
  });

  it.each([
    ['short', syn.slice(0, 38), Drop.TcpShort],
    ['data offset 4', `${syn.slice(0, 24)}4${syn.slice(25)}`, Drop.TcpHeaderLength],
    ['options beyond the packet', `${syn}00`, Drop.TcpHeaderLength],
    ['a header alone', `${syn.slice(0, 24)}5${syn.slice(25)}`, Drop.None],
  ])('refuses each malformation: %s', (_, hex, drop) => {
    const bytes = Buffer.from(hex, 'hex');
    expect(tcp.check(bytes, 0, bytes.length)).toBe(drop);
  });

  it('guards every accessor with check', () => {
    holdGuarded({
      check: tcp.check,
      accessors: [
        [tcp.sourcePort, ...WORD],
        [tcp.destinationPort, ...WORD],
        [tcp.sequence, ...LONG],
        [tcp.acknowledgement, ...LONG],
        [tcp.headerLength, 20, 60],
        [tcp.flags, ...BYTE],
        [tcp.window, ...WORD],
        [tcp.checksum, ...WORD],
        [tcp.urgent, ...WORD],
      ],
      sound: `${syn}020405a00402080a2ef302b8000000000103030900000000`,
    });
  });

  it('round-trips, and agrees with buffer-layout', () => {
    const word = () => fc.nat(0xffff);
    const long = () => fc.nat(0xffffffff);
    const fields = fc.tuple(word(), word(), long(), long(), fc.nat(10), fc.nat(255), word());
    fc.assert(
      fc.property(fields, fc.uint8Array({ maxLength: 9 }), (drawn, data) => {
        const [from, to, seq, ack, words, flags, window] = drawn;
        const bytes = Buffer.concat([Buffer.alloc(8, 7), Buffer.alloc(20 + 4 * words, 0xaa), data]);
        const length = bytes.length - 8;
        tcp.emit(bytes, 8, from, to, seq | 0, ack | 0, 4 * words, flags, window);
        tcp.fillChecksum(bytes, 8, length, 0);
        expect(decoded(tcp.field, bytes.subarray(8))).toEqual({
          sourcePort: from,
          destinationPort: to,
          sequence: seq,
          acknowledgement: ack,
          offset: (5 + words) << 4,
          flags,
          window,
          checksum: tcp.checksum(bytes, 8),
          urgent: 0,
        });
        expect(tcp.check(bytes, 8, bytes.length)).toBe(Drop.None);
        expect(tcp.headerLength(bytes, 8)).toBe(20 + 4 * words);
        expect(tcp.checksumOk(bytes, 8, length, 0)).toBe(true);
        bytes[9]! ^= 1;
        expect(tcp.checksumOk(bytes, 8, length, 0)).toBe(false);
      }),
    );
  });
});
