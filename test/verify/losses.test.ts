/** Only what the recording proves elsewhere is a loss. */
import { describe, expect, it } from 'vitest';
import type { InterfaceComparison, JudgedFrame } from '../../src/verify/compare.ts';
import { setLossesAside } from '../../src/verify/losses.ts';
import { ReceivedCounts } from '../../src/verify/received-counts.ts';
import { planOf } from '../node/small-network.ts';
import { comparison, judged, tcpFrame } from './judged-frames.ts';

const uncounted = new ReceivedCounts({ plan: planOf({}) });
const settle = (compared: readonly InterfaceComparison[]): InterfaceComparison[] =>
  setLossesAside(compared, uncounted);
const all = (frames: readonly string[]): JudgedFrame[] => frames.map((hex) => judged(hex));
const interfaceOf = (
  namespace: string,
  name: string,
  agreed: readonly string[],
  unexpected: readonly string[],
  whole: readonly string[] = [],
): InterfaceComparison => ({
  ...comparison([namespace, name], {
    agreed: all(agreed),
    disputed: all(['dd']),
    unexpected: all(unexpected).map((frame) => ({ ...frame, outgoing: true })),
    losable: [],
  }),
  whole,
});
const hexOf = (frames: readonly JudgedFrame[] | undefined): string[] | undefined =>
  frames?.map(({ masked }) => masked);

describe('a frame inside a tunnel', () => {
  it('of a recorded frame of the same namespace was lost by the capture', () => {
    const [tunnel, wire] = settle([
      interfaceOf('node1', 'tunl0', ['aa01'], ['aa02', 'aa03']),
      interfaceOf('node1', 'enp1s0', ['ffaa01', 'ffaa02'], []),
    ]);
    expect(tunnel).toMatchObject({ extra: 1, lost: 1 });
    expect(hexOf(tunnel?.unexpected)).toEqual(['aa03']);
    expect(tunnel?.differences.map(({ field }) => field)).toEqual(['dd', 'aa03']);
    expect(wire).toMatchObject({ extra: 0, lost: 0 });
  });

  it('that came in was lost where the ring may lose it, and else was refused before', () => {
    const wire = interfaceOf('node1', 'enp1s0', ['ffaa01', 'ffaa02'], []);
    const unexpected = all(['aa01', 'aa02']);
    const tunnel = comparison(['node1', 'tunl0'], {
      agreed: [],
      disputed: [],
      unexpected,
      losable: unexpected.slice(1),
    });
    const [settled] = settle([tunnel, wire]);
    expect(settled).toMatchObject({ extra: 1, lost: 1 });
    expect(hexOf(settled?.unexpected)).toEqual(['aa01']);
  });

  it('that came in, and went on, was lost', () => {
    const lostOf = (order: number): number | undefined =>
      settle([
        comparison(['node1', 'tunl0'], {
          unexpected: [judged('aa01', { packet: 5, order: 2 })],
          losable: [],
        }),
        interfaceOf('node1', 'enp1s0', ['ffaa01'], []),
        comparison(['node1', 'cali1'], { agreed: [judged('bb01', { packet: 5, order })] }),
      ])[0]?.lost;
    expect([lostOf(1), lostOf(3)]).toEqual([0, 1]);
  });

  it('as often as it is there, and no more', () => {
    const wire = (times: number) =>
      interfaceOf('node1', 'enp1s0', Array<string>(times).fill('ffaa01'), []);
    const tunnel = interfaceOf('node1', 'tunl0', ['aa01'], ['aa01', 'aa01']);
    expect([1, 2, 3, 4].map((times) => settle([tunnel, wire(times)])[0]?.lost)).toEqual([
      0, 1, 2, 2,
    ]);
  });

  it('that is in fragments, as often as they are there', () => {
    const tunnel = interfaceOf('node1', 'tunl0', ['aa01'], ['aa01', 'aa01']);
    const wire = (whole: readonly string[]) =>
      interfaceOf('node1', 'enp1s0', ['ffaa01', 'ee00'], [], whole);
    const lost = [[], ['ffaa02'], ['ffaa01'], ['ffaa01', 'fdaa01']].map(
      (whole) => settle([tunnel, wire(whole)])[0]?.lost,
    );
    expect(lost).toEqual([0, 0, 1, 2]);
  });

  it('another namespace, or a frame that is the same, proves nothing', () => {
    const tunnel = interfaceOf('node1', 'tunl0', [], ['aa01']);
    expect(settle([tunnel, interfaceOf('node2', 'enp1s0', ['ffaa01'], [])])[0]?.lost).toBe(0);
    expect(settle([tunnel, interfaceOf('node1', 'calif', ['aa01'], [])])[0]?.lost).toBe(0);
  });

  it('of WireGuard has padding and a tag behind it, masked to zero', () => {
    const tunnel = interfaceOf('node1', 'wireguard.cali', [], ['aa01', 'aa02', 'aa03']);
    const behind = [`ffaa01${'0'.repeat(40)}`, `ffaa0201${'0'.repeat(38)}`];
    const [lost] = settle([tunnel, interfaceOf('node1', 'enp1s0', behind, [])]);
    expect(lost).toMatchObject({ extra: 2, lost: 1 });
    expect(hexOf(lost?.unexpected)).toEqual(['aa02', 'aa03']);
  });
});

describe('a packet that other captures have further on', () => {
  const of = (hex: string, order: number, packet = 1) => judged(hex, { packet, order });

  it('passed where it is missing', () => {
    const [first, second, last] = settle([
      comparison(['node1', 'enp1s0'], { unexpected: [of('01', 1)] }),
      comparison(['node2', 'enp1s0'], { unexpected: [of('02', 2)] }),
      comparison(['b1', 'eth0'], { agreed: [of('03', 3)] }),
    ]);
    expect([first?.lost, second?.lost, last?.lost]).toEqual([1, 1, 0]);
    expect([first?.extra, second?.extra, second?.differences]).toEqual([0, 0, []]);
  });

  it.each<readonly [string, InterfaceComparison[]]>([
    ['only before', [comparison(['a1', 'eth0'], { agreed: [of('01', 0)] })]],
    ['of another packet', [comparison(['b1', 'eth0'], { agreed: [of('01', 2, 9)] })]],
    ['recorded otherwise', [comparison(['b1', 'eth0'], { disputed: [of('01', 2)] })]],
    [
      'not in all its segments',
      [comparison(['b1', 'eth0'], { agreed: [of('01', 2)], unexpected: [of('02', 3)] })],
    ],
    [
      'in one capture, and otherwise in another',
      [
        comparison(['b1', 'eth0'], { agreed: [of('01', 3)] }),
        comparison(['node2', 'enp1s0'], { disputed: [of('02', 2)] }),
      ],
    ],
  ])('did not pass where it is %s', (_, others) => {
    const here = comparison(['node1', 'enp1s0'], { unexpected: [of('aa', 1)] });
    const [judgement] = settle([here, ...others]);
    expect(judgement).toMatchObject({ lost: 0, extra: 1 });
  });

  it('nor does one segment of it speak for another on the same interface', () => {
    const here = comparison(['node1', 'enp1s0'], {
      unexpected: [of('aa', 1)],
      agreed: [of('bb', 2)],
    });
    expect(settle([here])[0]).toMatchObject({ lost: 0, extra: 1 });
  });

  it('was not lost by a capture that had room', () => {
    const here = comparison(['node1', 'enp1s0'], { unexpected: [of('aa', 1)], losable: [] });
    const there = comparison(['b1', 'eth0'], { agreed: [of('03', 3)] });
    expect(settle([here, there])[0]).toMatchObject({ lost: 0, extra: 1 });
  });

  it('passed where its receiver acknowledged it, and no capture has it any more', () => {
    const [a, b] = ['10.2.0.1', '10.2.0.2'];
    const data = tcpFrame({ from: a, to: b, seq: 1000, length: 500 });
    const ack = tcpFrame({ from: b, to: a, seq: 5, ack: 1500 });
    const settled = settle([
      comparison(['node1', 'enp1s0'], { unexpected: [of('f0', 1)] }),
      comparison(['b1', 'eth0'], {
        unexpected: [of(data, 2)],
        agreed: [judged(ack, { packet: 2, order: 3 })],
      }),
    ]);
    expect(settled.map(({ lost }) => lost)).toEqual([1, 1]);
  });
});
