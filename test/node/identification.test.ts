import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Identifications } from '../../src/node/identification.ts';

/** What somebody else gives from a counter that stands at `at`; and where it stands then. */
function takeElsewhere(at: number, zero: number): [id: number, at: number] {
  const id = at || zero;
  return [id, (id + 1) & 0xffff];
}

describe('identifications', () => {
  it('may be taken elsewhere, and go on from there', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.option(fc.constantFrom(0, 1, 0xfffe, 0xffff), { nil: undefined }),
        fc.constantFrom(0, 7, 0xfffd),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
        (seed, declared, start, turns) => {
          const [here, there] = [0, 1].map(() => {
            const made = new Identifications(seed);
            if (declared !== undefined) made.declare(1, 2, 17, declared);
            return made;
          }) as [Identifications, Identifications];
          // Each opens its own, of the same number.
          const counter = here.counter(1, 2, 17);
          expect(there.counter(1, 2, 17)).toBe(counter);
          if (declared === undefined) {
            for (const made of [here, there]) {
              made.peek(counter);
              made.move(counter, start);
            }
          }
          for (const elsewhere of turns) {
            const expected = here.take(counter);
            if (!elsewhere) expect(there.take(counter)).toBe(expected);
            else {
              const [id, next] = takeElsewhere(there.peek(counter), there.zero(counter));
              there.move(counter, next);
              expect(id).toBe(expected);
            }
          }
          expect(there.peek(counter)).toBe(here.peek(counter));
        },
      ),
    );
  });

  it('stand where they begin before the first is taken', () => {
    const [made, other] = [new Identifications(5), new Identifications(5)];
    const counter = made.counter(1, 2, 17);
    const first = other.peek(other.counter(1, 2, 17));
    expect(made.take(counter)).toBe(first || 1);
  });
});
