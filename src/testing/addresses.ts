/** Arbitrary addresses as text. */
import fc from 'fast-check';
import { formatIp4, formatMac, formatPrefix, type Ip4, networkOf } from '../wire/address.ts';

/** Any IPv4 address; half of them from the private ranges that clusters use. */
export const address = (): fc.Arbitrary<string> =>
  fc
    .oneof(
      { withCrossShrink: true },
      fc.nat(0xffffffff),
      fc.nat(0xffff).map((host) => 0x0a020000 | host),
      fc.nat(0xffff).map((host) => 0xc0a80000 | host),
      fc.constantFrom(0, 0x7f000001, 0xa9fe0101, 0xe0000001, 0xffffffff),
    )
    .map(formatIp4);

/** An IPv4 prefix without host bits, every length from 0 to 32. */
export const prefix = (): fc.Arbitrary<string> =>
  fc
    .record(
      { address: fc.nat(0xffffffff).map((n) => (n | 0) as Ip4), length: fc.nat(32) },
      { noNullPrototype: true },
    )
    .map((drawn) => formatPrefix(networkOf(drawn)));

/** Any Ethernet address: unicast, group, broadcast, and the one of cali devices. */
export const mac = (): fc.Arbitrary<string> =>
  fc.oneof(
    { withCrossShrink: true },
    fc.nat(2 ** 48 - 1).map(formatMac),
    fc.constantFrom('ee:ee:ee:ee:ee:ee', 'ff:ff:ff:ff:ff:ff'),
  );
