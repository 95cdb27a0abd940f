import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import { dissect } from '../../src/frame/dissect.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { FrameSeries } from '../../src/frame/series.ts';
import type { SeriesField } from '../../src/frame/series-field.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter, type WriterOptions } from '../../src/pcap/writer.ts';
import { frame, nestedFrame } from '../../src/testing/index.ts';
import { formatIp4, formatMac, parseIp4, parseMac } from '../../src/wire/address.ts';

const vxlan: Layer[] = [
  { layer: 'ethernet', src: '52:54:00:85:ff:19', dst: '52:54:00:b2:72:8d' },
  { layer: 'ipv4', src: '192.168.33.55', dst: '192.168.33.57' },
  { layer: 'udp', srcPort: 49152, dstPort: 4789 },
  { layer: 'vxlan', vni: 4096 },
  { layer: 'ethernet', src: '66:8c:73:5a:90:99', dst: '66:90:43:3d:b3:e7' },
  { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136', ttl: 63, df: true },
  { layer: 'udp', srcPort: 1024, dstPort: 53 },
  { layer: 'payload', hex: '00'.repeat(23) },
];

const FIELDS: Record<string, string[]> = {
  ethernet: ['src', 'dst'],
  arp: ['senderMac', 'senderIp', 'targetMac', 'targetIp'],
  ipv4: ['tos', 'id', 'ttl', 'src', 'dst'],
  udp: ['srcPort', 'dstPort'],
  tcp: ['srcPort', 'dstPort', 'seq', 'ack', 'window'],
  icmp: ['id', 'seq'],
  vxlan: ['vni'],
};
const BITS: Record<string, number> = { tos: 8, ttl: 8, vni: 24, seq: 32, ack: 32 };

/** A value with `by` added, in the form of the layer. */
function plus(layer: Layer, field: string, by: number): string | number {
  const value = (layer as unknown as Record<string, string | number | undefined>)[field];
  if (typeof value === 'string' && value.includes(':')) {
    const mac = parseMac(value);
    const low = mac % 2 ** 32;
    return formatMac(mac - low + ((low + by) % 2 ** 32));
  }
  if (typeof value === 'string') return formatIp4((((parseIp4(value) >>> 0) + by) % 2 ** 32) | 0);
  const fallback = field === 'ttl' ? 64 : field === 'window' ? 65535 : 0;
  const bits = layer.layer === 'icmp' ? 16 : (BITS[field] ?? 16);
  return ((value ?? fallback) + by) % 2 ** bits;
}

/** The n-th frame, built from layers with the values that it should have. */
function slowFrame(layers: readonly Layer[], fields: readonly SeriesField[], n: number): Buffer {
  const changed = layers.map((layer) => ({ ...layer }) as Record<string, unknown>);
  for (const { layer, field, step = 1, span } of fields) {
    const by = span === undefined ? n * step : (n * step) % span;
    changed[layer]![field] = plus(layers[layer]!, field, by);
  }
  return buildFrame(changed as unknown as Layer[]);
}

/** A list of layers, and fields of them to count in. */
const counted = fc.oneof(frame(), nestedFrame()).chain((layers) => {
  const places = layers.flatMap((layer, index) => {
    // An ICMP message that is no echo has other fields, and an option of TCP may set its own.
    if (layer.layer === 'icmp' && layer.id === undefined) return [];
    return (FIELDS[layer.layer] ?? []).map((field) => ({ layer: index, field }));
  });
  const field = fc.constantFrom(...places).chain((place) =>
    fc.record(
      {
        layer: fc.constant(place.layer),
        field: fc.constant(place.field),
        step: fc.integer({ min: 0, max: 9 }),
        span: fc.integer({ min: 9, max: 2000 }),
      },
      { requiredKeys: ['layer', 'field'] },
    ),
  );
  const fields = fc.uniqueArray(field, {
    selector: ({ layer, field: name }) => `${layer} ${name}`,
    maxLength: 6,
  });
  return fc.record({ layers: fc.constant(layers), fields });
});

/** What a writer makes of `count` frames. */
function file(series: FrameSeries, count: number, options: WriterOptions, interval: number) {
  const chunks: Buffer[] = [];
  const writer = new CaptureWriter((chunk) => chunks.push(Buffer.from(chunk)), options);
  series.write(writer, count, { seconds: 1_700_000_000, nanoseconds: 999_990_000, interval });
  expect(writer.count).toBe(count);
  writer.close();
  return Buffer.concat(chunks);
}

describe('FrameSeries', () => {
  it('gives the frames that would be built one by one', () => {
    fc.assert(
      fc.property(counted, ({ layers, fields }) => {
        const series = new FrameSeries(layers, fields);
        for (let n = 0; n < 12; n++) {
          expect(series.next().toString('hex')).toBe(slowFrame(layers, fields, n).toString('hex'));
        }
      }),
      { numRuns: 400 },
    );
  });

  it('writes the same in batches as one by one, whatever the capture', () => {
    fc.assert(
      fc.property(
        counted,
        fc.record({ nanosecond: fc.boolean(), bigEndian: fc.boolean() }),
        fc.constantFrom('pcap' as const, 'pcapng' as const),
        fc.constantFrom(0, 1000, 1500, 40_000_000, 3_000_000_000),
        ({ layers, fields }, options, format, interval) => {
          const bytes = file(new FrameSeries(layers, fields), 40, { ...options, format }, interval);
          const records = [...openCapture(bytes)];
          expect(records).toHaveLength(40);
          for (const [n, { bytes: data, seconds, nanoseconds }] of records.entries()) {
            expect(data.toString('hex')).toBe(slowFrame(layers, fields, n).toString('hex'));
            const exact = 1_700_000_000n * 1_000_000_000n + 999_990_000n + BigInt(n * interval);
            const unit = options.nanosecond ? 1n : 1000n;
            const written = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
            expect(written).toBe((exact / unit) * unit);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('goes on where it stopped, however the frames are taken', () => {
    const fields = [
      { layer: 1, field: 'id' },
      { layer: 6, field: 'srcPort', span: 500 },
    ];
    const series = new FrameSeries(vxlan, fields);
    // More than are made at a time.
    const count = 20_000;
    const capture = openCapture(file(series, count, {}, 1000));
    for (let n = 0; capture.advance(); n++) {
      if (n % 77 !== 0) continue;
      const { bytes, start, end, seconds, nanoseconds } = capture;
      expect(bytes.subarray(start, end)).toEqual(slowFrame(vxlan, fields, n));
      expect(seconds * 1e6 + nanoseconds / 1e3).toBe(1_700_000_000e6 + 999_990 + n);
    }
    expect(series.next()).toEqual(slowFrame(vxlan, fields, count));
    const [record] = openCapture(file(series, 1, {}, 1000));
    expect(record!.bytes).toEqual(slowFrame(vxlan, fields, count + 1));
  });

  it('passes every value of a checksum, its zero too', () => {
    const fields = [{ layer: 6, field: 'srcPort' }];
    const records = openCapture(file(new FrameSeries(vxlan, fields), 65_536, {}, 1));
    const seen = new Set<number>();
    for (const { bytes: data } of records) {
      const udp = dissect(data).layers[6]!;
      if (udp.layer !== 'udp') throw new Error('no UDP inside');
      expect(udp.checksumState).toBe('valid');
      seen.add(udp.checksum);
    }
    expect(seen.size).toBe(65_535);
    expect(seen.has(0)).toBe(false);
  });

  it('leaves what a layer gives', () => {
    const wrong = vxlan.map((layer, i) => (i === 6 ? { ...layer, checksum: 0x1234 } : layer));
    const series = new FrameSeries(wrong as Layer[], [{ layer: 6, field: 'dstPort' }]);
    series.next();
    const [, , , , , , udp] = dissect(series.next()).layers;
    expect(udp).toMatchObject({ dstPort: 54, checksum: 0x1234, checksumState: 'wrong' });
  });

  it.each([
    [{ layer: 9, field: 'id' }, /layer 9 \(absent\) place: expected one of 8 layers/],
    [{ layer: 1, field: 'checksum' }, /layer 1 \(ipv4\) field: expected tos, id/],
    [{ layer: 1, field: 'toString' }, /layer 1 \(ipv4\) field/],
    [{ layer: 7, field: 'hex' }, /layer 7 \(payload\) field: expected a layer that has numbers/],
    [{ layer: 1, field: 'id', span: 0 }, /span: expected an integer from 1 to 2147483648/],
    [{ layer: 1, field: 'id', step: 11, span: 10 }, /step: expected an integer from 0 to 10/],
    [{ layer: 1, field: 'id', step: 0.5 }, /step/],
  ])('refuses %o', (field, message) => {
    expect(() => new FrameSeries(vxlan, [field])).toThrow(message);
  });

  it('refuses times and counts that are none', () => {
    const writer = new CaptureWriter(() => {});
    const series = new FrameSeries(vxlan, []);
    expect(() => series.write(writer, -1)).toThrow(/count: expected an integer/);
    expect(() => series.write(writer, 1, { nanoseconds: 1e9 })).toThrow(/nanoseconds/);
    expect(() => series.write(writer, 1, { interval: 0.5 })).toThrow(/interval/);
  });
});
