/** Laws that packet code must keep, ready for `fc.property`. */
import { isDeepStrictEqual } from 'node:util';
import { encapsulationLaws } from './encapsulation-laws.ts';

/**
 * The predicate "decoding what was encoded gives the value again". `equal` is
 * deep and strict equality unless given.
 */
function roundTrip<T, E>(
  encode: (value: T) => E,
  decode: (encoded: E) => T,
  equal: (before: T, after: T) => boolean = isDeepStrictEqual,
): (value: T) => boolean {
  return (value) => equal(value, decode(encode(value)));
}

export const laws: {
  readonly roundTrip: typeof roundTrip;
  readonly encapsulationLaws: typeof encapsulationLaws;
} = { roundTrip, encapsulationLaws };
