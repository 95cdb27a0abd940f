import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RecentTable } from '../../src/node/recent-table.ts';

/** Every sighting ever, in order, and nothing else: what is forgotten is worked out anew each time. */
class Twin {
  private log: { readonly who: number; readonly at: number }[] = [];
  private known: number[] = [];

  set(who: number, at: number): void {
    if (!this.known.includes(who) && this.known.length === 100) this.forget(this.known[0]!);
    this.known = [...this.known.filter((one) => one !== who), who];
    this.log.push({ who, at });
  }

  forget(who: number): void {
    this.known = this.known.filter((one) => one !== who);
    this.log = this.log.filter((one) => one.who !== who);
  }

  check(who: number, at: number, ms: number, hits: number): boolean {
    const all = this.log.filter((one) => one.who === who).slice(-20);
    return all.filter((one) => ms === 0 || at - one.at <= ms).length >= hits;
  }

  reap(at: number, ms: number): void {
    const [oldest] = this.known;
    if (oldest === undefined) return;
    const last = this.log.filter((one) => one.who === oldest).at(-1)!;
    if (at - last.at > ms) this.forget(oldest);
  }
}

const step = fc.record({
  verb: fc.constantFrom('set', 'set', 'set', 'check', 'remove', 'reap'),
  // Small and skewed, so that some come again and more than a hundred come at all.
  who: fc.oneof(fc.nat(5), fc.nat(160)),
  wait: fc.constantFrom(0, 1, 400, 5000),
  seconds: fc.constantFrom(0, 1, 10),
  hits: fc.constantFrom(1, 1, 3),
});

it('remembers as the slow twin does', () => {
  let agreed = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: 'max' }), fc.boolean(), (steps, wraps) => {
      const table = new RecentTable();
      const twin = new Twin();
      let at = 0;
      for (const { verb, who, wait, seconds, hits } of steps) {
        at += wait;
        // The clock counts in 32 bits.
        const now = wraps ? (at + 0x7fffffff) | 0 : at;
        const ms = seconds * 1000;
        if (verb === 'set') {
          table.set(who, now);
          twin.set(who, at);
        } else if (verb === 'remove') {
          table.remove(who);
          twin.forget(who);
        } else if (verb === 'reap' && ms > 0) {
          table.reap(now, ms);
          twin.reap(at, ms);
        }
        const seen = table.check(who, now, ms, hits);
        expect(seen).toBe(twin.check(who, at, ms, hits));
        if (seen) agreed++;
      }
    }),
    { numRuns: 60 },
  );
  expect(agreed).toBeGreaterThan(500);
});
