/**
 * Frames of `tcpdump -i any`: LINKTYPE_LINUX_SLL2, whose header stands in place of the
 * link's own and names the interface, the kind of frame and who sent it, but not to whom.
 *
 *    0 | EtherType | reserved
 *    4 | index of the interface
 *    8 | ARPHRD | kind | length of the address
 *   12 | address of the sender, 8 bytes
 */
import type { DevicePlan } from '../plan/plan.ts';
import { BROADCAST_MAC, macHigh, macLow } from '../wire/address.ts';
import { i32, u16 } from '../wire/bytes.ts';
import * as ethernet from '../wire/ethernet.ts';
import { layout } from '../wire/layout.ts';

export const LINKTYPE_LINUX_SLL = 113;
export const LINKTYPE_LINUX_SLL2 = 276;

const field = layout({
  type: 'u16',
  reserved: 'u16',
  index: 'u32',
  hardware: 'u16',
  kind: 'u8',
  addressLength: 'u8',
  address: 'u48',
  padding: 'u16',
});
export const HEADER_LEN: number = field.size;

/** PACKET_… of linux/if_packet.h. */
const Kind = { Host: 0, Broadcast: 1, Multicast: 2, OtherHost: 3, Outgoing: 4 } as const;

/** ifindex of the interface; the header is there. */
export const deviceIndex = (b: Buffer): number => i32(b, field.index);

/**
 * The frame as its device saw it: an IP packet where the device has no Ethernet. Where the
 * header does not tell who it was sent to, that is the other end of a veth, or nobody.
 * Undefined for what was for somebody else on the wire.
 */
export function uncooked(b: Buffer, device: DevicePlan, peer: number): Buffer | undefined {
  const packet = b.subarray(HEADER_LEN);
  if (device.kind === 'ipip' || device.kind === 'wireguard') return Buffer.from(packet);
  const kind = b[field.kind];
  if (kind === Kind.OtherHost) return undefined;
  const frame = Buffer.alloc(ethernet.HEADER_LEN + packet.length);
  const to = kind === Kind.Outgoing ? peer : receiver(kind, device);
  frame.writeUIntBE(macHigh(to), 0, 2);
  frame.writeInt32BE(macLow(to), 2);
  b.copy(frame, 6, field.address, field.address + 6);
  frame.writeUInt16BE(u16(b, field.type), 12);
  packet.copy(frame, ethernet.HEADER_LEN);
  return frame;
}

const receiver = (kind: number | undefined, device: DevicePlan): number =>
  kind === Kind.Host ? (device.mac ?? 0) : BROADCAST_MAC;
