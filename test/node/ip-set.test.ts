import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vxlanHostsOf } from '../../src/calico/tunnel-hosts.ts';
import type { Vtep } from '../../src/calico/vteps.ts';
import { IpSet } from '../../src/node/ip-set.ts';
import type { Ip4, Mac, Prefix } from '../../src/wire/address.ts';

const address = fc.integer({ min: 0, max: 63 }).map((low) => (0xac100000 | low) as Ip4);
const prefix: fc.Arbitrary<Prefix> = fc
  .record({ at: address, length: fc.constantFrom(28, 30, 32) })
  .map(({ at, length }) => ({ address: (at & (-1 << (32 - length))) as Ip4, length }));
const covers = ({ address: base, length }: Prefix, asked: number): boolean =>
  Math.floor((base >>> 0) / 2 ** (32 - length)) === Math.floor((asked >>> 0) / 2 ** (32 - length));

describe('a set that shares what others have', () => {
  it('holds just the prefixes that it lists', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(address, { maxLength: 12 }),
        fc.array(prefix, { maxLength: 3 }),
        fc.nat(),
        (ends, added, at) => {
          const mac = 0 as Mac;
          const vteps = ends.map((end, i): Vtep => {
            const device = 'vxlan.calico';
            return {
              name: `n${i}`,
              neighbour: { device, address: end, mac, state: 'PERMANENT' },
              fdb: { device, mac, destination: end, state: 'permanent' },
            };
          });
          const plan = vxlanHostsOf(vteps)(`n${at % (ends.length + 1)}`, added);
          const set = new IpSet(plan);
          for (let low = 0; low < 64; low++) {
            const asked = 0xac100000 | low;
            expect(set.has(asked)).toBe(plan.prefixes.some((one) => covers(one, asked)));
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
