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
import { dropped } from './drop-packet.ts';
import type { Node } from './node.ts';
import { End, type Next, type Room } from './room.ts';

/** Option numbers with the copied flag go into every fragment (RFC 791 section 3.1). */
const COPIED = 0x80;

/** Sends the pieces on to `room`; the packet itself ends here. */
export function fragment(node: Node, p: Packet, mtu: number, room: Room): Next {
  const { l3 } = p;
  const header = ipv4.headerLength(bytes, l3);
  const room8 = (mtu - header) & ~7;
  if (room8 < 8) return dropped(p, Drop.PacketTooBig);
  const flags = ipv4.flags(bytes, l3);
  const first = ipv4.fragmentOffset(bytes, l3);
  const total = p.tail - l3 - header;
  for (let offset = 0; offset < total; offset += room8) {
    const length = Math.min(room8, total - offset);
    const piece = node.world.create(header + length);
    if (piece === null) return dropped(p, Drop.SlotsExhausted);
    const at = piece.data;
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
    node.world.enqueue(node, piece, room);
  }
  return End.Consumed;
}

function inherit(piece: Packet, p: Packet): void {
  piece.l3 = piece.data;
  piece.input = p.input;
  piece.output = p.output;
  piece.route = p.route;
  piece.nextHop = p.nextHop;
  piece.frameType = p.frameType;
  piece.wraps = p.wraps;
  piece.tunnel = p.tunnel;
  piece.hops = p.hops;
  piece.traced = p.traced;
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
