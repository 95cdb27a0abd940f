/** What a namespace answers of itself; the bytes are those of a real kernel (6.18) asked the same. */
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { bytes } from '../../src/packet/arena.ts';
import { IN, LAN, OUT, SmallNetwork, slowSum } from './small-network.ts';

const TRACKED = '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\nCOMMIT\n';

const ack = (more: object = {}, flags = '.', tos = 0): Layer[] => [
  { layer: 'ipv4', src: IN, dst: LAN, tos },
  { layer: 'tcp', srcPort: 1234, dstPort: 80, seq: 100, ack: 777, flags, window: 500, ...more },
];
/** The pseudo-header of a TCP packet. */
const pseudo = (packet: Buffer): Buffer =>
  Buffer.concat([packet.subarray(12, 20), Buffer.from([0, 6, 0, packet.length - 20])]);
const answer = (net: SmallNetwork, layers: Layer[]): Buffer | undefined =>
  net
    .send('in', layers)
    .filter(({ node, packet }) => node === 'in' && packet.readUInt32BE(16) === 0x0a010002)
    .at(-1)?.packet;

describe('a segment out of nothing', () => {
  it('is answered by a reset with its own acknowledgement as number', () => {
    for (const tos of [0, 0xb8]) {
      const net = new SmallNetwork({ rules: TRACKED });
      const reset = answer(net, ack({}, tos === 0 ? '.' : 'P.', tos))!;
      // Length 40, identification 0, DF, TTL 64; no acknowledgement, no window.
      const tosHex = tos.toString(16).padStart(2, '0');
      expect(reset.toString('hex', 0, 10)).toBe(`45${tosHex}0028000040004006`);
      expect(reset.toString('hex', 12, 36)).toBe(
        '0a0100010a010002005004d2000003090000000050040000',
      );
    }
  });

  it('is not where whoever plays the node has its resets too', () => {
    const net = new SmallNetwork({ rules: TRACKED });
    net.cluster.resetsStrays = false;
    expect(answer(net, ack())).toBeUndefined();
  });

  it('has its checksum also where devices complete those of sockets', () => {
    const net = new SmallNetwork({ rules: TRACKED, offload: true });
    // As a kernel (6.1) sent it on a veth pair with `tx on`.
    const reset = answer(net, ack())!;
    expect(slowSum(pseudo(reset), reset.subarray(20))).toBe(0xffff);
    // What a socket sends is left to the device.
    const segment: Layer[] = [
      { layer: 'ipv4', src: LAN, dst: IN, id: 5 },
      { layer: 'tcp', srcPort: 80, dstPort: 1234, flags: '.' },
    ];
    const left: Buffer[] = [];
    net.cluster.observer = {
      see: (node, _device, p, outgoing) => {
        if (node.name === 'gw' && outgoing) left.push(Buffer.from(bytes.subarray(p.l3, p.tail)));
      },
    };
    net.send('gw', segment);
    expect(left.map((packet) => packet.readUInt16BE(36))).toEqual([slowSum(pseudo(left[0]!))]);
  });

  it.each(['S', 'R', 'R.', 'S.'])('%s is not', (flags) => {
    const net = new SmallNetwork({ rules: TRACKED });
    expect(answer(net, ack({}, flags))).toBeUndefined();
  });

  it('nor is one that goes on with a connection', () => {
    const net = new SmallNetwork({ rules: TRACKED });
    net.send('in', ack({ seq: 99, ack: 0 }, 'S'));
    const back: Layer[] = [
      { layer: 'ipv4', src: LAN, dst: IN },
      { layer: 'tcp', srcPort: 80, dstPort: 1234, seq: 776, ack: 100, flags: 'S.', window: 500 },
    ];
    net.send('gw', back);
    expect(answer(net, ack())).toBeUndefined();
  });
});

describe('fragments that nothing completes', () => {
  const whole = buildFrame([
    { layer: 'ipv4', src: IN, dst: LAN, id: 0x77 },
    { layer: 'udp', srcPort: 1000, dstPort: 9 },
    { layer: 'payload', bytes: Buffer.alloc(100, 0x78) },
  ]);
  const piece = (dst: string, offset: number, end: number, mf: boolean): Layer[] => [
    { layer: 'ipv4', src: IN, dst, id: 0x77, protocol: 17, mf, fragmentOffset: offset },
    { layer: 'payload', bytes: whole.subarray(20 + offset, 20 + end) },
  ];
  const errors = (net: SmallNetwork, layers: Layer[]): string[] => {
    const seen = net.send('in', layers);
    net.wait(31);
    return seen.flatMap(({ node, packet }) =>
      node === 'in' && packet[9] === 1
        ? [packet.toString('hex', 0, 2) + packet.toString('hex', 12)]
        : [],
    );
  };

  it.each([undefined, TRACKED])('the first piece is told back, rules %s', (rules) => {
    const net = new SmallNetwork(rules === undefined ? {} : { rules });
    const [error, ...more] = errors(net, piece(LAN, 0, 64, true));
    expect(more).toEqual([]);
    // TOS c0; time exceeded, code 1; all of the piece is quoted.
    expect(error).toMatch(/^45c00a0100010a0100020b01....00000000/);
    expect(error!.slice(4 + 16 + 16)).toHaveLength(2 * 84);
    expect(error!.slice(4 + 16 + 16)).toMatch(
      /^45000054007720004011....0a0100020a01000103e80009006c/,
    );
    expect(net.drops).toEqual({ 'fragment-timeout': 1 });
  });

  it('another piece alone is not, nor what a router would have passed on', () => {
    const alone = new SmallNetwork({ rules: TRACKED });
    expect(errors(alone, piece(LAN, 64, 108, false))).toEqual([]);
    expect(alone.drops).toEqual({ 'fragment-timeout': 1 });
    const passing = new SmallNetwork({ rules: TRACKED });
    expect(errors(passing, piece(OUT, 0, 64, true))).toEqual([]);
    expect(passing.drops).toEqual({ 'fragment-timeout': 1 });
  });
});
