/**
 * How a user tests an encapsulator of their own: two of them, one right, one
 * with the RFC 7348 flag misread: bits 4 and 8 set.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { laws } from '../../src/testing/index.ts';

const OUTER = Buffer.from('525400b2728d52540085ff190800', 'hex');
const SOURCE = Buffer.from([192, 168, 33, 55]);
const DESTINATION = Buffer.from([192, 168, 33, 57]);

/** RFC 1071, as one would write it in an afternoon. */
function sum(...pieces: Buffer[]): number {
  let total = 0;
  const all = Buffer.concat(pieces);
  for (let i = 0; i < all.length; i += 2) total += (all[i]! << 8) | (all[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

/** Addresses, ports and protocol of the inner packet, and nothing else, choose the port. */
function sourcePort(inner: Buffer): number {
  const l4 = 14 + (inner[14]! & 15) * 4;
  const flow = Buffer.concat([
    inner.subarray(23, 24),
    inner.subarray(26, 34),
    inner.subarray(l4, l4 + 4),
  ]);
  return 32768 + (createHash('sha256').update(flow).digest().readUInt16BE(0) % 28231);
}

const encapsulator =
  ({ flags = 0x08, port = sourcePort, ttl = 64 } = {}) =>
  (inner: Buffer): Buffer => {
    const vxlan = Buffer.from([flags, 0, 0, 0, 0, 0x10, 0, 0]);
    const udp = Buffer.alloc(8);
    udp.writeUInt16BE(port(inner), 0);
    udp.writeUInt16BE(4789, 2);
    udp.writeUInt16BE(16 + inner.length, 4);
    const pseudo = Buffer.concat([SOURCE, DESTINATION, Buffer.from([0, 17]), udp.subarray(4, 6)]);
    udp.writeUInt16BE(sum(pseudo, udp, vxlan, inner) || 0xffff, 6);
    const ip = Buffer.from([0x45, 0, 0, 0, 0, 0, 0, 0, ttl, 17, 0, 0, ...SOURCE, ...DESTINATION]);
    ip.writeUInt16BE(36 + inner.length, 2);
    ip.writeUInt16BE(sum(ip), 10);
    return Buffer.concat([OUTER, ip, udp, vxlan, inner]);
  };

describe('my own VXLAN encapsulator', () => {
  it('keeps every law', () => {
    expect(laws.encapsulationLaws(encapsulator(), { vni: 4096 })).toEqual([]);
  });

  it('is caught with flags byte 12, and the frame that shows it is the smallest', () => {
    const violations = laws.encapsulationLaws(encapsulator({ flags: 12 }), { vni: 4096 });
    expect(violations).toEqual([
      'vxlan flags: expected 0x08, got 0x0c',
      expect.stringMatching(/^inner frame: (00){12}0800/),
    ]);
  });

  it('is caught only where it fails: a port that depends on the data', () => {
    const byData = (inner: Buffer): number => 32768 + inner.length;
    const violations = laws.encapsulationLaws(encapsulator({ port: byData }), { vni: 4096 });
    expect(violations[0]).toMatch(
      /^udp source port: expected one for the whole flow, got \d+, \d+$/,
    );
    expect(violations[1]).toMatch(/^inner flow: (tcp|udp) /);
  });

  it.each<[string, (inner: Buffer) => Buffer, string]>([
    ['a low port', encapsulator({ port: () => 4789 }), 'udp source port: expected 32768 to 60999'],
    ['TTL 255', encapsulator({ ttl: 255 }), 'ipv4 ttl: expected 64, got 255'],
    ['another VNI', changed(encapsulator(), 48, 0xff), 'vxlan vni: expected 4096, got 4351'],
    ['a reserved bit', changed(encapsulator(), 43, 1), 'vxlan reserved bits: expected 0, got'],
    ['the last byte', changed(encapsulator(), 49, 1), 'vxlan last reserved byte: expected 0'],
    ['DF', changed(encapsulator(), 20, 0x40), 'ipv4 df: expected false, got true'],
    ['port 8472', changed(changed(encapsulator(), 36, 0x21), 37, 0x18), 'expected 4789, got 8472'],
    ['a changed inner frame', changed(encapsulator(), 50, 0xfe), 'inner frame: expected'],
    ['a UDP length too long', changed(encapsulator(), 38, 0x7f), 'udp length: expected'],
    ['a total length too long', changed(encapsulator(), 16, 0x7f), 'ipv4 total length: expected'],
    ['no outer header', (inner) => inner, 'layers: expected ethernet,ipv4,udp,vxlan'],
    ['an exception', thrower, 'encapsulate: expected a frame, got Error: no room'],
    ['no Buffer', () => 'frame' as unknown as Buffer, 'expected a Buffer, got string'],
    [
      'a spoilt argument',
      (inner) => encapsulator()(inner.fill(0)),
      'expected to be left as it was',
    ],
  ])('is caught with %s', (_, encapsulate, text) => {
    expect(laws.encapsulationLaws(encapsulate, { vni: 4096 }).join('\n')).toContain(text);
  });

  it('may leave the checksum out where that is agreed, and begin with IPv4', () => {
    const bare = (inner: Buffer): Buffer => {
      const frame = encapsulator()(inner).subarray(14);
      frame.writeUInt16BE(0, 26);
      return frame;
    };
    const options = { vni: 4096, outermost: 'ipv4' } as const;
    expect(laws.encapsulationLaws(bare, { ...options, zeroChecksum: true })).toEqual([]);
    expect(laws.encapsulationLaws(bare, options)[0]).toBe(
      'udp checksum: expected valid, got absent',
    );
  });

  it('fails the same way for the same seed', () => {
    const broken = encapsulator({ port: (inner) => 32768 + (inner.at(-1) ?? 0) });
    const once = laws.encapsulationLaws(broken, { vni: 4096, seed: 7 });
    expect(laws.encapsulationLaws(broken, { vni: 4096, seed: 7 })).toEqual(once);
  });
});

function changed(encapsulate: (inner: Buffer) => Buffer, at: number, byte: number) {
  return (inner: Buffer): Buffer => {
    const frame = encapsulate(inner);
    frame[at] = byte;
    return frame;
  };
}

function thrower(): Buffer {
  throw new Error('no room');
}
