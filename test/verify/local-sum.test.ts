import { expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { isLocalSum } from '../../src/verify/local-sum.ts';
import * as checksum from '../../src/wire/checksum.ts';
import * as tcp from '../../src/wire/tcp.ts';

const OUTER = 14;
const OUTER_UDP = OUTER + 20;
const INNER = OUTER_UDP + 8 + 8 + 14;
const INNER_TCP = INNER + 20;

/** A TCP segment in VXLAN whose sums are both right. */
const frame = (): Buffer =>
  buildFrame([
    { layer: 'ethernet', src: '52:54:00:85:ff:19', dst: '52:54:00:b2:72:8d' },
    { layer: 'ipv4', src: '192.168.33.55', dst: '192.168.33.57' },
    { layer: 'udp', srcPort: 40000, dstPort: 4789 },
    { layer: 'vxlan', vni: 4096 },
    { layer: 'ethernet', src: '66:00:00:00:00:01', dst: '66:00:00:00:00:02' },
    { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136' },
    { layer: 'tcp', srcPort: 40000, dstPort: 80, seq: 1, ack: 2, flags: '.' },
    { layer: 'payload', hex: '0102030405' },
  ]);

it('is right around a packet that hardware is to finish, and only around that', () => {
  const b = frame();
  // The outer sum is over the finished packet; then the inner one becomes unfinished.
  const length = b.length - INNER_TCP;
  const pseudo = checksum.fold(checksum.pseudoHeader(b, INNER + 12, 6, length));
  b.writeUInt16BE(pseudo, INNER_TCP + tcp.field.checksum);
  expect(isLocalSum(b, OUTER, OUTER_UDP)).toBe(true);
  b[OUTER_UDP + 6]! ^= 1;
  expect(isLocalSum(b, OUTER, OUTER_UDP)).toBe(false);
});

it('is none where nothing unfinished is inside', () => {
  const b = frame();
  expect(isLocalSum(b, OUTER, OUTER_UDP)).toBe(false);
  expect(isLocalSum(b.subarray(0, INNER_TCP + 4), OUTER, OUTER_UDP)).toBe(false);
});
