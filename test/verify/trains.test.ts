/** Segments cut from one long packet, as the kernel cuts them, and joined again. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { joinTrains, type Sent } from '../../src/verify/trains.ts';

interface Facts {
  readonly id?: number;
  readonly seq?: number;
  readonly flags?: string;
  readonly ack?: number;
  readonly data: Buffer;
}

const packet = ({ id = 7, seq = 1000, flags = '.', ack = 5, data }: Facts): Buffer =>
  buildFrame([
    { layer: 'ipv4', src: '10.2.36.72', dst: '10.2.169.136', id, df: true },
    {
      layer: 'tcp',
      srcPort: 42000,
      dstPort: 8080,
      seq,
      ack,
      flags,
      options: [{ option: 'nop' }, { option: 'nop' }, { option: 'timestamps', value: 1, echo: 2 }],
    } as Layer,
    { layer: 'payload', bytes: data },
  ]);

const at = (packet: Buffer, microseconds = 0): Sent => ({
  seconds: 1,
  nanoseconds: microseconds * 1000,
  packet,
});

/** tcp_gso_segment: FIN and PSH on the last, identifications in a row. */
function cut(data: Buffer, size: number, flags: string, id: number, seq: number): Sent[] {
  const pieces: Sent[] = [];
  for (let from = 0; from < data.length; from += size) {
    const last = from + size >= data.length;
    const facts = { id: (id + pieces.length) & 0xffff, seq: (seq + from) >>> 0 };
    const piece = data.subarray(from, from + size);
    const made = packet({ ...facts, flags: last ? flags : '.', data: piece });
    pieces.push(at(made, pieces.length * 10));
  }
  return pieces;
}

const number16 = fc.nat(0xffff);
const number32 = fc.nat(0xffffffff);

describe('segments of one device', () => {
  it('that were cut from one packet are that packet again', () => {
    const drawn = fc.tuple(
      fc.uint8Array({ minLength: 1, maxLength: 4000 }),
      fc.integer({ min: 1, max: 1400 }),
      fc.constantFrom('.', 'P.', 'F.', 'FP.'),
      number16,
      number32,
    );
    fc.assert(
      fc.property(drawn, ([bytes, size, flags, id, seq]) => {
        const data = Buffer.from(bytes);
        const pieces = cut(data, size, flags, id, seq);
        const [train, ...others] = joinTrains(pieces);
        expect(others).toEqual([]);
        expect(train?.packet).toEqual(packet({ id, seq, flags, data }));
        expect(train?.longest).toBe(pieces.length > 1 ? pieces[0]!.packet.length : 0);
      }),
      { numRuns: 60 },
    );
  });

  const [first, second] = cut(Buffer.alloc(150, 1), 100, 'P.', 7, 1000) as [Sent, Sent];

  it.each<[string, Sent]>([
    ['comes later', { ...second, nanoseconds: 200_000 }],
    ['has another place in the stream', at(packet({ id: 8, seq: 1099, data: Buffer.alloc(50) }))],
    ['has another identification', at(packet({ id: 9, seq: 1100, data: Buffer.alloc(50) }))],
    ['acknowledges more', at(packet({ id: 8, seq: 1100, ack: 6, data: Buffer.alloc(50) }))],
    ['is longer', at(packet({ id: 8, seq: 1100, data: Buffer.alloc(101) }))],
    ['has no data', at(packet({ id: 8, seq: 1100, data: Buffer.alloc(0) }))],
  ])('stay apart where the next one %s', (_, next) => {
    expect(joinTrains([first, second])).toHaveLength(1);
    const apart = joinTrains([first, next]);
    expect(apart.map(({ packet, longest }) => ({ packet, longest }))).toEqual(
      [first, next].map(({ packet }) => ({ packet, longest: 0 })),
    );
  });

  it('end with a push, and with a short one', () => {
    const again = cut(Buffer.alloc(100, 2), 100, '.', 9, 1150);
    expect(joinTrains([first, second, ...again]).map(({ packet }) => packet.length)).toEqual([
      second.packet.length + 100,
      first.packet.length,
    ]);
  });
});
