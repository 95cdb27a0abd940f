/** Fragments made by a router and put together by a slow twin; and hostile ones taken in. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { captureAt } from '../../src/cluster/capture-tap.ts';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { inUse } from '../../src/packet/slab.ts';
import { IN, OUT, type Seen, SmallNetwork, WAN } from './small-network.ts';

const TRACKED = '*filter\n:FORWARD ACCEPT\n-A FORWARD -j ACCEPT\nCOMMIT\n';

/** RFC 791's reassembly by a map of bytes: the payload, or undefined where one is missing. */
function slowJoin(pieces: readonly Buffer[]): Buffer | undefined {
  const data = new Map<number, number>();
  let total = -1;
  for (const piece of pieces) {
    const header = (piece[0]! & 15) * 4;
    const word = piece.readUInt16BE(6);
    const at = (word & 0x1fff) * 8;
    const content = piece.subarray(header, piece.readUInt16BE(2));
    for (const [i, byte] of content.entries()) {
      if (data.has(at + i)) throw new Error(`byte ${at + i} stands in two pieces`);
      data.set(at + i, byte);
    }
    if ((word & 0x2000) === 0) total = at + content.length;
    else expect(content.length % 8).toBe(0);
  }
  if (total < 0 || data.size !== total) return undefined;
  return Buffer.from(Array.from({ length: total }, (_, i) => data.get(i)!));
}

const content = (length: number, salt: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 31 + salt + (i >> 8)) & 255));

const raw = (data: Buffer, more: object = {}): Layer[] => [
  { layer: 'ipv4', src: IN, dst: OUT, protocol: 253, id: 77, ...more },
  { layer: 'payload', hex: data.toString('hex') },
];

const at = (seen: readonly Seen[], node: string, device: string): Buffer[] =>
  seen.filter((s) => s.node === node && s.device === device).map(({ packet }) => packet);

describe('a router with a smaller MTU', () => {
  const property = (rules: string | undefined) =>
    fc.assert(
      fc.property(
        fc.integer({ min: 68, max: 1500 }),
        fc.integer({ min: 1, max: 9000 }),
        // None, no-operations, record route with one place, router alert (which is copied).
        fc.constantFrom('', '01010101', '0707040000000000', '94040000'),
        fc.nat(255),
        (mtu, length, options, salt) => {
          const net = new SmallNetwork({
            mtu,
            largeMtu: 9200,
            ...(rules === undefined ? {} : { rules }),
          });
          const data = content(length, salt);
          const before = inUse();
          const seen = net.send('in', raw(data, options === '' ? {} : { options }));
          const pieces = at(seen, 'gw', 'eth1');
          expect(slowJoin(pieces)?.equals(data)).toBe(true);
          const whole = pieces.length === 1;
          expect(whole).toBe(length + 20 + options.length / 2 <= mtu);
          for (const piece of pieces) {
            expect(piece.length).toBeLessThanOrEqual(mtu);
            expect(piece.readUInt16BE(4)).toBe(77);
            expect(piece[8]).toBe(63);
          }
          expect(net.drops).toEqual({});
          expect(at(seen, 'out', 'eth0')).toEqual(pieces);
          net.wait(31);
          expect(inUse()).toBe(before);
        },
      ),
      { numRuns: 60 },
    );

  it('makes pieces that fit, start at multiples of 8, and hold every byte once', () => {
    property(undefined);
  });

  it('the same with connection tracking', () => {
    property(TRACKED);
  });

  // ip_frag_next: only what is not the last piece is cut to a multiple of 8.
  it.each([
    [1005, 984 + 985, [1004, 1005]],
    [1005, 984 + 986, [1004, 1004, 22]],
    [1007, 984 + 987, [1004, 1007]],
    [1004, 984 + 984, [1004, 1004]],
  ])('of MTU %i and %i bytes of data the last piece fills what there is', (mtu, length, sizes) => {
    const seen = new SmallNetwork({ mtu, largeMtu: 9200 }).send('in', raw(content(length, 1)));
    expect(at(seen, 'gw', 'eth1').map((piece) => piece.length)).toEqual(sizes);
  });

  it('with DF: no piece, a named drop, and fragmentation needed with the MTU', () => {
    const net = new SmallNetwork({ mtu: 1000 });
    const seen = net.send('in', raw(content(1200, 0), { df: true }));
    expect(at(seen, 'gw', 'eth1')).toEqual([]);
    const error = at(seen, 'in', 'eth0').at(-1)!;
    expect([error[20], error[21], error.readUInt16BE(26)]).toEqual([3, 4, 1000]);
    expect(Object.keys(net.drops)).toEqual(['packet-too-big']);
  });
});

interface Piece {
  readonly start: number;
  readonly length: number;
  readonly more: boolean;
}

/** Fragments of one datagram, sent from outside to the router with connection tracking. */
function sendPiece(
  net: SmallNetwork,
  data: Buffer,
  { start, length, more }: Piece,
  id = 7,
): Seen[] {
  const layers = raw(data.subarray(start, start + length), {
    src: OUT,
    dst: IN,
    id,
    mf: more,
    fragmentOffset: start / 8,
  });
  return net.send('out', layers);
}

describe('fragments taken in', () => {
  const data = content(1200, 3);
  const three: Piece[] = [
    { start: 0, length: 400, more: true },
    { start: 400, length: 400, more: true },
    { start: 800, length: 400, more: false },
  ];
  const arrived = (order: readonly Piece[], net = new SmallNetwork({ rules: TRACKED })) => {
    const seen = order.flatMap((piece) => [...sendPiece(net, data, piece)]);
    return { net, joined: slowJoin(at(seen, 'in', 'eth0')) };
  };

  it.each([[[0, 1, 2]], [[2, 1, 0]], [[1, 2, 0]], [[2, 0, 1]]])(
    'in the order %j: the datagram goes on',
    (order) => {
      const { net, joined } = arrived(order.map((i) => three[i]!));
      expect(joined?.equals(data)).toBe(true);
      expect(net.drops).toEqual({});
    },
  );

  it.each([
    ['the same again', { start: 400, length: 400, more: true }],
    ['a part of another', { start: 8, length: 80, more: true }],
    ['a part of two neighbours', { start: 200, length: 400, more: true }],
  ])('%s: that piece is dropped, the datagram goes on', (_, extra) => {
    const { net, joined } = arrived([three[0]!, three[1]!, extra, three[2]!]);
    expect(joined?.equals(data)).toBe(true);
    expect(net.drops).toEqual({ 'fragment-overlap': 1 });
  });

  it.each<[string, Piece]>([
    ['new bytes that overlap', { start: 320, length: 160, more: true }],
    ['an end before what is there', { start: 200, length: 100, more: false }],
    ['nothing at all', { start: 600, length: 0, more: true }],
  ])('%s: the whole datagram is dropped', (_, extra) => {
    const { net, joined } = arrived([three[0]!, extra]);
    expect(joined).toBeUndefined();
    expect(net.drops).toEqual({ 'fragment-overlap': 2 });
    expect(net.cluster.waiting()).toBe(0);
  });

  it('bytes beyond the end, or another end: the whole datagram is dropped', () => {
    for (const extra of [
      { start: 1200 - 400, length: 400, more: true },
      { start: 1192, length: 8, more: false },
    ]) {
      const { net } = arrived([three[2]!, extra]);
      // The same bytes again, or within: nothing new, and nothing lost.
      expect(net.drops).toEqual({ 'fragment-overlap': 1 });
    }
    const long = content(1400, 3);
    for (const more of [true, false]) {
      const net = new SmallNetwork({ rules: TRACKED });
      sendPiece(net, long, three[2]!);
      sendPiece(net, long, { start: 1200, length: 200, more });
      expect(net.drops).toEqual({ 'fragment-overlap': 2 });
    }
  });

  it('late: what lies 30 s is dropped by name, and the rest after it too', () => {
    const before = inUse();
    const { net, joined } = arrived(three.slice(0, 2));
    expect(joined).toBeUndefined();
    expect(net.cluster.waiting()).toBe(2);
    net.wait(31);
    expect(net.drops).toEqual({ 'fragment-timeout': 2 });
    expect(at(sendPiece(net, data, three[2]!), 'in', 'eth0')).toEqual([]);
    net.wait(31);
    expect(net.drops).toEqual({ 'fragment-timeout': 3 });
    expect(inUse()).toBe(before);
  });

  it('a flood of first pieces: memory is bounded, each refusal named, all freed in time', () => {
    const before = inUse();
    const net = new SmallNetwork({ rules: TRACKED });
    for (let id = 0; id < 8000; id++) {
      sendPiece(net, data, { start: 0, length: 8, more: true }, id);
    }
    const held = net.cluster.waiting();
    // 4 MiB of packets that take 768 bytes at least.
    expect(held).toBe(Math.floor((4 * 2 ** 20) / 768));
    expect(net.drops).toEqual({ 'slots-exhausted': 8000 - held });
    net.wait(31);
    expect(net.cluster.waiting()).toBe(0);
    expect(inUse()).toBe(before);
    expect(arrived(three, net).joined?.equals(data)).toBe(true);
  });

  it('any pieces in any order: no crash, every packet accounted for, no byte that was not sent', () => {
    const piece = fc.record({
      start: fc.nat(20).map((n) => n * 8),
      length: fc.nat(64),
      more: fc.boolean(),
    });
    const before = inUse();
    let joined = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const net = new SmallNetwork({ rules: TRACKED });
        for (const one of pieces) {
          const got = at(sendPiece(net, data, one), 'in', 'eth0');
          const whole = got.length === 0 ? undefined : slowJoin(got);
          if (whole === undefined) continue;
          expect(whole.equals(data.subarray(0, whole.length))).toBe(true);
          joined++;
        }
        net.wait(31);
        const { entered, born, delivered, dropped, consumed } = net.cluster.counts;
        expect(entered + born).toBe(delivered + dropped + consumed);
        const names = ['fragment-overlap', 'fragment-timeout'];
        expect(Object.keys(net.drops).filter((name) => !names.includes(name))).toEqual([]);
      }),
      { numRuns: 200 },
    );
    expect(joined).toBeGreaterThan(0);
    expect(inUse()).toBe(before);
  });

  it('to the router itself: put together there as well', () => {
    const net = new SmallNetwork();
    const echo = Buffer.concat([Buffer.from('0800000000070001', 'hex'), content(800, 1)]);
    let sum = 0;
    for (let i = 0; i < echo.length; i += 2) sum += echo.readUInt16BE(i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    echo.writeUInt16BE(~sum & 0xffff, 2);
    const half = (start: number, end: number, mf: boolean): Layer[] =>
      raw(echo.subarray(start, end), {
        src: OUT,
        dst: WAN,
        protocol: 1,
        mf,
        fragmentOffset: start / 8,
      });
    net.send('out', half(0, 400, true));
    expect(net.cluster.waiting()).toBe(1);
    const delivered = net.cluster.counts.delivered + net.cluster.counts.consumed;
    net.send('out', half(400, echo.length, false));
    expect(net.cluster.waiting()).toBe(0);
    expect(net.cluster.counts.delivered + net.cluster.counts.consumed).toBeGreaterThan(delivered);
    expect(net.drops['fragment-timeout']).toBeUndefined();
  });
});

it('DF of a datagram is that of any of its longest pieces, as recorded with 100, 100 and 89 bytes', () => {
  const answered = (...df: boolean[]): boolean => {
    const net = new SmallNetwork({ mtu: 500, rules: TRACKED });
    const lengths = [600, 600, 96];
    const seen = lengths.flatMap((length, i) =>
      net.send('in', raw(content(length, i), { df: df[i], mf: i < 2, fragmentOffset: i * 75 })),
    );
    const errors = at(seen, 'in', 'eth0').filter((packet) => packet[9] === 1);
    if (errors.length === 0) expect(at(seen, 'out', 'eth0').length).toBeGreaterThan(2);
    return errors.length > 0;
  };
  expect(answered(false, true, false)).toBe(true);
  expect(answered(true, false, false)).toBe(true);
  expect(answered(false, false, true)).toBe(false);
});

it('translation that writes beyond the first fragment leaves new ones, with DF, as recorded', () => {
  const masquerade = `*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n`;
  // A TCP header is 20 bytes: it reaches into the second fragment of 16, not of 24.
  const passed = (rules: string, step: number): { length: number; df: boolean }[] => {
    const net = new SmallNetwork({ rules });
    const segment = buildFrame([
      { layer: 'ipv4', src: IN, dst: OUT },
      { layer: 'tcp', srcPort: 40000, dstPort: 80, flags: 'S' },
      { layer: 'payload', bytes: Buffer.alloc(3 * step - 20) },
    ]).subarray(20);
    const seen = [0, 1, 2].flatMap((i) =>
      net.send(
        'in',
        raw(segment.subarray(i * step, (i + 1) * step), {
          protocol: 6,
          df: true,
          mf: i < 2,
          fragmentOffset: (i * step) / 8,
        }),
      ),
    );
    return at(seen, 'out', 'eth0').map((packet) => ({
      length: packet.length - 20,
      df: (packet[6]! & 0x40) !== 0,
    }));
  };
  expect(passed(masquerade, 16)).toEqual(Array(3).fill({ length: 16, df: true }));
  expect(passed(masquerade, 24)).toEqual(Array(3).fill({ length: 24, df: false }));
  // So does the look for a socket, before the packet is forwarded (tcp_v4_early_demux).
  expect(passed(TRACKED, 16)).toEqual(Array(3).fill({ length: 16, df: true }));
  expect(passed(TRACKED, 24)).toEqual(Array(3).fill({ length: 24, df: false }));
});

describe('fragments that go on through a router that tracks', () => {
  const sizesOf = (protocol: number, sizes: readonly number[]): number[] => {
    const net = new SmallNetwork({ rules: TRACKED });
    // Nobody's checksum: a cut header, and no transport behind it.
    net.cluster.observer = null;
    const seen: number[] = [];
    captureAt(net.cluster, net.cluster.names.port('in:eth0'), {
      write: (_s, _n, b, start) => seen.push(b.readUInt16BE(start + 14 + 2) - 20),
    });
    const data = content(200, 5);
    // A data offset of five words, an acknowledgement, a length that is whole.
    data[12] = 0x50;
    data[13] = 0x10;
    data.writeUInt16BE(data.length, 4);
    let start = 0;
    for (const length of sizes) {
      const more = {
        fragmentOffset: start / 8,
        mf: start + length < data.length,
        src: OUT,
        dst: IN,
      };
      const piece = raw(data.subarray(start, start + length), { ...more, protocol });
      net.cluster.originate(net.cluster.names.find('out'), buildFrame(piece));
      start += length;
    }
    return seen;
  };

  it('leave as they came, but those of TCP whose first has no whole header', () => {
    expect(sizesOf(17, [16, 80, 104])).toEqual([16, 80, 104]);
    expect(sizesOf(6, [24, 80, 96])).toEqual([24, 80, 96]);
    // As a kernel (6.1) sent them: as long as the longest that came.
    expect(sizesOf(6, [16, 80, 104])).toEqual([104, 96]);
  });
});
