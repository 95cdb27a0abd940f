import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstBlock, fnv1 } from '../../src/calico/block-order.ts';
import { formatPrefix } from '../../src/wire/address.ts';
import { firstBlockTwin } from './go-random-twin.ts';
import { addressesOf, manifestOf, node, pool } from './manifests.ts';

/** Blocks of real clusters: pool, block size, and of each node the number and the prefix. */
const KNOWN: [string, number, [string, number, string | undefined][]][] = [
  [
    '10.233.64.0/18',
    26,
    [
      ['master1', 161, '10.233.104.64/26'],
      ['master2', 208, '10.233.116.0/26'],
      ['master3', 32, '10.233.72.0/26'],
      ['worker1', 166, '10.233.105.128/26'],
      ['worker2', 244, '10.233.125.0/26'],
    ],
  ],
  [
    '198.19.16.0/21',
    26,
    [
      ['control', 20, '198.19.21.0/26'],
      ['node1', 26, '198.19.22.128/26'],
      ['node2', 21, '198.19.21.64/26'],
    ],
  ],
  [
    '10.2.0.0/16',
    26,
    [
      ['k8s-node1', 145, '10.2.36.64/26'],
      ['k8s-node2', 678, '10.2.169.128/26'],
      ['k8s-master', 943, '10.2.235.192/26'],
    ],
  ],
  [
    '192.168.0.0/16',
    26,
    [
      ['worker-1', 905, '192.168.226.64/26'],
      ['worker-2', 535, '192.168.133.192/26'],
      ['worker-3', 391, '192.168.97.192/26'],
    ],
  ],
  [
    '172.16.0.0/16',
    24,
    [
      ['k8s-w0', 34, '172.16.34.0/24'],
      ['k8s-m', 116, '172.16.116.0/24'],
      ['k8s-w2', 184, '172.16.184.0/24'],
      ['k8s-w1', 158, undefined],
    ],
  ],
];

const poolOf = (cidr: string, blockSize: number) =>
  manifestOf(pool({ cidr, more: [`blockSize: ${blockSize}`] })).pools[0]!;

describe('block order', () => {
  it('hashes names as FNV-1 does', () => {
    expect(['master1', 'node1', 'worker-1'].map(fnv1)).toEqual([726103732, 3957252814, 2999756865]);
    expect(fnv1('')).toBe(0x811c9dc5);
    // Published vector: FNV-1, 32 bits, of "foobar".
    expect(fnv1('foobar')).toBe(0x31f0b262);
  });

  it('draws the blocks that real nodes had, from names and pools alone', () => {
    for (const [cidr, blockSize, nodes] of KNOWN) {
      const { blocks } = addressesOf(
        pool({ cidr, more: [`blockSize: ${blockSize}`] }),
        ...nodes.map(([name], i) => node(name, `10.77.0.${i + 1}/24`)),
      );
      for (const [name, number, prefix] of nodes) {
        expect([name, firstBlock(name, poolOf(cidr, blockSize))]).toEqual([name, number]);
        const own = blocks.filter((block) => block.node === name);
        if (prefix !== undefined)
          expect(own.map(({ cidr: c }) => formatPrefix(c))).toEqual([prefix]);
      }
    }
  });

  it('agrees with a slow twin for any name and any size of pool', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 20, max: 32 }),
        (name, bits, blockSize) => {
          const start = poolOf(`10.0.0.0/${blockSize - bits}`, blockSize);
          expect(firstBlock(name, start)).toBe(firstBlockTwin(name, bits));
        },
      ),
      { numRuns: 100 },
    );
  });
});
