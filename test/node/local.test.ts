/** What a node does with packets to itself: as ip_local_deliver of a recorded kernel. */
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import { clusterOf, expectAccounted, lab, originate, pool, watch } from '../behaviour/lab.ts';
import { IN, IN2, LAN, SmallNetwork } from './small-network.ts';

const LINKTYPE_RAW = 101;
const layersOf = (packet: Buffer | undefined) =>
  packet === undefined ? [] : dissect(packet, { linkType: LINKTYPE_RAW }).layers;

/** What comes back to the sender, or nothing. */
function answer(network: SmallNetwork, protocol: number, dst = LAN): Buffer | undefined {
  const seen = network.send('in', [
    { layer: 'ipv4', src: IN, dst, protocol, id: 0x4001, tos: 0 },
    { layer: 'payload', bytes: Buffer.alloc(333, 7) },
  ]);
  return seen.findLast(({ node, packet }) => node === 'in' && packet[9] === 1)?.packet;
}

describe('an IP protocol that nothing on the node handles', () => {
  it.each([132, 253, 47, 50, 4])('%i: protocol unreachable, with the packet quoted', (protocol) => {
    const network = new SmallNetwork();
    const packet = answer(network, protocol);
    // 353 bytes sent: 381 came back from the kernel, TOS c0, TTL 64, no DF.
    expect(packet?.length).toBe(381);
    expect(packet?.subarray(0, 4).toString('hex')).toBe('45c0017d');
    expect(packet?.readUInt16BE(6)).toBe(0);
    expect(packet?.[8]).toBe(64);
    expect(layersOf(packet).slice(0, 3)).toMatchObject([
      { layer: 'ipv4', src: LAN, dst: IN },
      { layer: 'icmp', code: 2 },
      { layer: 'ipv4', src: IN, dst: LAN, protocol, id: 0x4001, quoted: true },
    ]);
    expect(packet?.subarray(20, 22).toString('hex')).toBe('0302');
    expect(network.drops).toEqual({ 'protocol-unknown': 1 });
  });

  it.each([2, 136])('%i is the kernel’s own: no answer', (protocol) => {
    const network = new SmallNetwork();
    expect(answer(network, protocol)).toBeUndefined();
  });

  // Recorded (6.1): 8 bytes to a node with tunl0 were not answered; tunnel64_rcv asks for 40.
  it.each([
    [8, undefined],
    [39, undefined],
    [40, 3],
  ])('41 of %i bytes where IPIP is: ICMP code %s', (length, code) => {
    const cluster = clusterOf(lab(pool('ipipMode: Always')));
    const seen = watch(cluster, 'w0:eth0');
    originate(cluster, 'w0', [
      { layer: 'ipv4', src: '10.65.0.2', dst: '172.16.0.10', protocol: 41 },
      { layer: 'payload', bytes: Buffer.alloc(length, 7) },
    ]);
    const answers = seen.map((frame) => frame.subarray(14)).filter((packet) => packet[9] === 1);
    expect(answers.map((packet) => packet[21])).toEqual(code === undefined ? [] : [code]);
    expectAccounted(cluster);
  });

  it('is no matter where the packet went to all', () => {
    const network = new SmallNetwork();
    expect(answer(network, 253, '10.1.0.255')).toBeUndefined();
    expect(answer(network, 253, '255.255.255.255')).toBeUndefined();
  });
});

describe('addresses of 0.0.0.0/8', () => {
  it('are routed like any other, 0.0.0.0 itself is not', () => {
    const network = new SmallNetwork();
    const to = (dst: string) =>
      network.send('in', [
        { layer: 'ipv4', src: IN, dst },
        { layer: 'icmp', type: 'echo-request', id: 1, seq: 1 },
      ]);
    // Recorded: 0.1.2.3 left by the default route; the router here has none.
    expect(to('0.1.2.3').at(-1)?.packet.subarray(20, 22).toString('hex')).toBe('0300');
    to('0.0.0.0');
    expect(network.drops).toEqual({ 'no-route': 1, 'martian-destination': 1 });
  });
});

describe('a frame longer than its receiver’s MTU', () => {
  it('is not taken, but for the room of a VLAN tag', () => {
    const network = new SmallNetwork();
    const from = network.cluster.names.port('in:eth0');
    const frame = (length: number): Buffer =>
      buildFrame([
        { layer: 'ethernet', src: '02:00:00:00:00:02', dst: '02:00:00:00:00:03' },
        { layer: 'ipv4', src: IN, dst: IN2, protocol: 253 },
        { layer: 'payload', bytes: Buffer.alloc(length - 34) },
      ]);
    network.cluster.depart(from, frame(1518));
    expect(network.drops).toEqual({});
    network.cluster.depart(from, frame(1519));
    expect(network.drops).toEqual({ 'link-mtu': 1 });
  });
});
