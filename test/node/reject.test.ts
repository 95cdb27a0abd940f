/** What REJECT answers: ipt_REJECT.c, nf_reject_ipv4.c, and RFC 9293 section 3.5.2 for resets. */
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { flowOf, IN, LAN, OUT, SmallNetwork } from './small-network.ts';

const rules = (how: string, ...more: string[]): string =>
  `*filter\n:FORWARD ACCEPT\n-A FORWARD -o eth1 ${how}\nCOMMIT\n${more.join('\n')}`;

const tcp = (flags: string, seq: number, ack = 0, text = ''): Layer[] => [
  { layer: 'ipv4', src: IN, dst: OUT, tos: 0x28 },
  { layer: 'tcp', srcPort: 40000, dstPort: 80, flags, seq, ack },
  { layer: 'payload', text },
];
const udp: Layer[] = [
  { layer: 'ipv4', src: IN, dst: OUT },
  { layer: 'udp', srcPort: 40000, dstPort: 53 },
];

describe('an error', () => {
  it.each([
    ['icmp-net-unreachable', 0],
    ['icmp-host-unreachable', 1],
    ['icmp-proto-unreachable', 2],
    ['icmp-port-unreachable', 3],
    ['icmp-net-prohibited', 9],
    ['icmp-host-prohibited', 10],
    ['icmp-admin-prohibited', 13],
  ])('%s has code %i', (name, code) => {
    const net = new SmallNetwork({ rules: rules(`-j REJECT --reject-with ${name}`) });
    const answer = net.arrives('in', 'in', udp)!;
    expect([answer[9], answer[20], answer[21]]).toEqual([1, 3, code]);
    expect(net.drops).toEqual({ filtered: 1 });
  });
});

describe('a reset', () => {
  const reset = rules('-p tcp -j REJECT --reject-with tcp-reset');
  /** Flow, identification, DF, TTL as sent, TOS, flags, sequence, acknowledgement, window. */
  const fields = (b: Buffer | undefined) =>
    b === undefined
      ? 'nothing'
      : [flowOf(b), b.readUInt16BE(4), b[6], b[8], b[1], b[33], b.readUInt32BE(24)].concat(
          b.readUInt32BE(28),
          b.readUInt16BE(34),
        );
  const back = `${OUT}:80 > ${IN}:40000`;

  it.each([
    ['a SYN', tcp('S', 1000), [back, 0, 0x40, 64, 0, 0x14, 0, 1001, 0]],
    ['data without ACK', tcp('P', 7, 0, 'abc'), [back, 0, 0x40, 64, 0, 0x14, 0, 10, 0]],
    ['an ACK', tcp('.', 1000, 5000), [back, 0, 0x40, 64, 0, 0x04, 5000, 0, 0]],
    ['a FIN', tcp('F.', 1000, 77), [back, 0, 0x40, 64, 0, 0x04, 77, 0, 0]],
  ])('answers %s', (_, layers, expected) => {
    const net = new SmallNetwork({ rules: reset });
    expect(fields(net.send('in', layers).findLast(({ node }) => node === 'in')?.packet)).toEqual(
      expected,
    );
    expect(net.drops).toMatchObject({ filtered: 1 });
  });

  it('answers a reset by nothing', () => {
    const net = new SmallNetwork({ rules: reset });
    const seen = net.send('in', tcp('R', 1000)).filter(({ node }) => node === 'gw');
    expect(seen.map(({ packet }) => flowOf(packet))).toEqual([`${IN}:40000 > ${OUT}:80`]);
  });

  it('answers a segment whose sum is wrong by nothing', () => {
    const [header, segment] = tcp('S', 1);
    for (const [wrong, delivered] of [
      [{}, 1],
      [{ checksum: 0x1234 }, 0],
    ] as const) {
      const { cluster } = new SmallNetwork({ rules: reset });
      cluster.observer = null;
      const frame = buildFrame([header!, { ...segment!, ...wrong } as Layer]);
      cluster.originate(cluster.names.find('in'), frame);
      expect(cluster.counts.delivered).toBe(delivered);
    }
  });

  it('comes from where the packet was sent to, whatever NAT made of that', () => {
    const nat = `*nat\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp -d ${LAN} -j DNAT --to-destination ${OUT}:8080\nCOMMIT\n`;
    const net = new SmallNetwork({
      rules: rules('-p tcp -j REJECT --reject-with tcp-reset', nat),
    });
    const [, segment] = tcp('S', 1000);
    const answer = net.send('in', [{ layer: 'ipv4', src: IN, dst: LAN }, segment!]);
    expect(flowOf(answer.findLast(({ node }) => node === 'in')?.packet)).toBe(
      `${LAN}:80 > ${IN}:40000`,
    );
  });
});

it('is told by name in a trace', () => {
  const { cluster } = new SmallNetwork({
    rules: rules('-j REJECT --reject-with icmp-host-prohibited'),
  });
  cluster.observer = null;
  const notes = cluster.send({ from: 'in', to: OUT }).steps.map(({ note }) => note);
  expect(notes.join()).toContain(`ICMP host prohibited sent to ${IN}`);
});
