/** One end of a TCP connection that `exchange` plays: numbers, sizes and options as Linux has them. */
import { buildFrame } from '../frame/build.ts';
import { linuxOptions } from '../frame/conversation.ts';
import { decodeTcpOptions, type TcpOption } from '../frame/tcp-options.ts';
import { mix } from '../node/flow-hash.ts';
import type { Node } from '../node/node.ts';
import { formatIp4, type Ip4 } from '../wire/address.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import {
  announcedMss,
  firstWindow,
  mtuTowards,
  setsDontFragment,
  synOptions,
  TIMESTAMPS_LEN,
  timestamp,
  WINDOW_SCALE,
} from './tcp-offer.ts';

/** RFC 9293 section 3.7.1: of a peer that announces none. */
const DEFAULT_MSS = 536;

export interface Endpoint {
  readonly address: number;
  readonly port: number;
}

export class TcpEnd {
  readonly node: Node;
  private readonly own: Endpoint;
  private readonly peer: Endpoint;
  /** Sequence number of the first byte of data; the one before is the SYN's. */
  private readonly start: number;
  /** The next byte that the peer expects, and the next that this end expects. */
  private acknowledged: number;
  private expected = 0;
  private identification: number;
  private peerMss = DEFAULT_MSS;
  private isTimed = false;
  private isScaled = false;
  /** Timestamp that the peer sent last. */
  private echo = 0;

  /** `isn`: of a SYN ACK that was sent already. */
  constructor(node: Node, own: Endpoint, peer: Endpoint, isn?: number) {
    this.node = node;
    this.own = own;
    this.peer = peer;
    const drawn = mix(mix(own.address, peer.address), mix(own.port, peer.port));
    this.start = ((isn ?? drawn ^ node.world.milliseconds()) + 1) >>> 0;
    this.acknowledged = this.start;
    this.identification = drawn & 0xffff;
  }

  /** Bytes of its data that the peer has. */
  get sent(): number {
    return (this.acknowledged - this.start) >>> 0;
  }

  /** Data that one segment takes, by what the peer announced and what the path is known to carry. */
  get room(): number {
    const path = mtuTowards(this.node, this.peer.address) - ipv4.HEADER_LEN - tcp.HEADER_LEN;
    return Math.max(Math.min(this.peerMss, path) - (this.isTimed ? TIMESTAMPS_LEN : 0), 1);
  }

  syn(): Buffer {
    const mss = announcedMss(this.node, this.peer.address);
    const options = synOptions(mss, timestamp(this.node, this.peer.address));
    return this.build('S', this.start - 1, 0, firstWindow(mss), options, Buffer.alloc(0));
  }

  /** With data from `offset` of all that this end sends, or none. */
  segment(flags: string, offset: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
    const { node, peer, isTimed, isScaled, echo } = this;
    const mss = announcedMss(node, peer.address) - (isTimed ? TIMESTAMPS_LEN : 0);
    const window = firstWindow(mss);
    return this.build(
      flags,
      this.start + offset,
      this.expected,
      isScaled ? Math.ceil(window / 2 ** WINDOW_SCALE) : window,
      linuxOptions({}, isTimed ? { value: timestamp(node, peer.address), echo } : undefined),
      data,
    );
  }

  /** Takes a segment of the peer in, IPv4 header first. */
  receive(packet: Buffer): void {
    const l4 = ipv4.headerLength(packet, 0);
    const flags = tcp.flags(packet, l4);
    const data = l4 + tcp.headerLength(packet, l4);
    const options = decodeTcpOptions(packet, l4 + tcp.HEADER_LEN, data);
    const seq = tcp.sequence(packet, l4) >>> 0;
    if (flags & tcp.SYN) this.agree(options, seq);
    for (const one of options) if (one.option === 'timestamps') this.echo = one.value;
    const ends = flags & (tcp.SYN | tcp.FIN) ? 1 : 0;
    if (seq === this.expected) {
      this.expected = (seq + ipv4.totalLength(packet, 0) - data + ends) >>> 0;
    }
    const ack = tcp.acknowledgement(packet, l4) >>> 0;
    const isNew = ((ack - this.acknowledged) | 0) > 0;
    if (flags & tcp.ACK && isNew) this.acknowledged = ack;
  }

  private agree(options: readonly TcpOption[], seq: number): void {
    this.expected = seq;
    for (const one of options) {
      if (one.option === 'mss') this.peerMss = one.value;
      if (one.option === 'timestamps') this.isTimed = true;
      if (one.option === 'windowScale') this.isScaled = true;
    }
  }

  private build(
    flags: string,
    seq: number,
    ack: number,
    window: number,
    options: readonly TcpOption[],
    data: Uint8Array,
  ): Buffer {
    const id = this.identification;
    this.identification = (id + 1) & 0xffff;
    return buildFrame([
      {
        layer: 'ipv4',
        src: formatIp4(this.own.address as Ip4),
        dst: formatIp4(this.peer.address as Ip4),
        id,
        df: setsDontFragment(this.node, this.peer.address),
      },
      {
        layer: 'tcp',
        srcPort: this.own.port,
        dstPort: this.peer.port,
        seq: seq >>> 0,
        ack,
        flags,
        window,
        options,
      },
      { layer: 'payload', bytes: Buffer.from(data) },
    ]);
  }
}
