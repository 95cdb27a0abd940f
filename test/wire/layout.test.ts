import { describe, expect, it } from 'vitest';
import { layout } from '../../src/wire/layout.ts';

describe('layout', () => {
  const field = layout({
    one: 'u8',
    three: 'u24',
    six: 'u48',
    blob: 5,
    long: 'u32',
    little: 'u32le',
  });

  it('gives offsets in wire order and the size', () => {
    const { structure: _, ...offsets } = field;
    expect(offsets).toEqual({ one: 0, three: 1, six: 4, blob: 10, long: 15, little: 19, size: 23 });
    expect(Object.isFrozen(field)).toBe(true);
  });

  it('decodes and encodes with the same declaration', () => {
    const bytes = Buffer.from(Array.from({ length: 23 }, (_, i) => i + 1));
    const values = field.structure.decode(bytes);
    expect(values).toMatchObject({ one: 1, three: 0x020304, long: 0x10111213, little: 0x17161514 });
    const copy = Buffer.alloc(23);
    field.structure.encode(values, copy);
    expect(copy).toEqual(bytes);
  });
});
