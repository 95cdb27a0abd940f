/**
 * Fragmentation: ip_do_fragment of net/ipv4/ip_output.c. Every piece but the last
 * carries a multiple of 8 bytes; identification, TTL and TOS stay, options that
 * need not be repeated become no-operations after the first piece.
 */
import { Drop } from '../drop.ts';
import { bytes } from '../packet/arena.ts';
import type { Packet } from '../packet/packet.ts';
import { putU16 } from '../wire/bytes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import { DeviceKind } from './device.ts';
import { dropped } from './drop-packet.ts';
import type { Node } from './node.ts';
import { End, type Next, type Room } from './room.ts';

/** Option numbers with the copied flag go into every fragment (RFC 791 section 3.1). */
const COPIED = 0x80;

/**
 * Sends the pieces on to `room`; the packet itself ends here. A datagram that was
 * put together from fragments leaves in the same pieces where they fit, and then
 * without DF (the fast path over the fragment list); a tunnel's device wants more
 * headroom than they have, and gets new ones.
 */
export function fragment(node: Node, p: Packet, mtu: number, room: Room): Next {
  const { l3 } = p;
  const header = ipv4.headerLength(bytes, l3);
  const most = mtu - header;
  if (most < 8) return dropped(p, Drop.PacketTooBig);
  const total = p.tail - l3 - header;
  const sizes = reusable(node, p, most);
  const flags = ipv4.flags(bytes, l3) & (sizes === null ? -1 : ~ipv4.FLAG_DF);
  const step = most & ~7;
  // Only the last may hold what is no multiple of 8 (ip_frag_next).
  const count = sizes?.length ?? 1 + Math.max(0, Math.ceil((total - most) / step));
  // Each goes before all others, so the last one first.
  let end = total;
  for (let i = count - 1; i >= 0; i--) {
    const offset = sizes === null ? i * step : end - sizes[i]!;
    const length = end - offset;
    const piece = node.world.create(header + length);
    if (piece === null) return dropped(p, Drop.SlotsExhausted);
    emitPiece(p, piece, header, offset, length, total, flags);
    node.world.proceed(node, piece, room);
    end = offset;
  }
  return End.Consumed;
}

function emitPiece(
  p: Packet,
  piece: Packet,
  header: number,
  offset: number,
  length: number,
  total: number,
  flags: number,
): void {
  const { l3 } = p;
  const at = piece.data;
  const first = ipv4.fragmentOffset(bytes, l3);
  bytes.copyWithin(at, l3, l3 + header);
  bytes.copyWithin(at + header, l3 + header + offset, l3 + header + offset + length);
  const more = offset + length < total ? ipv4.FLAG_MF : flags & ipv4.FLAG_MF;
  putU16(bytes, at + ipv4.field.totalLength, header + length);
  putU16(
    bytes,
    at + ipv4.field.flagsOffset,
    (flags & ~ipv4.FLAG_MF) | more | (first + (offset >> 3)),
  );
  if (offset > 0) dropUncopied(at, header);
  ipv4.fillChecksum(bytes, at);
  inherit(piece, p);
}

/** The sizes of the fragments it came in, where they can leave as they came. */
function reusable(node: Node, p: Packet, room: number): readonly number[] | null {
  const sizes = p.fragSizes;
  const { kind } = node.devices[p.output]!;
  if (sizes === null || kind === DeviceKind.Ipip || kind === DeviceKind.Vxlan) return null;
  if (isPulled(p, sizes[0]!)) return null;
  const fit = sizes.every((size, i) => size <= room && (size % 8 === 0 || i === sizes.length - 1));
  return fit ? sizes : null;
}

/** tcp_v4_early_demux takes a header of TCP together that came in pieces; the pieces are others then. */
const isPulled = (p: Packet, firstSize: number): boolean =>
  p.input >= 0 && ipv4.protocol(bytes, p.l3) === ipv4.PROTO_TCP && firstSize < tcp.HEADER_LEN;

/** What a piece takes over from the packet it is a piece of. */
export function inherit(piece: Packet, p: Packet): void {
  piece.l3 = piece.data;
  piece.input = p.input;
  piece.output = p.output;
  piece.route = p.route;
  piece.nextHop = p.nextHop;
  piece.frameType = p.frameType;
  piece.wraps = p.wraps;
  piece.tunnel = p.tunnel;
  piece.follow(p);
  piece.mark = p.mark;
}

/** ip_options_fragment */
function dropUncopied(at: number, header: number): void {
  const end = at + header;
  for (let o = at + ipv4.HEADER_LEN; o < end; ) {
    const kind = bytes[o]!;
    if (kind === 0) return;
    if (kind === 1) {
      o++;
      continue;
    }
    const length = o + 1 < end ? bytes[o + 1]! : 0;
    if (length < 2 || o + length > end) return;
    if ((kind & COPIED) === 0) bytes.fill(1, o, o + length);
    o += length;
  }
}
