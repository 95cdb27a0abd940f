import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Drop } from '../../src/drop.ts';
import { formatIp4 } from '../../src/wire/address.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { captured, oracleCaptures } from './captured.ts';
import { BYTE, decoded, holdGuarded, LONG, WORD } from './guarded.ts';

const oracle = oracleCaptures();
const capture = captured('captures/calico-ipip.pcap');
/** The outer header of calico-ipip.pcap's first frame, as `tcpdump -x` prints it. */
const outer = '450000503c0040003f043be9c0a82139c0a82137';

const words = fc.uint8Array({ minLength: 20, maxLength: 60 }).map((drawn) => {
  const header = Buffer.from(drawn.subarray(0, drawn.length & ~3));
  header[0] = 0x40 | (header.length >>> 2);
  return header;
});

describe('ipv4', () => {
  it.skipIf(capture === undefined)('reads a captured header', () => {
    const { bytes } = capture!.frames[0]!;
    expect(ipv4.check(bytes, 14, bytes.length)).toBe(Drop.None);
    expect(ipv4.version(bytes, 14)).toBe(4);
    expect(ipv4.headerLength(bytes, 14)).toBe(20);
    expect(ipv4.totalLength(bytes, 14)).toBe(80);
    expect(ipv4.identification(bytes, 14)).toBe(15360);
    expect(ipv4.dontFragment(bytes, 14)).toBe(true);
    expect(ipv4.isFragment(bytes, 14)).toBe(false);
    expect(ipv4.ttl(bytes, 14)).toBe(63);
    expect(ipv4.protocol(bytes, 14)).toBe(ipv4.PROTO_IPIP);
    expect(formatIp4(ipv4.source(bytes, 14))).toBe('192.168.33.57');
    expect(formatIp4(ipv4.destination(bytes, 14))).toBe('192.168.33.55');
    expect(ipv4.checksumOk(bytes, 14)).toBe(true);
  });

  it('emits those bytes back', () => {
    const b = Buffer.alloc(22, 0xaa);
    ipv4.emit(b, 1, 0, 80, 15360, ipv4.FLAG_DF, 63, 4, 0xc0a82139 | 0, 0xc0a82137 | 0);
    expect(b.toString('hex')).toBe(`aa${outer}aa`);
  });

  it.each([
    ['short', outer.slice(0, 38), Drop.Ipv4Short],
    ['version 6', `6${outer.slice(1)}`, Drop.Ipv4Version],
    ['IHL 4', `44${outer.slice(2)}`, Drop.Ipv4HeaderLength],
    ['IHL beyond the packet', `46${outer.slice(2)}`, Drop.Ipv4HeaderLength],
    ['total length below the header', `45000013${outer.slice(8)}`, Drop.Ipv4TotalLength],
    ['total length beyond the packet', `45000015${outer.slice(8)}`, Drop.Ipv4TotalLength],
    ['a header alone', `45000014${outer.slice(8)}`, Drop.None],
  ])('refuses each malformation: %s', (_, hex, drop) => {
    const bytes = Buffer.from(hex, 'hex');
    expect(ipv4.check(bytes, 0, bytes.length)).toBe(drop);
  });

  it('guards every accessor with check', () => {
    holdGuarded({
      check: ipv4.check,
      accessors: [
        [ipv4.version, 4, 4],
        [ipv4.headerLength, 20, 60],
        [ipv4.tos, ...BYTE],
        [ipv4.totalLength, 20, 65535],
        [ipv4.identification, ...WORD],
        [ipv4.flags, 0, 0xe000],
        [ipv4.fragmentOffset, 0, 0x1fff],
        [ipv4.ttl, ...BYTE],
        [ipv4.protocol, ...BYTE],
        [ipv4.checksum, ...WORD],
        [ipv4.source, ...LONG],
        [ipv4.destination, ...LONG],
        [(b, at) => Number(ipv4.dontFragment(b, at)), 0, 1],
        [(b, at) => Number(ipv4.moreFragments(b, at)), 0, 1],
        [(b, at) => Number(ipv4.isFragment(b, at)), 0, 1],
        [(b, at) => Number(ipv4.checksumOk(b, at)), 0, 1],
      ],
      sound: `4600001c${outer.slice(8)}9404000000000000`,
    });
  });

  it('round-trips, and agrees with buffer-layout', () => {
    const long = () => fc.nat(0xffffffff);
    const fields = fc.tuple(
      fc.nat(255),
      fc.nat(0xffff),
      fc.nat(0xffff),
      fc.nat(0xffff),
      fc.nat(255),
      fc.nat(255),
      long(),
      long(),
    );
    fc.assert(
      fc.property(fields, (drawn) => {
        const [tos, totalLength, identification, flagsOffset, ttl, protocol, from, to] = drawn;
        const b = Buffer.alloc(20);
        ipv4.emit(
          b,
          0,
          tos,
          totalLength,
          identification,
          flagsOffset,
          ttl,
          protocol,
          from | 0,
          to | 0,
        );
        expect(decoded(ipv4.field, b)).toEqual({
          versionIhl: 0x45,
          tos,
          totalLength,
          identification,
          flagsOffset,
          ttl,
          protocol,
          checksum: ipv4.checksum(b, 0),
          source: from,
          destination: to,
        });
        expect(ipv4.checksumOk(b, 0)).toBe(true);
        expect(ipv4.flags(b, 0) + ipv4.fragmentOffset(b, 0)).toBe(flagsOffset);
        expect(ipv4.isFragment(b, 0)).toBe((flagsOffset & 0x3fff) !== 0);
        expect(ipv4.moreFragments(b, 0)).toBe((flagsOffset & 0x2000) !== 0);
        expect(ipv4.dontFragment(b, 0)).toBe((flagsOffset & 0x4000) !== 0);
      }),
    );
  });

  it('decrements the TTL to what recomputing gives, options or not', () => {
    fc.assert(
      fc.property(words, fc.integer({ min: 1, max: 255 }), (header, ttl) => {
        header[8] = ttl;
        ipv4.fillChecksum(header, 0);
        const again = Buffer.from(header);
        ipv4.decrementTtl(header, 0);
        again[8] = ttl - 1;
        ipv4.fillChecksum(again, 0);
        expect(header.toString('hex')).toBe(again.toString('hex'));
        expect(ipv4.checksumOk(header, 0)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  it('decrements every checksum there is', () => {
    // All 65536 checksums, by way of the identification: the carry has its edge in one of them.
    const header = Buffer.from(outer, 'hex');
    for (let id = 0; id < 0x10000; id++) {
      header.writeUInt16BE(id, 4);
      header[8] = 64;
      ipv4.fillChecksum(header, 0);
      ipv4.decrementTtl(header, 0);
      const after = ipv4.checksum(header, 0);
      ipv4.fillChecksum(header, 0);
      if (after !== ipv4.checksum(header, 0)) expect.fail(`identification ${id}`);
    }
  });

  it('leaves a wrong checksum wrong by the same amount when it decrements', () => {
    fc.assert(
      fc.property(words, fc.integer({ min: 1, max: 255 }), (header, ttl) => {
        header[8] = ttl;
        const sound = ipv4.checksumOk(header, 0);
        ipv4.decrementTtl(header, 0);
        expect(ipv4.checksumOk(header, 0)).toBe(sound);
      }),
    );
  });

  it('sets ECN and keeps the rest', () => {
    fc.assert(
      fc.property(words, fc.nat(3), (header, ecn) => {
        const before = Buffer.from(header);
        ipv4.setEcn(header, 0, ecn);
        expect(ipv4.tos(header, 0)).toBe((before[1]! & 0xfc) | ecn);
        expect(ipv4.checksumOk(header, 0)).toBe(true);
        before[1] = header[1]!;
        header.copy(before, 10, 10, 12);
        expect(header.toString('hex')).toBe(before.toString('hex'));
      }),
    );
  });

  it.skipIf(oracle.length === 0)(
    'finds the checksums of Linux right in every scenario of the oracle that damages nothing',
    () => {
      for (const { path, linkType, frames } of oracle) {
        if (linkType !== 1 || /1[67]-/.test(path)) continue;
        for (const { bytes } of frames) {
          if (bytes.readUInt16BE(12) !== 0x0800) continue;
          if (ipv4.check(bytes, 14, bytes.length) !== Drop.None) continue;
          if (!ipv4.checksumOk(bytes, 14)) expect.fail(`${path}: ${bytes.toString('hex')}`);
        }
      }
    },
  );
});
