/** The judge judged: every bit of a frame, flipped, is noticed outside the free bytes and only there. */
import { describe, expect, it } from 'vitest';
import { buildFrame } from '../../src/frame/build.ts';
import type { Layer } from '../../src/frame/layer.ts';
import { compareFrames, type InterfaceComparison } from '../../src/verify/compare.ts';
import { parseIp4 } from '../../src/wire/address.ts';
import { nic } from './judged-frames.ts';

const NODES = ['192.168.33.55', '192.168.33.57'].map((a) => parseIp4(a));
const isNode = (address: number): boolean => NODES.includes(address as (typeof NODES)[number]);

const compare = (
  recorded: readonly Buffer[],
  made: readonly Buffer[],
  vxlanPorts = [4789],
): InterfaceComparison =>
  compareFrames(
    'node1',
    nic(),
    recorded.map((bytes) => ({ bytes, at: 1 })),
    made.map((bytes, order) => ({
      bytes,
      at: 2,
      decision: 'a route',
      packet: order,
      order,
      outgoing: true,
    })),
    { isNode, isHeld: () => true, vxlanPorts, wireguardPorts: [], plain: () => undefined },
  );

const ethernet: Layer = {
  layer: 'ethernet',
  src: '52:54:00:85:ff:19',
  dst: '52:54:00:b2:72:8d',
};
const nodes = { src: '192.168.33.55', dst: '192.168.33.57' };
const inner: Layer[] = [
  { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136', id: 0x1234, ttl: 63 },
  { layer: 'udp', srcPort: 40000, dstPort: 9000 },
  { layer: 'payload', bytes: Buffer.from('who goes there') },
];
const vxlan = (id: number, srcPort: number, checksum?: 'partial'): Buffer =>
  buildFrame([
    ethernet,
    { layer: 'ipv4', ...nodes, id },
    { layer: 'udp', srcPort, dstPort: 4789, ...(checksum === undefined ? {} : { checksum }) },
    { layer: 'vxlan', vni: 4096 },
    { layer: 'ethernet', src: '66:8c:73:5a:90:99', dst: '66:90:43:3d:b3:e7' },
    ...inner,
  ]);
const ipip = (id: number): Buffer =>
  buildFrame([ethernet, { layer: 'ipv4', ...nodes, id }, ...inner]);

/** Identification and header checksum; with VXLAN also the source port and checksum of UDP. */
const HEADER_FREE = [18, 19, 24, 25];
const kinds = [
  { name: 'VXLAN', frame: vxlan(0x4321, 40001), free: [...HEADER_FREE, 34, 35, 40, 41] },
  { name: 'IPIP', frame: ipip(0x4321), free: HEADER_FREE },
  { name: 'a pod’s own packet', frame: buildFrame([ethernet, ...inner]), free: [] },
];

function flipped(frame: Buffer, at: number, bit: number): Buffer {
  const b = Buffer.from(frame);
  b[at]! ^= 1 << bit;
  return b;
}

describe.each(kinds)('$name', ({ frame, free }) => {
  const bits = [...frame.keys()].flatMap((at) => [...Array(8).keys()].map((bit) => [at, bit]));

  it('is equal to itself', () => {
    const { frames, equal, differences } = compare([frame], [frame]);
    expect({ frames, equal, differences }).toEqual({ frames: 1, equal: 1, differences: [] });
  });

  it('each bit that the recording has otherwise is noticed, unless free', () => {
    for (const [at, bit] of bits as [number, number][]) {
      const c = compare([flipped(frame, at, bit)], [frame]);
      const where = `byte ${at} bit ${bit}`;
      expect(c.equal, where).toBe(0);
      expect(c.equalOutsideFree, where).toBe(free.includes(at) ? 1 : 0);
      expect(c.differences.length > 0, where).toBe(!free.includes(at));
      expect(c.different + c.missing, where).toBe(free.includes(at) ? 0 : 1);
      expect(c.missing, where).toBe(c.extra);
    }
  });

  it('each bit that podwire makes otherwise is noticed: a free byte needs its checksum', () => {
    for (const [at, bit] of bits as [number, number][]) {
      const c = compare([frame], [flipped(frame, at, bit)]);
      expect(c.different + c.missing, `byte ${at} bit ${bit}`).toBe(1);
    }
  });
});

describe('frames as multisets', () => {
  it('free bytes that differ with right checksums are equal outside them', () => {
    const c = compare([vxlan(1, 40001), ipip(7)], [ipip(9), vxlan(60000, 50000)]);
    expect([c.equal, c.equalOutsideFree, c.differences.length]).toEqual([0, 2, 0]);
  });

  it('a checksum left to the hardware is not a free byte', () => {
    const left = vxlan(1, 40001, 'partial');
    const same = compare([left], [vxlan(2, 50000, 'partial')]);
    expect([same.equalOutsideFree, same.different]).toEqual([1, 0]);
    const [difference] = compare([left], [vxlan(1, 40001)]).differences;
    expect(difference?.field).toBe('udp.checksum');
  });

  it('one too few is missing, one too many is extra, told with what decided it', () => {
    const pod = buildFrame([ethernet, ...inner]);
    const few = compare([pod, pod, pod], [pod]);
    expect([few.equal, few.missing, few.extra]).toEqual([1, 2, 0]);
    expect(few.differences.map((d) => [d.frame, d.field, d.got])).toEqual([
      [2, 'frame', 'nothing'],
      [3, 'frame', 'nothing'],
    ]);
    const many = compare([], [pod]);
    expect([many.extra, many.differences[0]?.decision]).toEqual([1, 'a route']);
    expect(many.unexpected.map(({ masked }) => masked)).toEqual([pod.toString('hex')]);
  });

  it('the first differing field is named with both values', () => {
    const other = buildFrame([ethernet, { ...inner[0]!, ttl: 62 } as Layer, ...inner.slice(1)]);
    const [difference] = compare([buildFrame([ethernet, ...inner])], [other]).differences;
    expect(difference).toEqual({
      frame: 1,
      at: 1,
      field: 'ipv4.ttl',
      expected: '63',
      got: '62',
      decision: 'a route',
    });
  });
});

it('free bytes of VXLAN are those of the network’s own port', () => {
  const frame = (id: number, srcPort: number): Buffer =>
    buildFrame([
      ethernet,
      { layer: 'ipv4', ...nodes, id },
      { layer: 'udp', srcPort, dstPort: 8472 },
      { layer: 'vxlan', vni: 4096 },
      { layer: 'ethernet', src: '66:00:00:00:00:01', dst: '66:00:00:00:00:02' },
      { layer: 'ipv4', src: '10.2.36.71', dst: '10.2.169.136' },
      { layer: 'udp', srcPort: 1, dstPort: 2 },
    ]);
  const [recorded, made] = [[frame(1, 40000)], [frame(2, 50000)]];
  expect(compare(recorded, made, [8472])).toMatchObject({ equalOutsideFree: 1, different: 0 });
  expect(compare(recorded, made)).toMatchObject({ equalOutsideFree: 0 });
});

it('times that nodes wrote into an option are free, the addresses beside them are not', () => {
  const stamped = (address: string, time: string): Buffer =>
    buildFrame([
      ethernet,
      { ...inner[0]!, options: `440c0d01${address}${time}` } as Layer,
      ...inner.slice(1),
    ]);
  const at = (address: string, time: string) =>
    compare([stamped('c0a82137', '02fafa20')], [stamped(address, time)]);
  expect(at('c0a82137', '02fafa21')).toMatchObject({ equalOutsideFree: 1, different: 0 });
  expect(at('c0a82138', '02fafa20')).toMatchObject({ equalOutsideFree: 0, different: 1 });
});
