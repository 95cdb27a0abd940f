/** Arbitrary captures and flows. */
import fc from 'fast-check';
import { buildFrame } from '../frame/build.ts';
import { address } from './addresses.ts';
import { frame, nestedFrame } from './frames.ts';

/** Records as capture files hold them, in the order of time. */
export interface ArbitraryCapture {
  /** 1, Ethernet. */
  readonly linkType: number;
  readonly records: readonly {
    readonly seconds: number;
    readonly nanoseconds: number;
    readonly bytes: Buffer;
    /** At least `bytes.length`; more where the capture cut the frame. */
    readonly originalLength: number;
  }[];
}

const NANOSECONDS = 1_000_000_000;

/** Up to ten frames, some of them cut; times never run backwards, and repeat now and then. */
export const capture = (): fc.Arbitrary<ArbitraryCapture> =>
  fc
    .record(
      {
        start: fc.nat(0x7fffffff),
        drawn: fc.array(
          fc.record(
            {
              layers: fc.oneof(frame(), nestedFrame()),
              gap: fc.oneof(fc.constant(0), fc.nat(3 * NANOSECONDS)),
              snap: fc.option(fc.nat(96), { freq: 5 }),
            },
            { noNullPrototype: true },
          ),
          { maxLength: 10 },
        ),
      },
      { noNullPrototype: true },
    )
    .map(({ start, drawn }) => {
      let passed = 0;
      const records = drawn.map(({ layers, gap, snap }) => {
        passed += gap;
        const whole = buildFrame(layers);
        return {
          seconds: start + Math.floor(passed / NANOSECONDS),
          nanoseconds: passed % NANOSECONDS,
          bytes: snap === null ? whole : whole.subarray(0, snap),
          originalLength: whole.length,
        };
      });
      return { linkType: 1, records };
    });

/** A five-tuple and what is sent over it. */
export interface Flow {
  readonly protocol: 'tcp' | 'udp';
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** Hexadecimal, one per packet; at most 48 bytes each. */
  readonly payloads: readonly string[];
}

/** One to five payloads in one direction. */
export const flow = (): fc.Arbitrary<Flow> =>
  fc.record(
    {
      protocol: fc.constantFrom('tcp' as const, 'udp' as const),
      source: address(),
      sourcePort: fc.integer({ min: 1, max: 65535 }),
      destination: address(),
      destinationPort: fc.integer({ min: 1, max: 4000 }),
      payloads: fc.array(
        fc.uint8Array({ maxLength: 48 }).map((bytes) => Buffer.from(bytes).toString('hex')),
        { minLength: 1, maxLength: 5 },
      ),
    },
    { noNullPrototype: true },
  );
