import fc from 'fast-check';
import { expect, it } from 'vitest';
import { byAddress } from '../../src/tables/prefix-order.ts';

it('orders addresses without a sign, equal ones as they came', () => {
  const address = fc.oneof(fc.integer(), fc.nat(5), fc.constantFrom(-1, 0x80000000, 0xffffffff));
  fc.assert(
    fc.property(fc.array(address), (addresses) => {
      const expected = addresses
        .map((value, at) => ({ value: value >>> 0, at }))
        .sort((a, b) => a.value - b.value || a.at - b.at);
      expect([...byAddress(addresses)]).toEqual(expected.map(({ at }) => at));
    }),
  );
});
