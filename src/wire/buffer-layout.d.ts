/** What podwire uses of buffer-layout 1.2, which ships no types. Offsets and spans are bytes. */
declare module 'buffer-layout' {
  export interface Field {
    readonly span: number;
    readonly property: string | undefined;
  }
  export interface Structure extends Field {
    offsetOf(property: string): number | undefined;
    decode(buffer: Buffer, offset?: number): Record<string, unknown>;
    encode(source: Record<string, unknown>, buffer: Buffer, offset?: number): number;
  }
  export function struct(fields: Field[], property?: string): Structure;
  export function u8(property: string): Field;
  export function u16be(property: string): Field;
  export function u24be(property: string): Field;
  export function u32be(property: string): Field;
  export function u48be(property: string): Field;
  export function u32(property: string): Field;
  export function blob(length: number, property: string): Field;
}
