/**
 * Ethernet II, with 802.1Q tags stepped over (IEEE 802.3 clause 3, 802.1Q clause 9).
 *
 *   0            6            12      14
 *   | destination | source     | type  | payload ...
 *   with a tag:                | 8100  | PCP DEI VID | type | payload ...
 */
import { Drop } from '../drop.ts';
import { type Bytes, i32, putI32, putU16, u16 } from './bytes.ts';
import { layout } from './layout.ts';

export const field = layout({ destination: 'u48', source: 'u48', type: 'u16' });

export const HEADER_LEN: number = field.size;
export const TAG_LEN = 4;

export const TYPE_IPV4 = 0x0800;
export const TYPE_ARP = 0x0806;
export const TYPE_IPV6 = 0x86dd;
export const TYPE_VLAN = 0x8100;
export const TYPE_SERVICE_VLAN = 0x88a8;

export const destinationHigh = (b: Bytes, at: number): number => u16(b, at + field.destination);
export const destinationLow = (b: Bytes, at: number): number => i32(b, at + field.destination + 2);
export const sourceHigh = (b: Bytes, at: number): number => u16(b, at + field.source);
export const sourceLow = (b: Bytes, at: number): number => i32(b, at + field.source + 2);
export const type = (b: Bytes, at: number): number => u16(b, at + field.type);

/** The VLAN of a frame whose type says that it has a tag; 0 for a tag that only gives a priority. */
export const vlan = (b: Bytes, at: number): number => u16(b, at + HEADER_LEN) & 0xfff;

/** The group bit: broadcast and multicast. */
export const isGroup = (b: Bytes, at: number): boolean => (b[at + field.destination]! & 1) === 1;

export const isBroadcast = (b: Bytes, at: number): boolean =>
  destinationHigh(b, at) === 0xffff && destinationLow(b, at) === -1;

export const isTag = (etherType: number): boolean =>
  etherType === TYPE_VLAN || etherType === TYPE_SERVICE_VLAN;

/** Once this returns `Drop.None`, every accessor above is in bounds. */
export const check = (_b: Bytes, at: number, end: number): Drop =>
  end - at < HEADER_LEN ? Drop.EthernetShort : Drop.None;

/** Writes all 14 bytes; addresses as upper 16 and lower 32 bits. */
export function emit(
  b: Bytes,
  at: number,
  toHigh: number,
  toLow: number,
  fromHigh: number,
  fromLow: number,
  etherType: number,
): void {
  putU16(b, at + field.destination, toHigh);
  putI32(b, at + field.destination + 2, toLow);
  putU16(b, at + field.source, fromHigh);
  putI32(b, at + field.source + 2, fromLow);
  putU16(b, at + field.type, etherType);
}
