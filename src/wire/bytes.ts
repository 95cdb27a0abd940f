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

/** The other byte order. */
export const bswap16 = (value: number): number => ((value & 0xff) << 8) | (value >>> 8);

/** Little-endian, unsigned, as WireGuard writes. */
export const u32le = (b: Bytes, at: number): number =>
  (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;

export function putU32le(b: Bytes, at: number, value: number): void {
  b[at] = value;
  b[at + 1] = value >>> 8;
  b[at + 2] = value >>> 16;
  b[at + 3] = value >>> 24;
}

/** Up to so many bytes `copyWords` is faster than the call that copies anything. */
export const SHORT_COPY = 192;

/**
 * A DataView of the Buffer that packets come from, made for one that comes twice in a row,
 * as that of a capture does.
 */
export class SourceView {
  private last: Bytes | null = null;
  private viewed: Bytes | null = null;
  private view: DataView | null = null;

  /** Null where a view is not worth its price. */
  of(source: Bytes): DataView | null {
    if (source === this.viewed) return this.view;
    const again = source === this.last;
    this.last = source;
    if (!again) return null;
    this.viewed = source;
    this.view = new DataView(source.buffer, source.byteOffset, source.length);
    return this.view;
  }
}

/** Copies bytes `start` to `end`, all of them there, to `to` from `at` on. */
export function copyWords(
  from: DataView,
  start: number,
  end: number,
  to: DataView,
  at: number,
): void {
  const away = at - start;
  let i = start;
  for (; i <= end - 4; i += 4) to.setInt32(i + away, from.getInt32(i));
  for (; i < end; i++) to.setUint8(i + away, from.getUint8(i));
}
