import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Drop } from '../../src/drop.ts';
import * as icmp from '../../src/wire/icmp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { captured } from './captured.ts';
import { BYTE, decoded, holdGuarded, WORD } from './guarded.ts';

const pings = captured('oracle/out/01-direct/a1.eth0.pcap');
const errors = captured('oracle/out/10-mtu-vxlan/a1.eth0.pcap');
const AT = 34;

const messages = (capture: typeof pings): Buffer[] =>
  capture!.frames
    .map(({ bytes }) => bytes)
    .filter((b) => b.readUInt16BE(12) === 0x0800 && ipv4.protocol(b, 14) === ipv4.PROTO_ICMP)
    .filter((b) => ipv4.headerLength(b, 14) === 20 && !ipv4.isFragment(b, 14));

describe('icmp', () => {
  it.skipIf(pings === undefined)('reads a captured echo', () => {
    const [request, reply] = messages(pings);
    expect(icmp.check(request!, AT, request!.length)).toBe(Drop.None);
    expect([icmp.type(request!, AT), icmp.code(request!, AT)]).toEqual([icmp.ECHO_REQUEST, 0]);
    expect(icmp.type(reply!, AT)).toBe(icmp.ECHO_REPLY);
    expect(icmp.identifier(request!, AT)).toBe(icmp.identifier(reply!, AT));
    expect(icmp.sequence(request!, AT)).toBe(icmp.sequence(reply!, AT));
    expect(icmp.checksumOk(request!, AT, request!.length - AT)).toBe(true);
  });

  it.skipIf(errors === undefined)('reads the MTU that Linux asks for', () => {
    const error = messages(errors).find((b) => icmp.type(b, AT) === icmp.UNREACHABLE)!;
    expect([icmp.code(error, AT), icmp.identifier(error, AT)]).toEqual([4, 0]);
    expect(icmp.sequence(error, AT)).toBe(1450);
  });

  it.skipIf(pings === undefined)('emits captured messages back', () => {
    const all = [...messages(pings), ...messages(errors)];
    expect(all.length).toBeGreaterThan(5);
    for (const bytes of all) {
      const again = Buffer.from(bytes).fill(0xaa, AT, AT + 8);
      const rest = bytes.readInt32BE(AT + 4);
      const length = ipv4.totalLength(bytes, 14) - 20;
      icmp.emit(again, AT, icmp.type(bytes, AT), icmp.code(bytes, AT), rest, length);
      expect(again.toString('hex')).toBe(bytes.toString('hex'));
    }
  });

  it('refuses a short header', () => {
    expect(icmp.check(Buffer.alloc(9), 1, 8)).toBe(Drop.IcmpShort);
    expect(icmp.check(Buffer.alloc(9), 1, 9)).toBe(Drop.None);
  });

  it('guards every accessor with check', () => {
    holdGuarded({
      check: icmp.check,
      accessors: [
        [icmp.type, ...BYTE],
        [icmp.code, ...BYTE],
        [icmp.checksum, ...WORD],
        [icmp.identifier, ...WORD],
        [icmp.sequence, ...WORD],
      ],
      sound: '0800f7fe00000001ffff',
    });
  });

  it('round-trips, and agrees with buffer-layout', () => {
    const data = fc.uint8Array({ maxLength: 31 });
    fc.assert(
      fc.property(fc.nat(255), fc.nat(255), fc.nat(0xffffffff), data, (type, code, rest, drawn) => {
        const bytes = Buffer.concat([Buffer.alloc(8, 0xaa), drawn]);
        icmp.emit(bytes, 0, type, code, rest | 0, bytes.length);
        expect(decoded(icmp.field, bytes)).toEqual({
          type,
          code,
          checksum: icmp.checksum(bytes, 0),
          rest,
        });
        expect(icmp.identifier(bytes, 0) * 65536 + icmp.sequence(bytes, 0)).toBe(rest);
        expect(icmp.checksumOk(bytes, 0, bytes.length)).toBe(true);
        bytes[0]! ^= 1;
        expect(icmp.checksumOk(bytes, 0, bytes.length)).toBe(false);
      }),
    );
  });
});
