import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, formatPrefix, type Ip4, netmask, type Prefix } from '../../src/wire/address.ts';
import { AllowedIps } from '../../src/wireguard/allowed-ips.ts';

const prefix = fc
  .tuple(fc.constantFrom(0x0a000000, 0x0a010203, 0xc0a80000, 0xffffffff), fc.nat(0xfff), fc.nat(32))
  .map(([base, low, length]): Prefix => {
    const address = ((base ^ low) & netmask(length)) as Ip4;
    return { address, length };
  });
const change = fc.record({
  owner: fc.constantFrom('a', 'b', 'c'),
  prefix,
  remove: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});

describe('allowed IPs', () => {
  it('are a list of prefixes of which the longest wins, each with one owner', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), fc.array(prefix), (changes, asked) => {
        const table = new AllowedIps<string>();
        let list: { prefix: Prefix; owner: string }[] = [];
        for (const { owner, prefix: p, remove } of changes) {
          if (remove) {
            table.remove(owner);
            list = list.filter((entry) => entry.owner !== owner);
          } else {
            table.insert(p, owner);
            list = list.filter((entry) => formatPrefix(entry.prefix) !== formatPrefix(p));
            list.push({ prefix: p, owner });
          }
        }
        for (const { address } of [...asked, ...list.map((entry) => entry.prefix)]) {
          const [best] = list
            .filter((entry) => contains(entry.prefix, address))
            .sort((x, y) => y.prefix.length - x.prefix.length);
          expect(table.lookup(address)).toBe(best?.owner ?? null);
        }
        for (const owner of ['a', 'b', 'c']) {
          const mine = list
            .filter((entry) => entry.owner === owner)
            .map((e) => formatPrefix(e.prefix));
          expect(table.of(owner).map(formatPrefix).sort()).toEqual(mine.sort());
        }
      }),
    );
  });
});
