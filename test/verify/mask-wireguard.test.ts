/** Which bytes of a WireGuard frame count when a recording is compared, bit by bit. */
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { type Insider, maskFrame } from '../../src/verify/mask.ts';
import { parseIp4 } from '../../src/wire/address.ts';
import { deriveKey } from '../../src/wireguard/key.ts';
import { packet, pair, settle } from '../wireguard/end.ts';

const NODES = ['192.168.33.55', '192.168.33.57'].map((a) => parseIp4(a));
const insider: Insider = {
  isHeld: () => true,
  isNode: (address) => NODES.includes(address as (typeof NODES)[number]),
  vxlanPorts: [],
  wireguardPorts: [51820],
  plain: () => undefined,
};

const framed = (message: Buffer): Buffer =>
  buildFrame([
    { layer: 'ethernet', src: '52:54:00:85:ff:19', dst: '52:54:00:b2:72:8d' },
    { layer: 'ipv4', src: '192.168.33.55', dst: '192.168.33.57', id: 7 },
    { layer: 'udp', srcPort: 51820, dstPort: 51820 },
    { layer: 'payload', bytes: message },
  ]);

/** A handshake and a data message, of two conversations that differ in their keys only. */
function conversation(seed: number): Buffer[] {
  const [a, b] = pair({}, seed === 1 ? {} : { privateKey: deriveKey(seed, 'other') });
  a.send(packet('10.0.0.1', '10.0.0.2'));
  return settle(a, b).map(({ bytes }) => bytes);
}

const HEADER = 42;
/** Identification and header checksum of IPv4, checksum of UDP. */
const FREE = [18, 19, 24, 25, 40, 41];

describe.each([
  { name: 'initiation', nth: 0, kept: [0, 1, 2, 3] },
  { name: 'response', nth: 1, kept: [0, 1, 2, 3] },
  { name: 'data', nth: 2, kept: [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15] },
])('$name', ({ nth, kept }) => {
  const message = conversation(1)[nth]!;

  it('counts by its type and counter, not by what keys randomise', () => {
    const before = maskFrame(framed(message), false, insider);
    expect(before.faults).toEqual([]);
    for (const at of message.keys()) {
      const bent = Buffer.from(message);
      bent[at]! ^= 1;
      const same = maskFrame(framed(bent), false, insider).hex === before.hex;
      const isMac2 = nth < 2 && at >= message.length - 16;
      expect(same, `byte ${at}`).toBe(!kept.includes(at) && !isMac2);
    }
  });

  it('has a sound UDP checksum, or that is a fault', () => {
    const frame = framed(message);
    frame[HEADER + 20]! ^= 1;
    expect(maskFrame(frame, false, insider).faults).toEqual(['udp']);
  });

  it('leaves all other headers as they are', () => {
    const frame = framed(message);
    const masked = Buffer.from(maskFrame(frame, false, insider).hex, 'hex');
    for (let at = 0; at < HEADER; at++) {
      expect(masked[at], `byte ${at}`).toBe(FREE.includes(at) ? 0 : frame[at]);
    }
  });
});

it('a data message counts by the packet inside, where a key opens it', () => {
  const inner = packet('10.0.0.1', '10.0.0.2');
  const frame = framed(conversation(1)[2]!);
  const reading = { ...insider, plain: () => inner };
  const { hex } = maskFrame(frame, false, reading);
  expect(hex).toContain(inner.toString('hex'));
  expect(hex).not.toBe(maskFrame(frame, false, insider).hex);
});

it('a message that is cut anywhere is masked as far as it goes', () => {
  for (const whole of conversation(1)) {
    for (let length = 0; length <= whole.length; length++) {
      const { hex } = maskFrame(framed(whole.subarray(0, length)), false, insider);
      expect(hex).toHaveLength(2 * (HEADER + length));
    }
  }
});
