/** What every header module promises about `check`, as one property. */
import fc from 'fast-check';
import { expect } from 'vitest';

export interface Guarded {
  readonly check: (b: Buffer, at: number, end: number) => number;
  /** Accessor, least and greatest value. */
  readonly accessors: readonly (readonly [(b: Buffer, at: number) => number, number, number])[];
  /** A sound header, to be damaged. */
  readonly sound: string;
}

export const BYTE: readonly [number, number] = [0, 255];
export const WORD: readonly [number, number] = [0, 0xffff];
export const LONG: readonly [number, number] = [-(2 ** 31), 2 ** 31 - 1];

const OFFSET = 3;

/**
 * Where `check` finds no fault, every accessor gives an integer in its range,
 * the same whatever stands before the header and from its end on.
 */
export function holdGuarded({ check, accessors, sound }: Guarded): void {
  const damaged = fc
    .tuple(
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
      fc.oneof(fc.constant(0), fc.nat(8)),
      fc.oneof(fc.constant(new Uint8Array()), fc.uint8Array({ maxLength: 24 })),
    )
    .map(([changes, cut, more]) => {
      const header = Buffer.from(sound, 'hex');
      for (const [at, value] of changes) header[at % header.length] = value;
      return Buffer.concat([header.subarray(0, header.length - cut), more]);
    });
  const garbage = fc.uint8Array({ maxLength: 160 }).map((bytes) => Buffer.from(bytes));
  let passed = 0;
  fc.assert(
    fc.property(fc.oneof({ weight: 3, arbitrary: damaged }, garbage), (header) => {
      const end = OFFSET + header.length;
      const around = (byte: number): Buffer =>
        Buffer.concat([Buffer.alloc(OFFSET, byte), header, Buffer.alloc(64, byte)]);
      const [zeros, ones] = [around(0), around(255)];
      const drop = check(zeros, OFFSET, end);
      expect(Number.isInteger(drop)).toBe(true);
      // Beyond the end `check` itself may look at nothing that decides.
      expect(check(ones, OFFSET, end)).toBe(drop);
      if (drop !== 0) return;
      passed++;
      const bare = Buffer.concat([Buffer.alloc(OFFSET), header]);
      for (const [accessor, least, greatest] of accessors) {
        const value = accessor(zeros, OFFSET);
        expect(Number.isInteger(value)).toBe(true);
        expect(value).toBeGreaterThanOrEqual(least);
        expect(value).toBeLessThanOrEqual(greatest);
        expect(accessor(ones, OFFSET)).toBe(value);
        expect(accessor(bare, OFFSET)).toBe(value);
      }
    }),
    { numRuns: 1000 },
  );
  expect(passed).toBeGreaterThan(50);
}

/** Every field as buffer-layout decodes it, at an odd offset. */
export function decoded(
  field: { readonly structure: { decode(b: Buffer, at?: number): Record<string, unknown> } },
  bytes: Buffer,
): Record<string, unknown> {
  return field.structure.decode(Buffer.concat([Buffer.alloc(OFFSET), bytes]), OFFSET);
}
