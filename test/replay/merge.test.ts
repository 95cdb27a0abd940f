/** Replays by several workers: what is merged is what one cluster writes, or nothing is. */
import '../accounts.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/cluster.ts';
import { Entangled } from '../../src/replay/entangled.ts';
import { scratch } from '../pcap/samples.ts';
import { alone, merged } from './parts.ts';
import { captures, MODES, NODES, PODS, type Sent, sent, yaml } from './three-pods.ts';

const root = scratch();

describe('the parts of a replay', () => {
  it('come to what one cluster writes, or are refused by name', () => {
    const told = new Set<string>();
    let equal = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...MODES),
        fc.array(sent, { minLength: 2, maxLength: 40 }),
        fc.integer({ min: 2, max: 4 }),
        fc.nat(3),
        fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
        fc.boolean(),
        (mode, frames, count, seed, more, netfilter) => {
          const make = (): Cluster =>
            Cluster.fromYaml(yaml(mode, more), 'test', { seed, netfilter });
          const files = captures(make(), frames, root);
          const expected = alone(make, files);
          try {
            const found = merged(make, files, count, root);
            expect(found.report).toEqual(expected.report);
            expect([...found.files].sort()).toEqual([...expected.files].sort());
            equal++;
          } catch (error) {
            if (!(error instanceof Entangled)) throw error;
            told.add(error.what);
          }
        },
      ),
      { numRuns: 60 },
    );
    expect(equal).toBeGreaterThan(10);
    expect(told.size).toBeGreaterThan(0);
  }, 120_000);

  it.each(MODES)('%s: many flows and pings through tunnels, in four parts', (mode) => {
    const make = (): Cluster => Cluster.fromYaml(yaml(mode), 'test', { seed: 5 });
    const frames = Array.from(
      { length: 400 },
      (_, i): Sent => ({
        from: i % 3,
        to: [...PODS, ...NODES][(i * 7) % 5]!,
        kind: (['udp', 'tcp', 'ping'] as const)[(i % 7) % 3]!,
        port: 40_000 + ((i * 31) % 50),
        ...{ size: 8 + (i % 5) * 100, ttl: 64, df: i % 2 === 0, flags: '.', gap: 1 },
        ...{ broken: i % 50 === 49, fragment: false },
      }),
    );
    // A pod that sends to itself is told of a better way.
    const apart = frames.filter(({ from, to }) => to !== PODS[from]);
    const files = captures(make(), apart, root);
    const expected = alone(make, files);
    expect(expected.report.delivered).toBeGreaterThan(200);
    const found = merged(make, files, 4, root);
    expect(found).toEqual(expected);
    // The files come into being in the same order, too.
    expect([...found.files.keys()]).toEqual([...expected.files.keys()]);
  });
});
