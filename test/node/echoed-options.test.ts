/** Options in answers: the bytes that recorded kernels gave back, with this network's addresses. */
import { describe, expect, it } from 'vitest';
import { IN, LAN, OUT, SmallNetwork, WAN } from './small-network.ts';

const hex = (address: string): string =>
  Buffer.from(address.split('.').map(Number)).toString('hex');

/** Options of what comes back to `in`, or undefined where nothing does. */
function back(dst: string, options: string, ttl = 64): string | undefined {
  const network = new SmallNetwork();
  const seen = network.send('in', [
    { layer: 'ipv4', src: IN, dst, ttl, options },
    { layer: 'icmp', type: 'echo-request', id: 1, seq: 1 },
  ]);
  const packet = seen.findLast(
    (s) => s.node === 'in' && s.packet.readUInt32BE(12) !== 0x0a010002,
  )?.packet;
  return packet?.subarray(20, (packet[0]! & 15) * 4).toString('hex');
}

describe('an echo reply', () => {
  it('has the recorded route, with two slots of the node that answers', () => {
    // The slot written on the way in, then the one of the answer's own source.
    expect(back(LAN, `070f04${'00'.repeat(12)}00`)).toBe(`070f0c${hex(LAN)}${hex(LAN)}0000000000`);
    expect(back(WAN, `070704${'00'.repeat(4)}00`)).toBe(`070708${hex(WAN)}00`);
  });

  it('has the timestamp, and neither what only routers read nor padding', () => {
    expect(back(LAN, '94040000')).toBe('');
    expect(back(LAN, '01010101')).toBe('');
    expect(back(LAN, `44140501${'00'.repeat(16)}`)).toBe(
      `44141501${hex(LAN)}00000000${hex(LAN)}00000000`,
    );
    expect(back(LAN, `44080500${'00'.repeat(4)}`)).toBe(`4408090000000000`);
  });
});

describe('timestamps of addresses that the sender chose', () => {
  const slots = (...addresses: string[]) => addresses.map((a) => `${hex(a)}00000000`).join('');

  it('are written by whose address is next, on the way in and in the answer', () => {
    expect(back(LAN, `440c0503${slots(LAN)}`)).toBe(`440c0d03${slots(LAN)}`);
    expect(back(LAN, `44140503${slots(LAN, WAN)}`)).toBe(`44141503${slots(LAN, WAN)}`);
    expect(back(LAN, `44140503${slots(LAN, OUT)}`)).toBe(`44140d03${slots(LAN, OUT)}`);
    expect(back(LAN, `440c0503${slots(OUT)}`)).toBe(`440c0503${slots(OUT)}`);
  });

  it.each([
    // Recorded: 440c0d03 with an address of its sender crossed two routers as it was.
    [`440c0d03${slots(IN)}`, `440c0d03${slots(IN)}`],
    [`440c0d01${slots(IN)}`, `440c0d11${slots(IN)}`],
    [`440c0503${slots(OUT)}`, `440c0503${slots(OUT)}`],
    [`440c0503${slots(WAN)}`, `440c0d03${slots(WAN)}`],
  ])('%s leaves a router as %s', (options, after) => {
    const seen = new SmallNetwork().send('in', [
      { layer: 'ipv4', src: IN, dst: OUT, protocol: 253, options },
      { layer: 'payload', bytes: Buffer.alloc(28) },
    ]);
    const passed = seen.find(({ node, device }) => node === 'gw' && device === 'eth1')?.packet;
    expect(passed?.subarray(20, 32).toString('hex')).toBe(after);
  });
});

describe('an ICMP error', () => {
  it('gives the options of the packet back, beside quoting them', () => {
    // Recorded: a net unreachable of 576 bytes whose header ended with 44141501, two slots filled.
    expect(back('203.0.113.9', `44140501${'00'.repeat(16)}`)).toBe(
      `44141501${hex(LAN)}00000000${hex(LAN)}00000000`,
    );
    expect(back(OUT, `44140501${'00'.repeat(16)}`, 1)).toBe(
      `44141501${hex(LAN)}00000000${hex(LAN)}00000000`,
    );
  });

  it('quotes the options as they were filled, the checksum as it came', () => {
    // Recorded: 60 bytes with record route and TTL 1, quoted with 070b08, one slot filled, and a bad sum.
    const network = new SmallNetwork();
    const sent = { layer: 'ipv4', src: IN, dst: OUT, ttl: 1, protocol: 253 } as const;
    const [first, ...seen] = network.send('in', [
      { ...sent, options: `070b04${'00'.repeat(9)}` },
      { layer: 'payload', bytes: Buffer.alloc(28) },
    ]);
    const answer = seen.findLast(({ node, packet }) => node === 'in' && packet[9] === 1)?.packet;
    expect(answer?.length).toBe(100);
    expect(answer?.subarray(20, 32).toString('hex')).toBe(`070b0c${hex(LAN)}${hex(LAN)}00`);
    expect(answer?.subarray(60, 72).toString('hex')).toBe(`070b08${hex(LAN)}0000000000`);
    expect(answer?.readUInt16BE(50)).toBe(first?.packet.readUInt16BE(10));
  });

  it('gives a security label back, which no node knows', () => {
    // Recorded: 8606000000010000 in the error's header, pointer 21.
    const network = new SmallNetwork();
    const seen = network.send('in', [
      { layer: 'ipv4', src: IN, dst: OUT, protocol: 253, options: '8606000000010000' },
      { layer: 'payload', bytes: Buffer.alloc(28) },
    ]);
    const answer = seen.findLast(({ node, packet }) => node === 'in' && packet[9] === 1)?.packet;
    expect(answer?.length).toBe(92);
    expect(answer?.subarray(20, 30).toString('hex')).toBe('86060000000100000c00');
    expect(answer?.[32]).toBe(21);
  });

  it('about a fault in an option comes before the route says no', () => {
    // Recorded: 07000400 to an address of a blackhole route, and a parameter problem at 20.
    const network = new SmallNetwork();
    const seen = network.send('in', [
      { layer: 'ipv4', src: IN, dst: '203.0.113.9', protocol: 253, options: '07000400' },
      { layer: 'payload', bytes: Buffer.alloc(31) },
    ]);
    const answer = seen.findLast(({ node, packet }) => node === 'in' && packet[9] === 1)?.packet;
    expect(
      answer
        ?.subarray(20, 28)
        .toString('hex')
        .replace(/^(....)..../, '$1'),
    ).toBe('0c0014000000');
    expect(answer?.length).toBe(20 + 8 + 24 + 31);
    expect(network.drops).toEqual({ 'ip-options': 1 });
  });
});
