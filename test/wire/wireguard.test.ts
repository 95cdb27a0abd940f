import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Drop } from '../../src/drop.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as udp from '../../src/wire/udp.ts';
import * as wireguard from '../../src/wire/wireguard.ts';
import { captured } from './captured.ts';
import { decoded, holdGuarded } from './guarded.ts';

const capture = captured('oracle/out/18-wireguard/node1.enp1s0.pcap');
const AT = 42;
const messages = (capture?.frames ?? [])
  .map(({ bytes }) => bytes)
  .filter((b) => b.readUInt16BE(12) === 0x0800 && ipv4.protocol(b, 14) === ipv4.PROTO_UDP)
  .filter((b) => udp.sourcePort(b, 34) === 51820 && udp.destinationPort(b, 34) === 51820)
  .filter((b) => wireguard.check(b, AT, b.length) === Drop.None);
const ofType = (type: number): Buffer[] => messages.filter((b) => wireguard.type(b, AT) === type);

const U32 = [0, 0xffffffff] as const;
const message = (type: number, length: number): string =>
  Buffer.concat([Buffer.of(type, 0, 0, 0), Buffer.alloc(length - 4, 0xc5)]).toString('hex');

describe('wireguard', () => {
  it.skipIf(capture === undefined)('reads a captured handshake and its data', () => {
    const [initiation] = ofType(wireguard.INITIATION);
    const response = ofType(wireguard.RESPONSE).find(
      (b) => wireguard.receiver(b, AT) === wireguard.sender(initiation!, AT),
    )!;
    expect([initiation!.length - AT, response.length - AT]).toEqual([148, 92]);
    const data = ofType(wireguard.DATA).filter(
      (b) => wireguard.receiver(b, AT) === wireguard.sender(response, AT),
    );
    expect(data.length).toBeGreaterThan(1);
    expect(wireguard.counter(data[0]!, AT)).toBe(0n);
    expect(wireguard.counter(data[1]!, AT)).toBe(1n);
  });

  it.each([
    ['too short for a type', '040000', Drop.WireguardLength],
    ['type 0', message(0, 32), Drop.WireguardType],
    ['type 5', message(5, 32), Drop.WireguardType],
    ['a reserved byte', `04000100${'00'.repeat(28)}`, Drop.WireguardType],
    ['an initiation cut', message(1, 147), Drop.WireguardLength],
    ['an initiation too long', message(1, 149), Drop.WireguardLength],
    ['a response cut', message(2, 91), Drop.WireguardLength],
    ['a cookie reply cut', message(3, 63), Drop.WireguardLength],
    ['data without its tag', message(4, 31), Drop.WireguardLength],
    ['a keepalive', message(4, 32), Drop.None],
  ])('refuses each malformation: %s', (_, hex, drop) => {
    const bytes = Buffer.from(hex, 'hex');
    expect(wireguard.check(bytes, 0, bytes.length)).toBe(drop);
  });

  it.each([
    ['initiation', message(1, 148), [wireguard.sender]],
    ['response', message(2, 92), [wireguard.sender, wireguard.receiver]],
    ['cookie reply', message(3, 64), [wireguard.receiver]],
    [
      'data',
      message(4, 32),
      [wireguard.receiver, (b: Buffer, at: number) => Number(wireguard.counter(b, at) >> 32n)],
    ],
  ] as const)('guards the accessors of an %s with check', (_, sound, accessors) => {
    holdGuarded({
      check: wireguard.check,
      accessors: [[wireguard.type, 1, 4], ...accessors.map((of) => [of, ...U32] as const)],
      sound,
    });
  });

  it('agrees with buffer-layout for every message', () => {
    const bytes = fc.uint8Array({ minLength: 148, maxLength: 148 });
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 4 }), (drawn, type) => {
        const b = Buffer.from(drawn);
        b.writeUInt32LE(type, 0);
        const fields = [
          wireguard.initiation,
          wireguard.response,
          wireguard.cookieReply,
          wireguard.data,
        ][type - 1]!;
        const values = decoded(fields, b);
        expect(wireguard.type(b, 0)).toBe(values['type']);
        if ('sender' in values) expect(wireguard.sender(b, 0)).toBe(values['sender']);
        if ('receiver' in values) expect(wireguard.receiver(b, 0)).toBe(values['receiver']);
        if (type === wireguard.DATA) {
          expect(wireguard.counter(b, 0)).toBe(b.readBigUInt64LE(8));
        }
      }),
    );
    const sizes = [wireguard.initiation, wireguard.response, wireguard.cookieReply, wireguard.data];
    expect(sizes.map(({ size }) => size)).toEqual([148, 92, 64, 16]);
  });
});
