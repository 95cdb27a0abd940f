import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { frame, nestedFrame } from '../../src/testing/index.ts';
import { captured } from '../wire/captured.ts';

const ip: Layer = { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136' };
const ports = { srcPort: 1, dstPort: 2 };

const vxlan = captured('captures/calico-vxlan.pcap');
const ipip = captured('captures/calico-ipip.pcap');

const syn: Layer[] = [
  { layer: 'ipv4', src: '10.2.169.136', dst: '10.2.36.71', ttl: 63, id: 21709, df: true },
  {
    layer: 'tcp',
    srcPort: 52920,
    dstPort: 8080,
    seq: 1725945859,
    flags: 'S',
    options: [
      { option: 'mss', value: 1440 },
      { option: 'sackPermitted' },
      { option: 'timestamps', value: 959886731, echo: 0 },
      { option: 'nop' },
      { option: 'windowScale', shift: 9 },
    ],
  },
];

describe('buildFrame', () => {
  it.skipIf(vxlan === undefined)('builds a captured VXLAN frame from its facts', () => {
    const built = buildFrame([
      { layer: 'ethernet', src: '52:54:00:b2:72:8d', dst: '52:54:00:85:ff:19' },
      { layer: 'ipv4', src: '192.168.33.57', dst: '192.168.33.55', id: 23060 },
      { layer: 'udp', srcPort: 36628, dstPort: 4789 },
      { layer: 'vxlan', vni: 4096 },
      { layer: 'ethernet', src: '66:90:43:3d:b3:e7', dst: '66:8c:73:5a:90:99' },
      ...syn,
    ]);
    const real = vxlan!.frames[0]!.bytes;
    expect(built.subarray(14).toString('hex')).toBe(real.subarray(14).toString('hex'));
  });

  it.skipIf(ipip === undefined)('builds a captured IPIP frame: ipv4 inside ipv4', () => {
    const [, inner] = syn as [Layer, Extract<Layer, { layer: 'tcp' }>];
    const stamps = { option: 'timestamps', value: 787677880, echo: 0 } as const;
    const built = buildFrame([
      { layer: 'ipv4', src: '192.168.33.57', dst: '192.168.33.55', ttl: 63, id: 15360, df: true },
      { layer: 'ipv4', src: '10.2.169.136', dst: '10.2.36.71', ttl: 63, id: 39396, df: true },
      {
        ...inner,
        srcPort: 43426,
        seq: 2692474515,
        options: inner.options!.map((o) => (o.option === 'timestamps' ? stamps : o)),
      },
    ]);
    expect(built.toString('hex')).toBe(ipip!.frames[0]!.bytes.toString('hex', 14));
  });

  it('is undone by dissect: every field that was given comes back', () => {
    fc.assert(
      fc.property(fc.oneof(frame(), nestedFrame()), (layers) => {
        const { layers: got, stopped } = dissect(buildFrame(layers));
        expect(stopped).toBeUndefined();
        expect(got.map(({ layer }) => layer)).toEqual(layers.map(({ layer }) => layer));
        expect(got).toMatchObject(layers);
        for (const layer of got) {
          if ('checksumState' in layer) expect(layer.checksumState).toBe('valid');
        }
      }),
    );
  });

  it('lets given fields win, so that broken frames can be built', () => {
    const built = buildFrame([
      { ...ip, layer: 'ipv4', protocol: 99, totalLength: 7, checksum: 0x1234, version: 5 },
      { layer: 'udp', ...ports, udpLength: 3, checksum: 0xbeef },
    ] as Layer[]);
    expect(built[0]).toBe(0x55);
    expect(built.readUInt16BE(2)).toBe(7);
    expect(built[9]).toBe(99);
    expect(built.readUInt16BE(10)).toBe(0x1234);
    expect(built.readUInt16BE(24)).toBe(3);
    expect(built.readUInt16BE(26)).toBe(0xbeef);
  });

  it('writes the partial checksum that a sender with offload leaves', () => {
    // A SYN with 20 bytes of options between these addresses: seen as 0xe201 by tcpdump.
    const options = Array.from({ length: 20 }, () => ({ option: 'nop' }) as const);
    const built = buildFrame([
      ip,
      { layer: 'tcp', ...ports, flags: 'S', checksum: 'partial', options },
    ]);
    expect(built.readUInt16BE(36)).toBe(0xe201);
  });

  it('sends a computed UDP checksum of zero as ffff', () => {
    const zero = (hex: string): Layer[] => [
      ip,
      { layer: 'udp', ...ports },
      { layer: 'payload', hex },
    ];
    const sum = buildFrame(zero('0000')).readUInt16BE(26);
    expect(buildFrame(zero(sum.toString(16).padStart(4, '0'))).readUInt16BE(26)).toBe(0xffff);
  });

  it('counts no trailer into any length', () => {
    const layers: Layer[] = [ip, { layer: 'udp', ...ports }, { layer: 'payload', text: 'hi' }];
    const padded = buildFrame([...layers, { layer: 'trailer', hex: '000000' }]);
    expect(padded.subarray(0, 30)).toEqual(buildFrame(layers));
    expect(padded.length).toBe(33);
  });

  it.each<[string, Layer[], string]>([
    ['an unknown layer', [{ layer: 'gre' } as unknown as Layer], 'layer: expected a known layer'],
    ['no layer at all', [null as unknown as Layer], 'layer: expected a known layer'],
    [
      'a bad address',
      [{ ...ip, dst: '10.2.36', protocol: 6 } as Layer],
      'dst: expected an IPv4 address',
    ],
    ['a port too high', [ip, { layer: 'udp', srcPort: 70000, dstPort: 1 }], 'found 70000'],
    ['a fraction', [ip, { layer: 'udp', srcPort: 1.5, dstPort: 1 }], 'found 1.5'],
    ['a missing port', [ip, { layer: 'udp', srcPort: 1 } as Layer], 'dstPort: expected'],
    ['UDP with nothing to sum', [{ layer: 'udp', ...ports }], 'expected an ipv4 layer before it'],
    ['IPv4 before raw bytes', [ip, { layer: 'payload', hex: '00' }], 'protocol: expected'],
    ['odd hexadecimal', [{ layer: 'payload', hex: '0' }], 'hexadecimal digits'],
    ['two payload forms', [{ layer: 'payload', hex: '00', text: 'a' }], 'one of hex, text, bytes'],
    ['unknown flags', [ip, { layer: 'tcp', ...ports, flags: 'X' }], 'letters of FSRP.UEW'],
    ['an odd header length', [{ ...ip, headerLength: 21, protocol: 6 } as Layer], 'multiple of 4'],
    ['a layer behind a trailer', [{ layer: 'trailer', hex: '' }, ip], 'nothing but trailers'],
    [
      'a packet too long for IPv4',
      [ip, { layer: 'icmp', type: 8 }, { layer: 'payload', bytes: Buffer.alloc(65536) }],
      'totalLength: expected',
    ],
  ])('refuses %s', (_, layers, message) => {
    expect(() => buildFrame(layers)).toThrow(PodwireError);
    expect(() => buildFrame(layers)).toThrow(message);
    expect(() => buildFrame(layers)).toThrow(expect.objectContaining({ code: 'ERR_FRAME' }));
  });
});
