/** What sockets of nodes had called, by what the kernel tracked. */
import { expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { Dialled } from '../../src/verify/dialled.ts';

const LINES = [
  'ipv4     2 tcp      6 109 TIME_WAIT src=192.168.33.53 dst=10.111.255.254 sport=42017 dport=80 src=10.2.36.71 dst=10.2.235.193 sport=8080 dport=42017 [ASSURED] mark=0 use=2',
  'ipv4     2 udp      17 23 src=192.168.33.53 dst=10.96.77.8 sport=44011 dport=7 [UNREPLIED] src=10.2.36.70 dst=10.2.235.193 sport=7 dport=44011 mark=0 use=2',
  'ipv4     2 tcp      6 110 TIME_WAIT src=10.2.169.135 dst=10.2.235.195 sport=42015 dport=6443 src=10.2.235.195 dst=10.2.169.135 sport=6443 dport=42015 [ASSURED] mark=0 use=2',
  'ipv4     2 icmp     1 23 src=10.2.235.195 dst=10.96.77.7 type=8 code=0 id=1021 [UNREPLIED] src=10.96.77.7 dst=192.168.33.53 type=0 code=0 id=1021 mark=0 use=2',
  'ipv4 2 tcp 6 1 src=999.1.1.1 dst=1 sport=x',
];

const tcp = (src: string, srcPort: number, dst: string, dstPort: number): Buffer =>
  buildFrame([
    { layer: 'ipv4', src, dst, id: 5 },
    { layer: 'tcp', srcPort, dstPort, seq: 7, ack: 0, flags: 'S', window: 100 },
  ]);

const dialled = () => new Dialled(LINES);

it('an endpoint’s packet is the service’s again, every sum right', () => {
  const sent = tcp('10.2.235.193', 42017, '10.2.36.71', 8080);
  expect(dialled().before(sent)).toEqual(tcp('192.168.33.53', 42017, '10.111.255.254', 80));
});

it('what was not translated, or is not listed, stays', () => {
  for (const sent of [
    tcp('10.2.169.135', 42015, '10.2.235.195', 6443),
    tcp('10.2.235.193', 42018, '10.2.36.71', 8080),
  ]) {
    expect(dialled().before(sent)).toBe(sent);
    expect(new Dialled([]).before(sent)).toBe(sent);
  }
});

it('fragments follow their first', () => {
  const datagram = (src: string, dst: string, dstPort: number): Buffer =>
    buildFrame([
      { layer: 'ipv4', src, dst, id: 9 },
      { layer: 'udp', srcPort: 44011, dstPort },
      { layer: 'payload', hex: '5a'.repeat(56) },
    ]);
  const cut = (packet: Buffer): Buffer[] => {
    const [first, last] = [packet.subarray(0, 52), packet.subarray(52)];
    const headers = [0x2000, 4].map((word) => {
      const header = Buffer.from(packet.subarray(0, 20));
      header.writeUInt16BE(52, 2);
      header.writeUInt16BE(word, 6);
      header.writeUInt16BE(0, 10);
      let sum = 0;
      for (let i = 0; i < 20; i += 2) sum += header.readUInt16BE(i);
      header.writeUInt16BE(0xffff - (sum % 0xffff), 10);
      return header;
    });
    return [Buffer.concat([headers[0]!, first.subarray(20)]), Buffer.concat([headers[1]!, last])];
  };
  const connections = dialled();
  const made = cut(datagram('10.2.235.193', '10.2.36.70', 7)).map((p) => connections.before(p));
  expect(made).toEqual(cut(datagram('192.168.33.53', '10.96.77.8', 7)));
});
