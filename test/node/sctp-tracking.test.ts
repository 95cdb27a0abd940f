/**
 * SCTP under connection tracking: packets that pods sent through a node that masquerades, and
 * whether a real kernel (6.18) changed their source. Ports count up from 3000, to 36412.
 */
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { IN, IN2, OUT, SmallNetwork, WAN } from './small-network.ts';

const RULES = '*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n';

/** Name, the packet behind its IPv4 header, and whether it was masqueraded. */
const RECORDED: readonly (readonly [string, string, boolean])[] = [
  ['init', '0bb88e3c000000005ae2452801000014112233440000ffff0001000100000007', true],
  ['init bad crc', '0bb98e3c00000000d682e25001000014112233440000ffff0001000100000007', false],
  ['init with tag', '0bba8e3c00000005a9c6ec4f01000014112233440000ffff0001000100000007', false],
  ['short init', '0bbb8e3c00000000a7d901070100000c112233440000ffff', false],
  ['data', '0bbc8e3c00000000d239cee60000001464617461646174616461746164617461', false],
  ['data tag', '0bbd8e3c00000009dbb817c40000001464617461646174616461746164617461', false],
  ['sack', '0bbe8e3c0000000034dc085e03000010000000000000000000000000', false],
  [
    'init and data',
    '0bbf8e3c000000003410f89d01000014112233440000ffff00010001000000070000001464617461646174616461746164617461',
    false,
  ],
  ['no chunk', '0bc08e3c00000000506b2b17', false],
  ['init ack', '0bc18e3c000000006d66c53702000014112233440000ffff0001000100000007', true],
  ['init ack tag', '0bc28e3c000000035d9b71cc02000014112233440000ffff0001000100000007', false],
  ['heartbeat', '0bc38e3c00000004884675470400000862656174', true],
  ['heartbeat ack', '0bc48e3c000000040946dd2f0500000862656174', true],
  ['abort', '0bc58e3c0000000058f1911306000004', false],
  ['shutdown', '0bc68e3c00000000cbe911f20700000800000000', true],
  ['shutdown tag', '0bc78e3c00000001499df87b0700000800000000', false],
  ['shutdown ack', '0bc88e3c000000067194d4dc08000004', true],
  ['error', '0bc98e3c000000009adb415509000004', true],
  ['error tag', '0bca8e3c00000001d10aec0909000004', false],
  ['cookie echo', '0bcb8e3c0000000097d6f3e50a00000a636f6f6b69650000', true],
  ['cookie echo tag', '0bcc8e3c0000000270c8ed160a00000a636f6f6b69650000', false],
  ['cookie ack', '0bcd8e3c00000000ee7af1710b000004', false],
  ['shutdown complete', '0bce8e3c00000000a6e6057f0e000004', false],
  [
    'heartbeat and data',
    '0bcf8e3c000000040f9ff58d04000008626561740000001464617461646174616461746164617461',
    false,
  ],
  ['unknown', '0bd08e3c00000000a2dd8eb44d000004', false],
];

const layers = (src: string, segment: Buffer): Layer[] => [
  { layer: 'ipv4', src, dst: OUT, protocol: 132 },
  { layer: 'payload', bytes: segment },
];
const source = (packet: Buffer | undefined): string => packet?.subarray(12, 16).join('.') ?? '';

/** CRC32c of RFC 9260 appendix A bit by bit, as a little-endian field. */
function slowCrc(segment: Buffer): number {
  const b = Buffer.from(segment);
  b.writeUInt32BE(0, 8);
  let crc = 0xffffffffn;
  for (const byte of b) {
    crc ^= BigInt(byte);
    for (let i = 0; i < 8; i++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  const field = Buffer.alloc(4);
  field.writeUInt32LE(Number(crc ^ 0xffffffffn));
  return field.readUInt32BE();
}

describe('SCTP', () => {
  it.each(RECORDED)('%s', (_, hex, tracked) => {
    const net = new SmallNetwork({ rules: RULES });
    const arrived = net.arrives('in', 'out', layers(IN, Buffer.from(hex, 'hex')));
    expect(source(arrived)).toBe(tracked ? WAN : IN);
    expect(arrived?.toString('hex', 20)).toBe(hex);
  });

  it('cut within its header is not tracked', () => {
    const init = Buffer.from(RECORDED[0]![1], 'hex');
    for (let length = 0; length <= 12; length++) {
      const net = new SmallNetwork({ rules: RULES });
      const arrived = net.arrives('in', 'out', layers(IN, init.subarray(0, length)));
      expect(source(arrived)).toBe(IN);
    }
  });

  it('of two senders with one port: another port, and the CRC that it asks for', () => {
    const net = new SmallNetwork({ rules: RULES });
    const init = Buffer.from(RECORDED[0]![1], 'hex');
    net.send('in', layers(IN, init));
    const second = net.arrives('in2', 'out', layers(IN2, init))!.subarray(20);
    expect(second.readUInt16BE(0)).not.toBe(3000);
    expect(second.readUInt32BE(8)).toBe(slowCrc(second));
    expect(second.toString('hex', 12)).toBe(init.toString('hex', 12));

    const answer = Buffer.from(second);
    second.copy(answer, 0, 2, 4);
    second.copy(answer, 2, 0, 2);
    answer.writeUInt32BE(slowCrc(answer), 8);
    const back = net
      .arrives('out', 'in2', [
        { layer: 'ipv4', src: OUT, dst: WAN, protocol: 132 },
        { layer: 'payload', bytes: answer },
      ])!
      .subarray(20);
    expect(back.readUInt16BE(2)).toBe(3000);
    expect(back.readUInt32BE(8)).toBe(slowCrc(back));
  });
});

describe('a masqueraded packet that waits for a neighbour in vain', () => {
  it.each(['udp', 'icmp'] as const)('%s: its sender learns it, in its own words', (protocol) => {
    const net = new SmallNetwork({ rules: RULES });
    const message: Layer =
      protocol === 'udp'
        ? { layer: 'udp', srcPort: 6001, dstPort: 1 }
        : { layer: 'icmp', type: 'echo-request', id: 0x77, seq: 1 };
    const sent: Layer[] = [
      { layer: 'ipv4', src: IN, dst: '192.0.2.77', id: 0x5301, ttl: 64 },
      message,
      { layer: 'payload', text: 'nobody' },
    ];
    const seen = net.send('in', sent);
    expect(seen.at(-1)?.node).toBe('gw');
    net.wait(5);
    const last = seen.at(-1)!;
    expect(last.node).toBe('in');
    expect(last.packet.subarray(12, 16).join('.')).toBe(WAN);
    expect(last.packet.subarray(16, 20).join('.')).toBe(IN);
    expect([...last.packet.subarray(20, 22)]).toEqual([3, 1]);
    const quoted = buildFrame([{ ...sent[0], ttl: 63 } as Layer, ...sent.slice(1)]);
    expect(last.packet.toString('hex', 28)).toBe(quoted.toString('hex'));
  });
});
