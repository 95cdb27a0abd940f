import { describe, expect, it } from 'vitest';
import { sampleAddresses, sampleRoutes } from '../../src/tables/sample-routes.ts';
import { slowLookup } from '../../src/testing/index.ts';
import { netmask } from '../../src/wire/address.ts';

const calico = sampleRoutes('calico', 5);
const entries = Array.from(calico.addresses, (address, i) => {
  return { address, length: calico.lengths[i]!, metric: 0, value: calico.values[i]! };
});

describe('sample routes', () => {
  it('are those of a node among 5,000, each prefix once', () => {
    expect(entries.length).toBe(5254);
    expect(new Set(entries.map((e) => `${e.address}/${e.length}`)).size).toBe(5254);
    expect(entries.filter((e) => e.length === 26).length).toBe(5000);
    for (const { address, length } of entries) expect(address).toBe(address & netmask(length));
  });

  it('are a million of the Internet, most of them /24', () => {
    const { addresses, lengths, values } = sampleRoutes('bgp', 5);
    expect(addresses.length).toBe(1_000_001);
    const share = (length: number): number =>
      Array.from(lengths).filter((each) => each === length).length / lengths.length;
    expect(share(24)).toBeCloseTo(0.62, 1);
    expect(share(32)).toBeLessThan(0.001);
    expect(new Set(Array.from(values)).size).toBe(65);
    // Nothing that a router would refuse.
    const firsts = new Set(
      Array.from(addresses, (address) => address >>> 24).filter((_, i) => lengths[i]! >= 8),
    );
    for (const first of [10, 127, 224, 255]) expect(firsts.has(first)).toBe(false);
  });

  it('are the same for the same seed, and others for another', () => {
    expect(sampleRoutes('calico', 5)).toEqual(calico);
    expect(sampleRoutes('calico', 6).addresses).not.toEqual(calico.addresses);
  });
});

describe('sample addresses', () => {
  it('lie in routes, or anywhere', () => {
    const specific = entries.filter(({ length }) => length > 0);
    const share = (stream: 'uniform' | 'routed' | 'zipf'): number => {
      const addresses = sampleAddresses(calico, stream, 500, 9);
      return [...addresses].filter((a) => slowLookup(specific, a) !== undefined).length / 500;
    };
    expect(share('routed')).toBe(1);
    expect(share('zipf')).toBe(1);
    expect(share('uniform')).toBeLessThan(0.1);
  });

  it('of a zipf stream repeat: the first of 100,000 flows is one packet in twelve', () => {
    const counts = new Map<number, number>();
    for (const address of sampleAddresses(calico, 'zipf', 20_000, 9)) {
      counts.set(address, (counts.get(address) ?? 0) + 1);
    }
    // 1 / (1 + 1/2 + … + 1/100,000)
    expect(Math.max(...counts.values()) / 20_000).toBeCloseTo(1 / 12.09, 1);
    expect(counts.size).toBeGreaterThan(5000);
  });

  it('need no routes', () => {
    const none = { addresses: [], lengths: [], values: [] };
    for (const stream of ['uniform', 'routed', 'zipf'] as const) {
      expect(sampleAddresses(none, stream, 10, 1).length).toBe(10);
    }
  });
});
