import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyWords, i32, putI32, putU16, SourceView, u16 } from '../../src/wire/bytes.ts';

describe('bytes', () => {
  it('agree with Node’s own readers and writers', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.nat(4), (drawn, at) => {
        const b = Buffer.from(drawn);
        expect(u16(b, at)).toBe(b.readUInt16BE(at));
        expect(i32(b, at)).toBe(b.readInt32BE(at));
        const copy = Buffer.alloc(8);
        putI32(copy, at, i32(b, at));
        expect(copy.subarray(at, at + 4)).toEqual(b.subarray(at, at + 4));
        putU16(copy, at, u16(b, at + 2));
        expect(copy.readUInt16BE(at)).toBe(b.readUInt16BE(at + 2));
      }),
    );
  });

  it('write unsigned numbers as well as signed ones', () => {
    const b = Buffer.alloc(4);
    putI32(b, 0, 0xfffefdfc);
    expect(b.toString('hex')).toBe('fffefdfc');
    expect(i32(b, 0) >>> 0).toBe(0xfffefdfc);
  });

  it('are copied by words as one by one, from where the view’s Buffer begins', () => {
    const drawn = fc.tuple(fc.uint8Array({ maxLength: 50 }), fc.nat(7), fc.nat(7));
    fc.assert(
      fc.property(drawn, ([packet, before, at]) => {
        const source = Buffer.concat([Buffer.alloc(before, 1), packet, Buffer.alloc(3, 2)]);
        const views = new SourceView();
        expect(views.of(source)).toBeNull();
        const target = Buffer.alloc(70, 3);
        const view = new DataView(target.buffer, target.byteOffset, target.length);
        copyWords(views.of(source)!, before, before + packet.length, view, at);
        const expected = Buffer.alloc(70, 3);
        source.copy(expected, at, before, before + packet.length);
        expect(target).toEqual(expected);
      }),
    );
  });
});
