/**
 * ARP for IPv4 over Ethernet, RFC 826.
 *
 *    0 | hardware type     | protocol type = 0800 |
 *    4 | hlen = 6 | plen = 4 | operation          |
 *    8 | sender hardware (6) | sender protocol (4) |
 *   18 | target hardware (6) | target protocol (4) |
 */
import { Drop } from '../drop.ts';
import { type Bytes, i32, putI32, putU16, u16 } from './bytes.ts';
import { TYPE_IPV4 } from './ethernet.ts';
import { layout } from './layout.ts';

export const field = layout({
  hardwareType: 'u16',
  protocolType: 'u16',
  hardwareLength: 'u8',
  protocolLength: 'u8',
  operation: 'u16',
  senderMac: 'u48',
  senderIp: 'u32',
  targetMac: 'u48',
  targetIp: 'u32',
});

export const LEN: number = field.size;
export const REQUEST = 1;
export const REPLY = 2;
export const HARDWARE_ETHERNET = 1;
const HARDWARE_IEEE802 = 6;

export const hardwareType = (b: Bytes, at: number): number => u16(b, at + field.hardwareType);
export const operation = (b: Bytes, at: number): number => u16(b, at + field.operation);
export const senderMacHigh = (b: Bytes, at: number): number => u16(b, at + field.senderMac);
export const senderMacLow = (b: Bytes, at: number): number => i32(b, at + field.senderMac + 2);
export const senderIp = (b: Bytes, at: number): number => i32(b, at + field.senderIp);
export const targetMacHigh = (b: Bytes, at: number): number => u16(b, at + field.targetMac);
export const targetMacLow = (b: Bytes, at: number): number => i32(b, at + field.targetMac + 2);
export const targetIp = (b: Bytes, at: number): number => i32(b, at + field.targetIp);

/**
 * Once this returns `Drop.None`, every accessor above is in bounds. On Ethernet the
 * hardware type of IEEE 802 counts as well (arp_process).
 */
export function check(b: Bytes, at: number, end: number): Drop {
  if (end - at < LEN) return Drop.ArpShort;
  const hardware = hardwareType(b, at);
  const known =
    (hardware === HARDWARE_ETHERNET || hardware === HARDWARE_IEEE802) &&
    u16(b, at + field.protocolType) === TYPE_IPV4 &&
    b[at + field.hardwareLength] === 6 &&
    b[at + field.protocolLength] === 4;
  return known ? Drop.None : Drop.ArpFormat;
}

/** Writes all 28 bytes; MACs as upper 16 and lower 32 bits. */
export function emit(
  b: Bytes,
  at: number,
  op: number,
  fromHigh: number,
  fromLow: number,
  fromIp: number,
  toHigh: number,
  toLow: number,
  toIp: number,
): void {
  putU16(b, at + field.hardwareType, HARDWARE_ETHERNET);
  putU16(b, at + field.protocolType, TYPE_IPV4);
  b[at + field.hardwareLength] = 6;
  b[at + field.protocolLength] = 4;
  putU16(b, at + field.operation, op);
  putU16(b, at + field.senderMac, fromHigh);
  putI32(b, at + field.senderMac + 2, fromLow);
  putI32(b, at + field.senderIp, fromIp);
  putU16(b, at + field.targetMac, toHigh);
  putI32(b, at + field.targetMac + 2, toLow);
  putI32(b, at + field.targetIp, toIp);
}
