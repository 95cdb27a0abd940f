/**
 * TCP data that a recorded receiver acknowledged, for frames that its captures lost: the
 * bytes came, and no frame that was recorded brought them.
 */
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import type { InterfaceComparison, JudgedFrame } from './compare.ts';

/** What an acknowledgement may be ahead of data it is about: the largest window (RFC 7323 section 2.3). */
const LARGEST_WINDOW = 2 ** 30;

interface Segment {
  /** Addresses and ports, the sender's first. */
  readonly flow: string;
  readonly back: string;
  readonly from: number;
  /** Behind the last byte of data. */
  readonly end: number;
  /** -1: it acknowledges nothing. */
  readonly acknowledgement: number;
}

export class Acknowledged {
  /** Acknowledgements by the flow of what they acknowledge, with the order of their frames. */
  private readonly told = new Map<string, { readonly upTo: number; readonly order: number }[]>();

  constructor(compared: readonly InterfaceComparison[]) {
    for (const { bytes, order } of compared.flatMap(({ agreed }) => agreed)) {
      const segment = segmentOf(bytes);
      if (segment === undefined || segment.acknowledgement < 0) continue;
      const list = this.told.get(segment.back);
      const one = { upTo: segment.acknowledgement, order };
      if (list === undefined) this.told.set(segment.back, [one]);
      else list.push(one);
    }
  }

  /** The frames of an interface that its capture may have lost, and whose data arrived. */
  of({ agreed, losable }: InterfaceComparison): readonly JudgedFrame[] {
    if (losable.length === 0) return [];
    const had = agreed.flatMap(({ bytes }) => segmentOf(bytes) ?? []);
    return losable.filter(({ bytes, order }) => {
      const segment = segmentOf(bytes);
      if (segment === undefined || segment.end === segment.from) return false;
      return this.covers(segment, order) && !had.some((other) => overlaps(segment, other));
    });
  }

  private covers({ flow, end }: Segment, order: number): boolean {
    const told = this.told.get(flow) ?? [];
    return told.some((one) => one.order > order && ahead(one.upTo, end) < LARGEST_WINDOW);
  }
}

/** By how much `a` is ahead of `b` in a stream, 0 to 2^32 - 1. */
const ahead = (a: number, b: number): number => (a - b) >>> 0;

const overlaps = (a: Segment, b: Segment): boolean =>
  a.flow === b.flow &&
  (ahead(b.from, a.from) < ahead(a.end, a.from) || ahead(a.from, b.from) < ahead(b.end, b.from));

/** The TCP segment that a frame is, outside of tunnels. */
function segmentOf(b: Buffer): Segment | undefined {
  for (const at of [0, ethernet.HEADER_LEN]) {
    if (ipv4.check(b, at, b.length) !== 0 || ipv4.protocol(b, at) !== ipv4.PROTO_TCP) continue;
    const l4 = at + ipv4.headerLength(b, at);
    const end = at + ipv4.totalLength(b, at);
    if (ipv4.isFragment(b, at) || tcp.check(b, l4, end) !== 0) continue;
    const from = tcp.sequence(b, l4);
    const sender = `${ipv4.source(b, at)} ${tcp.sourcePort(b, l4)}`;
    const receiver = `${ipv4.destination(b, at)} ${tcp.destinationPort(b, l4)}`;
    const acks = (tcp.flags(b, l4) & tcp.ACK) !== 0;
    return {
      flow: `${sender} ${receiver}`,
      back: `${receiver} ${sender}`,
      from,
      end: from + end - l4 - tcp.headerLength(b, l4),
      acknowledgement: acks ? tcp.acknowledgement(b, l4) >>> 0 : -1,
    };
  }
  return undefined;
}
