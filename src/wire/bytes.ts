/**
 * Reading and writing integers in a Buffer, big-endian unless the name says `le`:
 * the only byte shuffling in the library. 32-bit reads give a *signed* integer, which V8 keeps unboxed
 * in a field or a return value; `>>> 0` turns it into what people print.
 */

/** Always a Buffer: mixing it with plain Uint8Array halves the speed of every reader. */
export type Bytes = Buffer;

export const u16 = (b: Bytes, at: number): number => (b[at]! << 8) | b[at + 1]!;

export const i32 = (b: Bytes, at: number): number =>
  (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;

export function putU16(b: Bytes, at: number, value: number): void {
  b[at] = value >>> 8;
  b[at + 1] = value;
}

export function putI32(b: Bytes, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}

/** Little-endian, unsigned, as WireGuard writes. */
export const u32le = (b: Bytes, at: number): number =>
  (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;

export function putU32le(b: Bytes, at: number, value: number): void {
  b[at] = value;
  b[at + 1] = value >>> 8;
  b[at + 2] = value >>> 16;
  b[at + 3] = value >>> 24;
}
