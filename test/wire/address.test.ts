import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BROADCAST_MAC,
  compareIp4,
  contains,
  formatIp4,
  formatMac,
  formatPrefix,
  type Ip4,
  joinMac,
  lastOf,
  linkLocal,
  macAt,
  macHigh,
  macLow,
  netmask,
  networkOf,
  overlaps,
  parseInterfaceAddress,
  parseIp4,
  parseMac,
  parsePrefix,
  tryInterfaceAddress,
  tryIp4,
  tryMac,
  tryPrefix,
} from '../../src/wire/address.ts';

const signed = () => fc.nat(0xffffffff).map((n) => (n | 0) as Ip4);
const network = () => fc.record({ address: signed(), length: fc.nat(32) });

describe('IPv4 addresses', () => {
  it('come back from their text', () => {
    fc.assert(
      fc.property(signed(), (n) => {
        expect(parseIp4(formatIp4(n))).toBe(n);
      }),
    );
    expect(formatIp4(-1)).toBe('255.255.255.255');
    expect(parseIp4('192.168.33.55')).toBe(0xc0a82137 | 0);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.-4',
    ' 1.2.3.4',
    '1..2.3',
    '::1',
  ])('are not read from %j', (text) => {
    expect(tryIp4(text)).toBeUndefined();
    expect(() => parseIp4(text)).toThrow(expect.objectContaining({ code: 'ERR_ADDRESS' }));
  });

  it('are read from any text without a crash, and only where it is their own', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const read = tryIp4(text);
        if (read !== undefined) expect(formatIp4(read)).toBe(text);
      }),
    );
  });

  it('sort as unsigned numbers', () => {
    const sorted = ['200.0.0.1', '10.0.0.1', '128.0.0.0'].map(parseIp4).sort(compareIp4);
    expect(sorted.map(formatIp4)).toEqual(['10.0.0.1', '128.0.0.0', '200.0.0.1']);
  });
});

describe('prefixes', () => {
  /** By text of bits: shares nothing with masks. */
  const bits = (n: number): string => (n >>> 0).toString(2).padStart(32, '0');

  it('hold what starts with the same bits', () => {
    const close = fc.tuple(network(), signed(), fc.nat(32)).map(([p, other, keep]) => ({
      p,
      a: (p.address & netmask(keep)) | (other & ~netmask(keep)),
    }));
    fc.assert(
      fc.property(close, ({ p, a }) => {
        const prefix = networkOf(p);
        const inside = bits(a).startsWith(bits(p.address).slice(0, p.length));
        expect(contains(prefix, a)).toBe(inside);
        expect(bits(prefix.address)).toBe(bits(p.address).slice(0, p.length).padEnd(32, '0'));
        expect(bits(lastOf(prefix))).toBe(bits(p.address).slice(0, p.length).padEnd(32, '1'));
        expect(parsePrefix(formatPrefix(prefix))).toEqual(prefix);
        expect(parseInterfaceAddress(formatPrefix(p))).toEqual(p);
      }),
    );
  });

  it('overlap where one holds the other', () => {
    fc.assert(
      fc.property(network(), network(), (one, two) => {
        const [a, b] = [networkOf(one), networkOf(two)];
        const shorter = Math.min(a.length, b.length);
        const same = bits(a.address).slice(0, shorter) === bits(b.address).slice(0, shorter);
        expect(overlaps(a, b)).toBe(same);
        expect(overlaps(b, a)).toBe(same);
      }),
    );
  });

  it('refuse host bits, other lengths and other text', () => {
    for (const text of [
      '10.2.0.1/16',
      '10.2.0.0/33',
      '10.2.0.0/',
      '10.2.0.0/a',
      '/8',
      '10.0.0.0/ 8',
    ]) {
      expect(tryPrefix(text)).toBeUndefined();
      expect(() => parsePrefix(text)).toThrow(expect.objectContaining({ code: 'ERR_ADDRESS' }));
    }
    expect(tryInterfaceAddress('10.2.0.1/16')).toEqual({ address: 0x0a020001, length: 16 });
    expect(tryPrefix('10.2.0.1')).toEqual({ address: 0x0a020001, length: 32 });
    expect(() => parseInterfaceAddress('x')).toThrow('expected ADDRESS/LENGTH');
    expect(netmask(0)).toBe(0);
    expect(netmask(24) >>> 0).toBe(0xffffff00);
    expect(netmask(32)).toBe(-1);
  });
});

describe('MACs', () => {
  it('come back from their text, their halves and their bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (drawn) => {
        const bytes = Buffer.from(drawn);
        const mac = macAt(bytes, 0);
        const text = bytes.toString('hex').match(/../g)!.join(':');
        expect(formatMac(mac)).toBe(text);
        expect(parseMac(text)).toBe(mac);
        expect(tryMac(text.toUpperCase().replaceAll(':', '-'))).toBe(mac);
        expect(joinMac(macHigh(mac), macLow(mac))).toBe(mac);
        expect(mac).toBe(bytes.readUIntBE(0, 6));
      }),
    );
    expect(formatMac(BROADCAST_MAC)).toBe('ff:ff:ff:ff:ff:ff');
  });

  it.each(['', '66:8c:73:5a:90', '66:8c:73:5a:90:9g', '668c735a9099', '66:8c:73:5a:90:99:00'])(
    'are not read from %j',
    (text) => {
      expect(tryMac(text)).toBeUndefined();
      expect(() => parseMac(text)).toThrow(expect.objectContaining({ code: 'ERR_ADDRESS' }));
    },
  );

  it.each([
    // Printed by `ip addr` on the documents' nodes and pods.
    ['66:8c:73:5a:90:99', 'fe80::648c:73ff:fe5a:9099'],
    ['2a:71:d7:3e:78:55', 'fe80::2871:d7ff:fe3e:7855'],
    ['ee:ee:ee:ee:ee:ee', 'fe80::ecee:eeff:feee:eeee'],
    // RFC 5952: leading zeros go, one group of zeros stays a group.
    ['02:00:00:00:00:01', 'fe80::ff:fe00:1'],
    ['52:54:00:00:00:00', 'fe80::5054:ff:fe00:0'],
  ])('%s has the link-local address %s', (mac, text) => {
    expect(linkLocal(parseMac(mac))).toBe(text);
  });
});
