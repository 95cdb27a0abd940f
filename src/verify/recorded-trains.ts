/**
 * Where the trains ended that a recorded node joined out of its tunnels (GRO). A softirq
 * that polls the queue may run between any two packets, and no table tells when: the
 * recording does, wherever one of the node's captures has the train.
 */
import type { Node } from '../node/node.ts';
import { bytes as arena } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { type Bytes, i32, u16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import type { Lab } from './lab.ts';

export class RecordedTrains {
  /** Lengths of recorded packets of TCP, by what stands for them. */
  private readonly lengths = new Map<string, number>();

  constructor(lab: Lab, node: Node) {
    if (!node.devices.some(({ receiveOffload }) => receiveOffload)) return;
    for (const device of node.devices) {
      const at = device.ethernet ? ethernet.HEADER_LEN : 0;
      for (const { bytes } of lab.frames(node.name, device.name) ?? []) this.learn(bytes, at);
    }
  }

  private learn(b: Bytes, at: number): void {
    if (ipv4.check(b, at, b.length) !== 0 || ipv4.protocol(b, at) !== ipv4.PROTO_TCP) return;
    if (ipv4.isFragment(b, at)) return;
    const end = at + ipv4.totalLength(b, at);
    if (tcp.check(b, at + ipv4.headerLength(b, at), end) !== 0) return;
    const key = place(b, at);
    // Its way through the node shows it again, in segments where a device cuts it.
    this.lengths.set(key, Math.max(end - at, this.lengths.get(key) ?? 0));
  }

  /** Whether the train is as long as it was recorded; of one that no capture has, whether the packet at `l3` starts another. */
  ends(train: Packet, l3: number): boolean {
    const length = this.lengths.get(place(arena, train.l3));
    if (length === undefined) return this.lengths.has(place(arena, l3));
    return train.tail - train.l3 >= length;
  }

  /** Whether it was recorded longer than it is. */
  goesOn(train: Packet): boolean {
    const length = this.lengths.get(place(arena, train.l3));
    return length !== undefined && train.tail - train.l3 < length;
  }
}

/** A packet's identification, addresses, ports and number in its stream; one that is sent again has another. */
const place = (b: Bytes, at: number): string => {
  const l4 = at + ipv4.headerLength(b, at);
  const id = u16(b, at + ipv4.field.identification);
  const addresses = `${ipv4.source(b, at)} ${ipv4.destination(b, at)}`;
  return `${id} ${addresses} ${i32(b, l4)} ${tcp.sequence(b, l4)}`;
};
