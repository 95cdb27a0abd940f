/**
 * A header is declared once, as a buffer-layout structure in wire order. This
 * file turns the declaration into a frozen record of offsets for the accessors,
 * and keeps the structure itself for slow, independent decoding in `dissect`
 * and in tests. Nothing on the packet path calls buffer-layout.
 */
import * as BufferLayout from 'buffer-layout';

const kinds = {
  u8: (name: string) => BufferLayout.u8(name),
  u16: (name: string) => BufferLayout.u16be(name),
  u24: (name: string) => BufferLayout.u24be(name),
  u32: (name: string) => BufferLayout.u32be(name),
  u48: (name: string) => BufferLayout.u48be(name),
  /** Little-endian, as WireGuard writes. */
  u32le: (name: string) => BufferLayout.u32(name),
} as const;

/** The width of a field: an integer kind, or a number of opaque bytes. */
export type Width = keyof typeof kinds | number;

export type Layout<F extends Record<string, Width>> = { readonly [K in keyof F]: number } & {
  /** Bytes of the whole header. */
  readonly size: number;
  /** The declaration itself, for decoding and encoding where speed does not matter. */
  readonly structure: BufferLayout.Structure;
};

/** Offsets of the fields of a header declared in wire order. */
export function layout<const F extends Record<string, Width>>(fields: F): Layout<F> {
  const structure = BufferLayout.struct(
    Object.entries(fields).map(([name, width]) =>
      typeof width === 'number' ? BufferLayout.blob(width, name) : kinds[width](name),
    ),
  );
  const offsets: Record<string, unknown> = { size: structure.span, structure };
  for (const name of Object.keys(fields)) offsets[name] = structure.offsetOf(name);
  return Object.freeze(offsets) as Layout<F>;
}
