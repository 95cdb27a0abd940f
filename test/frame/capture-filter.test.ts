/** Filters choose what tcpdump chooses, from captures of all kinds of frames. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { buildFrame } from '../../src/frame/build.ts';
import { captureFilter } from '../../src/frame/capture-filter.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { openCapture } from '../../src/pcap/capture.ts';
import { CaptureWriter } from '../../src/pcap/writer.ts';
import { installed } from '../judge.ts';
import { workTime } from '../work-time.ts';

const judge = installed('tcpdump', 'filters are not judged');

const NODES = ['192.168.33.55', '192.168.33.57', '192.168.34.9'] as const;
const PODS = ['10.2.36.71', '10.2.169.136', '10.20.0.1'] as const;
const PORTS = [53, 80, 179, 4789, 8080] as const;
const ETHERNET: Layer = {
  layer: 'ethernet',
  src: '52:54:00:85:ff:19',
  dst: '52:54:00:b2:72:8d',
};

interface Frame {
  readonly bytes: Buffer;
  readonly length: number;
}

const ip = (rest: object = {}): fc.Arbitrary<Layer> =>
  fc.record({
    layer: fc.constant('ipv4' as const),
    src: fc.constantFrom(...NODES, ...PODS),
    dst: fc.constantFrom(...NODES, ...PODS),
    ttl: fc.constantFrom(1, 62, 63, 64),
    ...rest,
  });
const port = fc.constantFrom(...PORTS);
const message: fc.Arbitrary<Layer[]> = fc
  .oneof(
    fc.record({
      layer: fc.constant('tcp' as const),
      srcPort: port,
      dstPort: port,
      flags: fc.constantFrom(['syn'], ['syn', 'ack'], ['ack'], ['fin', 'ack'], ['rst']),
    }) as fc.Arbitrary<Layer>,
    fc.record({ layer: fc.constant('udp' as const), srcPort: port, dstPort: port }),
    fc.record({
      layer: fc.constant('icmp' as const),
      type: fc.constantFrom('echo-request' as const, 'echo-reply' as const),
      id: fc.nat(3),
      seq: fc.nat(3),
    }),
  )
  .map((layer) => [layer]);
const packet = fc.tuple(ip(), message).map(([header, rest]) => [header, ...rest]);
const arp: fc.Arbitrary<Layer[]> = fc
  .record({
    layer: fc.constant('arp' as const),
    op: fc.constantFrom('request' as const, 'reply' as const),
    senderMac: fc.constant('52:54:00:85:ff:19'),
    senderIp: fc.constantFrom(...NODES, ...PODS),
    targetMac: fc.constant('00:00:00:00:00:00'),
    targetIp: fc.constantFrom(...NODES, ...PODS),
  })
  .map((one): Layer[] => [one]);
const layers: fc.Arbitrary<Layer[]> = fc.oneof(
  packet.map((rest) => [ETHERNET, ...rest]),
  arp.map((rest) => [{ ...ETHERNET, dst: 'ff:ff:ff:ff:ff:ff' } as Layer, ...rest]),
  fc.tuple(ip(), packet).map(([outer, inner]) => [ETHERNET, outer, ...inner]),
  packet.map((rest) => [ETHERNET, { layer: 'vlan', id: 7 } as Layer, ...rest]),
  fc
    .tuple(ip(), packet)
    .map(([outer, inner]): Layer[] => [
      ETHERNET,
      outer,
      { layer: 'udp', srcPort: 40000, dstPort: 4789 },
      { layer: 'vxlan', vni: 4096 },
      ETHERNET,
      ...inner,
    ]),
);

/** A later fragment, an IPv6 packet, options in the header: made by hand on a built frame. */
const twist: fc.Arbitrary<(frame: Buffer) => Buffer> = fc.constantFrom(
  (frame: Buffer) => frame,
  (frame: Buffer) => frame,
  (frame: Buffer) => frame,
  (frame: Buffer) => {
    frame.writeUInt16BE(0x2001, 20);
    return frame;
  },
  (frame: Buffer) => {
    frame[14] = 0x46;
    return frame;
  },
  (frame: Buffer) => {
    const six = Buffer.concat([
      frame.subarray(0, 14),
      Buffer.from(
        '60000000000811400000000000000000000000000000000000000000000000000000000000000001',
        'hex',
      ),
      Buffer.from('1f90003500080000', 'hex'),
    ]);
    six.writeUInt16BE(0x86dd, 12);
    return six;
  },
);
const frames: fc.Arbitrary<Frame[]> = fc.array(
  fc.tuple(layers, twist, fc.option(fc.nat(60), { freq: 6 })).map(([all, change, snap]) => {
    const whole = change(Buffer.from(buildFrame(all)));
    return { bytes: snap === null ? whole : whole.subarray(0, snap), length: whole.length };
  }),
  { minLength: 60, maxLength: 120 },
);

const ADDRESS = fc.constantFrom(...NODES, ...PODS);
const direction = fc.constantFrom('', 'src ', 'dst ', 'src or dst ', 'src and dst ');
const primitive: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    'ip',
    'arp',
    'tcp',
    'udp',
    'icmp',
    'ip6',
    'broadcast',
    'multicast',
    'ip multicast',
  ),
  fc.constantFrom(
    'proto 4',
    'ip proto 4',
    'ip proto \\udp',
    'proto 17',
    'ether proto 0x0806',
    'ether proto \\ip',
  ),
  fc
    .tuple(fc.constantFrom('', 'ip ', 'arp '), direction, ADDRESS)
    .map(([p, d, a]) => `${p}${d}host ${a}`),
  fc.tuple(direction, ADDRESS).map(([d, a]) => (d === '' ? `host ${a}` : `${d}${a}`)),
  fc
    .tuple(
      direction,
      fc.constantFrom(
        '10.2.0.0/16',
        '192.168.33.0/24',
        '10.2',
        '10',
        '10.2.0.0 mask 255.255.0.0',
        '0.0.0.0/0',
      ),
    )
    .map(([d, n]) => `${d}net ${n}`),
  fc
    .tuple(fc.constantFrom('', 'tcp ', 'udp '), direction, port)
    .map(([p, d, n]) => `${p}${d}port ${n}`),
  fc.constantFrom(
    'portrange 80-200',
    'tcp dst portrange 8000-9000',
    'port (80 or 179)',
    'port domain',
  ),
  fc.constantFrom(
    'ether host 52:54:00:85:ff:19',
    'ether dst ff:ff:ff:ff:ff:ff',
    'ether src 52:54:00:85:ff:19',
  ),
  fc.constantFrom('greater 90', 'less 60', 'len > 80', 'len <= 42'),
  fc.constantFrom(
    'ip[8] = 63',
    'ip[8] < 63',
    'tcp[tcpflags] & tcp-syn != 0',
    'tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn',
    'icmp[icmptype] = icmp-echo',
    'udp[4:2] > 20',
    'ether[0] & 1 = 1',
    'ip[2:2] - 20 > 40',
    '(ip[0] & 0xf) * 4 = 20',
    'ip[6:2] & 0x1fff = 0',
    'tcp[((tcp[12:1] & 0xf0) >> 2):1] = 0',
    'arp[6:2] = 1',
  ),
);
const expression: fc.Arbitrary<string> = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    primitive,
    fc.tuple(fc.constantFrom('not ', '! '), tie('any')).map(([no, e]) => `${no}(${e})`),
    primitive.map((e) => `not ${e}`),
    fc
      .tuple(tie('any'), fc.constantFrom(' and ', ' or ', ' && ', ' || '), tie('any'))
      .map((parts) => parts.join('')),
    fc
      .tuple(tie('any'), fc.constantFrom(' and ', ' or '), tie('any'))
      .map(([a, sign, b]) => `(${a})${sign}(${b})`),
  ),
})).any;

const folder = mkdtempSync(join(tmpdir(), 'podwire-filter-'));
const file = join(folder, 'all.pcap');
const selected = join(folder, 'selected.pcap');

function write(list: readonly Frame[]): void {
  const writer = new CaptureWriter(file);
  for (const [i, { bytes, length }] of list.entries())
    writer.write(i, 0, bytes, 0, bytes.length, length);
  writer.close();
}

/** Numbers of the frames that tcpdump lets through. */
function chosenByTcpdump(filter: string): number[] {
  // -O: its optimiser sees through `ip or not ip`, and then does not miss what a cut frame lacks.
  const words = ['-O', '-r', file, '-w', '-', '--', filter];
  const { stdout, stderr, status } = spawnSync('tcpdump', words);
  if (status !== 0) throw new Error(`tcpdump: ${filter}: ${stderr.toString()}`);
  writeFileSync(selected, stdout);
  const capture = openCapture(selected);
  const numbers = [...capture].map(({ seconds }) => seconds);
  capture.close();
  return numbers;
}

function chosen(list: readonly Frame[], filter: string): number[] {
  const passes = captureFilter(filter);
  return [...list.keys()].filter((i) => passes(list[i]!.bytes, list[i]!.length));
}

describe.skipIf(!judge)('a capture filter beside tcpdump', () => {
  it('chooses the same frames', () => {
    let chose = 0;
    fc.assert(
      fc.property(
        frames,
        fc.array(expression, { minLength: 25, maxLength: 25 }),
        (list, filters) => {
          write(list);
          for (const filter of filters) {
            const wanted = chosenByTcpdump(filter);
            expect([filter, chosen(list, filter)]).toEqual([filter, wanted]);
            if (wanted.length > 0 && wanted.length < list.length) chose++;
          }
        },
      ),
      { numRuns: 8 },
    );
    expect(chose).toBeGreaterThan(60);
  });

  it('takes an identifier alone for one like that before it', () => {
    fc.assert(
      fc.property(frames, (list) => {
        write(list);
        for (const filter of [
          `host ${NODES[0]} or ${NODES[1]}`,
          `not host ${NODES[0]} and ${NODES[1]}`,
          'tcp port 80 or 179 and not 8080',
          'dst port 80 or 4789',
          `src ${PODS[0]} and dst (${PODS[1]} or ${PODS[2]})`,
          'udp port 4789 or proto 4',
          'tcp or udp and not port 53',
        ]) {
          expect([filter, chosen(list, filter)]).toEqual([filter, chosenByTcpdump(filter)]);
        }
      }),
      { numRuns: 3 },
    );
  });
});

describe('a capture filter', () => {
  it('lets everything through when it is empty, and reads raw IP', () => {
    expect(captureFilter('  ')(Buffer.alloc(0))).toBe(true);
    const raw = Buffer.from(
      buildFrame([ETHERNET, { layer: 'ipv4', src: '10.0.0.1', dst: '10.0.0.2', protocol: 6 }]),
    ).subarray(14);
    const passes = (text: string) => captureFilter(text, { linkType: 101 })(raw);
    expect(['host 10.0.0.2', 'ip', 'arp', 'net 10', 'ether[0] = 0'].map(passes)).toEqual([
      true,
      true,
      false,
      true,
      false,
    ]);
    expect(() => captureFilter('ip', { linkType: 113 })).toThrow(PodwireError);
  });

  it('says what it expected, in no time, whatever it is given', () => {
    for (const [filter, message] of [
      ['host', 'an IPv4 address, found the end'],
      ['host x', 'an IPv4 address, found "x"'],
      ['net 10.2.0.1/16', 'without bits beyond its mask'],
      ['port 70000', 'a port from 0 to 65535'],
      ['tcp host 10.0.0.1', 'ip, arp or rarp before an address'],
      ['ip and', 'found the end'],
      ['(ip', 'expected ), found the end'],
      ['ip ip', 'and, or or the end'],
      ['tcp[1:3] = 0', '1, 2 or 4 bytes'],
      ['gre[0] = 0', 'before ['],
      ['ip $ arp', 'words of a filter'],
      ['('.repeat(500), 'levels'],
      ['not '.repeat(500), 'levels'],
    ] as const) {
      expect(() => captureFilter(filter), filter).toThrow(message);
    }
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 200 }),
          fc
            .array(
              fc.constantFrom(
                '(',
                ')',
                'ip',
                'not',
                'and',
                '[',
                ']',
                '0',
                ':',
                'tcp',
                'host',
                '&',
                '=',
              ),
            )
            .map((w) => w.join(' ')),
        ),
        (text) => {
          try {
            captureFilter(text)(Buffer.alloc(60));
          } catch (error) {
            if (!(error instanceof PodwireError)) throw error;
            expect(error.code).toBe('ERR_USAGE');
          }
        },
      ),
    );
    const spent = workTime(() => {
      expect(() => captureFilter('(1+'.repeat(3000))).toThrow(PodwireError);
    });
    expect(spent).toBeLessThan(100);
  });
});
