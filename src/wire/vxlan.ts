/**
 * VXLAN, RFC 7348 section 5.
 *
 *   0 | R R R R I R R R |            reserved             |
 *   4 |          network identifier (VNI)     | reserved  |
 */
import { Drop } from '../drop.ts';
import { type Bytes, i32, putI32 } from './bytes.ts';
import { layout } from './layout.ts';

export const field = layout({ flags: 'u8', reserved: 'u24', vni: 'u24', reserved2: 'u8' });

export const HEADER_LEN: number = field.size;
/** IANA's port, which Calico uses too. */
export const PORT = 4789;
const FLAG_VNI = 0x08;

export const flags = (b: Bytes, at: number): number => b[at + field.flags]!;
export const vni = (b: Bytes, at: number): number => i32(b, at + field.vni) >>> 8;

/**
 * Linux drops a frame with any reserved bit set, not only without the I flag
 * (vxlan_rcv). Once this returns `Drop.None`, every accessor is in bounds.
 */
export function check(b: Bytes, at: number, end: number): Drop {
  if (end - at < HEADER_LEN) return Drop.VxlanShort;
  if (i32(b, at) !== FLAG_VNI << 24 || b[at + field.reserved2] !== 0) return Drop.VxlanFlags;
  return Drop.None;
}

/** Writes all eight bytes. */
export function emit(b: Bytes, at: number, id: number): void {
  putI32(b, at, FLAG_VNI << 24);
  putI32(b, at + field.vni, id << 8);
}
