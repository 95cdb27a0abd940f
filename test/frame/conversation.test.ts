import { describe, expect, it } from 'vitest';
import {
  type ConversationSegment,
  conversationPackets,
  type Side,
  type TcpConversation,
} from '../../src/frame/conversation.ts';
import { dissect } from '../../src/frame/dissect.ts';
import type { Dissected, DissectedLayer } from '../../src/frame/layer.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as tcp from '../../src/wire/tcp.ts';
import { type CapturedFile, captured } from '../wire/captured.ts';

const last = <K extends DissectedLayer['layer']>(layers: readonly DissectedLayer[], kind: K) =>
  layers.filter((layer): layer is Dissected<K> => layer.layer === kind).at(-1)!;

/** The facts only: no sequence number but the first, no acknowledgement, no length, no sum. */
function factsOf(capture: CapturedFile): TcpConversation {
  const seen = capture.frames.map((frame) => ({ frame, ...dissect(frame.bytes) }));
  const opening = last(seen[0]!.layers, 'ipv4');
  const fromOf = (layers: readonly DissectedLayer[]): Side =>
    last(layers, 'ipv4').src === opening.src ? 'client' : 'server';
  const side = (name: Side) => {
    const mine = seen.filter(({ layers }) => fromOf(layers) === name);
    const ids = mine.map(({ layers }) => last(layers, 'ipv4').id).filter((id) => id !== 0);
    const { srcPort, seq } = last(mine[0]!.layers, 'tcp');
    const address = last(mine[0]!.layers, 'ipv4').src;
    return { address, port: srcPort, isn: seq, identification: ids[0]! };
  };
  const segments = seen.map(({ frame, layers }): ConversationSegment => {
    const segment = last(layers, 'tcp');
    const payload = layers.find((layer) => layer.layer === 'payload');
    const stamps = segment.options.find((option) => option.option === 'timestamps')!;
    return {
      from: fromOf(layers),
      flags: segment.flags,
      window: segment.window,
      ...(segment.flags.startsWith('S')
        ? { options: { mss: 1440, sackPermitted: true, windowScale: 9 } }
        : {}),
      timestamps: { value: stamps.value, echo: stamps.echo },
      ...(payload === undefined ? {} : { payload: Buffer.from(payload.hex, 'hex') }),
      time: { seconds: frame.seconds, nanoseconds: frame.fraction * 1000 },
    };
  });
  return { client: side('client'), server: side('server'), segments };
}

/** The inner packet as the pod sent it: TTL 64. */
function sent(bytes: Buffer): Buffer {
  const packet = Buffer.from(bytes.subarray(last(dissect(bytes).layers, 'ipv4').offset));
  packet[ipv4.field.ttl] = 64;
  ipv4.fillChecksum(packet, 0);
  return packet;
}

const vxlan = captured('captures/calico-vxlan.pcap');
const ipip = captured('captures/calico-ipip.pcap');
const bgp = captured('captures/calico-bgp.pcap');

describe('conversationPackets', () => {
  it.skipIf(vxlan === undefined).each([
    ['calico-vxlan', vxlan!],
    ['calico-ipip', ipip!],
  ])('tells %s again, byte for byte', (_, capture) => {
    const packets = conversationPackets(factsOf(capture));
    expect(packets.map(({ bytes }) => bytes.toString('hex'))).toEqual(
      capture.frames.map(({ bytes }) => sent(bytes).toString('hex')),
    );
    expect(packets.map(({ seconds, nanoseconds }) => [seconds, nanoseconds])).toEqual(
      capture.frames.map(({ seconds, fraction }) => [seconds, fraction * 1000]),
    );
  });

  it.skipIf(bgp === undefined)(
    'tells calico-bgp again, with the checksums tcpdump asks for',
    () => {
      // What `tcpdump -vv` prints behind "incorrect ->", the sender having left them to the NIC.
      const sums = [0x61f2, 0x936d, 0xc1a6, 0xf601, 0xc155, 0x0e2a, 0xc0c2, 0xc0be, 0xc0b9, 0xc0b2];
      const packets = conversationPackets(factsOf(bgp!));
      const expected = bgp!.frames.map(({ bytes }, i) => {
        const packet = sent(bytes);
        packet.writeUInt16BE(sums[i]!, 20 + tcp.field.checksum);
        return packet.toString('hex');
      });
      expect(packets.map(({ bytes }) => bytes.toString('hex'))).toEqual(expected);
    },
  );

  const sides = {
    client: { address: '10.0.0.1', port: 40000, isn: 0xfffffffe, identification: 0xffff },
    server: { address: '10.0.0.2', port: 80, isn: 5, identification: 9, window: 1000 },
  };
  const time = { seconds: 1, nanoseconds: 2 };
  const tell = (segments: readonly Omit<ConversationSegment, 'time'>[]) =>
    conversationPackets({
      ...sides,
      segments: segments.map((segment) => ({ ...segment, time })),
    }).map(({ bytes }) => {
      const { layers } = dissect(bytes, { linkType: 101 });
      return { ...last(layers, 'tcp'), id: last(layers, 'ipv4').id };
    });

  it('wraps sequence numbers and identifications', () => {
    const packets = tell([
      { from: 'client', flags: 'S' },
      { from: 'server', flags: 'S.' },
      { from: 'client', flags: 'P.', payload: 'abc' },
      { from: 'server', flags: '.' },
      { from: 'client', flags: 'F.' },
      { from: 'server', flags: 'F.' },
    ]);
    expect(packets.map(({ seq, ack, id }) => [seq, ack, id])).toEqual([
      [0xfffffffe, 0, 0xffff],
      [5, 0xffffffff, 0],
      [0xffffffff, 6, 0],
      [6, 2, 9],
      [2, 6, 1],
      [6, 3, 10],
    ]);
    expect(packets.map(({ window }) => window)).toEqual([65535, 1000, 65535, 1000, 65535, 1000]);
  });

  it('repeats a segment without losing count, and refuses with identification 0', () => {
    const again = tell([
      { from: 'client', flags: 'S' },
      { from: 'client', flags: 'S', seq: 0xfffffffe },
      { from: 'client', flags: '.' },
    ]);
    expect(again.map(({ seq }) => seq)).toEqual([0xfffffffe, 0xfffffffe, 0xffffffff]);
    const refused = tell([
      { from: 'client', flags: 'S' },
      { from: 'server', flags: 'R.', window: 0 },
    ]);
    expect(refused[1]).toMatchObject({ id: 0, ack: 0xffffffff, window: 0, flags: 'R.' });
  });

  it('aligns SYN options without timestamps as Linux does, and echoes the last one', () => {
    const options = { mss: 1460, sackPermitted: true, windowScale: 7 };
    const [bare] = tell([{ from: 'client', flags: 'S', options }]);
    const kinds = bare!.options.map(({ option }) => option);
    expect(kinds.join(' ')).toBe('mss nop nop sackPermitted nop windowScale');
    const [, echoed] = tell([
      { from: 'client', flags: 'S', timestamps: { value: 77 } },
      { from: 'server', flags: 'S.', timestamps: { value: 88 } },
    ]);
    expect(echoed!.options.at(-1)).toEqual({ option: 'timestamps', value: 88, echo: 77 });
  });

  it('refuses a speaker it does not know and flags that do not exist', () => {
    expect(() => tell([{ from: 'nobody' as Side, flags: 'S' }])).toThrow('segment 0 from');
    expect(() => tell([{ from: 'client', flags: '?' }])).toThrow('letters of FSRP.UEW');
  });
});
