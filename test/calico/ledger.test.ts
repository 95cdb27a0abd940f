import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PodwireError } from '../../src/errors.ts';
import { formatIp4 } from '../../src/wire/address.ts';
import { assignTwin, type ClusterTwin } from './ipam-twin.ts';
import { addressesOf, node, pod, pool } from './manifests.ts';

const text = (address: number) => formatIp4(address | 0);

/** The same cluster as resources. */
function resources({ pools, nodes, pods, reserved, strictAffinity, maxBlocks }: ClusterTwin) {
  return [
    ...pools.map(({ name, start, length, blockSize, tunnels }) =>
      pool({
        name,
        cidr: `${text(start)}/${length}`,
        more: [`blockSize: ${blockSize}`, ...(tunnels ? ['vxlanMode: Always'] : [])],
      }),
    ),
    ...nodes.map((name, i) => node(name, `10.77.0.${i + 1}/24`)),
    ...pods.map(({ key, node: on, pools: asked }) => {
      const made = pod(key.slice('default/'.length), on);
      if (asked === undefined) return made;
      const annotation = `cni.projectcalico.org/ipv4pools: '${JSON.stringify(asked)}'`;
      return made.replace('spec:', `  annotations:\n    ${annotation}\nspec:`);
    }),
    `apiVersion: projectcalico.org/v3
kind: IPReservation
metadata: {name: r}
spec:
  reservedCIDRs: [${reserved.map(({ start, size }) => `${text(start)}/${32 - Math.log2(size)}`)}]`,
    `apiVersion: projectcalico.org/v3
kind: IPAMConfiguration
metadata: {name: default}
spec: {strictAffinity: ${strictAffinity}, maxBlocksPerHost: ${strictAffinity ? maxBlocks : 0}}`,
  ];
}

function assigned(cluster: ClusterTwin): ReturnType<typeof assignTwin> {
  try {
    const { pods, tunnels } = addressesOf(...resources(cluster));
    return new Map([
      ...[...tunnels.vxlan].map(([name, address]) => [`vxlan ${name}`, address >>> 0] as const),
      ...[...pods].map(([key, address]) => [key, address >>> 0] as const),
    ]);
  } catch (error) {
    if (!(error instanceof PodwireError)) throw error;
    expect(error.code).toBe('ERR_CONFIG_CONFLICT');
    const refused = /expected a free address on node \S+ for (.*), found /.exec(error.message);
    return { refused: refused?.[1] ?? error.message };
  }
}

const clusters: fc.Arbitrary<ClusterTwin> = fc
  .record({
    shapes: fc.array(
      fc.record({
        bits: fc.integer({ min: 0, max: 4 }),
        blockSize: fc.integer({ min: 27, max: 32 }),
        tunnels: fc.boolean(),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    nodes: fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9]{0,7}$/), {
      minLength: 1,
      maxLength: 5,
    }),
    places: fc.array(
      fc.record({
        node: fc.nat(),
        asks: fc.option(fc.array(fc.nat(), { minLength: 1, maxLength: 2 })),
      }),
      { maxLength: 60 },
    ),
    reserved: fc.array(
      fc.record({ pool: fc.nat(), offset: fc.nat(), bits: fc.integer({ min: 0, max: 5 }) }),
      {
        maxLength: 3,
      },
    ),
    strictAffinity: fc.boolean(),
    maxBlocks: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ shapes, nodes, places, reserved, strictAffinity, maxBlocks }) => {
    const pools = shapes.map(({ bits, blockSize, tunnels }, i) => ({
      name: `pool-${i}`,
      // Listing order and address order differ: 172.99 stands before 172.100 by address only.
      start: ((172 << 24) >>> 0) + (98 + i) * 2 ** 16,
      length: blockSize - bits,
      blockSize,
      tunnels,
    }));
    return {
      pools,
      nodes: nodes.sort(),
      pods: places.map(({ node: at, asks }, i) => ({
        key: `default/p${String(i).padStart(2, '0')}`,
        node: nodes[at % nodes.length]!,
        pools:
          asks === null ? undefined : [...new Set(asks.map((n) => `pool-${n % pools.length}`))],
      })),
      reserved: reserved.map(({ pool: n, offset, bits }) => {
        const at = pools[n % pools.length]!;
        const size = 2 ** bits;
        const start = at.start + (offset % 2 ** (32 - at.length));
        return { start: start - (start % size), size };
      }),
      strictAffinity,
      maxBlocks: strictAffinity ? maxBlocks : 20,
    };
  });

describe('ledger', () => {
  it('assigns as a slow twin does: claims, borrows and refuses alike', { timeout: 120_000 }, () => {
    let refused = 0;
    fc.assert(
      fc.property(clusters, (cluster) => {
        const expected = assignTwin(cluster);
        if ('refused' in expected) refused += 1;
        expect(assigned(cluster)).toEqual(expected);
      }),
      { numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(0);
  });
});
