/**
 * A TCP exchange told as facts (who sends what, when) and turned into packets.
 * Sequence and acknowledgement numbers, identifications, lengths and checksums
 * follow from the story, as Linux would have chosen them:
 *
 *   client                     server
 *     | S      seq c            |     a SYN and a FIN take one sequence number
 *     |            S. seq s     |     identification 0 (from a request socket)
 *     | .      c+1   ack s+1    |
 *     | P.     payload          |     acknowledges all the other side sent before
 *
 * Offload is not this file's matter: checksums are always whole.
 */
import { found, PodwireError } from '../errors.ts';
import * as tcp from '../wire/tcp.ts';
import { buildFrame } from './build.ts';
import type { Layer } from './layer.ts';
import { tcpFlagBits } from './tcp-flags.ts';
import type { TcpOption } from './tcp-options.ts';

export type Side = 'client' | 'server';

export interface ConversationSide {
  readonly address: string;
  readonly port: number;
  /** Initial sequence number, unsigned. */
  readonly isn: number;
  /** IPv4 identification of the first packet that has one; one more each packet. */
  readonly identification: number;
  /** Where a segment states none; 65535. Not scaled. */
  readonly window?: number;
}

/** What a SYN offers besides timestamps. */
export interface SynOptions {
  /** Bytes. */
  readonly mss?: number;
  readonly sackPermitted?: boolean;
  /** Shift count. */
  readonly windowScale?: number;
}

export interface ConversationSegment {
  readonly from: Side;
  /** As tcpdump prints them: `S`, `S.`, `.`, `P.`, `F.`, `R.`. */
  readonly flags: string;
  /** As in the header, not scaled. */
  readonly window?: number;
  /** In the order Linux writes them, or a list that is written as it stands. */
  readonly options?: SynOptions | readonly TcpOption[];
  /** Without `echo`: the last value that the other side sent. */
  readonly timestamps?: { readonly value: number; readonly echo?: number };
  /** Text is UTF-8. */
  readonly payload?: Uint8Array | string;
  /** Wins over the computed number; for a retransmission. */
  readonly seq?: number;
  /** Wins over the computed number; for an acknowledgement that lags. */
  readonly ack?: number;
  readonly time: { readonly seconds: number; readonly nanoseconds: number };
}

export interface TcpConversation {
  readonly client: ConversationSide;
  readonly server: ConversationSide;
  readonly segments: readonly ConversationSegment[];
}

export interface ConversationPacket {
  readonly from: Side;
  readonly seconds: number;
  readonly nanoseconds: number;
  /** An IPv4 packet with TTL 64 and DF, no link layer. */
  readonly bytes: Buffer;
}

/** What a side has done so far. */
interface Progress {
  next: number;
  identification: number;
  spoke: boolean;
  timestamp: number;
}

/** The packets in the order of the segments. Throws ERR_FRAME for values that fit no field. */
export function conversationPackets(conversation: TcpConversation): ConversationPacket[] {
  const begin = ({ isn, identification }: ConversationSide): Progress => ({
    next: isn >>> 0,
    identification,
    spoke: false,
    timestamp: 0,
  });
  const progress = { client: begin(conversation.client), server: begin(conversation.server) };
  return conversation.segments.map((segment, index) => {
    if (segment.from !== 'client' && segment.from !== 'server') {
      throw new PodwireError(
        'ERR_FRAME',
        `segment ${index} from: expected client or server, found ${found(segment.from)}`,
      );
    }
    const to = segment.from === 'client' ? 'server' : 'client';
    const layers = segmentLayers(
      segment,
      conversation[segment.from],
      conversation[to],
      progress[segment.from],
      progress[to],
    );
    const { seconds, nanoseconds } = segment.time;
    return { from: segment.from, seconds, nanoseconds, bytes: buildFrame(layers) };
  });
}

function segmentLayers(
  segment: ConversationSegment,
  from: ConversationSide,
  to: ConversationSide,
  mine: Progress,
  theirs: Progress,
): Layer[] {
  const flags = tcpFlagBits(segment.flags, { index: 1, layer: 'tcp' });
  const payload = Buffer.from(segment.payload ?? '');
  const seq = segment.seq ?? mine.next;
  const ack = segment.ack ?? (flags & tcp.ACK ? theirs.next : 0);
  const options = optionsOf(segment, flags, theirs.timestamp);
  const id = identify(flags, mine);
  const taken = payload.length + (flags & tcp.SYN ? 1 : 0) + (flags & tcp.FIN ? 1 : 0);
  advance(mine, (seq + taken) >>> 0);
  mine.spoke = true;
  if (segment.timestamps !== undefined) mine.timestamp = segment.timestamps.value;
  const layers: Layer[] = [
    { layer: 'ipv4', src: from.address, dst: to.address, id, df: true },
    {
      layer: 'tcp',
      srcPort: from.port,
      dstPort: to.port,
      seq,
      ack,
      flags: segment.flags,
      window: segment.window ?? from.window ?? 0xffff,
      options,
    },
  ];
  if (payload.length > 0) layers.push({ layer: 'payload', bytes: payload });
  return layers;
}

/** A retransmission does not take the sequence number back; numbers wrap at 2^32. */
function advance(mine: Progress, end: number): void {
  if (((end - mine.next) | 0) > 0) mine.next = end;
}

/**
 * Linux counts per socket, but a SYN-ACK (ip_build_and_send_pkt with DF) and a
 * reset from no socket (ip_send_unicast_reply) carry 0 and do not count.
 */
function identify(flags: number, mine: Progress): number {
  const synAck = (flags & (tcp.SYN | tcp.ACK)) === (tcp.SYN | tcp.ACK);
  if (synAck || (flags & tcp.RST && !mine.spoke)) return 0;
  const id = mine.identification;
  mine.identification = (id + 1) & 0xffff;
  return id;
}

function optionsOf(segment: ConversationSegment, flags: number, lastEcho: number): TcpOption[] {
  const { options, timestamps } = segment;
  if (isList(options)) return [...options];
  if (timestamps === undefined) return linuxOptions(options);
  const echo = timestamps.echo ?? (flags & tcp.ACK ? lastEcho : 0);
  return linuxOptions(options, { value: timestamps.value, echo });
}

/** In the order and with the padding of tcp_options_write in net/ipv4/tcp_output.c. */
export function linuxOptions(
  options: SynOptions = {},
  timestamps?: { readonly value: number; readonly echo: number },
): TcpOption[] {
  const nop: TcpOption = { option: 'nop' };
  const sack: TcpOption[] = options.sackPermitted === true ? [{ option: 'sackPermitted' }] : [];
  const list: TcpOption[] = [];
  if (options.mss !== undefined) list.push({ option: 'mss', value: options.mss });
  if (timestamps !== undefined) {
    // SACK-permitted takes the place of the two NOPs that align timestamps.
    list.push(...(sack.length > 0 ? sack : [nop, nop]));
    list.push({ option: 'timestamps', ...timestamps });
  } else if (sack.length > 0) {
    list.push(nop, nop, ...sack);
  }
  if (options.windowScale !== undefined) {
    list.push(nop, { option: 'windowScale', shift: options.windowScale });
  }
  return list;
}

const isList = (options: ConversationSegment['options']): options is readonly TcpOption[] =>
  Array.isArray(options);
