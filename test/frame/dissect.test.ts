import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { type DissectOptions, dissect } from '../../src/frame/dissect.ts';
import type { Dissected, DissectedLayer, Layer } from '../../src/frame/layer.ts';
import { frame, nestedFrame } from '../../src/testing/index.ts';
import { captured, oracleCaptures } from '../wire/captured.ts';

const names = (layers: readonly DissectedLayer[]): string =>
  layers.map(({ layer }) => layer).join(' ');
const get = <K extends Layer['layer']>(layers: readonly DissectedLayer[], kind: K, nth = 0) =>
  layers.filter((layer): layer is Dissected<K> => layer.layer === kind)[nth]!;

const outer: Layer = { layer: 'ethernet', src: '52:54:00:85:ff:19', dst: '52:54:00:b2:72:8d' };
const ip: Layer = { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136' };
const udp: Layer = { layer: 'udp', srcPort: 1000, dstPort: 2000 };
const segment: Layer = { layer: 'tcp', srcPort: 1000, dstPort: 2000, seq: 7, flags: 'P.' };
const data: Layer = { layer: 'payload', hex: '00112233445566778899' };

const oracle = oracleCaptures();
const seeds = ['calico-vxlan', 'calico-ipip', 'calico-bgp'].map(
  (name) => [name, captured(`captures/${name}.pcap`)] as const,
);

describe('dissect', () => {
  it.skipIf(seeds[0]![1] === undefined).each(seeds)('reads every layer of %s', (name, capture) => {
    const shapes = {
      'calico-vxlan': 'ethernet ipv4 udp vxlan ethernet ipv4 tcp',
      'calico-ipip': 'ethernet ipv4 ipv4 tcp',
      'calico-bgp': 'ethernet ipv4 tcp',
    };
    const { layers, stopped } = dissect(capture!.frames[0]!.bytes);
    expect(stopped).toBeUndefined();
    expect(names(layers)).toBe(shapes[name as keyof typeof shapes]);
    expect(get(layers, 'tcp')).toMatchObject({
      flags: 'S',
      window: 65535,
      checksumState: name === 'calico-bgp' ? 'partial' : 'valid',
      options: [
        { option: 'mss', value: 1440 },
        { option: 'sackPermitted' },
        { option: 'timestamps', echo: 0 },
        { option: 'nop' },
        { option: 'windowScale', shift: 9 },
      ],
    });
  });

  it('shows ARP of other hardware as bytes, which its layer could not give back', () => {
    const { senderMac, senderIp } = { senderMac: '02:00:00:00:00:01', senderIp: '10.0.0.1' };
    const asked = { targetMac: '00:00:00:00:00:00', targetIp: '10.0.0.2' };
    const request = buildFrame([
      outer,
      { layer: 'arp', op: 'request', senderMac, senderIp, ...asked },
    ]);
    expect(names(dissect(request).layers)).toBe('ethernet arp');
    request[15] = 6;
    const { layers } = dissect(request);
    expect(names(layers)).toBe('ethernet payload');
    expect(buildFrame(layers)).toEqual(request);
  });

  it('rebuilds to the same bytes, whatever the bytes were', () => {
    const damaged = fc
      .tuple(
        fc.oneof(frame(), nestedFrame()).map(buildFrame),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(200),
        fc.uint8Array({ maxLength: 8 }),
      )
      .map(([whole, changes, cut, more]) => {
        for (const [at, value] of changes) whole[at % whole.length] = value;
        return Buffer.concat([whole.subarray(0, cut < 100 ? whole.length : cut), more]);
      });
    const garbage = fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.from(bytes));
    const options = fc.record<DissectOptions>({
      linkType: fc.constantFrom(1, 101),
      originalLength: fc.oneof(fc.constant(0), fc.nat(3000)),
      vxlanPorts: fc.constantFrom([4789], [0]),
    });
    fc.assert(
      fc.property(fc.oneof(damaged, garbage), options, (bytes, how) => {
        const { layers } = dissect(bytes, how);
        expect(buildFrame(layers).toString('hex')).toBe(bytes.toString('hex'));
        let at = 0;
        for (const layer of layers) {
          expect(layer.offset).toBe(at);
          at += layer.length;
        }
        expect(at).toBe(bytes.length);
      }),
      { numRuns: 2000 },
    );
  });

  it.skipIf(oracle.length === 0)('rebuilds every frame of the oracle', () => {
    for (const { path, linkType, frames } of oracle) {
      for (const { bytes, originalLength } of frames) {
        const { layers } = dissect(bytes, { linkType, originalLength });
        if (!buildFrame(layers).equals(bytes)) expect.fail(`${path} ${bytes.toString('hex')}`);
      }
    }
  });

  it('stops at 16 headers', () => {
    const tunnels = Array.from({ length: 40 }, () => ip);
    const { layers, stopped } = dissect(buildFrame([outer, ...tunnels, segment]));
    expect(layers.length).toBe(17);
    expect(layers[16]).toMatchObject({ layer: 'payload', offset: 14 + 15 * 20 });
    expect(stopped).toMatchObject({ drop: 'too-many-layers', at: 314 });
  });

  it('gives padding as a trailer', () => {
    const { layers } = dissect(buildFrame([outer, ip, udp, { layer: 'trailer', hex: '0000' }]));
    expect(layers.at(-1)).toMatchObject({ layer: 'trailer', hex: '0000', offset: 42, length: 2 });
    expect(get(layers, 'udp').checksumState).toBe('valid');
  });

  it('names the quoted packet of an ICMP error, cut or whole', () => {
    const quote = buildFrame([ip, segment, data]);
    const error = (bytes: Buffer): Buffer =>
      buildFrame([
        outer,
        { ...ip, src: '192.168.33.55' } as Layer,
        { layer: 'icmp', type: 'unreachable', code: 4, mtu: 1450 },
        { layer: 'payload', bytes },
      ]);
    const whole = dissect(error(quote));
    expect(names(whole.layers)).toBe('ethernet ipv4 icmp ipv4 tcp payload');
    expect(whole.layers.map((layer) => layer.quoted === true)).toEqual(
      [0, 0, 0, 1, 1, 1].map((n) => n === 1),
    );
    expect(get(whole.layers, 'tcp').checksumState).toBe('valid');
    expect(get(whole.layers, 'icmp')).toMatchObject({ mtu: 1450, checksumState: 'valid' });

    const cut = dissect(error(quote.subarray(0, 45)));
    expect(cut.stopped).toBeUndefined();
    expect(get(cut.layers, 'ipv4', 1)).toMatchObject({ totalLength: 50, checksumState: 'valid' });
    expect(get(cut.layers, 'tcp').checksumState).toBe('unverifiable');

    const short = dissect(error(quote.subarray(0, 28)));
    expect(short.stopped).toBeUndefined();
    expect(short.layers.at(-1)).toEqual({
      layer: 'tcp-start',
      srcPort: 1000,
      dstPort: 2000,
      seq: 7,
      offset: 62,
      length: 8,
      quoted: true,
    });
    for (const bytes of [error(quote), error(quote.subarray(0, 28))]) {
      expect(buildFrame(dissect(bytes).layers)).toEqual(bytes);
    }
  });

  it('says that the capture, and not the sender, cut a packet', () => {
    const whole = buildFrame([outer, ip, segment, data]);
    const cut = whole.subarray(0, 58);
    const kept = dissect(cut, { originalLength: whole.length });
    expect(kept.stopped).toBeUndefined();
    expect(get(kept.layers, 'tcp').checksumState).toBe('unverifiable');
    expect(dissect(cut).stopped?.drop).toBe('ipv4-total-length');
    const more = dissect(whole.subarray(0, 40), { originalLength: whole.length });
    expect(more.stopped).toMatchObject({ drop: 'capture-cut', at: 34 });
  });

  it.each<[string, Layer[], string]>([
    ['valid', [ip, udp, data], 'valid'],
    ['partial', [ip, { ...udp, checksum: 'partial' } as Layer, data], 'partial'],
    ['wrong', [ip, { ...udp, checksum: 1 } as Layer, data], 'wrong'],
    ['absent', [ip, { ...udp, checksum: 0 } as Layer, data], 'absent'],
    ['of a fragment', [{ ...ip, mf: true } as Layer, udp, data], 'unverifiable'],
  ])('tells a checksum that is %s', (_, layers, state) => {
    expect(get(dissect(buildFrame([outer, ...layers])).layers, 'udp').checksumState).toBe(state);
  });

  it('reads a first fragment up to its end, and a later one as bytes', () => {
    const long = buildFrame([ip, udp, { layer: 'payload', bytes: Buffer.alloc(64) }]);
    const first = { ...ip, protocol: 17, mf: true } as Layer;
    const bytes = long.subarray(20, 44);
    const head = dissect(buildFrame([outer, first, { layer: 'payload', bytes }]));
    expect(head.stopped).toBeUndefined();
    expect(names(head.layers)).toBe('ethernet ipv4 udp payload');
    const later = { ...ip, protocol: 17, fragmentOffset: 3 } as Layer;
    const tail = dissect(buildFrame([outer, later, { layer: 'payload', bytes }]));
    expect(tail.stopped).toBeUndefined();
    expect(names(tail.layers)).toBe('ethernet ipv4 payload');
  });

  it('takes the tunnel ports from the caller', () => {
    const layers: Layer[] = [outer, ip, { layer: 'udp', srcPort: 1, dstPort: 8472 }];
    const bytes = buildFrame([...layers, { layer: 'vxlan', vni: 5 }, outer, ip, udp]);
    expect(names(dissect(bytes).layers)).toBe('ethernet ipv4 udp payload');
    expect(names(dissect(bytes, { vxlanPorts: [8472] }).layers)).toBe(
      'ethernet ipv4 udp vxlan ethernet ipv4 udp',
    );
  });

  it.each(['initiation', 'response', 'cookie-reply', 'data'] as const)(
    'reads a WireGuard %s, with counters beyond 2^53 as text',
    (type) => {
      const sizes = { initiation: 148, response: 92, 'cookie-reply': 64, data: 32 };
      const header = { layer: 'wireguard', type, sender: 3, receiver: 4 } as const;
      const counter = '18446744073709551615';
      const built = buildFrame([header]).length;
      const rest = { layer: 'payload', bytes: Buffer.alloc(sizes[type] - built, 9) } as const;
      const layers = [ip, { layer: 'udp', srcPort: 51820, dstPort: 51820 } as const];
      const bytes = buildFrame([...layers, { ...header, counter }, rest]);
      const { layers: got, stopped } = dissect(bytes, { linkType: 101 });
      expect(stopped).toBeUndefined();
      expect(get(got, 'wireguard')).toMatchObject({
        type,
        ...(type === 'initiation' || type === 'response' ? { sender: 3 } : {}),
        ...(type === 'initiation' ? {} : { receiver: 4 }),
        ...(type === 'data' ? { counter } : {}),
      });
    },
  );

  it('refuses a link type it does not know', () => {
    expect(() => dissect(Buffer.alloc(0), { linkType: 113 })).toThrow('found 113');
    expect(dissect(Buffer.alloc(0)).stopped?.drop).toBe('ethernet-short');
  });
});
